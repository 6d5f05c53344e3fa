import { spawn } from "node:child_process";

/**
 * Runs a program to its end.
 * @param {string[]} command program and arguments
 * @param {{ env?: Record<string, string> }} [options] env: beside this process's own
 * @returns {Promise<{ stdout: string, stderr: string, seconds: number }>} seconds: from its start to its end
 * @throws when it cannot be started or fails, with the end of what it said
 */
export function runProgram([program, ...args], { env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8").on("data", (part) => {
        text[name] += part;
      });
    }
    const end = () => child.kill();
    process.once("exit", end);
    child.once("error", (error) => reject(new Error(`${program}: ${error.message}`, { cause: error })));
    child.once("close", (code, signal) => {
      process.off("exit", end);
      if (code === 0) return resolve({ ...text, seconds: (performance.now() - start) / 1000 });
      const said = text.stderr.trim().split("\n").slice(-8).join("\n");
      reject(new Error(`${program} ${args.join(" ")}: ended by ${signal ?? `exit code ${code}`}\n${said}`));
    });
  });
}
