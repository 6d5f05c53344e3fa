import { type App, chosenModel } from "../state/app.ts";
import { THEMES } from "../state/settings.ts";
import { IconButton } from "./icon-button.tsx";

const THEME_NAMES = { auto: "as the system", light: "light", dark: "dark" };

export function TopBar({ app }: { readonly app: App }) {
  const { preferences, drawerOpen, settingsOpen } = app;
  const { theme } = preferences.settings.value;
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
  return (
    <header class="top-bar">
      <IconButton
        class="only-narrow"
        icon="menu"
        label="Conversations"
        expanded={drawerOpen.value}
        onClick={() => {
          drawerOpen.value = !drawerOpen.value;
        }}
      />
      <ModelName app={app} />
      <IconButton
        icon="theme"
        label={`Colours: ${THEME_NAMES[theme]}. Change to ${THEME_NAMES[next]}`}
        onClick={() => preferences.change({ theme: next })}
      />
      <IconButton
        icon="settings"
        label="Settings"
        onClick={() => {
          settingsOpen.value = true;
        }}
      />
    </header>
  );
}

const STATES = {
  connecting: "Connecting…",
  loading: "Loading the model…",
  ready: "",
  key: "An API key is needed",
  unreachable: "The server does not answer",
  failed: "The server failed",
};

/** Which model answers, a choice where there are several, or why none does. */
function ModelName({ app }: { readonly app: App }) {
  const { preferences, server } = app;
  const models = server.models.value;
  const state = STATES[server.connection.value];
  const chosen = chosenModel(app);
  return (
    <div class="model">
      {models.length > 1 ? (
        <select
          aria-label="Model"
          value={chosen?.id}
          onChange={(event) => preferences.change({ model: event.currentTarget.value })}
        >
          {models.map(({ id }) => (
            <option key={id}>{id}</option>
          ))}
        </select>
      ) : (
        <span class="model-name">{chosen?.id ?? ""}</span>
      )}
      <span role="status" class={`connection ${server.connection.value}`} title={server.message.value}>
        {state}
      </span>
    </div>
  );
}
