import { useEffect, useState } from "preact/hooks";
import { copyText } from "./clipboard.ts";
import { IconButton } from "./icon-button.tsx";

const SHOWN_MS = 1500;

export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <IconButton
      icon={copied ? "check" : "copy"}
      label={copied ? "Copied" : label}
      onClick={() => void copyText(text).then(() => setCopied(true))}
    />
  );
}

/** For the copy buttons of code, which are part of sanitised HTML. */
export function copyCode(event: MouseEvent): void {
  const button = event.target instanceof Element ? event.target.closest(".copy-code") : null;
  const code = button?.closest(".code")?.querySelector("code")?.textContent;
  if (button === null || code === undefined || code === null) return;
  void copyText(code).then(() => {
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, SHOWN_MS);
  });
}
