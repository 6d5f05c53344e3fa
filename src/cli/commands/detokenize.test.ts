import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runCli, type TestIoOptions } from "../../../test/cli/test-io.ts";
import { fixture, NO_SHARED } from "../../../test/shared-fixtures.ts";

const model = fixture("v3-tiny")!;

function detokenize(ids: string[], options?: TestIoOptions) {
  return runCli(["detokenize", "--model", model, ...ids], options);
}

describe("deepts detokenize", () => {
  it("prints the text and nothing else, however the ids are written", async () => {
    for (const ids of [["42,494,324"], ["42", "494", "324"], ["42 494, 324"], ["[42,494,324]"]]) {
      expect(await detokenize(ids)).toEqual({ code: 0, stdout: "Hello", stderr: "" });
    }
    expect((await detokenize(["-"], { input: "42 494 324\n" })).stdout).toBe("Hello");
  });

  it("ends the line on a terminal", async () => {
    expect((await detokenize(["42"], { terminal: true })).stdout).toBe("H\n");
  });

  it("writes special tokens out, or leaves them out", async () => {
    expect((await detokenize(["0", "42"])).stdout).toBe("<｜begin▁of▁sentence｜>H");
    expect((await detokenize(["--skip-special", "0", "42"])).stdout).toBe("H");
  });

  it("names an id that the vocabulary does not have", async () => {
    const { code, stderr } = await detokenize(["42,512"]);
    expect(code).toBe(2);
    expect(stderr).toBe('deepts: IDS: "512" is not a token id of this model: want integers from 0 to 511\n');
  });

  it("gives the golden texts", async (test) => {
    const file = fixture("tokenizer", "tiny.jsonl") ?? test.skip(NO_SHARED);
    const records = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    for (const { ids, decoded } of records.filter(({ ids }, i) => ids.length > 0 && i % 20 === 0)) {
      expect((await detokenize([ids.join(",")])).stdout).toBe(decoded);
    }
  });
});
