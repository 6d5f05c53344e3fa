import { type Signal, signal } from "@preact/signals";
import { streamChat } from "../server/requests.ts";
import { Chats } from "./chats.ts";
import { ServerWatch } from "./connection.ts";
import { openStore } from "./database.ts";
import type { Preferences } from "./preferences.ts";
import { requestFields } from "./settings.ts";

/** Everything the page knows; there is one. */
export interface App {
  readonly preferences: Preferences;
  readonly server: ServerWatch;
  readonly chats: Chats;
  /** On narrow windows, where the list of conversations covers the rest. */
  readonly drawerOpen: Signal<boolean>;
  readonly settingsOpen: Signal<boolean>;
}

export async function createApp(preferences: Preferences): Promise<App> {
  const { settings } = preferences;
  const server = new ServerWatch(() => settings.value.apiKey);
  const chats = new Chats({
    store: await openStore(),
    stream: (fields, signal) =>
      server.follow(fields.model, streamChat(fields, { apiKey: settings.value.apiKey, signal }), signal),
    wishes: () => ({
      fields: { ...requestFields(settings.value), model: chosenModel({ preferences, server })?.id },
      system: settings.value.system,
    }),
    nextFrame: (callback) => requestAnimationFrame(callback),
    onFailure: (failure) => server.onFailure(failure),
  });
  return { preferences, server, chats, drawerOpen: signal(false), settingsOpen: signal(false) };
}

/** The model that the next answer comes from; null while none is known. */
export function chosenModel({ preferences, server }: Pick<App, "preferences" | "server">) {
  const { model } = preferences.settings.value;
  return server.models.value.find(({ id }) => id === model) ?? server.models.value[0] ?? null;
}

/** Whether the model of this name is on its way to being loaded; one that is being unloaded for others comes after that. */
export function isLoading({ server }: Pick<App, "server">, model: string): boolean {
  if (server.connection.value === "loading") return true;
  const state = server.models.value.find(({ id }) => id === model)?.state;
  return state === "loading" || state === "unloading";
}
