import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GGUF_ARCHITECTURES } from "../src/model/config-gguf.ts";
import { HF_MODEL_TYPES } from "../src/model/config-hf.ts";
import { BACKENDS } from "../src/node.ts";
import { API_PATHS } from "../src/server/app.ts";
import { DTYPES } from "../src/tensor/dtype.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** The right cell of a row of the table "What works". */
function cell(title: string): string[] {
  const row = readme.split("\n").find((line) => line.startsWith(`| ${title} |`));
  if (!row) throw new Error(`README.md has no row "${title}"`);
  return row
    .split("|")[2]!
    .split(",")
    .map((item) => item.trim());
}

describe("the table of what works in the README", () => {
  it.each([
    ["Model types (`config.json`)", HF_MODEL_TYPES],
    ["Architectures (GGUF)", GGUF_ARCHITECTURES],
    ["Weight types", Object.keys(DTYPES)],
    ["Backends", BACKENDS],
    ["Endpoints", API_PATHS],
  ])("names exactly the %s of the code", (title, values) => {
    expect(cell(title).sort()).toEqual([...values].sort());
  });

  it("starts with the two commands", () => {
    const code = readme.split("```")[1]!;
    expect(
      code
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.split("#")[0]!.trim()),
    ).toEqual(["npm start", "npm test"]);
  });
});

/** As `deepts bench` writes it; before, as one entry for both phases. */
type StoredResult = { tokensPerSecond: number } | { prefill: { median: number }; decode: { median: number } };

describe("every measured number in the documents", () => {
  const documents = ["../README.md"].map((file) => readFileSync(new URL(file, import.meta.url), "utf8"));

  it("links to the stored run that it comes from, and the run says it", () => {
    const claims = documents.flatMap((text) => [
      ...text.matchAll(/(\d+(?:\.\d+)?) tokens\/s[^[]*\(\[run\]\((bench\/results\/[\w.-]+\.json)\)\)/g),
    ]);
    expect(documents.join("").match(/\d tokens\/s/g)).toHaveLength(claims.length);
    for (const [, number, file] of claims) {
      const run = JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"));
      const medians = run.results.flatMap((r: StoredResult) =>
        "tokensPerSecond" in r ? [r.tokensPerSecond] : [r.prefill.median, r.decode.median],
      );
      expect(medians.map(Math.round)).toContain(Number(number));
    }
  });
});
