import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Checkpoint } from "../model/checkpoint.ts";

/** Where a measurement was made: what a stored run must say beside its numbers. */
export async function circumstances() {
  return {
    date: new Date().toISOString(),
    ...(await commit()),
    command: ["deepts", ...process.argv.slice(2)].join(" "),
    machine: {
      cpu: os.cpus()[0]?.model.trim() ?? "unknown",
      cores: os.cpus().length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      os: `${os.type()} ${os.release()} ${os.arch()}`,
    },
    runtime: `node ${process.version}`,
  };
}

/** Of the checkout that this program runs from; null for an installed package. */
async function commit(): Promise<{ commit: string | null; dirty: boolean | null }> {
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const git = async (...args: string[]) => (await promisify(execFile)("git", args, { cwd })).stdout.trim();
  try {
    return { commit: await git("rev-parse", "HEAD"), dirty: (await git("status", "--porcelain")) !== "" };
  } catch {
    return { commit: null, dirty: null };
  }
}

/** The file's name, hash and types by bytes, the largest first. A directory has no hash. */
export async function modelFacts(path: string, { file, gguf }: Checkpoint, signal: AbortSignal) {
  const types = new Map<string, number>();
  for (const { dtype, byteLength } of file.tensors.values()) types.set(dtype, (types.get(dtype) ?? 0) + byteLength);
  return {
    file: path.split(/[\\/]/).at(-1)!,
    sha256: gguf === null ? null : await sha256(path, signal),
    bytesByType: Object.fromEntries([...types].sort(([, a], [, b]) => b - a)),
  };
}

async function sha256(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
