import { JsonPlace } from "./json-place.ts";
import { StopMatcher, type StopPush } from "./stop-strings.ts";

/** A stop string inside a JSON string, as long as nobody knows whether that ends as one. */
interface Doubt {
  readonly stop: string;
  /** What came since. */
  text: string;
  /** How much of it has been looked at. */
  seen: number;
  /** Where in it the string ends; null: not yet. */
  end: number | null;
}

/**
 * A StopMatcher for text that is JSON up to the stop string. A stop string inside a JSON string is a part of it, if that ends
 * as a string does; its text is held back until then. If it does not, since a bare control character is in it, what comes
 * behind it is no JSON, or the text ends, then the JSON was broken off, and the stop string is one.
 */
export class JsonStopMatcher {
  private readonly stops: readonly string[];
  private readonly place = new JsonPlace();
  private matcher: StopMatcher;
  private doubt: Doubt | null = null;

  /** @param stops not empty, and without quotes */
  constructor(stops: readonly string[]) {
    this.stops = stops;
    this.matcher = new StopMatcher(stops);
  }

  /** Takes the next piece, until there was a stop string. */
  push(piece: string): StopPush {
    let text = "";
    for (let rest = piece; ; ) {
      if (this.doubt === null) {
        const pushed = this.matcher.push(rest);
        text += pushed.text;
        this.place.read(pushed.text + (pushed.stop ?? ""));
        if (pushed.stop === null) return { text, stop: null, rest: "" };
        if (!this.place.inString) return { ...pushed, text };
        this.doubt = { stop: pushed.stop, text: "", seen: 0, end: null };
        rest = pushed.rest;
      }
      const settled = this.settle(this.doubt, rest);
      if (settled === null) return { text, stop: null, rest: "" };
      if (settled.stop !== null) return { ...settled, text };
      text += settled.text;
      rest = settled.rest;
      this.doubt = null;
      this.matcher = new StopMatcher(this.stops);
    }
  }

  /** The text has ended: gives what was held back. There may be text behind a stop string. */
  end(): StopPush {
    if (this.doubt === null) return { text: this.matcher.flush(), stop: null, rest: "" };
    return { text: "", stop: this.doubt.stop, rest: this.doubt.text };
  }

  /** @returns null as long as it is not known; else the stop string, or the text that it is a part of */
  private settle(doubt: Doubt, piece: string): StopPush | null {
    const { place } = this;
    doubt.text += piece;
    const { stop, text } = doubt;
    while (!place.broken) {
      const next = text[doubt.seen];
      if (next === undefined) return null;
      if (doubt.end !== null && next.trim() !== "") {
        if (!this.mayFollow(next)) break;
        return { text: stop + text.slice(0, doubt.end), stop: null, rest: text.slice(doubt.end) };
      }
      place.step(next);
      doubt.seen++;
      if (!place.inString) doubt.end ??= doubt.seen;
    }
    return { text: "", stop, rest: text };
  }

  /** What stands behind a string: inside an object or array what JSON has there, else what ends the JSON. */
  private mayFollow(character: string): boolean {
    if (this.place.depth > 0) return ",:}]".includes(character);
    return this.stops.some((stop) => stop.trimStart().startsWith(character));
  }
}
