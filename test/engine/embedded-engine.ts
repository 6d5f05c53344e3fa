import { Engine, type EngineOptions } from "../../src/engine/engine.ts";
import type { EndEvent, GenerationRequest, TokenEvent } from "../../src/engine/generation.ts";
import { textFromGguf } from "../../src/engine/text.ts";
import { embeddedModelPath, openModel } from "../../src/node.ts";
import type { Backend } from "../../src/tensor/backend.ts";
import { JinjaTemplate } from "../../src/tokenizer/jinja.ts";

/** The embedded model: small, real, and it knows when to stop. */
export interface EmbeddedModel {
  newEngine(options?: Partial<EngineOptions>, backend?: Backend): Promise<Engine>;
  /** Frees the file and the backend; the engines are the caller's. */
  close(): Promise<void>;
}

export async function openEmbedded(backend: Backend): Promise<EmbeddedModel> {
  const { checkpoint } = await openModel(embeddedModelPath());
  const defaults: EngineOptions = {
    id: "tiny",
    contextSize: 512,
    parallel: 2,
    maxWaiting: 2,
    renderTemplate: (source, variables) => new JinjaTemplate(source).render(variables),
  };
  return {
    newEngine: (options = {}, on = backend) =>
      Engine.load(checkpoint, textFromGguf(checkpoint.gguf!), on, { ...defaults, ...options }),
    async close() {
      backend.close();
      await checkpoint.close();
    },
  };
}

export interface Answered {
  readonly text: string;
  readonly tokens: readonly TokenEvent[];
  readonly end: EndEvent;
}

/** Reads an answer to its end. */
export async function answer(
  engine: Engine,
  request: GenerationRequest,
  options: { signal?: AbortSignal } = {},
): Promise<Answered> {
  const tokens: TokenEvent[] = [];
  let text = "";
  for await (const event of engine.generate(request, options)) {
    text += event.text;
    if (event.type === "end") return { text, tokens, end: event };
    tokens.push(event);
  }
  throw new Error("the answer had no end");
}

/** The prompt of one user's turn. */
export async function userTurn(engine: Engine, content: string): Promise<readonly number[]> {
  return (await engine.renderChat({ messages: [{ role: "user", content }] })).ids;
}
