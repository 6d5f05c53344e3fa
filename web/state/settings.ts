import type { ChatFields } from "../server/requests.ts";
import { type Fields, fieldsOf, numberOr, textOr } from "./fields.ts";

export type Theme = "auto" | "light" | "dark";
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];

/** What the reader chose; null leaves a parameter to the server. */
export interface Settings {
  readonly theme: Theme;
  /** Of /v1/models; empty: the first. */
  readonly model: string;
  readonly apiKey: string;
  readonly system: string;
  readonly thinking: boolean;
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly maxTokens: number | null;
  readonly seed: number | null;
}

export const DEFAULT_SETTINGS: Settings = {
  theme: "auto",
  model: "",
  apiKey: "",
  system: "",
  thinking: false,
  temperature: null,
  topP: null,
  maxTokens: null,
  seed: null,
};

export type NumberSetting = "temperature" | "topP" | "maxTokens" | "seed";

interface Range {
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/** What the API takes (src/protocol/sampling.ts). */
export const RANGES: Readonly<Record<NumberSetting, Range>> = {
  temperature: { label: "Temperature", hint: "0 always takes the likeliest token", min: 0, max: 2, step: 0.05 },
  topP: { label: "Top p", hint: "keeps the likeliest tokens up to this probability", min: 0, max: 1, step: 0.01 },
  maxTokens: { label: "Max tokens", hint: "of an answer, its thinking included", min: 1, max: 1_000_000, step: 1 },
  seed: { label: "Seed", hint: "the same one gives the same answer again", min: 0, max: 2 ** 31 - 1, step: 1 },
};

/** Settings from storage; whatever is not as it should be has its default. @param text null: nothing is stored */
export function readSettings(text: string | null): Settings {
  const stored = fieldsOf(parsed(text));
  const { theme, thinking } = stored;
  return {
    theme: THEMES.find((known) => known === theme) ?? DEFAULT_SETTINGS.theme,
    model: textOr(stored.model, ""),
    apiKey: textOr(stored.apiKey, ""),
    system: textOr(stored.system, ""),
    thinking: thinking === true,
    temperature: inRange(stored, "temperature"),
    topP: inRange(stored, "topP"),
    maxTokens: inRange(stored, "maxTokens"),
    seed: inRange(stored, "seed"),
  };
}

/** The parameters as a chat request has them, without those that are the server's to choose. */
export function requestFields(settings: Settings): Omit<ChatFields, "messages"> {
  const { temperature, topP, maxTokens, seed, thinking } = settings;
  return {
    thinking,
    ...(temperature === null ? {} : { temperature }),
    ...(topP === null ? {} : { top_p: topP }),
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
    ...(seed === null ? {} : { seed }),
  };
}

function inRange(stored: Fields, name: NumberSetting): number | null {
  const { min, max, step } = RANGES[name];
  const value = numberOr(stored[name], null);
  if (value === null || value < min || value > max) return null;
  return step === 1 && !Number.isInteger(value) ? null : value;
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}
