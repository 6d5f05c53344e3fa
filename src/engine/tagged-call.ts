import { JsonPlace } from "./json-place.ts";
import { JsonStopMatcher } from "./json-stop-matcher.ts";
import { StopMatcher, type StopPush } from "./stop-strings.ts";
import { PAIR_TAGS, TAG_CLOSE, TAG_OPEN } from "./tool-call-formats.ts";

/** What a tagged call consists of, in order; the caller knows its index. */
export type TaggedEvent =
  | { readonly type: "content"; readonly text: string }
  | { readonly type: "arguments"; readonly text: string }
  | { readonly type: "toolCall"; readonly name: string }
  | { readonly type: "toolCallEnd"; readonly complete: boolean };

/** Whether a tool's parameter is text, so that its value is to be taken as it stands. */
export type IsText = (tool: string, parameter: string) => boolean;

export interface TaggedPush {
  readonly events: TaggedEvent[];
  /** The text after the call; null: it goes on. */
  readonly rest: string | null;
}

interface Body {
  push(text: string): TaggedEvent[];
  /** The closing tag is there, or generation has ended (`closed` false). Null: it was no call after all. */
  end(closed: boolean): TaggedEvent[] | null;
}

/**
 * Reads one call between `<tool_call>` and `</tool_call>` as it arrives. What the tag holds tells the format:
 *
 *     Qwen, Hermes: <tool_call>\n{"name": "NAME", "arguments": {...}}\n</tool_call>
 *     GLM:          <tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n</tool_call>
 *
 * The arguments come out as JSON text. What is neither comes out as content, tags and all.
 */
export class TaggedCall {
  private readonly isText: IsText;
  private readonly plain: boolean;
  /** Of the format that the first character tells; null: there was none. */
  private close: StopMatcher | JsonStopMatcher | null = null;
  private body: Body | null = null;
  private leading = "";
  /** Everything in the tag, as long as no name is known. */
  private raw = "";
  private named = false;

  /** @param plain a closing tag is one in a JSON string, too */
  constructor(isText: IsText, plain: boolean) {
    this.isText = isText;
    this.plain = plain;
  }

  /** @returns what is now certain, and the text after the call once it has ended, else null */
  push(piece: string): TaggedPush {
    const [first] = piece.trimStart();
    if (this.close === null && first === undefined) return { events: this.feed(piece), rest: null };
    this.close ??= new (first === "{" && !this.plain ? JsonStopMatcher : StopMatcher)([TAG_CLOSE]);
    return this.closed(this.close.push(piece));
  }

  /** Generation has ended inside the tag; there is text after the call where the tag's end stood in a string without one. */
  flush(): TaggedPush {
    const { events, rest } = this.closed(this.close?.end() ?? { text: "", stop: null, rest: "" });
    return rest === null ? { events: [...events, ...this.end(false)], rest } : { events, rest };
  }

  private closed({ text, stop, rest }: StopPush): TaggedPush {
    const events = this.feed(text);
    return stop === null ? { events, rest: null } : { events: [...events, ...this.end(true)], rest };
  }

  private feed(text: string): TaggedEvent[] {
    if (!this.named) this.raw += text;
    if (this.body !== null) return this.watched(this.body.push(text));
    this.leading = (this.leading + text).trimStart();
    if (this.leading === "") return [];
    this.body = this.leading.startsWith("{") ? new JsonBody() : new PairsBody(this.isText);
    return this.watched(this.body.push(this.leading));
  }

  private end(closed: boolean): TaggedEvent[] {
    const events = this.body?.end(closed) ?? null;
    if (events !== null) return events;
    return [{ type: "content", text: TAG_OPEN + this.raw + (closed ? TAG_CLOSE : "") }];
  }

  private watched(events: TaggedEvent[]): TaggedEvent[] {
    if (events.some(({ type }) => type === "toolCall")) this.named = true;
    return events;
  }
}

const NAME_FIRST = /^\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;

/** `{"name": ..., "arguments": {...}}`. Where the name comes last, the call comes out at its end. */
class JsonBody implements Body {
  private text = "";
  private scanner: ObjectScanner | null = null;

  push(text: string): TaggedEvent[] {
    if (this.scanner !== null) return argumentsOf(this.scanner.push(text));
    this.text += text;
    const head = NAME_FIRST.exec(this.text);
    if (head === null) return [];
    const name = parsed(head[1]!);
    if (typeof name !== "string") return [];
    this.scanner = new ObjectScanner();
    return [{ type: "toolCall", name }, ...argumentsOf(this.scanner.push(this.text.slice(head[0].length)))];
  }

