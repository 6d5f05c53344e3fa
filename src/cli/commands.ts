import type { Command } from "./command.ts";
import { bench } from "./commands/bench.ts";
import { chat } from "./commands/chat.ts";
import { detokenize } from "./commands/detokenize.ts";
import { doctor } from "./commands/doctor.ts";
import { generate } from "./commands/generate.ts";
import { inspect } from "./commands/inspect.ts";
import { logits } from "./commands/logits.ts";
import { perplexity } from "./commands/perplexity.ts";
import { quantize } from "./commands/quantize.ts";
import { render } from "./commands/render.ts";
import { serve } from "./commands/serve.ts";
import { tokenize } from "./commands/tokenize.ts";

/** In the order of the help. */
export const commands: readonly Command[] = [
  serve,
  chat,
  generate,
  inspect,
  tokenize,
  detokenize,
  render,
  logits,
  perplexity,
  quantize,
  bench,
  doctor,
];

/** Runs where no command is named. */
export const DEFAULT_COMMAND = "serve";
