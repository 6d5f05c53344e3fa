import { JsonStopMatcher } from "./json-stop-matcher.ts";
import { StopMatcher, type StopPush } from "./stop-strings.ts";
import { type IsText, TaggedCall, type TaggedEvent, type TaggedPush } from "./tagged-call.ts";
import { CALL_FORMATS, type CallFormat, type CallHeader, DEEPSEEK_CALLS, TAG_OPEN } from "./tool-call-formats.ts";

const FENCE = "```";
const JSON_FENCE = "```json";

/** What V3 and R1 write before the separator, where V3.1 has the tool's name. */
const V3_TYPE = "function";

export type ToolEvent =
  | { readonly type: "content"; readonly text: string }
  /** `id` only where the wire format has one. */
  | { readonly type: "toolCall"; readonly index: number; readonly name: string; readonly id?: string }
  /** A piece of the arguments' JSON, as the model wrote it. */
  | { readonly type: "arguments"; readonly index: number; readonly text: string }
  /** `complete` is false when generation ended inside the arguments. */
  | { readonly type: "toolCallEnd"; readonly index: number; readonly complete: boolean };

type State = "content" | "header" | "name" | "beforeArguments" | "arguments" | "tagged";

/** What begins a call; a stray end marker is dropped. */
const CONTENT_STOPS = [
  ...CALL_FORMATS.flatMap(({ callsBegin, callBegin, callEnd, callsEnd }) => [callsBegin, callEnd, callsEnd, callBegin]),
  TAG_OPEN,
];

/** What ends each state. A model that leaves out a closing marker is understood by the next one. */
function stopsOf(state: State, { callEnd, callsEnd, callBegin, separator }: CallFormat): readonly string[] {
  const ends = [callEnd, callsEnd, callBegin];
  switch (state) {
    case "content":
      return CONTENT_STOPS;
    case "header":
      return [separator, ...ends];
    case "name":
      return ["\n", FENCE, "{", ...ends];
    case "arguments":
      return ends.flatMap((end) => ["", FENCE, `\n${FENCE}`, `\n${FENCE}\n`].map((fence) => fence + end));
    default:
      return [];
  }
}

export interface ToolCallOptions {
  /** Whether a tool's parameter is text; formats that do not write JSON need to know. Default: none is. */
  readonly isText?: IsText;
}

/**
 * Reads tool calls out of generated text as it arrives, special tokens written out, and lets no part of a marker
 * through. The wire formats are recognised call by call, those in a tag by TaggedCall:
 *
 *     V3, R1:  <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{...}\n```<｜tool▁call▁end｜>
 *     V3.1:    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜>
 *     Kimi-K2: <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{...}<|tool_call_end|>
 *
 * then further calls (V3 puts a newline between them) and the section's end, which V3's chat template leaves out after
 * a single call, and with it models that learnt from it. White space after a marker and the code fence are dropped; the
 * arguments are otherwise passed on as they are: `argumentsError` checks them. A marker in one of their strings is text. Text that starts a call but never
 * reaches its name comes out as content, markers and all, rather than being lost.
 */
export class ToolCallParser {
  private readonly isText: IsText;
  private format = DEEPSEEK_CALLS;
  private state: State = "content";
  private matcher: StopMatcher | JsonStopMatcher = new StopMatcher(CONTENT_STOPS);
  private tagged: TaggedCall | null = null;
  /** Calls begun so far; the current one is `calls - 1`. */
  private calls = 0;
  /** White space at the front of the next text is dropped. */
  private skipSpace = false;
  /** Everything since the call's first marker, until its name is known. */
  private raw = "";
  /** The text in which the name is looked for. */
  private name = "";
  /** What may become the opening fence. */
  private maybeFence = "";
  private fenced = false;
  /** Nothing more comes, so no string will end. */
  private over = false;

  constructor({ isText = () => false }: ToolCallOptions = {}) {
    this.isText = isText;
  }

  /** Takes the next piece of text; gives what is now certain. */
  push(piece: string): ToolEvent[] {
    const events: ToolEvent[] = [];
    let rest = piece;
    while (rest !== "") {
      if (this.tagged !== null) rest = this.readTagged(this.tagged.push(rest), events);
      else rest = this.state === "beforeArguments" ? this.openFence(rest) : this.take(this.matcher.push(rest), events);
    }
    return events;
  }

  /** Generation has ended: gives what was held back, and ends an unfinished call. */
  flush(): ToolEvent[] {
    const events: ToolEvent[] = [];
    this.over = true;
    for (let rest: string | null = ""; rest !== null; rest = this.end(events)) events.push(...this.push(rest));
    return events;
  }

  /** @returns the text behind a marker that stood in a string without an end; null: there is none */
  private end(events: ToolEvent[]): string | null {
    if (this.tagged !== null) {
      const ended = this.tagged.flush();
      const rest = this.readTagged(ended, events);
      if (ended.rest !== null) return rest;
      this.tagged = null;
      this.enter("content");
      return null;
    }
    const ended = this.matcher.end();
    if (ended.stop !== null) return this.take(ended, events);
    const held = this.maybeFence + ended.text;
    if (this.state === "content") this.text(held, events);
    else if (this.state === "header" || this.state === "name") this.giveUp(held, events);
    else {
      const closed = this.fenced && held.trim() === FENCE;
      if (!closed) this.text(held, events);
      events.push({ type: "toolCallEnd", index: this.calls - 1, complete: closed });
    }
    this.maybeFence = "";
    this.enter("content");
    return null;
  }

