import type { Backend, Caps, CompileOptions, DeviceBuffer, Executable, Numerics } from "../../src/tensor/backend.ts";
import type { Program } from "../../src/tensor/program.ts";
import type { OpCase, Step } from "./cases/case.ts";
import { expectClose } from "./expect-close.ts";
import { toleranceOf } from "./tolerances.ts";
import { ExactCache } from "./truth/cache.ts";
import { evaluate } from "./truth/evaluate.ts";
import { exactWeight } from "./truth/weight.ts";

/** Why the backend's capability table rules a Program out, or null. */
export function unsupported(caps: Caps, program: Program, numerics: Numerics): string | null {
  const absent = (what: string) => `absent from the capability table of ${caps.name}: ${what}`;
  if (!caps.numerics.has(numerics)) return absent(`${numerics} numerics`);
  for (const op of program.ops) if (!caps.ops.has(op.kind)) return absent(`op ${op.kind}`);
  for (const { source } of program.weights.values()) {
    if (!caps.weightDTypes.has(source.dtype)) return absent(`${source.dtype} weights`);
  }
  for (const { dtype } of program.cache.layers.flat())
    if (!caps.cacheDTypes.has(dtype)) return absent(`${dtype} cache`);
  return null;
}

/** Loads a Program's weights and compiles it. */
export async function prepare(
  backend: Backend,
  program: Program,
  options: Omit<CompileOptions, "weights">,
): Promise<Executable> {
  const weights = new Map<string, Awaited<ReturnType<Backend["loadWeight"]>>>();
  for (const [name, { source, uses }] of program.weights) {
    weights.set(name, await backend.loadWeight(source, uses, options.numerics));
  }
  return backend.compile(program, { ...options, weights });
}

/**
 * Runs a case on a backend and compares every output of every step with the truth.
 * @returns the worst error, in units of ε · scale
 * @throws Error that names the step, output and element that is wrong
 */
export async function checkCase(backend: Backend, c: OpCase, numerics: Numerics): Promise<number> {
  const { program, pages, steps } = c.build();
  const { epsilons } = toleranceOf(c.op, c.dtype, numerics);
  const cache = backend.allocCache(program.cache, pages);
  const executable = await prepare(backend, program, { cache, ...limitsOf(steps), numerics, poison: true });
  const weights = new Map<string, Float32Array>();
  for (const [name, { source }] of program.weights) weights.set(name, await exactWeight(source));
  const exactCache = new ExactCache(program.cache.pageSize);
  let worst = 0;
  for (const [i, { batch, inputs }] of steps.entries()) {
    const outputs = await executable.run(batch, inputs);
    const truth = evaluate(program, weights, exactCache, batch, inputs);
    for (const [name, want] of truth) {
      const buffer = outputs[name];
      if (!buffer) throw new Error(`step ${i}: output ${name} is missing`);
      const what = `step ${i} of ${batch.tokens.length} rows, ${name}`;
      worst = Math.max(worst, expectClose(await read(buffer, what), want, epsilons, what));
    }
  }
  executable.close();
  cache.close();
  return worst;
}

/** The contents, once shape and type of the buffer agree with them. */
async function read(buffer: DeviceBuffer, what: string): Promise<Float32Array | Int32Array> {
  const values = await buffer.read();
  const count = buffer.shape.reduce((a, b) => a * b, 1);
  const dtype = values instanceof Int32Array ? "i32" : "f32";
  if (count !== values.length || dtype !== buffer.dtype) {
    throw new Error(`${what}: ${buffer.dtype} [${buffer.shape}] gave ${values.length} elements of ${dtype}`);
  }
  return values;
}

/** The smallest limits that the steps fit in. */
export function limitsOf(steps: readonly Step[]): { maxRows: number; maxSeqs: number; maxLogitRows: number } {
  return {
    maxRows: Math.max(...steps.map(({ batch }) => batch.tokens.length)),
    maxSeqs: Math.max(...steps.map(({ batch }) => batch.blockTables.length)),
    maxLogitRows: Math.max(...steps.map(({ batch }) => batch.logitRows.length)),
  };
}
