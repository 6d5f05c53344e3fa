import { DeepTsError } from "../errors.ts";
import { type Batch, type CompileOptions, ROW_GENERATED, ROW_PROMPT } from "./backend.ts";

/** A batch that breaks its own contract or the limits it was compiled for: a bug of the caller, found before anything runs. */
export class BatchError extends DeepTsError {
  constructor(message: string) {
    super("batch", message);
  }
}

/**
 * Checks a batch against what an Executable was compiled for. Every backend calls it first, so that no kernel needs to
 * guard its indices.
 * @param vocabSize rows of the embedding table, or null when the Program embeds nothing
 * @throws BatchError
 */
export function checkBatch(batch: Batch, options: CompileOptions, vocabSize: number | null): void {
  const rows = batch.tokens.length;
  const { pageSize } = options.cache.layout;
  within("rows", rows, options.maxRows);
  within("sequences", batch.blockTables.length, options.maxSeqs);
  within("logit rows", batch.logitRows.length, options.maxLogitRows);
  for (const name of ["positions", "sequences", "kinds"] as const) {
    if (batch[name].length !== rows) throw new BatchError(`${rows} tokens but ${batch[name].length} ${name}`);
  }
  const last = new Int32Array(batch.blockTables.length).fill(-1);
  for (let t = 0; t < rows; t++) {
    const token = batch.tokens[t]!;
    if (vocabSize !== null && !(token >= 0 && token < vocabSize)) {
      throw new BatchError(`row ${t}: token ${token} is outside the vocabulary of ${vocabSize}`);
    }
    const table = batch.blockTables[batch.sequences[t]!];
    if (!table) throw new BatchError(`row ${t}: sequence ${batch.sequences[t]} has no block table`);
    const position = batch.positions[t]!;
    if (!(position >= 0 && position < table.length * pageSize)) {
      throw new BatchError(`row ${t}: position ${position} is outside the ${table.length} pages of its sequence`);
    }
    if (position <= last[batch.sequences[t]!]!) {
      throw new BatchError(`row ${t}: position ${position} does not come after the one before it in its sequence`);
    }
    last[batch.sequences[t]!] = position;
    const kind = batch.kinds[t]!;
    if (kind !== ROW_PROMPT && kind !== ROW_GENERATED) throw new BatchError(`row ${t}: ${kind} is no kind of row`);
  }
  for (const table of batch.blockTables) {
    for (const page of table) {
      if (!(page >= 0 && page < options.cache.pages)) {
        throw new BatchError(`page ${page} is outside the cache of ${options.cache.pages} pages`);
      }
    }
  }
  let previous = -1;
  for (const row of batch.logitRows) {
    if (!(row >= 0 && row < rows)) throw new BatchError(`logit row ${row} is outside the ${rows} rows`);
    if (row <= previous) throw new BatchError(`logit row ${row} comes after ${previous}; want ascending order`);
    previous = row;
  }
}

function within(what: string, count: number, limit: number): void {
  if (count > limit) throw new BatchError(`${count} ${what}, compiled for at most ${limit}`);
}
