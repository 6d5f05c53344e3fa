import { effect } from "@preact/signals";
import { render } from "preact";
import { chosenModel, createApp } from "./state/app.ts";
import { Preferences } from "./state/preferences.ts";
import { Page } from "./view/page.tsx";

const preferences = new Preferences();

// Before anything that takes time: the colours must not change under the reader's eyes.
effect(() => {
  document.documentElement.dataset.theme = preferences.settings.value.theme;
});

const app = await createApp(preferences);
const { chats, server } = app;

effect(() => {
  const names = [chats.open.value?.title, chosenModel(app)?.id, "DeepTS"];
  document.title = names.filter((name) => name !== undefined).join(" · ");
});

await chats.load();

// The address names the open conversation: reloading keeps it, going back leaves it.
const openNamed = () => {
  const id = location.hash.slice(1);
  chats.openId.value = chats.list.value.some((one) => one.id === id) ? id : null;
};
openNamed();
addEventListener("hashchange", openNamed);
effect(() => {
  const id = chats.openId.value ?? "";
  if (location.hash.slice(1) !== id) history.pushState(null, "", id === "" ? location.pathname : `#${id}`);
});
addEventListener("popstate", openNamed);

// A page may be closed in the middle of an answer.
setInterval(() => chats.saveRunning(), 1000);
addEventListener("pagehide", () => chats.leave());

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void chats.load();
});

void server.watch();
render(<Page app={app} />, document.getElementById("app")!);
