import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { fixture, hasSharedFixtures, localFixtures } from "../shared-fixtures.ts";
import { FAMILY_COMPARISONS, GGUF_COMPARISONS } from "./comparisons.ts";
import { readGolden } from "./golden-file.ts";
import { comparisonOf, leftOut } from "./golden-suite.ts";
import { goldenOf, missingReaders, takeInventory } from "./inventory.ts";

/** A fixtures folder made of empty files. */
function folderOf(...files: string[]): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-fixtures-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const file of files) {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(folder, file), "");
  }
  return folder;
}

const FAMILY = ["config", "golden", "tokenizer", "tokenizer_config"].map((name) => `new-tiny/${name}.json`);
const WHOLE_FAMILY = [...FAMILY, "new-tiny/golden.safetensors", "new-tiny/model.safetensors"];

describe("the golden values", () => {
  it("are all read by some test", () => {
    expect(takeInventory(fixture()!).problems).toEqual([]);
    expect(takeInventory(localFixtures).problems).toEqual([]);
    expect(missingReaders(fileURLToPath(new URL("../..", import.meta.url)))).toEqual([]);
  });

  it("are as many as there were", () => {
    const { families, ggufs } = takeInventory(fixture()!);
    const [familyCount, ggufCount] = hasSharedFixtures ? [12, 32] : [5, 2];
    expect(families.length).toBeGreaterThanOrEqual(familyCount!);
    expect(ggufs.length).toBeGreaterThanOrEqual(ggufCount!);
  });

  it("have a comparison for every array", async () => {
    const { families, ggufs } = takeInventory(fixture()!);
    let arrays = 0;
    for (const family of families) {
      for (const array of (await readGolden(fixture(family, "golden.safetensors")!)).keys()) {
        expect(() => comparisonOf(FAMILY_COMPARISONS, array)).not.toThrow();
        arrays++;
      }
    }
    for (const gguf of ggufs) {
      for (const array of (await readGolden(fixture("gguf", goldenOf(gguf))!)).keys()) {
        expect(() => comparisonOf(GGUF_COMPARISONS, array)).not.toThrow();
        arrays++;
      }
    }
    expect(arrays).toBeGreaterThanOrEqual(hasSharedFixtures ? 404 : 78);
  });
});

describe("the inventory of golden values", () => {
  it("takes a new family, a new GGUF and a new split GGUF by itself", () => {
    const gguf = ["gguf/golden.json", "gguf/a.gguf", "gguf/a.gguf.golden.safetensors"];
    const split = [1, 2].map((part) => `gguf/b-0000${part}-of-00002.gguf`);
    const folder = folderOf("README.md", ...WHOLE_FAMILY, ...gguf, ...split, `${split[0]}.golden.safetensors`);
    expect(takeInventory(folder)).toEqual({
      families: ["new-tiny"],
      ggufs: ["a.gguf", "b-00001-of-00002.gguf"],
      problems: [],
    });
  });

  it.each([
    { extra: "other/notes.txt", problem: "other/notes.txt is read by no test" },
    { extra: "stray.safetensors", problem: "stray.safetensors is not a folder" },
    { extra: "new-tiny/golden2.safetensors", problem: "new-tiny/golden2.safetensors is read by no test" },
    { extra: "gguf/a.gguf", problem: "gguf/a.gguf has no a.gguf.golden.safetensors" },
    { extra: "gguf/a.gguf.golden.safetensors", problem: "gguf/a.gguf.golden.safetensors is read by no test" },
    { extra: "gguf/a-00002-of-00002.gguf", problem: "gguf/a-00002-of-00002.gguf is read by no test" },
    { extra: "tokenizer/new.jsonl", problem: "tokenizer/new.jsonl is read by no test" },
  ])("complains about $extra", ({ extra, problem }) => {
    expect(takeInventory(folderOf(...WHOLE_FAMILY, extra)).problems).toContain(problem);
  });

  it("complains about a family without golden values", () => {
    expect(takeInventory(folderOf(...FAMILY)).problems).toEqual(["new-tiny has no golden.safetensors"]);
  });

  it("complains about an array that nobody compares or that was left out", () => {
    expect(() => comparisonOf(FAMILY_COMPARISONS, "logits_of_tomorrow")).toThrow("logits_of_tomorrow");
    expect(() => comparisonOf(FAMILY_COMPARISONS, "toString")).toThrow("toString");
    expect(leftOut(["logits", "greedy_ids"], new Set(["logits"]))).toEqual(["greedy_ids"]);
  });
});
