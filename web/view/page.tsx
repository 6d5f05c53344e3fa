import { useEffect } from "preact/hooks";
import type { App } from "../state/app.ts";
import { Composer } from "./composer.tsx";
import { Conversation } from "./conversation.tsx";
import { copyCode } from "./copy-button.tsx";
import { SettingsDialog } from "./settings-dialog.tsx";
import { Sidebar } from "./sidebar.tsx";
import { TopBar } from "./top-bar.tsx";

export function Page({ app }: { readonly app: App }) {
  const { chats, drawerOpen, settingsOpen } = app;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || settingsOpen.value) return;
      if (drawerOpen.value) drawerOpen.value = false;
      else chats.stop();
    };
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", copyCode);
    return () => {
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("click", copyCode);
    };
  }, []);
  return (
    <>
      <Sidebar app={app} />
      <main>
        <TopBar app={app} />
        <Conversation app={app} />
        <Composer app={app} />
      </main>
      <SettingsDialog app={app} />
    </>
  );
}
