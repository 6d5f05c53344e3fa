import { spawn } from "node:child_process";
import path from "node:path";

/**
 * Starts a program that says `listening on URL` once it answers.
 * @param {string[]} command
 * @returns {Promise<{ url: string, said: string, pid: number, close(): Promise<void> }>}
 * @throws when it ends before that, with the end of what it said
 */
export function startProgram([program, ...args]) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => child.kill();
  process.once("exit", kill);
  const closed = new Promise((resolve) => {
    child.once("close", (code, signal) => {
      process.off("exit", kill);
      resolve(signal ?? `exit code ${code}`);
    });
  });
  const close = async () => {
    kill();
    await closed;
  };
  return new Promise((resolve, reject) => {
    let said = "";
    const listen = (part) => {
      said += part;
      const url = said.match(/listening on (http:\/\/\S+)\s/)?.[1];
      if (url === undefined) return;
      for (const stream of [child.stdout, child.stderr]) stream.off("data", listen).resume();
      resolve({ url, said, pid: child.pid, close });
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", listen);
    child.once("error", (error) => reject(new Error(`${program}: ${error.message}`, { cause: error })));
    closed.then((how) => {
      const end = said.trim().split("\n").slice(-8).join("\n");
      reject(new Error(`${path.basename(program)} ${args.join(" ")}: ended by ${how}\n${end}`));
    });
  });
}
