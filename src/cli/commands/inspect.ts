import type { TensorEntry } from "../../formats/tensor-file.ts";
import { cacheLayout, PAGE_SIZE } from "../../model/cache-layout.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import { recordMtp, recordNetwork } from "../../model/network.ts";
import { type OpenedModel, openBackend, openModel } from "../../node.ts";
import { inOrder, planArena } from "../../tensor/arena.ts";
import type { Program, ProgramWeight } from "../../tensor/program.ts";
import { formatBytes } from "../bytes.ts";
import { defineCommand } from "../command.ts";
import { TEXT_EXITS } from "../exit-codes.ts";
import { textModelArg } from "../shared-args.ts";

export const inspect = defineCommand({
  name: "inspect",
  summary: "Show what is in a model and the memory it takes",
  description:
    "Reads headers only, so it is quick for any size. Shows hyperparameters (the names of config.json, camelCased),\n" +
    "parameters, types, memory for weights, cache and scratch, and every tensor.",
  operands: {
    model: {
      help: ".gguf file (of a split one the first) or directory; default the embedded model (env DEEPTS_MODEL)",
    },
  },
  args: {
    json: { type: "flag", help: "print one JSON object" },
  },
  examples: [
    { command: "deepts inspect DeepSeek-V2-Lite-Q4_K_M.gguf", what: "a file" },
    { command: "deepts inspect ./DeepSeek-V3 --json | jq .memory", what: "will it fit?" },
  ],
  exits: TEXT_EXITS,
  async run({ args, io, stdout }) {
    const opened = await openModel(args.model ?? (io.env[textModelArg.env] || undefined));
    try {
      const report = await inspectModel(opened);
      await stdout.write(args.json ? `${JSON.stringify(report)}\n` : textOf(report));
    } finally {
      await opened.checkpoint.close();
    }
  },
});

type Report = Awaited<ReturnType<typeof inspectModel>>;

async function inspectModel({ checkpoint, name, path }: OpenedModel) {
  const { config, weights, file, gguf, notes } = checkpoint;
  const network = recordNetwork(config, weights);
  const tensors = [...file.tensors.values()];
  return {
    name,
    path,
    format: gguf === null ? "safetensors" : "gguf",
    config,
    parameters: { network: elementsOf(network.weights.values()), mtp: elementsOf(mtpWeights(checkpoint, network)) },
    types: typesOf(tensors),
    memory: {
      weightsInFile: sum(tensors, ({ byteLength }) => byteLength),
      /** Of the main network, in the form that the backend computes with. */
      reference: await referenceMemory(network),
      ...cacheMemory(checkpoint),
    },
    notes,
    tensors: tensors.map(({ name, dtype, shape, file, offset, byteLength: bytes }) => ({
      name,
      dtype,
      shape,
      bytes,
      file,
      offset,
    })),
  };
}

/** Weights of all MTP layers that the main network has not. */
function mtpWeights({ config, weights }: Checkpoint, network: Program): ProgramWeight[] {
  const layers = Array.from({ length: config.numNextnPredictLayers }, (_, layer) => recordMtp(config, weights, layer));
  const all = new Map(layers.flatMap((program) => [...program.weights]));
  return [...all].flatMap(([name, weight]) => (network.weights.has(name) ? [] : [weight]));
}

function elementsOf(weights: Iterable<ProgramWeight>): number {
  return sum([...weights], ({ source }) => source.shape.reduce((a, b) => a * b, 1));
}

function typesOf(tensors: readonly TensorEntry[]) {
  const types = new Map<string, { tensors: number; bytes: number }>();
  for (const { dtype, byteLength } of tensors) {
    const { tensors: count, bytes } = types.get(dtype) ?? { tensors: 0, bytes: 0 };
    types.set(dtype, { tensors: count + 1, bytes: bytes + byteLength });
  }
  return Object.fromEntries(types);
}

/** The reference backend keeps every weight as f32. */
async function referenceMemory(network: Program) {
  const backend = await openBackend("reference");
  const { preferredRows: maxRows } = backend.describe();
  backend.close();
  return {
    weights: 4 * elementsOf(network.weights.values()),
    scratch: planArena(inOrder(network), { maxRows, maxLogitRows: 1 }).bytes,
  };
}

function cacheMemory({ config }: Checkpoint) {
  const cachePerToken = 4 * sum(cacheLayout(config, "f32").layers.flat(), ({ width }) => width);
  const pages = Math.ceil(config.maxPositionEmbeddings / PAGE_SIZE);
  return { cachePerToken, cacheFullContext: cachePerToken * pages * PAGE_SIZE };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function textOf({ name, path, format, config, parameters, types, memory, notes, tensors }: Report): string {
  const { reference } = memory;
  const rows = (lines: readonly (readonly [string, unknown])[]) => {
    const width = Math.max(...lines.map(([label]) => label.length));
    return lines.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
  };
  const mtp = parameters.mtp > 0 ? ` + ${parameters.mtp.toLocaleString("en")} in MTP layers` : "";
  const lines = [
    `${name} (${format}, ${path})`,
    ...notes.map((note) => `note: ${note}`),
    "",
    "hyperparameters",
    ...rows(flatten(config)),
    "",
    "parameters",
    `  ${parameters.network.toLocaleString("en")}${mtp}`,
    "",
    "memory",
    ...rows([
      ["weights in the file", formatBytes(memory.weightsInFile)],
      ["weights, backend reference", `${formatBytes(reference.weights)} (f32, without MTP layers)`],
      ["scratch, backend reference", formatBytes(reference.scratch)],
      ["cache per token", `${formatBytes(memory.cachePerToken)} (f32)`],
      ["cache of a full context", `${formatBytes(memory.cacheFullContext)} (${config.maxPositionEmbeddings} tokens)`],
    ]),
    "",
    "types",
    ...rows(
      Object.entries(types).map(([type, { tensors, bytes }]) => [type, `${tensors} tensors, ${formatBytes(bytes)}`]),
    ),
    "",
    `tensors (${tensors.length})`,
    ...rows(
      tensors.map(({ name, dtype, shape, bytes }) => [name, `${dtype} [${shape.join(", ")}] ${formatBytes(bytes)}`]),
    ),
  ];
  return lines.join("\n") + "\n";
}

/** `attention.kvLoraRank` and its value, line by line. */
function flatten(value: object, prefix = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([key, field]): [string, unknown][] => {
    if (typeof field !== "object" || field === null) return [[prefix + key, field]];
    if (Array.isArray(field)) return [[prefix + key, `[${field.join(", ")}]`]];
    return flatten(field, `${prefix}${key}.`);
  });
}
