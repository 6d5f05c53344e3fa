import { useSignal } from "@preact/signals";
import type { App } from "../state/app.ts";
import type { Question } from "../state/conversation.ts";
import { focusComposer } from "./composer.tsx";
import { CopyButton } from "./copy-button.tsx";
import { IconButton } from "./icon-button.tsx";

interface QuestionProps {
  readonly app: App;
  readonly question: Question;
  readonly index: number;
}

export function QuestionView({ app: { chats }, question: { content }, index }: QuestionProps) {
  const editing = useSignal(false);
  if (!editing.value) {
    return (
      <>
        <p class="bubble">{content}</p>
        <div class="actions">
          <CopyButton text={content} label="Copy the message" />
          <IconButton
            icon="edit"
            label="Edit the message"
            disabled={chats.answering.value}
            onClick={() => {
              editing.value = true;
            }}
          />
        </div>
      </>
    );
  }
  const close = () => {
    editing.value = false;
    focusComposer();
  };
  const send = (text: string) => {
    if (text.trim() === "") return;
    close();
    chats.edit(index, text.trim());
  };
  const isLast = index >= (chats.open.value?.messages.length ?? 0) - 2;
  return (
    <form
      class="edit"
      onSubmit={(event) => {
        event.preventDefault();
        send(event.currentTarget.querySelector("textarea")!.value);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        close();
      }}
    >
      <textarea
        aria-label="Edit the message"
        defaultValue={content}
        ref={(field) => field?.focus()}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send(event.currentTarget.value);
        }}
      />
      <div class="edit-row">
        {!isLast && <span>What follows is replaced.</span>}
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="primary">
          Send
        </button>
      </div>
    </form>
  );
}
