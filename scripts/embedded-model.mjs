// Makes models/deepts-tiny-Q8_0.gguf, the model that is served by default, from the safetensors of its recipe:
//   node scripts/embedded-model.mjs DIRECTORY
import { fileURLToPath } from "node:url";
import { convertDirectory } from "../dist/convert/hf-directory.mjs";
import { EMBEDDED_MODEL } from "../dist/embedded.mjs";

const [directory] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node scripts/embedded-model.mjs DIRECTORY (config.json, model.safetensors, tokenizer.json)");
  process.exit(2);
}
const out = fileURLToPath(new URL(`../models/${EMBEDDED_MODEL.file}`, import.meta.url));
await convertDirectory(directory, out, "Q8_0", EMBEDDED_MODEL.general);
console.log(out);