  private readTagged({ events: read, rest }: TaggedPush, events: ToolEvent[]): string {
    this.numbered(read, events);
    if (rest === null) return "";
    this.tagged = null;
    this.enter("content");
    this.skipSpace = read.every(({ type }) => type !== "content");
    return rest;
  }

  private numbered(read: readonly TaggedEvent[], events: ToolEvent[]): void {
    for (const event of read) {
      if (event.type === "content") events.push(event);
      else if (event.type === "toolCall") events.push({ ...event, index: this.calls++ });
      else events.push({ ...event, index: this.calls - 1 });
    }
  }

  /** Takes text up to and including the next marker; returns what is left. */
  private take({ text, stop, rest }: StopPush, events: ToolEvent[]): string {
    if (this.state === "content" || this.state === "arguments") this.text(text, events);
    else {
      this.name += text;
      this.raw += text + (stop ?? "");
    }
    if (stop === null) return "";
    switch (this.state) {
      case "header":
        return this.endHeader(stop, rest, events);
      case "name":
        return this.endName(stop, rest, events);
      case "arguments":
        events.push({ type: "toolCallEnd", index: this.calls - 1, complete: true });
    }
    this.afterMarker(stop);
    return rest;
  }

  private endHeader(stop: string, rest: string, events: ToolEvent[]): string {
    const { callBegin, separator } = this.format;
    const header = stop === separator ? this.format.readHeader(this.name) : null;
    if (header === null) {
      if (stop === callBegin) this.raw = this.raw.slice(0, -stop.length); // it begins the next call
      this.giveUp("", events);
      if (stop !== separator) this.afterMarker(stop);
    } else if (this.format === DEEPSEEK_CALLS && header.name === V3_TYPE) {
      this.name = "";
      this.enter("name");
    } else this.beginCall(header, events);
    return rest;
  }

  /** After "function": the name and its line end, or at once the arguments of a V3.1 tool of that name. */
  private endName(stop: string, rest: string, events: ToolEvent[]): string {
    const name = this.name.trim();
    if (stop === "\n" && name === "") {
      this.enter("name");
      return rest;
    }
    this.beginCall({ name: name || V3_TYPE }, events);
    return stop === "\n" ? rest : stop + rest;
  }

  private beginCall(header: CallHeader, events: ToolEvent[]): void {
    events.push({ type: "toolCall", index: this.calls++, ...header });
    this.raw = "";
    this.fenced = false;
    this.enter("beforeArguments");
  }

  private openFence(piece: string): string {
    const text = (this.maybeFence + piece).trimStart();
    this.maybeFence = "";
    if (JSON_FENCE.startsWith(text)) {
      this.maybeFence = text;
      return "";
    }
    const fence = [JSON_FENCE, FENCE].find((start) => text.startsWith(start)) ?? "";
    this.fenced = fence !== "";
    this.enter("arguments");
    this.skipSpace = true;
    return text.slice(fence.length);
  }

  private afterMarker(marker: string): void {
    this.format = CALL_FORMATS.find((format) => marks(format, marker)) ?? this.format;
    if (marker === TAG_OPEN) {
      this.tagged = new TaggedCall(this.isText, this.over);
      this.enter("tagged");
    } else if (marker.endsWith(this.format.callBegin)) {
      this.enter("header");
      this.name = "";
      this.raw = this.format.callBegin;
    } else {
      this.enter("content");
      this.skipSpace = true;
    }
  }

  /** What looked like a call is none: its text comes out as it is. */
  private giveUp(held: string, events: ToolEvent[]): void {
    this.skipSpace = false;
    this.enter("content");
    this.text(this.raw + held, events);
    this.raw = "";
  }

  private text(piece: string, events: ToolEvent[]): void {
    const text = this.skipSpace ? piece.trimStart() : piece;
    if (text === "") return;
    this.skipSpace = false;
    if (this.state === "content") events.push({ type: "content", text });
    else events.push({ type: "arguments", index: this.calls - 1, text });
  }

  private enter(state: State): void {
    this.state = state;
    this.matcher = new (state === "arguments" && !this.over ? JsonStopMatcher : StopMatcher)(
      stopsOf(state, this.format),
    );
  }
}

/** Whether a marker, perhaps behind a fence, is one of the format's. */
function marks({ callsBegin, callsEnd, callBegin, callEnd }: CallFormat, marker: string): boolean {
  return [callsBegin, callsEnd, callBegin, callEnd].some((own) => marker.endsWith(own));
}

export interface ToolCall {
  readonly name: string;
  /** JSON text as the model wrote it. */
  readonly arguments: string;
  readonly complete: boolean;
}

/** The content and calls of a whole answer, from its events. */
export function collectToolCalls(events: Iterable<ToolEvent>): { content: string; calls: ToolCall[] } {
  let content = "";
  const calls: { name: string; arguments: string; complete: boolean }[] = [];
  for (const event of events) {
    if (event.type === "content") content += event.text;
    else if (event.type === "toolCall") calls.push({ name: event.name, arguments: "", complete: false });
    else if (event.type === "arguments") calls[event.index]!.arguments += event.text;
    else calls[event.index]!.complete = event.complete;
  }
  return { content, calls };
}

/** What is wrong with finished arguments, which must be a JSON object, or null. */
export function argumentsError(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return null;
    return "the arguments are JSON, but not an object";
  } catch (error) {
    return `the arguments are not JSON: ${(error as Error).message}`;
  }
}
