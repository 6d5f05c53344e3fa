import { useRef } from "preact/hooks";
import type { App } from "../state/app.ts";
import { IconButton } from "./icon-button.tsx";

const PROMPT_ID = "prompt";

/** Not where that would bring up a keyboard over the page. */
export function focusComposer(): void {
  if (matchMedia("(hover: none)").matches) return;
  document.getElementById(PROMPT_ID)?.focus();
}

/** Where one writes. Enter sends, Shift and Enter begin a line, Escape stops the answer. */
export function Composer({ app }: { readonly app: App }) {
  const { chats, preferences } = app;
  const field = useRef<HTMLTextAreaElement>(null);
  const { thinking } = preferences.settings.value;
  const busy = chats.answering.value;
  const send = () => {
    const text = field.current!.value.trim();
    if (text === "" || busy) return;
    field.current!.value = "";
    chats.send(text);
    focusComposer();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="composer-box">
        <textarea
          id={PROMPT_ID}
          ref={field}
          rows={1}
          aria-label="Your message"
          placeholder="Write a message"
          autofocus
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        <div class="composer-row">
          <label class="toggle">
            <input
              type="checkbox"
              checked={thinking}
              onChange={(event) => preferences.change({ thinking: event.currentTarget.checked })}
            />
            <span>Think first</span>
          </label>
          <span class="keys">
            <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line, <kbd>Esc</kbd> stops
          </span>
          {busy ? (
            <IconButton
              class="primary"
              icon="stop"
              label="Stop"
              onClick={() => {
                chats.stop();
                focusComposer();
              }}
            />
          ) : (
            <IconButton class="primary" icon="send" label="Send" onClick={send} />
          )}
        </div>
      </div>
    </form>
  );
}
