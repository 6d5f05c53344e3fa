import { describe, expect, it } from "vitest";
import { TestIo, type TestIoOptions } from "../../test/cli/test-io.ts";
import { Output } from "./output.ts";
import { Progress } from "./progress.ts";

async function written(options: TestIoOptions, use: (output: Output) => Promise<void>): Promise<string> {
  const io = new TestIo(options);
  await use(new Output(io.stdout, io.env));
  return io.out;
}

describe("Output", () => {
  const hostile = "a\tb\n\x1b]0;title\x07\u009b1m";

  it("writes to a pipe exactly", async () => {
    expect(await written({}, (output) => output.write(hostile))).toBe(hostile);
    expect(await written({}, (output) => output.dim("x"))).toBe("x");
    expect(await written({}, (output) => output.status("x"))).toBe("");
  });

  it("keeps control characters away from a terminal", async () => {
    const safe = "a\tb\n\uFFFD]0;title\uFFFD\uFFFD1m";
    expect(await written({ terminal: true }, (output) => output.write(hostile))).toBe(safe);
    expect(await written({ terminal: true }, (output) => output.dim(hostile))).toBe(`\x1b[2m${safe}\x1b[22m`);
  });

  it("has no colours with NO_COLOR", async () => {
    expect(await written({ terminal: true, env: { NO_COLOR: "1" } }, (output) => output.dim("x"))).toBe("x");
    expect(await written({ terminal: true, env: { NO_COLOR: "" } }, (output) => output.dim("x"))).toContain("\x1b[2m");
  });
});

describe("Progress", () => {
  it("is one line on a terminal, which goes away again", async () => {
    const text = await written({ terminal: true }, async (output) => {
      const progress = new Progress(output, "loading");
      progress.update(1, 3);
      await progress.end();
      await progress.end();
    });
    expect(text).toBe("\r\x1b[Kloading 33 %\r\x1b[K");
  });

  it("is silent elsewhere", async () => {
    const text = await written({}, async (output) => {
      const progress = new Progress(output, "loading");
      progress.update(1, 3);
      await progress.end();
    });
    expect(text).toBe("");
  });
});
