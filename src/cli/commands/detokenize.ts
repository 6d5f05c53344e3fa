import { loadText } from "../../node.ts";
import { defineCommand } from "../command.ts";
import { TEXT_EXITS } from "../exit-codes.ts";
import { parseTokenIds, readText } from "../input.ts";
import { textModelArg } from "../shared-args.ts";

export const detokenize = defineCommand({
  name: "detokenize",
  summary: "Print the text of token ids",
  description:
    "The text comes exactly, special tokens written out, with no line end added but on a terminal.\n" +
    "Bytes that do not make up a character become U+FFFD.",
  operands: {
    ids: {
      required: true,
      rest: true,
      help: "separated by commas or spaces, or a JSON array; - reads them from stdin",
    },
  },
  args: {
    model: textModelArg,
    skipSpecial: { type: "flag", help: "leave special tokens out" },
  },
  examples: [
    { command: "deepts detokenize --model m.gguf 19923,2058", what: "text of two tokens" },
    {
      command: "printf Hello | deepts tokenize --model m.gguf | deepts detokenize --model m.gguf -",
      what: "there and back again",
    },
  ],
  exits: TEXT_EXITS,
  async run({ args, io, stdout, signal }) {
    const given = args.ids.join(" ");
    const { tokenizer } = await loadText(args.model);
    const text = given === "-" ? await readText("-", { io, signal }, "stdin") : given;
    const ids = parseTokenIds(text, tokenizer.size, given === "-" ? "stdin" : "IDS");
    await stdout.write(tokenizer.decode(ids, { skipSpecial: args.skipSpecial }));
    if (stdout.isTerminal) await stdout.write("\n");
  },
});
