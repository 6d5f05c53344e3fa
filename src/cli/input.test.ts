import os from "node:os";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { TestIo } from "../../test/cli/test-io.ts";
import { UsageError } from "./exit-codes.ts";
import { parseTokenIds, readJsonInput, readText } from "./input.ts";

const { signal } = new AbortController();

describe("readText", () => {
  it("takes stdin exactly: byte order mark, line ends, and U+FFFD for what is no UTF-8", async () => {
    const input = Uint8Array.of(0xef, 0xbb, 0xbf, 0x41, 0x0d, 0x0a, 0xff, 0x0a);
    expect(await readText("-", { io: new TestIo({ input }), signal }, "FILE")).toBe("\uFEFFA\r\n\uFFFD\n");
  });

  it("stops waiting for stdin when it is interrupted", async () => {
    const controller = new AbortController();
    const io = new TestIo({ stdin: new PassThrough() });
    const reading = readText("-", { io, signal: controller.signal }, "FILE");
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
  });

  it("says which argument names a file that cannot be read", async () => {
    const from = { io: new TestIo(), signal };
    await expect(readText("nosuch.txt", from, "FILE")).rejects.toThrow(
      "FILE: cannot read nosuch.txt: there is no such file",
    );
    await expect(readText(os.tmpdir(), from, "--tools")).rejects.toThrow(
      /^--tools: cannot read .*: it is a directory$/,
    );
    const json = readJsonInput("-", { io: new TestIo({ input: "{" }), signal }, "--tools");
    await expect(json).rejects.toThrow(/^--tools: stdin is not valid JSON: /);
  });
});

describe("parseTokenIds", () => {
  it.each([
    ["1,2,3", [1, 2, 3]],
    [" 1 2\n3\n", [1, 2, 3]],
    ["[1, 2,3]\n", [1, 2, 3]],
    ["0", [0]],
    ["", []],
    ["[]", []],
  ])("reads %j", (text, ids) => {
    expect(parseTokenIds(text, 10, "IDS")).toEqual(ids);
  });

  it.each([
    ["1,10", "10"],
    ["1,-2", "-2"],
    ["1,2.5", "2.5"],
    ["1,x", "x"],
    ["[[1]]", "[[1]]"],
    ["99999999999999999999", "99999999999999999999"],
    ["0x1", "0x1"],
  ])("refuses %j and names the culprit", (text, culprit) => {
    const message = `IDS: "${culprit}" is not a token id of this model: want integers from 0 to 9`;
    expect(() => parseTokenIds(text, 10, "IDS")).toThrow(new UsageError(message));
  });
});
