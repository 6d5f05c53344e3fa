import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { textFromGguf } from "../../src/engine/text.ts";
import { openFolder } from "../../src/formats/file-source.ts";
import { openCheckpoint } from "../../src/model/checkpoint.ts";
import type { Backend } from "../../src/tensor/backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../../src/tensor/backend.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer-files.ts";
import { reportGolden } from "../reporter-golden.ts";
import { fixture, hasSharedFixtures, NO_SHARED } from "../shared-fixtures.ts";
import type { Compare, FamilyFacts, GgufFacts } from "./comparisons.ts";
import { FAMILY_COMPARISONS, GGUF_COMPARISONS } from "./comparisons.ts";
import type { GoldenArray } from "./golden-file.ts";
import { readGolden } from "./golden-file.ts";
import { GoldenNetwork, MAX_ROWS } from "./golden-network.ts";
import type { Inventory } from "./inventory.ts";
import { goldenOf, SAME_AS, takeInventory } from "./inventory.ts";
import { worstDifference } from "./measure.ts";
import { logitsInChunks } from "./steps.ts";

export type OpenBackend = () => Backend | Promise<Backend>;

/** Every Hugging Face folder of the fixtures, every array of its golden file, on one backend. */
export async function goldenFamilies(open: OpenBackend): Promise<void> {
  skipWithoutShared();
  for (const family of inventory().families) {
    const facts = readJson(family, "golden.json") as FamilyFacts;
    const golden = await readGolden(fixture(family, "golden.safetensors")!);
    describe(family, () => {
      const load = () => loadFolder(family, golden, open);
      const network = networkOf(load);
      compareArrays(family, golden, facts, FAMILY_COMPARISONS, network);
      it("has the arrays that golden.json describes", () => {
        expect([...golden.keys()].sort()).toEqual(Object.keys(facts.tensors).sort());
      });
      readInAnySteps(network);
      it("keeps nothing else of a token than the layout says", () => {
        const config = readJson(family, "config.json") as Record<string, number>;
        const layers = network().runner.program.cache.layers;
        expect(layers.map((fields) => fields.map(({ name, width }) => [name, width]))).toEqual(
          Array(config.num_hidden_layers! + (config.num_nextn_predict_layers ?? 0)).fill(cachedFields(config)),
        );
      });
    });
  }
  for (const [folder, original] of Object.entries(SAME_AS)) {
    if (fixture(folder) === null) continue;
    const golden = await readGolden(fixture(original, "golden.safetensors")!);
    describe(`${folder}, which is ${original}`, () => {
      const facts = readJson(original, "golden.json") as FamilyFacts;
      compareArrays(
        folder,
        golden,
        facts,
        FAMILY_COMPARISONS,
        networkOf(() => loadFolder(folder, golden, open)),
      );
    });
  }
}

/** Every GGUF of the fixtures, every array of its golden file, on one backend. */
export async function goldenGgufs(open: OpenBackend): Promise<void> {
  skipWithoutShared();
  const described = new Map(
    (readJson("gguf", "golden.json") as { files: { file: string }[] }).files.map((facts) => [facts.file, facts]),
  );
  const { short_text, long_text } = readJson("v3-tiny", "golden.json") as FamilyFacts;
  for (const file of inventory().ggufs) {
    const facts = { ...described.get(file), short_text, long_text } as GgufFacts;
    const golden = await readGolden(fixture("gguf", goldenOf(file))!);
    describe(file, () => {
      const network = networkOf(async () => {
        const checkpoint = await openCheckpoint(openFolder(fixture("gguf")!), file);
        const { tokenizer } = textFromGguf(checkpoint.gguf!);
        return GoldenNetwork.load(checkpoint, tokenizer, golden, await open());
      });
      compareArrays(`gguf/${file}`, golden, facts, GGUF_COMPARISONS, network);
      it("has the tensor types that golden.json lists", () => {
        const counts: Record<string, number> = {};
        for (const { dtype } of network().checkpoint.file.tensors.values()) counts[dtype] = (counts[dtype] ?? 0) + 1;
        expect(counts).toEqual(facts.tensor_types);
      });
    });
  }
}

