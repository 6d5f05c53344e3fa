import { StopMatcher } from "./stop-strings.ts";

const OPEN = "<think>";
const CLOSE = "</think>";

export interface ReasoningEvent {
  readonly type: "reasoning" | "content";
  /** Never empty. */
  readonly text: string;
}

export interface ReasoningOptions {
  /** The prompt ended with `<think>`, so the text starts inside it. Default false. */
  readonly startsInThinking?: boolean;
}

/**
 * Splits generated text, as it arrives, into reasoning and content, and lets no part of a tag through.
 *
 * Reasoning is what stands between `<think>` at the very start (white space before it is dropped) and the first
 * `</think>`. With `startsInThinking` it starts at once, and a `<think>` that the model repeats is dropped. A `</think>`
 * at the very start says that there is no reasoning. Tags further on are content: an answer may talk about them.
 * Newlines that touch a tag belong to it and are dropped, as DeepSeek's API does: R1 writes
 * "<think>\n...\n</think>\n\nAnswer". Where generation ends before `</think>`, all of it was reasoning.
 */
export class ReasoningSplitter {
  private state: "start" | "reasoning" | "content" = "start";
  private readonly startsInThinking: boolean;
  private readonly close = new StopMatcher([CLOSE]);
  /** At the start: white space, and after it what may become a tag. */
  private leading = "";
  private maybeTag = "";
  /** A tag came just before, so newlines at the front of the next text are dropped. */
  private afterTag = false;
  /** Newlines at the end of the reasoning so far, dropped if `</think>` follows. */
  private newlines = 0;

  constructor(options: ReasoningOptions = {}) {
    this.startsInThinking = options.startsInThinking ?? false;
  }

  /** Takes the next piece of text; gives what is now certain. */
  push(piece: string): ReasoningEvent[] {
    const events: ReasoningEvent[] = [];
    let text = piece;
    if (this.state === "start") text = this.start(text);
    if (this.state === "reasoning") text = this.reasoning(text, events);
    if (this.state === "content") this.content(text, events);
    return events;
  }

  /** The text has ended: gives what was held back. */
  flush(): ReasoningEvent[] {
    const events: ReasoningEvent[] = [];
    let text = "";
    if (this.state === "start") text = this.begin(this.leading + this.maybeTag);
    if (this.state === "content") this.content(text, events);
    else {
      this.reasoning(text, events);
      this.reasoningText(this.close.flush(), events);
      if (this.newlines > 0) events.push({ type: "reasoning", text: "\n".repeat(this.newlines) });
      this.newlines = 0;
    }
    return events;
  }

  /** Decides what the text begins with; returns what comes after a tag. */
  private start(piece: string): string {
    let text = this.maybeTag + piece;
    if (this.maybeTag === "") {
      text = piece.trimStart();
      this.leading += piece.slice(0, piece.length - text.length);
    }
    this.maybeTag = "";
    for (const tag of [OPEN, CLOSE]) {
      if (!text.startsWith(tag)) continue;
      this.state = tag === OPEN ? "reasoning" : "content";
      this.afterTag = true;
      return text.slice(tag.length);
    }
    if (OPEN.startsWith(text) || CLOSE.startsWith(text)) {
      this.maybeTag = text;
      return "";
    }
    return this.begin(this.leading + text);
  }

  /** The text does not begin with a tag; returns all of it. */
  private begin(text: string): string {
    this.state = this.startsInThinking ? "reasoning" : "content";
    this.afterTag = this.startsInThinking;
    return text;
  }

  /** Returns what comes after `</think>`. */
  private reasoning(piece: string, events: ReasoningEvent[]): string {
    const { text, stop, rest } = this.close.push(piece);
    this.reasoningText(text, events);
    if (stop === null) return "";
    this.state = "content";
    this.afterTag = true;
    return rest;
  }

  private reasoningText(piece: string, events: ReasoningEvent[]): void {
    const text = this.withoutLeadingNewlines(piece);
    let end = text.length;
    while (end > 0 && text[end - 1] === "\n") end--;
    if (end > 0) {
      events.push({ type: "reasoning", text: "\n".repeat(this.newlines) + text.slice(0, end) });
      this.newlines = 0;
    }
    this.newlines += text.length - end;
  }

  private content(piece: string, events: ReasoningEvent[]): void {
    const text = this.withoutLeadingNewlines(piece);
    if (text !== "") events.push({ type: "content", text });
  }

  private withoutLeadingNewlines(piece: string): string {
    if (!this.afterTag) return piece;
    const text = piece.replace(/^\n+/, "");
    if (text !== "") this.afterTag = false;
    return text;
  }
}
