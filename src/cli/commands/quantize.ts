import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { openDirectoryAsGguf } from "../../convert/hf-directory.ts";
import type { ImportanceMatrix } from "../../convert/quantize/imatrix.ts";
import { openImatrix } from "../../convert/quantize/open-imatrix.ts";
import { planQuantize, type QuantizePlan, quantizedChunks } from "../../convert/quantize/quantize.ts";
import { type FileType, fileTypeOf, needsImportance, RECIPES, staysExact } from "../../convert/quantize/recipe.ts";
import { fromGguf, fromHf, type SourceTensor } from "../../convert/quantize/source.ts";
import { DeepTsError, FormatError } from "../../errors.ts";
import { saveFile } from "../../formats/file-sink.ts";
import { openFolder } from "../../formats/file-source.ts";
import type { GgufValue } from "../../formats/gguf-values.ts";
import { openGgufPath } from "../../formats/open-path.ts";
import { openEncoder } from "../../node.ts";
import { formatBytes } from "../bytes.ts";
import { defineCommand } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { Progress } from "../progress.ts";
import { threadsArg } from "../shared-args.ts";

export const quantize = defineCommand({
  name: "quantize",
  summary: "Write a model in fewer bits, as a GGUF file",
  description:
    "IN is a .gguf file (of a split one the first) or a directory with config.json and safetensors; OUT is one GGUF file\n" +
    "that llama.cpp reads too. Norms, router and biases stay exact, MTP layers are kept. Types that end in _S, _M or _L\n" +
    "give the tensors that need it most more bits. Rows that are no whole blocks of 256 get a type with blocks of 32.\n" +
    `IQ1 to IQ3 need --imatrix. Types: ${Object.keys(RECIPES).join(", ")}; int8 is Q8_0, int4 is Q4_K_M.`,
  operands: {
    in: { required: true, help: ".gguf file or directory" },
    out: { required: true, help: "the file to write" },
  },
  args: {
    type: { type: "text", required: true, value: "TYPE", help: "what the matrices become, e.g. Q4_K_M" },
    imatrix: {
      type: "text",
      value: "FILE",
      help: "importance matrix of llama-imatrix (GGUF or .dat): which columns matter most",
    },
    force: { type: "flag", help: "replace OUT where it exists" },
    threads: threadsArg,
  },
  examples: [
    { command: "deepts quantize ./DeepSeek-V2-Lite v2-lite-Q4_K_M.gguf --type Q4_K_M", what: "from safetensors" },
    { command: "deepts quantize m-F16.gguf m-Q8_0.gguf --type int8", what: "from a GGUF file" },
    {
      command: "deepts quantize m-BF16.gguf m.gguf --type IQ4_XS --imatrix imatrix.gguf",
      what: "with an importance matrix",
    },
  ],
  exits: RUN_EXITS,
  async run({ args, stdout, stderr, signal }) {
    const type = typeArg(args.type);
    if (needsImportance(type) && args.imatrix === undefined) {
      throw new UsageError(`--type ${type} needs --imatrix FILE: without it files of so few bits are of no use`);
    }
    await checkOut(args.in, args.out, args.force);
    const input = await openInput(args.in, args.out);
    try {
      const imatrix = args.imatrix === undefined ? undefined : await openImatrixPath(args.imatrix);
      try {
        const plan = planQuantize(withImatrix(input.metadata, args.imatrix, imatrix), input.tensors, type, imatrix);
        for (const note of [...input.notes, ...plan.notes]) await stderr.line(`note: ${note}`);
        const encoder = await openEncoder({ threads: args.threads });
        const progress = new Progress(stderr, "quantising");
        const onProgress = (done: number, total: number) => progress.update(done, total);
        try {
          await save(args.out, quantizedChunks(plan, encoder, { imatrix, onProgress, signal }));
        } finally {
          await progress.end();
          encoder.close();
        }
        await stdout.line(summaryOf(args.out, type, plan));
      } finally {
        await imatrix?.close();
      }
    } finally {
      await input.close();
    }
  },
});