/** One test an array, and one that none was left out. */
function compareArrays<Facts>(
  folder: string,
  golden: ReadonlyMap<string, GoldenArray>,
  facts: Facts,
  comparisons: Readonly<Record<string, Compare<Facts>>>,
  network: () => GoldenNetwork,
): void {
  const compared = new Set<string>();
  for (const [name, want] of golden) {
    it(`meets ${name}`, async ({ task }) => {
      const compare = comparisonOf(comparisons, name);
      const { error, tolerance } = await compare(network(), want, facts);
      compared.add(name);
      // In a line of its own: another program's deviation would hide this one's error.
      const line = name.endsWith("_llamacpp") ? "gguf/, values of llama.cpp" : folder;
      reportGolden(task, { folder: line, what: name, worst: error, tolerance, compared: 1 });
      expect(error).toBeLessThanOrEqual(tolerance); // false for NaN
    });
  }
  it("was compared to the last array", () => {
    expect(leftOut(golden.keys(), compared)).toEqual([]);
  });
}

/** @throws Error for an array that nobody has said how to compare */
export function comparisonOf<Facts>(
  comparisons: Readonly<Record<string, Compare<Facts>>>,
  array: string,
): Compare<Facts> {
  const compare = Object.hasOwn(comparisons, array) ? comparisons[array] : undefined;
  if (!compare) throw new Error(`no comparison for the golden array ${array}; add one to comparisons.ts`);
  return compare;
}

export function leftOut(arrays: Iterable<string>, compared: ReadonlySet<string>): string[] {
  return [...arrays].filter((array) => !compared.has(array));
}

/** The cache is right however a text is cut into steps, and whatever kind its rows are. */
function readInAnySteps(network: () => GoldenNetwork): void {
  it.each([
    { rows: 1, kind: ROW_GENERATED },
    { rows: 1, kind: ROW_PROMPT },
    { rows: 7, kind: ROW_PROMPT },
    { rows: 32, kind: ROW_PROMPT },
    { rows: MAX_ROWS, kind: ROW_PROMPT },
  ])("gives the same logits when read in steps of $rows rows of kind $kind", async ({ rows, kind }) => {
    const { runner, golden, logitTolerance } = network();
    const prompt = golden.get("input_ids")!.values as Int32Array;
    const logits = await logitsInChunks(runner, prompt, rows, kind);
    expect(worstDifference(logits, golden.get("logits")!.values)).toBeLessThanOrEqual(logitTolerance);
  });
}

/** What a layer stores of a token, by a family's raw config.json: names and widths. */
function cachedFields(config: Readonly<Record<string, number>>): [string, number][] {
  if (config.kv_lora_rank) {
    const fields: [string, number][] = [
      ["latent", config.kv_lora_rank],
      ["kRope", config.qk_rope_head_dim!],
    ];
    return config.index_head_dim ? [...fields, ["indexKey", config.index_head_dim]] : fields;
  }
  const width = (config.num_key_value_heads! * config.hidden_size!) / config.num_attention_heads!;
  return [
    ["key", width],
    ["value", width],
  ];
}

async function loadFolder(
  folder: string,
  golden: ReadonlyMap<string, GoldenArray>,
  open: OpenBackend,
): Promise<GoldenNetwork> {
  const directory = fixture(folder)!;
  const { tokenizer } = await loadTokenizer(directory);
  return GoldenNetwork.load(await openCheckpoint(openFolder(directory)), tokenizer, golden, await open());
}

/** Loads the network before the tests of this group and closes it after them. */
function networkOf(load: () => Promise<GoldenNetwork>): () => GoldenNetwork {
  let network: GoldenNetwork | undefined;
  beforeAll(async () => {
    network = await load();
  });
  afterAll(() => network?.close());
  return () => network!;
}

function inventory(): Inventory {
  return takeInventory(fixture()!);
}

function skipWithoutShared(): void {
  if (!hasSharedFixtures) it("meets the fixtures that do not travel with the repository", (t) => t.skip(NO_SHARED));
}

function readJson(...parts: string[]): unknown {
  return JSON.parse(readFileSync(fixture(...parts)!, "utf8"));
}
