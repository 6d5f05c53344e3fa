import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { openWasm, problemOf, WASM_TARGETS } from "../../src/backends/wasm/backend.ts";
import { nodeEnvironment } from "../../src/backends/wasm/node-environment.ts";
import { serveModule } from "../../src/backends/wasm/thread.ts";
import { loadModel } from "../../src/node.ts";
import type { WeightSource } from "../../src/tensor/weight.ts";
import { openBigStep, WIDTH } from "../cpu/big-step.ts";
import { NO_WASM, openNodeWasm } from "../wasm-module.ts";

const big = async (threads: number) => openBigStep(threads, await openNodeWasm({ threads }));

describe("the wasm backend", () => {
  it.for([1, 2])("with %i threads ends a step under way when it is closed, and says so", async (threads, t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const { backend, run } = await big(threads);
    const [first, second] = [run(), run()];
    await new Promise(setImmediate);
    backend.close();
    backend.close();
    await expect(first).rejects.toMatchObject({ code: "backend_unavailable" });
    await expect(second).rejects.toMatchObject({ code: "backend_unavailable" });
  });

  it.for([1, 2])(
    "with %i threads gives all memory back: fifty rounds of loading and closing do not grow the process",
    async (threads, t) => {
      if (NO_WASM !== null) t.skip(NO_WASM);
      const round = async () => (await big(threads)).backend.close();
      for (let i = 0; i < 10; i++) await round();
      const before = process.memoryUsage.rss();
      for (let i = 0; i < 50; i++) await round();
      // A round holds 16 MiB of weight alone; a thread that still ends, and garbage that is not collected yet, are allowed for.
      expect(process.memoryUsage.rss() - before).toBeLessThan(6 * WIDTH * WIDTH * 4);
    },
  );

  it("gives the memory of a weight back to the next one", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const backend = await openNodeWasm({ threads: 2 });
    // A hundred of these are more than a module can have.
    const bytes = new Uint8Array(64 * 2 ** 20);
    const segment = { rows: 4096, file: "zeros", offset: 0, byteLength: bytes.length, read: async () => bytes };
    const source: WeightSource = { name: "zeros", dtype: "F32", shape: [4096, 4096], segments: [segment] };
    for (let i = 0; i < 100; i++) (await backend.loadWeight(source, new Set(["linear"]))).close();
    backend.close();
  });

  it("lets a step end whose Executable is closed meanwhile", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const { backend, executable, run } = await big(2);
    const running = run();
    await new Promise(setImmediate);
    executable.close();
    const { y } = await running;
    await expect(y!.read()).rejects.toMatchObject({ code: "backend_unavailable" });
    backend.close();
  });

  it("lets the event loop go on while a step runs", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const { backend, run } = await big(1);
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await run();
    running = false;
    expect(turns).toBeGreaterThan(10);
    backend.close();
  });

  it("lets the process exit in the middle of a step", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
    const script = `
      import { openBigStep } from ${url("../cpu/big-step.ts")};
      import { openNodeWasm } from ${url("../wasm-module.ts")};
      const { run } = await openBigStep(2, await openNodeWasm({ threads: 2 }));
      void run();
      setImmediate(() => process.exit(7));`;
    const loader = new URL("../typescript-loader.mjs", import.meta.url).href;
    const args = ["--import", loader, "--input-type=module", "--eval", script];
    await expect(promisify(execFile)(process.execPath, args)).rejects.toMatchObject({ code: 7, signal: null });
  });

  it("computes on one thread where memory cannot be shared", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const backend = await openWasm({ ...nodeEnvironment(), sharedMemory: false }, { threads: 4 });
    expect(backend.describe().device).toMatch(/, one thread$/);
    backend.close();
  });

  it("refuses a target that is unknown and a number of threads that makes no sense, saying what is known", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    await expect(openNodeWasm({ target: "sse9" })).rejects.toThrow(/sse9.*unknown.*wasm/);
    for (const target of WASM_TARGETS) {
      const problem = problemOf(target);
      if (problem !== null) await expect(openNodeWasm({ target })).rejects.toThrow(`target ${target}: ${problem}`);
    }
    for (const threads of [0, -1, 1.5, 1e6]) await expect(openNodeWasm({ threads })).rejects.toThrow(/threads/);
  });

  it("takes 64-bit addresses for large weights where the engine has them, and else says what is missing", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const deviceFor = async (modelBytes: number) => {
      const backend = await openNodeWasm({ modelBytes, threads: 1 });
      backend.close();
      return backend.describe().device;
    };
    const problem = problemOf("wasm64");
    expect(await deviceFor(3 * 2 ** 30)).toMatch(/^wasm(-relaxed)?, /);
    expect(await deviceFor(3.5 * 2 ** 30)).toMatch(problem === null ? /^wasm64, / : /^wasm(-relaxed)?, /);
    if (problem === null) expect(await deviceFor(5 * 2 ** 30)).toMatch(/^wasm64, /);
    else
      await expect(deviceFor(5 * 2 ** 30)).rejects.toThrow(
        `weights of 5.0 GiB are more than 32 bits reach, and ${problem}`,
      );
  });

  it("answers from the embedded model as the reference backend does", async (t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const answer = async (backend: string) => {
      const { engine, close } = await loadModel(undefined, { backend, threads: 2, contextSize: 128, parallel: 1 });
      const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "Hello" }] });
      let text = "";
      for await (const event of engine.generate({ prompt: ids, maxTokens: 24, sampling: { temperature: 0 } })) {
        text += event.text;
      }
      await close();
      return text;
    };
    const text = await answer("wasm");
    expect(text.length).toBeGreaterThan(10);
    expect(text).toBe(await answer("reference"));
  });
});

describe("every module with the program of its threads", () => {
  const files = WASM_TARGETS.flatMap((target) => [target, `${target}-threads`]);
  it.for(files)("%s is smaller than 500 KB", (name, t) => {
    if (NO_WASM !== null) t.skip(NO_WASM);
    const bytes = readFileSync(new URL(`../../build/wasm/${name}.wasm`, import.meta.url));
    expect(gzipSync(bytes).length + gzipSync(String(serveModule)).length).toBeLessThan(500_000);
  });
});