  end(closed: boolean): TaggedEvent[] | null {
    if (this.scanner !== null) return [{ type: "toolCallEnd", complete: closed && this.scanner.complete }];
    const call = parsed(this.text) as { name?: unknown; arguments?: unknown; parameters?: unknown } | undefined;
    if (typeof call?.name !== "string" || call.name === "") return null;
    const given = call.arguments ?? call.parameters ?? {};
    const text = typeof given === "string" ? given : JSON.stringify(given);
    return [{ type: "toolCall", name: call.name }, ...argumentsOf(text), { type: "toolCallEnd", complete: true }];
  }
}

/** Passes a JSON object on, and nothing that follows it. */
class ObjectScanner {
  complete = false;
  private readonly place = new JsonPlace();

  push(text: string): string {
    for (let i = 0; i < text.length && !this.complete; i++) {
      const { depth } = this.place;
      this.place.step(text[i]!);
      if (this.place.depth >= depth || this.place.depth > 0) continue;
      this.complete = true;
      return text.slice(0, i + 1);
    }
    return this.complete ? "" : text;
  }
}

type PairState = "name" | "key" | "between" | "value";

const PAIR_STOPS: Record<PairState, string> = {
  name: PAIR_TAGS.keyBegin,
  key: PAIR_TAGS.keyEnd,
  between: PAIR_TAGS.valueBegin,
  value: PAIR_TAGS.valueEnd,
};

/** A name, then keys and values. A value that is not text is JSON; where it is none, it is text. */
class PairsBody implements Body {
  private readonly isText: IsText;
  private state: PairState = "name";
  private matcher = new StopMatcher([PAIR_STOPS.name]);
  private name = "";
  private named = false;
  /** There was no name: this is no call. */
  private nameless = false;
  private key = "";
  private value = "";
  private pairs = 0;

  constructor(isText: IsText) {
    this.isText = isText;
  }

  push(piece: string): TaggedEvent[] {
    const events: TaggedEvent[] = [];
    for (let rest = piece; rest !== "" && !this.nameless; ) {
      const pushed = this.matcher.push(rest);
      this.take(pushed.text, events);
      if (pushed.stop !== null) this.next(events);
      rest = pushed.rest;
    }
    return events;
  }

  end(closed: boolean): TaggedEvent[] | null {
    const events: TaggedEvent[] = [];
    this.take(this.matcher.flush(), events);
    if (!this.named && (this.nameless || !closed || !this.begin(events))) return null;
    const whole = closed && this.state === "name";
    if (this.state === "name") events.push({ type: "arguments", text: this.pairs === 0 ? "{}" : "}" });
    else if (this.state === "value" && !this.textual) events.push({ type: "arguments", text: this.value });
    events.push({ type: "toolCallEnd", complete: whole });
    return events;
  }

  private get textual(): boolean {
    return this.isText(this.name, this.key);
  }

  private take(text: string, events: TaggedEvent[]): void {
    if (this.state === "name") {
      if (!this.named) this.name += text;
    } else if (this.state === "key") this.key += text;
    else if (this.state === "value") {
      if (!this.textual) this.value += text;
      else if (text !== "") events.push({ type: "arguments", text: JSON.stringify(text).slice(1, -1) });
    }
  }

  /** What ends the present state is there. */
  private next(events: TaggedEvent[]): void {
    if (this.state === "name") {
      this.nameless = !this.named && !this.begin(events);
      this.key = "";
      this.enter("key");
    } else if (this.state === "key") {
      this.key = this.key.trim();
      this.enter("between");
    } else if (this.state === "between") {
      const opening = `${this.pairs++ === 0 ? "{" : ", "}${JSON.stringify(this.key)}: `;
      events.push({ type: "arguments", text: this.textual ? `${opening}"` : opening });
      this.value = "";
      this.enter("value");
    } else {
      const json = parsed(this.value) === undefined ? JSON.stringify(this.value) : this.value.trim();
      events.push({ type: "arguments", text: this.textual ? '"' : json });
      this.enter("name");
    }
  }

  private begin(events: TaggedEvent[]): boolean {
    this.name = this.name.trim();
    if (this.name === "" || /\s/.test(this.name)) return false;
    this.named = true;
    events.push({ type: "toolCall", name: this.name });
    return true;
  }

  private enter(state: PairState): void {
    this.state = state;
    this.matcher = new StopMatcher([PAIR_STOPS[state]]);
  }
}

function argumentsOf(text: string): TaggedEvent[] {
  return text === "" ? [] : [{ type: "arguments", text }];
}

/** Undefined where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
