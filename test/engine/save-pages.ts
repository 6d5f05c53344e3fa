import { openPrefixFiles } from "../../src/engine/prefix-files.ts";
import { savedPage, savedText } from "./saved-pages.ts";

// A process that saves page after page of one text, until somebody ends it: node save-pages.ts FOLDER
const [, , folder] = process.argv;
const network = { fingerprint: "model", pageBytes: savedPage(0).bytes.length };
const store = await openPrefixFiles({ ...network, folder: folder!, maxBytes: 2 ** 30, warn: console.error });
for (const [index, address] of savedText(store).entries()) {
  if (!(await store.save(address, savedPage(index)))) process.exit(1);
}
