import { it } from "vitest";
import type { Backend, Batch, CacheHandle, Executable, Numerics, Outputs } from "../../../src/tensor/backend.ts";
import type { Program } from "../../../src/tensor/program.ts";
import { prepare, unsupported } from "../execute.ts";

/** Opens a backend for each test of the contract, and closes it whatever happens. */
export interface Harness {
  /** @param programs what the test runs: where the backend lacks an op or type of theirs, the test is skipped */
  test(title: string, programs: readonly Program[], body: (session: Session) => Promise<void>): void;
}

/** A backend in use. */
export interface Session {
  readonly backend: Backend;
  readonly numerics: Numerics;
  cacheFor(program: Program, pages?: number): CacheHandle;
  /** Compiles with room for LIMITS, and poisoned buffers. */
  compile(program: Program, cache?: CacheHandle): Promise<Executable>;
}

export const LIMITS = { maxRows: 320, maxSeqs: 4, maxLogitRows: 320 };
export const PAGES = 48;

export function harness(open: () => Promise<Backend>, numerics: Numerics): Harness {
  return {
    test(title, programs, body) {
      it(title, async (t) => {
        const backend = await open();
        try {
          const reasons = programs.map((program) => unsupported(backend.describe(), program, numerics));
          const reason = reasons.find((one) => one !== null);
          if (reason) t.skip(reason);
          await body(sessionOf(backend, numerics));
        } finally {
          backend.close();
        }
      });
    },
  };
}

function sessionOf(backend: Backend, numerics: Numerics): Session {
  const cacheFor = (program: Program, pages = PAGES) => backend.allocCache(program.cache, pages);
  return {
    backend,
    numerics,
    cacheFor,
    compile: (program, cache = cacheFor(program)) => {
      return prepare(backend, program, { ...LIMITS, cache, numerics, poison: true });
    },
  };
}

/** Runs a step and copies its outputs out. */
export async function runAndRead(
  executable: Executable,
  batch: Batch,
  inputs?: Readonly<Record<string, Float32Array>>,
): Promise<Record<string, number[]>> {
  return readAll(await executable.run(batch, inputs));
}

export async function readAll(outputs: Outputs): Promise<Record<string, number[]>> {
  const contents: Record<string, number[]> = {};
  for (const [name, buffer] of Object.entries(outputs)) contents[name] = [...(await buffer.read())];
  return contents;
}
