import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout's folder. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Says what is going on; stdout belongs to results. */
export function say(text) {
  console.error(`deepts: ${text}`);
}

/**
 * Runs a program to its end, passing on the signals that reach this process meanwhile, so that none is left behind.
 * @param {string[]} command program and arguments
 * @param {{ stdout?: "inherit" | "stderr", shell?: boolean }} [options] where the program's stdout goes
 * @returns {Promise<number>} its exit code, or 128 + the number of the signal that ended it or reached this process
 */
export function run([program, ...args], { stdout = "stderr", shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const out = stdout === "stderr" ? process.stderr : "inherit";
    const child = spawn(program, args, { cwd: root, shell, stdio: ["ignore", out, "inherit"] });
    let received = null;
    const pass = (signal) => {
      received = signal;
      child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, pass);
    const end = () => {
      for (const signal of signals) process.off(signal, pass);
    };
    child.once("error", (error) => {
      end();
      reject(error);
    });
    child.once("close", (code, signal) => {
      end();
      const endedBy = received ?? signal; // npm turns a signal into exit code 1
      resolve(endedBy === null ? code : 128 + os.constants.signals[endedBy]);
    });
  });
}

/**
 * The command that runs an installed tool: its script with this Node, which needs neither a shell nor a link.
 * @param {string} name package name
 * @param {string} [bin] the command, where the package is named otherwise
 */
export function tool(name, bin = path.basename(name)) {
  const folder = path.join(root, "node_modules", name);
  const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const script = typeof manifest.bin === "string" ? manifest.bin : manifest.bin[bin];
  return [process.execPath, path.join(folder, script)];
}

/** Whether this file is the one Node was told to run, not one imported by another. */
export function isMain(url) {
  return process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(url);
}
