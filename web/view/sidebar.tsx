import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { App } from "../state/app.ts";
import type { Conversation } from "../state/conversation.ts";
import { focusComposer } from "./composer.tsx";
import { Icon } from "./icon.tsx";
import { IconButton } from "./icon-button.tsx";

/** The list of conversations; on narrow windows a drawer over the rest. */
export function Sidebar({ app }: { readonly app: App }) {
  const { chats, drawerOpen } = app;
  const nav = useRef<HTMLElement>(null);
  const opener = useRef<Element | null>(null);
  const open = drawerOpen.value;
  // The focus goes into the drawer, and back to where it was.
  useEffect(() => {
    if (open) {
      opener.current = document.activeElement;
      nav.current?.querySelector("button")?.focus();
    } else if (opener.current instanceof HTMLElement) opener.current.focus();
  }, [open]);
  const show = (id: string | null) => {
    chats.openId.value = id;
    drawerOpen.value = false;
    focusComposer();
  };
  const deleted = chats.deleted.value;
  return (
    <>
      <nav ref={nav} class={open ? "sidebar open" : "sidebar"} aria-label="Conversations">
        <div class="brand">
          <span class="wordmark">DeepTS</span>
          <IconButton
            class="only-narrow"
            icon="close"
            label="Close the list"
            onClick={() => {
              drawerOpen.value = false;
            }}
          />
        </div>
        <button type="button" class="new-chat" onClick={() => show(null)}>
          <Icon name="add" /> New chat
        </button>
        <ul class="conversations">
          {chats.list.value.map((conversation) => (
            <Entry key={conversation.id} app={app} conversation={conversation} onOpen={() => show(conversation.id)} />
          ))}
        </ul>
        <div role="status" class="deleted">
          {deleted !== null && (
            <>
              <span>Deleted “{deleted.title}”</span>
              <button type="button" class="link" onClick={() => chats.restore()}>
                Undo
              </button>
            </>
          )}
        </div>
        {chats.storageProblem.value !== "" && (
          <p role="alert" class="storage-problem">
            {chats.storageProblem.value}
          </p>
        )}
        <a class="quiet-link" href="docs">
          API description
        </a>
      </nav>
      {open && (
        <button
          type="button"
          class="shade"
          aria-label="Close the list"
          tabIndex={-1}
          onClick={() => {
            drawerOpen.value = false;
          }}
        />
      )}
    </>
  );
}

interface EntryProps {
  readonly app: App;
  readonly conversation: Conversation;
  readonly onOpen: () => void;
}

function Entry({ app: { chats }, conversation: { id, title }, onOpen }: EntryProps) {
  const renaming = useSignal(false);
  const running = chats.runs.value.has(id);
  if (renaming.value) {
    const end = (name: string) => {
      renaming.value = false;
      chats.rename(id, name);
    };
    return (
      <li>
        <input
          class="rename"
          aria-label="New name"
          value={title}
          ref={(input) => input?.select()}
          onBlur={(event) => renaming.value && end(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.isComposing) end(event.currentTarget.value);
            if (event.key !== "Escape") return;
            event.preventDefault();
            renaming.value = false;
          }}
        />
      </li>
    );
  }
  return (
    <li>
      <button
        type="button"
        class={running ? "entry running" : "entry"}
        aria-current={chats.openId.value === id ? "page" : undefined}
        title={title}
        onClick={onOpen}
      >
        {title}
      </button>
      <span class="entry-actions">
        <IconButton
          icon="edit"
          label={`Rename “${title}”`}
          onClick={() => {
            renaming.value = true;
          }}
        />
        <IconButton icon="delete" label={`Delete “${title}”`} onClick={() => chats.delete(id)} />
      </span>
    </li>
  );
}
