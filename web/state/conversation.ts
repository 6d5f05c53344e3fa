import type { ChatFields } from "../server/requests.ts";
import { type Answer, EMPTY_ANSWER } from "./answer.ts";
import { fieldsOf, numberOr, textOr } from "./fields.ts";

export interface Question {
  readonly role: "user";
  readonly content: string;
}

export type Message = Question | Answer;

export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly updated: number;
  readonly messages: readonly Message[];
}

const MAX_TITLE = 60;

export function newConversation(question: string, now: number): Conversation {
  return { id: newId(), title: titleOf(question), updated: now, messages: [] };
}

/** The beginning of the first question, cut between words. */
export function titleOf(question: string): string {
  const line = question.trim().replace(/\s+/g, " ");
  if (line.length <= MAX_TITLE) return line === "" ? "Untitled" : line;
  const cut = line.slice(0, MAX_TITLE);
  const space = cut.lastIndexOf(" ");
  return `${(space > MAX_TITLE / 2 ? cut.slice(0, space) : cut).trimEnd()}…`;
}

/** What the model is sent: without the reasoning of earlier answers, and without answers that were stopped before they began. */
export function chatMessages({ messages }: Conversation, system: string): ChatFields["messages"] {
  const said = messages
    .filter(({ role, content }) => role === "user" || content !== "")
    .map(({ role, content }) => ({ role, content }));
  return system.trim() === "" ? said : [{ role: "system", content: system }, ...said];
}

/** A conversation from storage, or null where the value is none. */
export function readConversation(value: unknown): Conversation | null {
  const { id, title, updated, messages } = fieldsOf(value);
  if (typeof id !== "string" || id === "" || !Array.isArray(messages)) return null;
  const read = messages.map(readMessage).filter((message) => message !== null);
  return { id, title: textOr(title, "Untitled"), updated: numberOr(updated, 0), messages: read };
}

function readMessage(value: unknown): Message | null {
  const stored = fieldsOf(value);
  const { role, content } = stored;
  if (typeof content !== "string") return null;
  if (role === "user") return { role, content };
  if (role !== "assistant") return null;
  const { end, tokens, reasoningMs } = stored;
  const counts = fieldsOf(tokens);
  const { kind, message } = fieldsOf(stored.failure);
  const [from, to] = Array.isArray(reasoningMs) ? reasoningMs : [];
  return {
    ...EMPTY_ANSWER,
    content,
    model: textOr(stored.model, ""),
    reasoning: textOr(stored.reasoning, ""),
    // What was being written when the page was closed stays as it was.
    end: end === "stop" || end === "length" || end === "failed" ? end : "stopped",
    failure: typeof message === "string" ? { kind: kind === "key" ? kind : "failed", message } : null,
    tokens:
      typeof counts.answer === "number"
        ? { answer: counts.answer, prompt: numberOr(counts.prompt, 0), cached: numberOr(counts.cached, 0) }
        : null,
    startedMs: numberOr(stored.startedMs, null),
    endedMs: numberOr(stored.endedMs, null),
    reasoningMs: typeof from === "number" && typeof to === "number" ? [from, to] : null,
  };
}

/** Not randomUUID: pages that came over plain HTTP from another machine have none. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
