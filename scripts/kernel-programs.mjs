import { compile } from "./build-variant.mjs";

const host = ["kernels/bind/napi/host.cpp", "kernels/bind/napi/mapping.cpp"];

/** Tests of the kernels that run without JavaScript, and what they are made of. */
const PROGRAMS = {
  pool: ["kernels/cpu/test/pool_test.cpp", "kernels/cpu/pool.cpp", ...host],
  executor: [
    "kernels/cpu/test/executor_test.cpp",
    "kernels/cpu/executor.cpp",
    "kernels/cpu/late_packing.cpp",
    "kernels/cpu/plan_reader.cpp",
    "kernels/cpu/pool.cpp",
    "kernels/cpu/weight.cpp",
    "kernels/cpu/targets/scalar.cpp",
    "kernels/cpu/qgemm/target_scalar.cpp",
    ...host,
  ],
};

/**
 * Builds one of them.
 * @param {keyof typeof PROGRAMS} name
 * @param {string} out the program's file
 * @param {string} compiler
 * @param {string[]} [flags]
 */
export function buildKernelProgram(name, out, compiler, flags = []) {
  const language = ["-std=c++20", "-ffp-contract=off", "-pthread"];
  return compile(compiler, [...language, ...flags, ...PROGRAMS[name], "-o", out]);
}
