import { loadText } from "../../node.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { defineCommand } from "../command.ts";
import { TEXT_EXITS } from "../exit-codes.ts";
import { readText } from "../input.ts";
import { textModelArg } from "../shared-args.ts";

export const tokenize = defineCommand({
  name: "tokenize",
  summary: "Print the token ids of the text on stdin",
  description:
    "The text is taken as it is: a line end at its end counts, and no BOS is added.\n" +
    "Prints the ids on one line, separated by spaces.",
  args: {
    model: textModelArg,
    special: { type: "flag", help: "special tokens written in the text become their ids, instead of plain text" },
    pieces: { type: "flag", help: "print one token a line: its id, a tab, and its text as a JSON string" },
    json: { type: "flag", help: "print the ids as one JSON array" },
  },
  examples: [
    { command: "printf 'Hello world' | deepts tokenize --model ./DeepSeek-V3", what: "ids of a text" },
    { command: "deepts tokenize --model m.gguf --json < book.txt | jq length", what: "count the tokens of a file" },
  ],
  exits: TEXT_EXITS,
  async run({ args, io, stdout, signal }) {
    const { tokenizer } = await loadText(args.model);
    const ids = tokenizer.encode(await readText("-", { io, signal }, "stdin"), { special: args.special });
    if (args.json) return stdout.line(JSON.stringify(ids));
    if (args.pieces) return stdout.write(ids.map((id) => `${id}\t${pieceOf(tokenizer, id)}\n`).join(""));
    await stdout.line(ids.join(" "));
  },
});

function pieceOf(tokenizer: Tokenizer, id: number): string {
  return JSON.stringify(tokenizer.decode([id]));
}
