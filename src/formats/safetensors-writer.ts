import { isSafetensorsType, METADATA_KEY } from "./safetensors-header.ts";
import { checkNames, contentBytes, contentChunks, type TensorContent } from "./tensor-content.ts";
import { elementBits } from "./tensor-file.ts";

/**
 * The bytes of a safetensors file, piece by piece: pass them to saveFile. Tensors are written with the widest elements
 * first, so that each is aligned to its element; each tensor's data is asked for when its turn comes.
 * Source: github.com/huggingface/safetensors, README section "Format".
 * @param metadata `__metadata__`
 * @throws RangeError for a name that is there twice, a block dtype, or data that is not exactly the bytes of its shape
 */
export async function* safetensorsChunks(
  tensors: readonly TensorContent[],
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  checkNames(tensors);
  const ordered = tensors.toSorted((a, b) => elementBits(b.dtype) - elementBits(a.dtype));
  const entries: [string, object][] = Object.keys(metadata).length > 0 ? [[METADATA_KEY, metadata]] : [];
  let end = 0;
  for (const tensor of ordered) {
    const { name, dtype, shape } = tensor;
    if (!isSafetensorsType(dtype)) throw new RangeError(`${name}: safetensors has no type ${dtype}`);
    if (name === METADATA_KEY) throw new RangeError(`${METADATA_KEY} cannot be the name of a tensor`);
    const start = end;
    end += contentBytes(tensor);
    entries.push([name, { dtype, shape, data_offsets: [start, end] }]);
  }
  // Object.fromEntries defines its keys, so that a tensor named __proto__ is an entry like any other.
  const text = JSON.stringify(Object.fromEntries(entries));
  const json = new TextEncoder().encode(text);
  const padded = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  yield header;
  for (const tensor of ordered) yield* contentChunks(tensor);
}
