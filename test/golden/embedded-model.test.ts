import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReference } from "../../src/backends/reference/backend.ts";
import { pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { openFolder } from "../../src/formats/file-source.ts";
import { openCheckpoint } from "../../src/model/checkpoint.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer-files.ts";
import { reportGolden } from "../reporter-golden.ts";
import { sharedDir } from "../shared-fixtures.ts";
import { skipMissing } from "../skip.ts";
import { wrongIds } from "./measure.ts";
import { greedyTokens } from "./steps.ts";

/** One line of greedy.jsonl: what Hugging Face transformers answers in f32 maths, up to an end token or 48 tokens. */
interface Answer {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly greedy: readonly number[];
}

const folder = path.join(sharedDir, "models", "deepts-tiny");
const present = existsSync(folder);
const answers: Answer[] = present
  ? readFileSync(path.join(folder, "greedy.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];

describe("the embedded model's safetensors", () => {
  const backend = openReference();
  let runner: NetworkRunner | undefined;
  beforeAll(async () => {
    if (!present) return;
    const checkpoint = await openCheckpoint(openFolder(folder));
    const longest = Math.max(...answers.map(({ ids, greedy }) => ids.length + greedy.length));
    runner = await NetworkRunner.load(checkpoint, backend, { pages: pagesFor(longest), maxRows: longest });
    await checkpoint.close();
  });
  afterAll(() => backend.close());

  it("come with answers to compare", (t) => {
    if (!present) skipMissing(t, "../shared/models beside this checkout");
    expect(answers.length).toBeGreaterThanOrEqual(60);
  });

  it("have a tokenizer that gives the ids of every prompt", async (t) => {
    if (!present) skipMissing(t, "../shared/models beside this checkout");
    const { tokenizer } = await loadTokenizer(folder);
    for (const { prompt, ids } of answers) expect(tokenizer.encode(prompt, { special: true })).toEqual(ids);
  });

  for (const [i, { prompt, ids, greedy }] of answers.entries()) {
    it(`answer ${JSON.stringify(prompt)} token for token`, async ({ task }) => {
      const got = await greedyTokens(runner!, Int32Array.from(ids), greedy.length);
      const worst = wrongIds(got, greedy);
      reportGolden(task, { folder: "deepts-tiny", what: `greedy answer ${i}`, worst, tolerance: 0, compared: 1 });
      expect(got).toEqual(greedy);
    });
  }
});
