import { describe, expect, it } from "vitest";
import type { Batch, CompileOptions } from "./backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "./backend.ts";
import { BatchError, checkBatch } from "./batch.ts";

const limits = {
  maxRows: 4,
  maxSeqs: 2,
  maxLogitRows: 2,
  cache: { layout: { pageSize: 8, layers: [] }, pages: 5 },
} as unknown as CompileOptions;

/** Three rows of one sequence and one of another. */
const batch: Batch = {
  tokens: Int32Array.of(7, 0, 99, 5),
  positions: Int32Array.of(6, 7, 8, 0),
  sequences: Int32Array.of(0, 0, 0, 1),
  kinds: Uint8Array.of(ROW_PROMPT, ROW_PROMPT, ROW_PROMPT, ROW_GENERATED),
  blockTables: [Int32Array.of(4, 0), Int32Array.of(2)],
  logitRows: Int32Array.of(2, 3),
};

const check = (change: Partial<Batch>, vocabulary: number | null = 100) =>
  checkBatch({ ...batch, ...change }, limits, vocabulary);

describe("a batch", () => {
  it("that keeps its contract passes, at the very limits", () => {
    expect(() => check({})).not.toThrow();
    expect(() => check({ positions: Int32Array.of(13, 14, 15, 7) })).not.toThrow();
    expect(() => check({ logitRows: new Int32Array(0) })).not.toThrow();
  });

  it("may be empty", () => {
    const none = { tokens: new Int32Array(0), positions: new Int32Array(0), sequences: new Int32Array(0) };
    expect(() => check({ ...none, kinds: new Uint8Array(0), logitRows: new Int32Array(0) })).not.toThrow();
  });

  it("may hold any token where nothing is embedded", () => {
    expect(() => check({ tokens: Int32Array.of(1000, -1, 0, 0) }, null)).not.toThrow();
  });

  it.each<{ what: string; change: Partial<Batch>; message: string }>([
    {
      what: "more rows than compiled for",
      change: {
        tokens: new Int32Array(5),
        positions: new Int32Array(5),
        sequences: new Int32Array(5),
        kinds: new Uint8Array(5),
      },
      message: "5 rows, compiled for at most 4",
    },
    {
      what: "more sequences than compiled for",
      change: { blockTables: [...batch.blockTables, Int32Array.of(1)] },
      message: "3 sequences, compiled for at most 2",
    },
    {
      what: "more logit rows than compiled for",
      change: { logitRows: Int32Array.of(0, 1, 2) },
      message: "3 logit rows, compiled for at most 2",
    },
    { what: "a position too few", change: { positions: Int32Array.of(0, 1, 2) }, message: "4 tokens but 3 positions" },
    { what: "a sequence too few", change: { sequences: Int32Array.of(0) }, message: "4 tokens but 1 sequences" },
    { what: "a kind too many", change: { kinds: new Uint8Array(5) }, message: "4 tokens but 5 kinds" },
    {
      what: "a token outside the vocabulary",
      change: { tokens: Int32Array.of(7, 0, 100, 5) },
      message: "row 2: token 100 is outside the vocabulary of 100",
    },
    { what: "a negative token", change: { tokens: Int32Array.of(-1, 0, 1, 5) }, message: "row 0: token -1" },
    {
      what: "a sequence without a block table",
      change: { sequences: Int32Array.of(0, 0, 0, 2) },
      message: "row 3: sequence 2 has no block table",
    },
    {
      what: "a negative sequence",
      change: { sequences: Int32Array.of(0, 0, 0, -1) },
      message: "row 3: sequence -1 has no block table",
    },
    {
      what: "a sequence that goes back",
      change: { positions: Int32Array.of(6, 7, 7, 8) },
      message: "does not come after the one before it in its sequence",
    },
    {
      what: "a kind of row that is none",
      change: { kinds: Uint8Array.of(0, 1, 2, 0) },
      message: "row 2: 2 is no kind",
    },
    {
      what: "logit rows out of order",
      change: { logitRows: Int32Array.of(2, 1) },
      message: "logit row 1 comes after 2",
    },
    {
      what: "a position outside its sequence's pages",
      change: { positions: Int32Array.of(6, 7, 8, 8) },
      message: "row 3: position 8 is outside the 1 pages of its sequence",
    },
    { what: "a negative position", change: { positions: Int32Array.of(-1, 7, 8, 0) }, message: "row 0: position -1" },
    {
      what: "a page outside the cache",
      change: { blockTables: [Int32Array.of(4, 5), Int32Array.of(2)] },
      message: "page 5 is outside the cache of 5 pages",
    },
    {
      what: "a negative page",
      change: { blockTables: [Int32Array.of(4, -1), Int32Array.of(2)] },
      message: "page -1 is outside the cache",
    },
    {
      what: "a logit row outside its rows",
      change: { logitRows: Int32Array.of(4) },
      message: "logit row 4 is outside",
    },
    { what: "a negative logit row", change: { logitRows: Int32Array.of(-1) }, message: "logit row -1 is outside" },
  ])("is refused for $what", ({ change, message }) => {
    expect(() => check(change)).toThrow(BatchError);
    expect(() => check(change)).toThrow(message);
  });
});
