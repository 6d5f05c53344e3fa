import path from "node:path";
import { root } from "../../scripts/run.mjs";
import { runProgram } from "./program.mjs";

/**
 * An engine in one configuration. Each measurement is a fresh process.
 * @typedef {object} Engine
 * @property {string} name
 * @property {string} how its flags or settings, for people
 * @property {(file: string, work: Work) => Promise<Measured>} measure
 *
 * @typedef {{ prompt: number, generate: number, depth: number, repeat: number, threads: number }} Work
 * Both phases at one depth; tokens are random and uniform over the vocabulary.
 *
 * @typedef {object} Measured
 * @property {number[]} prompt tokens a second of each run that read the prompt
 * @property {number[]} generate tokens a second of each run that generated
 * @property {object} facts what the engine says of itself: the same in every process
 * @property {object} [observed] what it measured beside, in this process
 */

/** The command line of `deepts`. */
export const DEEPTS = [process.execPath, path.join(root, "bin", "deepts.mjs")];

/**
 * `measureDepths` measures several depths in one process: where a process got its memory changes its speed by more than a depth may.
 * @param {string} [cacheType] of `--cache-type`. Default: what the numerics bring
 * @returns {Engine & { measureDepths: (file: string, work: Omit<Work, "depth"> & { depths: number[] }) => Promise<Measured[]> }}
 */
export function deepts(cacheType) {
  const measureDepths = async (file, { prompt, generate, depths, repeat, threads }) => {
    const args = { model: file, threads, prompt, generate, repeat, ...(cacheType && { "cache-type": cacheType }) };
    const given = [...Object.entries(args), ...depths.map((depth) => ["depth", depth])];
    const flags = given.flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { stdout } = await runProgram([...DEEPTS, "bench", ...flags, "--json"]);
    const {
      results,
      backend,
      numerics,
      cacheType: cache,
      batch,
      machineSpeed,
      loadSeconds,
      outputCheck,
    } = JSON.parse(stdout);
    return depths.map((depth) => {
      const phase = (name) => results.find((result) => result[name] > 0 && result.depth === depth);
      const { activeBytes, distinctExperts } = phase("generate");
      return {
        prompt: phase("prompt").runs,
        generate: phase("generate").runs,
        facts: {
          backend,
          numerics,
          cacheType: cache,
          batch,
          outputCheck,
          activeBytes,
          distinctExperts: { prompt: phase("prompt").distinctExperts, generate: distinctExperts },
        },
        observed: { machineSpeed, loadSeconds },
      };
    });
  };
  const measure = async (file, { depth, ...work }) => (await measureDepths(file, { ...work, depths: [depth] }))[0];
  return { name: "DeepTS", how: cacheType ? `${cacheType} cache` : "default numerics", measure, measureDepths };
}

/**
 * A llama-bench, of llama.cpp or of a fork that speaks the same JSON.
 * @param {string} name
 * @param {string} program
 * @param {string[]} flags
 * @returns {Engine}
 */
export function llamaBench(name, program, flags) {
  const measure = async (file, { prompt, generate, depth, repeat, threads }) => {
    const sizes = ["-p", prompt, "-n", generate, ...(depth > 0 ? ["-d", depth] : []), "-r", repeat, "-t", threads];
    const { stdout } = await runProgram([program, "-m", file, ...sizes.map(String), ...flags, "-o", "json"]);
    const entries = JSON.parse(stdout);
    const runs = (found) => entries.find(found).samples_ts;
    const { build_commit: commit, build_number: build, cpu_info: cpu, n_batch, n_ubatch, type_k, type_v } = entries[0];
    return {
      prompt: runs(({ n_prompt, n_gen }) => n_prompt === prompt && n_gen === 0),
      generate: runs(({ n_prompt, n_gen }) => n_prompt === 0 && n_gen === generate),
      facts: { commit, build, cpu, batch: n_batch, ubatch: n_ubatch, cacheTypes: [type_k, type_v] },
    };
  };
  return { name, how: flags.join(" "), measure };
}

/** llama.cpp with flash attention off and on; it repacks weights by itself. @returns {Engine[]} */
export function llamaCpp(program) {
  return [llamaBench("llama.cpp", program, ["-fa", "0"]), llamaBench("llama.cpp", program, ["-fa", "1"])];
}

/** ik_llama.cpp with what it is fastest with: repacked weights, fused experts, latent attention. @returns {Engine} */
export function ikLlamaCpp(program) {
  return llamaBench("ik_llama.cpp", program, ["-rtr", "1", "-fmoe", "1", "-mla", "3", "-fa", "1"]);
}
