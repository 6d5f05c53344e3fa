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
    if (server.connection.value === "key") void server.watch(); // maybe with the right one now
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
              defaultValue={settings.system}
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
              defaultValue={settings.apiKey}
              placeholder={server.connection.value === "key" ? "The server wants one" : "None"}
              onInput={(event) => preferences.change({ apiKey: event.currentTarget.value.trim() })}
            />
            <small>It stays in this browser and is sent to this server only.</small>
          </label>
          <button type="submit" class="primary">
            Done
          </button>
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
        defaultValue={String(preferences.settings.peek()[name] ?? "")}
        placeholder="the server's"
        onInput={({ currentTarget: input }) => {
          if (!input.validity.valid) return;
          preferences.change({ [name]: input.value === "" ? null : input.valueAsNumber });
        }}
        // What is out of range is not taken, and the browser says why.
        onChange={(event) => event.currentTarget.reportValidity()}
      />
      <small>{hint}</small>
    </label>
  );
}
