import { useEffect, useRef } from "preact/hooks";
import type { App } from "../state/app.ts";
import type { Preferences } from "../state/preferences.ts";
import { type NumberSetting, RANGES, THEMES } from "../state/settings.ts";
import { IconButton } from "./icon-button.tsx";

export function SettingsDialog({ app }: { readonly app: App }) {
  const { preferences, server, settingsOpen } = app;
  const dialog = useRef<HTMLDialogElement>(null);
  const settings = preferences.settings.value;
  const open = settingsOpen.value;
  useEffect(() => {
    if (open) dialog.current!.showModal();
    else dialog.current!.close();
  }, [open]);
  const close = () => {
    settingsOpen.value = false;
  };
  return (
    <dialog ref={dialog} class="settings" aria-labelledby="settings-title" onClose={close}>
      {open && (
        <form method="dialog">
          <header>
            <h2 id="settings-title">Settings</h2>
            <IconButton icon="close" label="Close" onClick={close} />
          </header>
          <label class="field">
            <span>System prompt</span>
            <textarea
              rows={3}
              value={settings.system}
              placeholder="None: the model's own"
              onInput={(event) => preferences.change({ system: event.currentTarget.value })}
            />
          </label>
          <div class="numbers">
            {(Object.keys(RANGES) as NumberSetting[]).map((name) => (
              <NumberField key={name} name={name} preferences={preferences} />
            ))}
          </div>
          <label class="toggle">
            <input
              type="checkbox"
              checked={settings.thinking}
              onChange={(event) => preferences.change({ thinking: event.currentTarget.checked })}
            />
            <span>Think first, where the model can</span>
          </label>
          <fieldset>
            <legend>Colours</legend>
            {THEMES.map((theme) => (
              <label key={theme} class="toggle">
                <input
                  type="radio"
                  name="theme"
                  checked={settings.theme === theme}
                  onChange={() => preferences.change({ theme })}
                />
                <span>{theme === "auto" ? "As the system" : theme === "light" ? "Light" : "Dark"}</span>
              </label>
            ))}
          </fieldset>
          <label class="field">
            <span>API key</span>
            <input
              type="password"
              autocomplete="off"
              value={settings.apiKey}
              placeholder={server.connection.value === "key" ? "The server wants one" : "None"}
              onChange={(event) => {
                preferences.change({ apiKey: event.currentTarget.value.trim() });
                void server.watch();
              }}
            />
            <small>It stays in this browser and is sent to this server only.</small>
          </label>
        </form>
      )}
    </dialog>
  );
}

interface NumberProps {
  readonly name: NumberSetting;
  readonly preferences: Preferences;
}

function NumberField({ name, preferences }: NumberProps) {
  const { label, hint, min, max, step } = RANGES[name];
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        inputMode="decimal"
        min={min}
        max={max}
        step={step === 1 ? 1 : "any"}
        value={preferences.settings.value[name] ?? ""}
        placeholder="the server's"
        onChange={({ currentTarget: input }) => {
          // What is out of range is marked by the browser, with its reason, and not taken.
          if (input.reportValidity()) preferences.change({ [name]: input.value === "" ? null : input.valueAsNumber });
        }}
      />
      <small>{hint}</small>
    </label>
  );
}
