import type { TokenLogprobs } from "../engine/generation.ts";
import type { AnswerEnd, AnswerEvent, AnswerPart } from "./answer.ts";

/** A stretch of an answer, as APIs see it whose answers are lists: Anthropic's content blocks, OpenAI's output items. */
export type Block =
  | { readonly type: "reasoning" }
  | { readonly type: "content" }
  | { readonly type: "toolCall"; readonly id: string; readonly name: string };

/** Blocks come one after the other: each is opened, grows, and is closed before the next. */
export type BlockEvent =
  | { readonly type: "open"; readonly index: number; readonly block: Block }
  | BlockDelta
  | { readonly type: "close"; readonly index: number; readonly block: Block; readonly text: string }
  | AnswerEnd;

export interface BlockDelta {
  readonly type: "delta";
  readonly index: number;
  readonly block: Block;
  /** Never empty; of a call its arguments' JSON. */
  readonly text: string;
  /** Log-probabilities of the tokens that became this text, with the first delta they led to. */
  readonly tokens: readonly TokenLogprobs[];
}

/** Puts the parts of an answer into blocks. */
export async function* answerBlocks(events: AsyncIterable<AnswerEvent>): AsyncGenerator<BlockEvent> {
  let open: { readonly index: number; readonly block: Block; text: string } | null = null;
  let count = 0;
  for await (const event of events) {
    if (event.type === "end") {
      if (open !== null) yield { type: "close", ...open };
      yield event;
      return;
    }
    let { tokens } = event;
    for (const part of event.parts) {
      if (open === null || !continues(open.block, part)) {
        if (open !== null) yield { type: "close", ...open };
        open = { index: count++, block: blockOf(part), text: "" };
        yield { type: "open", index: open.index, block: open.block };
      }
      if (part.type === "toolCall") continue;
      open.text += part.text;
      yield { type: "delta", index: open.index, block: open.block, text: part.text, tokens };
      tokens = [];
    }
  }
}

function continues(block: Block, part: AnswerPart): boolean {
  return part.type === "arguments" ? block.type === "toolCall" : part.type === block.type && part.type !== "toolCall";
}

function blockOf(part: AnswerPart): Block {
  if (part.type === "toolCall") return { type: "toolCall", id: part.id, name: part.name };
  return { type: part.type === "reasoning" ? "reasoning" : "content" };
}