/** @throws UsageError */
function typeArg(name: string): FileType {
  const type = fileTypeOf(name);
  if (type !== null) return type;
  throw new UsageError(`--type: unknown type ${name}; want one of ${Object.keys(RECIPES).join(", ")}, int8 or int4`);
}

/** @throws UsageError */
async function checkOut(from: string, out: string, force: boolean): Promise<void> {
  const found = await stat(out).catch(() => null);
  if (found?.isDirectory()) throw new UsageError(`OUT: ${out} is a directory; name the file to write`);
  if (found && (await realpath(out)) === (await realpath(from).catch(() => from))) {
    throw new UsageError(`OUT: ${out} is IN itself; name another file`);
  }
  if (found && !force) throw new UsageError(`OUT: ${out} exists; --force replaces it`);
  const folder = path.dirname(out);
  if (!(await stat(folder).catch(() => null))?.isDirectory()) throw new UsageError(`OUT: there is no folder ${folder}`);
}

interface Input {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: SourceTensor[];
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/** @throws FormatError, ConfigError, UsageError */
async function openInput(place: string, out: string): Promise<Input> {
  const found = await stat(place).catch((cause: Error) => {
    throw new FormatError(place, 0, "there is no such file or directory; IN is a .gguf file or a directory", { cause });
  });
  if (found.isDirectory()) {
    const view = await openDirectoryAsGguf(place, "F16", { name: path.basename(path.resolve(place)) });
    return { ...view, tensors: view.tensors.map(fromHf) };
  }
  const file = await openGgufPath(place);
  const entries = [...file.tensors.values()];
  if (entries.some((entry) => path.resolve(path.dirname(place), entry.file) === path.resolve(out))) {
    await file.close();
    throw new UsageError(`OUT: ${out} is a part of IN; name another file`);
  }
  const tensors = entries.map((entry) => fromGguf(entry, staysExact(entry.name, entry.shape)));
  return { metadata: file.metadata.values, tensors, notes: [], close: () => file.close() };
}

/** @throws FormatError */
function openImatrixPath(file: string): Promise<ImportanceMatrix> {
  return openImatrix(openFolder(path.dirname(file)), path.basename(file));
}

function withImatrix(metadata: Input["metadata"], file: string | undefined, imatrix: ImportanceMatrix | undefined) {
  if (file === undefined || imatrix === undefined) return metadata;
  return new Map<string, GgufValue>([
    ...metadata,
    ["quantize.imatrix.file", { type: "string", value: path.basename(file) }],
    ["quantize.imatrix.entries_count", { type: "u32", value: imatrix.tensors.size }],
  ]);
}

/** What is wrong with OUT when writing fails, by the system's codes. */
const WRITE_ERRORS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; what was written is removed",
  EDQUOT: "the disk quota is used up; what was written is removed",
  EFBIG: "larger than a file may be here; what was written is removed",
  EACCES: "cannot be written: no permission for this folder",
  EPERM: "cannot be written: no permission for this folder",
  EROFS: "cannot be written: the disk is read-only",
  ENOENT: "cannot be written: no files can be made in this folder",
};

async function save(out: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await saveFile(out, chunks);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    const why = syscall === undefined || code === undefined ? undefined : WRITE_ERRORS[code];
    if (why === undefined) throw error;
    throw new DeepTsError("not_written", `OUT: ${out}: ${why}`, { cause: error });
  }
}

function summaryOf(out: string, type: FileType, { bytes, tensors }: QuantizePlan): string {
  const counts = new Map<string, number>();
  for (const { dtype } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  const types = [...counts].map(([dtype, count]) => `${count} ${dtype}`).join(", ");
  return `${out}: ${type}, ${formatBytes(bytes)} of weights (${types})`;
}
