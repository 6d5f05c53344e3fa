// Makes models/deepts-tiny-Q8_0.gguf, the model that is served by default, from the safetensors of its recipe:
//   node scripts/embedded-model.mjs ../shared/models/deepts-tiny
import { fileURLToPath } from "node:url";
import { convertDirectory } from "../dist/convert/hf-directory.mjs";

const [directory] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node scripts/embedded-model.mjs DIRECTORY (config.json, model.safetensors, tokenizer.json)");
  process.exit(2);
}
const out = fileURLToPath(new URL("../models/deepts-tiny-Q8_0.gguf", import.meta.url));
await convertDirectory(directory, out, "Q8_0", {
  name: "deepts-tiny",
  description: "A tiny demonstration model with the DeepSeek-V3 architecture; see models/deepts-tiny/MODEL_CARD.md.",
  license: "mit",
});
console.log(out);
