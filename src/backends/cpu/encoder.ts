import { rowBytes } from "../../tensor/dtype.ts";
import { type EncodeJob, type Encoder, ValueError } from "../../tensor/encoder.ts";
import { type AddonPool, loadAddon } from "./addon.ts";
import { type CpuOptions, threadsOf } from "./backend.ts";

/**
 * The encoders of kernels/cpu/encode/, on threads of their own.
 * @throws BackendUnavailableError where the addon cannot be loaded
 */
export function openCpuEncoder(options: Pick<CpuOptions, "threads"> = {}): Encoder {
  const threads = threadsOf(options);
  const { Pool } = loadAddon();
  return new CpuEncoder(new Pool(threads, null));
}

class CpuEncoder implements Encoder {
  readonly #pool: AddonPool;

  constructor(pool: AddonPool) {
    this.#pool = pool;
  }

  async encode({ from, bytes, columns, to, importance }: EncodeJob): Promise<Uint8Array> {
    const rows = bytes.length / rowBytes(from, columns);
    const out = new Uint8Array(rows * rowBytes(to, columns));
    const { values, rows: shared } = importance ?? { values: null, rows: 1 };
    const bad = await this.#pool.encode(from, bytes, columns, to, out, values, shared);
    if (bad < rows) throw new ValueError(bad);
    return out;
  }

  close(): void {
    this.#pool.close();
  }
}
