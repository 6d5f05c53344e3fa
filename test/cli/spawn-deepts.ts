import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const command = path.join(root, "bin", "deepts.mjs");

/** Makes sure that dist/ is what src/ says; for `beforeAll`. */
export async function built(): Promise<void> {
  await promisify(execFile)(process.execPath, [path.join(root, "scripts", "setup.mjs")]);
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process whose output can be waited for. */
export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env } });
    this.child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    child.stdin.on("error", () => {}); // it may end without reading all
    this.ended = once(child, "close").then(([code, signal]) => ({
      code,
      signal,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
    onTestFinished(() => void child.kill("SIGKILL"));
  }

  /** Resolves when stdout matches; rejects when the process ends without it. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const over = this.ended.then(() => "over" as const);
    for (;;) {
      const found = pattern.exec(this.stdout);
      if (found) return found;
      const next = await Promise.race([once(this.child.stdout, "data"), over]);
      if (next === "over" && !pattern.test(this.stdout)) {
        throw new Error(`ended without ${pattern}: ${this.stdout}\n${this.stderr}`);
      }
    }
  }
}

export function start(args: readonly string[], env?: NodeJS.ProcessEnv): Running {
  return new Running(process.execPath, [command, ...args], env);
}

/** Runs `deepts` to its end. */
export function deepts(args: readonly string[], { input = "", env }: { input?: string; env?: NodeJS.ProcessEnv } = {}) {
  const running = start(args, env);
  running.child.stdin.end(input);
  return running.ended;
}
