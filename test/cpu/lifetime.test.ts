import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { loadAddon } from "../../src/backends/cpu/addon.ts";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { openBigStep, WIDTH } from "./big-step.ts";

const loader = new URL("../typescript-loader.mjs", import.meta.url).href;

describe("the cpu backend", () => {
  it("gives all memory back: fifty rounds of loading and closing do not grow the process", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const round = async () => {
      const { backend, executable } = await openBigStep(1);
      expect(executable.scratchBytes).toBeGreaterThan(0);
      backend.close();
    };
    for (let i = 0; i < 10; i++) await round();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 50; i++) await round();
    // A round holds 16 MiB of weight alone; garbage that JavaScript has not collected yet is allowed for.
    expect(process.memoryUsage.rss() - before).toBeLessThan(3 * WIDTH * WIDTH * 4);
  });

  it("ends a step under way when it is closed, and says so", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const { backend, run } = await openBigStep();
    const [first, second] = [run(), run()];
    await new Promise(setImmediate);
    backend.close();
    await expect(first).rejects.toMatchObject({ code: "backend_unavailable" });
    await expect(second).rejects.toMatchObject({ code: "backend_unavailable" });
  });

  it("lets a step end whose Executable is closed meanwhile", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const { backend, executable, run } = await openBigStep();
    const running = run();
    await new Promise(setImmediate);
    executable.close();
    const { y } = await running;
    await expect(y!.read()).rejects.toMatchObject({ code: "backend_unavailable" });
    backend.close();
  });

  it.for(["exit", "terminate"])("survives the %s of a thread in the middle of its step", async (how, t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const worker = new Worker(new URL("leave-thread.ts", import.meta.url), {
      workerData: how,
      execArgv: ["--import", loader],
    });
    if (how === "terminate") {
      await once(worker, "message");
      await worker.terminate();
    } else {
      expect(await once(worker, "exit")).toEqual([0]);
    }
    openCpu().close();
  });

  it("lets the process exit in the middle of a step", async (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    const script = `
      import { openBigStep } from ${JSON.stringify(new URL("big-step.ts", import.meta.url).href)};
      const { run } = await openBigStep();
      void run();
      setImmediate(() => process.exit(7));`;
    const args = ["--import", loader, "--input-type=module", "--eval", script];
    await expect(promisify(execFile)(process.execPath, args)).rejects.toMatchObject({ code: 7, signal: null });
  });

  it("refuses a target that is unknown and a number of threads that makes no sense, saying what runs here", (t) => {
    if (NO_CPU !== null) t.skip(NO_CPU);
    expect(() => openCpu({ target: "sse9" })).toThrow(/sse9.*unknown.*scalar/);
    const targets = loadAddon().targets();
    const runnable = targets.filter(({ runs }) => runs).map(({ name }) => name);
    for (const { name } of targets.filter(({ runs }) => !runs)) {
      expect(() => openCpu({ target: name })).toThrow(
        `${name} (DEEPTS_CPU_TARGET): this CPU cannot run it; want one of ${runnable.join(", ")}`,
      );
    }
    for (const threads of [0, -1, 1.5, 1e6]) expect(() => openCpu({ threads })).toThrow(/threads/);
  });
});
