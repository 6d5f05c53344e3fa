import type { RoomOptions } from "../../engine/engine.ts";
import type { TensorEntry } from "../../formats/tensor-file.ts";
import { cacheLayout, PAGE_SIZE } from "../../model/cache-layout.ts";
import { type Checkpoint, storedBytes } from "../../model/checkpoint.ts";
import { recordMtp, recordNetwork } from "../../model/network.ts";
import { Engine, type OpenedModel, openBackend, openModel } from "../../node.ts";
import type { Backend } from "../../tensor/backend.ts";
import { cacheRowBytes } from "../../tensor/cache-row.ts";
import { processBytes } from "../../tensor/memory-use.ts";
import type { CacheDType, Program, ProgramWeight } from "../../tensor/program.ts";
import { CACHE_DTYPES } from "../../tensor/program.ts";
import { formatBytes } from "../bytes.ts";
import { defineCommand } from "../command.ts";
import { RUN_EXITS } from "../exit-codes.ts";
import { computeArgs, ctxSizeArg, modelArg, parallelArg } from "../shared-args.ts";

export const inspect = defineCommand({
  name: "inspect",
  summary: "Show what is in a model and the memory it takes",
  description:
    "Reads headers only, so it is quick for any size. Shows hyperparameters (the names of config.json, camelCased),\n" +
    "parameters, types, every tensor, and the memory that `deepts serve` takes with the same options: weights in the form\n" +
    "that the backend computes with, cache and scratch.",
  operands: {
    model: {
      help: ".gguf file (of a split one the first) or directory; default the embedded model (env DEEPTS_MODEL)",
    },
  },
  args: {
    ...computeArgs,
    ctxSize: ctxSizeArg,
    parallel: parallelArg,
    json: { type: "flag", help: "print one JSON object" },
  },
  examples: [
    { command: "deepts inspect DeepSeek-V2-Lite-Q4_K_M.gguf", what: "a file" },
    { command: "deepts inspect ./DeepSeek-V3 --json | jq .memory", what: "will it fit?" },
  ],
  exits: RUN_EXITS,
  async run({ args, io, stdout, stderr }) {
    const opened = await openModel(args.model ?? (io.env[modelArg.env] || undefined));
    try {
      const onNote = (note: string) => void stderr.line(note);
      const backend = await openBackend(args.backend, { threads: args.threads, onNote });
      try {
        const { numerics, cacheType, ctxSize: contextSize, parallel } = args;
        const report = await inspectModel(opened, backend, { numerics, cacheType, contextSize, parallel });
        await stdout.write(args.json ? `${JSON.stringify(report)}\n` : textOf(report));
      } finally {
        backend.close();
      }
    } finally {
      await opened.checkpoint.close();
    }
  },
});

type Report = Awaited<ReturnType<typeof inspectModel>>;

async function inspectModel({ checkpoint, name, path }: OpenedModel, backend: Backend, options: RoomOptions) {
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
      weightsInFile: storedBytes(checkpoint),
      /** Without MTP layers. */
      loaded: await loadedMemory(checkpoint, backend, options),
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

/** What `deepts serve` then takes; null where the backend cannot tell. */
async function loadedMemory(checkpoint: Checkpoint, backend: Backend, options: RoomOptions) {
  const prediction = await Engine.predict(checkpoint, backend, options);
  if (!prediction) return null;
  const { memory, ...circumstances } = prediction;
  const { name, device } = backend.describe();
  return { backend: name, device, ...circumstances, ...memory, process: processBytes(memory) };
}

function cacheMemory({ config }: Checkpoint) {
  const perToken = (dtype: CacheDType) => sum(cacheLayout(config, dtype).layers.flat(), cacheRowBytes);
  const cachePerToken = perToken("f32");
  const pages = Math.ceil(config.maxPositionEmbeddings / PAGE_SIZE);
  const cachePerTokenByType = Object.fromEntries(CACHE_DTYPES.map((dtype) => [dtype, perToken(dtype)]));
  return { cachePerToken, cachePerTokenByType, cacheFullContext: cachePerToken * pages * PAGE_SIZE };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

type Lines = readonly (readonly [label: string, value: unknown])[];

function rows(lines: Lines): string[] {
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
}

function loadedLines(loaded: Report["memory"]["loaded"]): string[] {
  if (!loaded) return ["memory when loaded: this backend cannot tell"];
  const { backend, device, numerics, cacheType, contextSize, parallel } = loaded;
  const context = `${parallel} x ${contextSize} tokens, ${cacheType}`;
  const lines: Lines = [
    ["weights", formatBytes(loaded.weights)],
    ["weights read in the file", `${formatBytes(loaded.mapped)} (given back when memory is short)`],
    ["tables read in the file", `${formatBytes(loaded.tables)} (of which the rows looked up)`],
    ["cache", `${formatBytes(loaded.cache)} (${context})`],
    ["scratch", formatBytes(loaded.scratch)],
    ["growth of the process", `${formatBytes(loaded.process)} (all but tables, once the cache is full)`],
  ];
  return [`memory when loaded (${backend}: ${device}; ${numerics} numerics)`, ...rows(lines)];
}

function textOf({ name, path, format, config, parameters, types, memory, notes, tensors }: Report): string {
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
      [
        "cache per token",
        Object.entries(memory.cachePerTokenByType)
          .map(([dtype, bytes]) => `${formatBytes(bytes)} (${dtype})`)
          .join(", "),
      ],
      [
        "cache of a full context",
        `${formatBytes(memory.cacheFullContext)} (f32, ${config.maxPositionEmbeddings} tokens)`,
      ],
    ]),
    "",
    ...loadedLines(memory.loaded),
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
