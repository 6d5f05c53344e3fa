import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { runCli, TestIo } from "../../../test/cli/test-io.ts";
import { readGolden } from "../../../test/golden/golden-file.ts";
import { fixture } from "../../../test/shared-fixtures.ts";
import { main } from "../main.ts";

const model = fixture("v3-tiny")!;
const withoutMtp = fixture("v2-lite-tiny")!;

let golden: Awaited<ReturnType<typeof readGolden>>;
beforeAll(async () => {
  golden = await readGolden(path.join(model, "golden.safetensors"));
});

function newFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "deepts-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function worstError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i]! - want[i]!);
    if (!(error <= worst)) worst = error; // NaN too
  }
  return worst;
}

describe("deepts logits", () => {
  it("writes the golden logits, hidden states and MTP logits", async () => {
    const folder = newFolder();
    const [tokens, out] = [path.join(folder, "ids.json"), path.join(folder, "out.safetensors")];
    const ids = Array.from(golden.get("input_ids")!.values);
    writeFileSync(tokens, JSON.stringify(ids));
    const args = ["--tokens", `@${tokens}`, "--backend", "reference", "--hidden", "--mtp", "--out", out];
    expect(await runCli(["logits", "--model", model, ...args])).toEqual({ code: 0, stdout: "", stderr: "" });

    const written = await readGolden(out);
    const layers = [0, 1, 2, 3];
    expect([...written.keys()].sort()).toEqual([...layers.map((i) => `hidden.${i}`), "logits", "mtp_logits"]);
    for (const name of ["logits", "mtp_logits"]) {
      expect(written.get(name)!.shape).toEqual(golden.get(name)!.shape);
      expect(worstError(written.get(name)!.values, golden.get(name)!.values), name).toBeLessThan(2e-4);
    }
    const { shape, values } = golden.get("hidden_states")!;
    const size = shape[1]! * shape[2]!;
    for (const layer of layers) {
      const hidden = written.get(`hidden.${layer}`)!;
      expect(hidden.shape).toEqual(shape.slice(1));
      // Golden row 0 is the embedding.
      const want = values.subarray((layer + 1) * size, (layer + 2) * size);
      expect(worstError(hidden.values, want), `hidden.${layer}`).toBeLessThan(2e-4);
    }
  });

  it("writes the logits alone unless more is asked for", async () => {
    const out = path.join(newFolder(), "out.safetensors");
    expect((await runCli(["logits", "--model", model, "--tokens", "0", "--out", out])).code).toBe(0);
    const written = await readGolden(out);
    expect([...written].map(([name, { shape }]) => [name, shape])).toEqual([["logits", [1, 512]]]);
    expect(worstError(written.get("logits")!.values, golden.get("logits")!.values.subarray(0, 512))).toBeLessThan(2e-4);
  });

  it.each([
    ["an unknown token", model, ["--tokens", "0,512"], '"512" is not a token id of this model'],
    ["no token", model, ["--tokens", "[]"], "--tokens: want at least one token id"],
    ["too many tokens", model, ["--tokens", "7,".repeat(2561)], "2561 tokens, but this model reads at most 2560"],
    ["MTP logits of a model without", withoutMtp, ["--tokens", "0,1", "--mtp"], "--mtp: this model has no MTP layer"],
  ])("refuses %s", async (_what, place, args, says) => {
    const out = path.join(newFolder(), "out.safetensors");
    const { code, stderr } = await runCli(["logits", "--model", place, ...args, "--out", out]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)]);
    expect(existsSync(out)).toBe(false);
  });

  it("says where it cannot write, and which backend there is not", async () => {
    const args = ["logits", "--model", model, "--tokens", "0"];
    const unwritable = await runCli([...args, "--out", "no/such/folder/x"]);
    expect([unwritable.code, unwritable.stderr]).toEqual([
      2,
      expect.stringContaining("--out: cannot write no/such/folder/x"),
    ]);
    const backend = await runCli([...args, "--out", "x", "--backend", "nosuch"]);
    expect([backend.code, backend.stderr]).toEqual([
      4,
      expect.stringMatching(/^deepts: backend nosuch: unknown; want auto/),
    ]);
  });

  it("leaves no file when it is interrupted", async () => {
    const folder = newFolder();
    const io = new TestIo();
    const tokens = Array.from(golden.get("long_input_ids")!.values).join();
    const done = main(["logits", "--model", model, "--tokens", tokens, "--out", path.join(folder, "x")], io);
    io.send("SIGINT");
    expect([await done, io.err, readdirSync(folder)]).toEqual([130, "", []]);
  });
});
