import { open } from "node:fs/promises";

/**
 * Opens what `llama-perplexity --save-all-logits FILE` writes: the tokens, and of each chunk the log-probabilities of rows
 * context / 2 to context - 2, in 16 bits between their largest and 16 below it. Source: llama.cpp, tools/perplexity.
 * @param {string} file
 * @returns {Promise<{ context: number, width: number, chunks: Int32Array[], rows(chunk: number): Promise<Float32Array>, close(): Promise<void> }>}
 *   width: of the vocabulary; rows: [context - 1 - context / 2, width]
 */
export async function openLlamaLogits(file) {
  const handle = await open(file, "r");
  const read = async (offset, length) => {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    if (bytesRead < length) throw new Error(`${file}: ends at byte ${offset + bytesRead}, want ${offset + length}`);
    return bytes;
  };
  try {
    const head = await read(0, 20);
    if (head.toString("latin1", 0, 8) !== "_logits_") throw new Error(`${file}: is not of llama-perplexity`);
    const [context, width, count] = [8, 12, 16].map((at) => head.readInt32LE(at));
    const tokens = await read(20, 4 * context * count);
    const rowCount = context - 1 - (context >> 1);
    const rowBytes = 2 * (2 * ((width + 1) >> 1) + 4);
    const first = 20 + tokens.length;
    return {
      context,
      width,
      chunks: Array.from({ length: count }, (_, chunk) =>
        Int32Array.from({ length: context }, (_, i) => tokens.readInt32LE(4 * (chunk * context + i))),
      ),
      async rows(chunk) {
        const bytes = await read(first + chunk * rowCount * rowBytes, rowCount * rowBytes);
        const out = new Float32Array(rowCount * width);
        for (let row = 0; row < rowCount; row++) {
          const at = row * rowBytes;
          const [scale, least] = [bytes.readFloatLE(at), bytes.readFloatLE(at + 4)];
          for (let i = 0; i < width; i++) out[row * width + i] = least + scale * bytes.readUInt16LE(at + 8 + 2 * i);
        }
        return out;
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
