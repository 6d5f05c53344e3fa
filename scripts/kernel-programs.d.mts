/** Builds a test of the kernels that runs without JavaScript. @param out the program's file */
export function buildKernelProgram(
  name: "pool" | "executor",
  out: string,
  compiler: string,
  flags?: string[],
): Promise<void>;
