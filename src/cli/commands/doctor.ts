import { readFileSync } from "node:fs";
import os from "node:os";
import { BackendUnavailableError } from "../../errors.ts";
import { BACKENDS, cpuTargets, openBackend } from "../../node.ts";
import type { MachineSpeed } from "../../tensor/backend.ts";
import { formatBytes } from "../bytes.ts";
import { defineCommand } from "../command.ts";
import { RUN_EXITS } from "../exit-codes.ts";
import { threadsArg } from "../shared-args.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "Show what this machine can compute with, and why a backend is unavailable",
  description:
    "Measures memory and arithmetic for about a second; other work on the machine makes the numbers smaller.",
  args: {
    threads: threadsArg,
    json: { type: "flag", help: "print one JSON object" },
  },
  examples: [
    { command: "deepts doctor", what: "a table" },
    { command: "deepts doctor --json | jq .backends", what: "for a program" },
  ],
  exits: RUN_EXITS,
  async run({ args, stdout }) {
    const report = await examine(args.threads);
    await stdout.write(args.json ? `${JSON.stringify(report)}\n` : textOf(report));
    if (report.backends.every(({ available }) => !available)) {
      throw new BackendUnavailableError("auto", "none of the backends can compute here; the reasons are listed above");
    }
  },
});

interface BackendState {
  readonly name: string;
  readonly available: boolean;
  /** What it runs on, or why it cannot. */
  readonly detail: string;
  readonly speed: MachineSpeed | null;
}

async function examine(threads: number | undefined) {
  const backends: BackendState[] = [];
  for (const name of BACKENDS) backends.push(await examineBackend(name, threads));
  return {
    node: process.version,
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: { model: os.cpus()[0]?.model.trim() ?? "unknown", cores: os.availableParallelism(), features: cpuFeatures() },
    memory: { total: os.totalmem(), free: os.freemem() },
    targets: targets(),
    forcedTarget: process.env.DEEPTS_CPU_TARGET || null,
    backends,
  };
}

async function examineBackend(name: string, threads: number | undefined): Promise<BackendState> {
  try {
    const backend = await openBackend(name, { threads });
    try {
      const speed = (await backend.measure?.()) ?? null;
      return { name, available: true, detail: backend.describe().device, speed };
    } finally {
      backend.close();
    }
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error;
    return { name, available: false, detail: error.message, speed: null };
  }
}

function targets(): ReturnType<typeof cpuTargets> {
  try {
    return cpuTargets();
  } catch {
    return []; // the cpu backend says why
  }
}

/** What matters for speed, of those that Linux lists; null where it is not told. */
function cpuFeatures(): string[] | null {
  const wanted = /^(avx2|fma|f16c|avx_vnni|avx512(f|bw|vl|dq|_vnni|_bf16)|amx_(int8|bf16|tile)|asimddp|i8mm|bf16)$/;
  try {
    const line = /^(?:flags|Features)\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
    return line?.split(" ").filter((flag) => wanted.test(flag)) ?? null;
  } catch {
    return null;
  }
}

function textOf({ node, platform, cpu, memory, targets, forcedTarget, backends }: Awaited<ReturnType<typeof examine>>) {
  const rows: [string, string][] = [
    ["node", `${node}, ${platform}`],
    ["cpu", `${cpu.model}, ${cpu.cores} cores`],
    ["features", cpu.features?.join(" ") || "unknown"],
    ["memory", `${formatBytes(memory.total)}, ${formatBytes(memory.free)} free`],
    ["targets", targets.map(({ name, runs }) => `${name} ${runs ? "runs" : "cannot run"}`).join(", ") || "none built"],
    ...(forcedTarget ? [["forced target", `${forcedTarget} (DEEPTS_CPU_TARGET)`] as [string, string]] : []),
    ...backends.flatMap(({ name, available, detail, speed }): [string, string][] => [
      [`backend ${name}`, available ? detail : `unavailable: ${detail}`],
      ...(speed ? [["", speedLine(speed)] as [string, string]] : []),
    ]),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return `${rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n")}\n`;
}

function speedLine({ read, copy, flops }: MachineSpeed): string {
  const giga = (value: number) => (value / 1e9).toFixed(1);
  return `memory ${giga(read)} GB/s read, ${giga(copy)} GB/s copied; ${giga(flops)} GFLOP/s multiply-add`;
}
