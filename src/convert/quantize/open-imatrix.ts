import type { ByteFolder } from "../../formats/byte-source.ts";
import { openGguf } from "../../formats/gguf-reader.ts";
import type { ImportanceMatrix } from "./imatrix.ts";
import { openImatrixDat } from "./imatrix-dat.ts";
import { imatrixOfGguf } from "./imatrix-gguf.ts";

/**
 * Opens what llama-imatrix writes: GGUF, or the older format without a signature (`.dat`).
 * @throws FormatError when the file is neither
 */
export async function openImatrix(folder: ByteFolder, fileName: string): Promise<ImportanceMatrix> {
  const source = await folder.open(fileName);
  const magic = source.size < 4 ? "" : String.fromCharCode(...(await source.read(0, 4)));
  if (magic !== "GGUF") return openImatrixDat(source);
  await source.close();
  const file = await openGguf(folder, fileName);
  try {
    return imatrixOfGguf(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}
