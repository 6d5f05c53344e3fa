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

describe("every measured number in the README", () => {
  it("is one that docs/BENCHMARKS.md has from a stored run", () => {
    const benchmarks = readFileSync(new URL("../docs/BENCHMARKS.md", import.meta.url), "utf8");
    const measured = [...benchmarks.matchAll(/\| (\d+\.\d+)x \|/g)].map(([, ratio]) => Number(ratio).toFixed(1));
    const claims = [...readme.matchAll(/(?:(\d+\.\d) to )?(\d+\.\d)\s+times as fast/g)].flatMap(
      ([, ...found]) => found,
    );
    expect(measured).toEqual(expect.arrayContaining(claims.filter((claim) => claim !== undefined)));
    expect(claims.length).toBeGreaterThan(0);
    expect(readme, "a speed without its comparison").not.toMatch(/\d tokens\/s/);
  });
});
