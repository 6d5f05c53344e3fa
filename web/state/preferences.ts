import { type Signal, signal } from "@preact/signals";
import { readSettings, type Settings } from "./settings.ts";

const KEY = "deepts.settings";

/** The settings, kept in the browser where it lets us. */
export class Preferences {
  readonly settings: Signal<Settings>;

  constructor() {
    this.settings = signal(readSettings(stored()));
  }

  change(changes: Partial<Settings>): void {
    this.settings.value = { ...this.settings.value, ...changes };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.settings.value));
    } catch {
      // They hold until the page is closed.
    }
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
