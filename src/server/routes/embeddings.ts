import type { ServedModel } from "../../engine/generation.ts";
import { type Embeddings, type EmbeddingsRequest, embeddingsRequest } from "../../protocol/embeddings.ts";
import { embeddingsParameters } from "../../protocol/parameters.ts";
import { checkLength, checkTokens } from "../check-tokens.ts";
import { readRequest } from "../json-body.ts";
import { withModel } from "../with-model.ts";
import type { RouteContext } from "./route.ts";

/** POST /v1/embeddings: statuses as /v1/chat/completions. The inputs are read one after the other. */
export async function createEmbeddings(request: Request, context: RouteContext): Promise<Response> {
  const { maxBodyBytes } = context.limits;
  const body = await readRequest(request, embeddingsRequest, embeddingsParameters, maxBodyBytes);
  const embed = (model: ServedModel) => toEmbeddings(body, model, request.signal);
  return Response.json(await withModel(context, body.model, request.signal, embed));
}

async function toEmbeddings(body: EmbeddingsRequest, model: ServedModel, signal: AbortSignal): Promise<Embeddings> {
  const prompts = body.input.map((input, i) => {
    const param = body.input.length > 1 ? `input[${i}]` : "input";
    const ids = typeof input === "string" ? model.encodePrompt(input, { special: false }) : input;
    checkLength(ids, param, model);
    return checkTokens(ids, param, model);
  });
  const data: Embeddings["data"] = [];
  for (const [index, prompt] of prompts.entries()) {
    const vector = await model.embed(prompt, body.pooling, { signal });
    const embedding = body.encoding_format === "float" ? [...vector] : base64(vector);
    data.push({ object: "embedding", index, embedding });
  }
  const tokens = prompts.reduce((sum, { length }) => sum + length, 0);
  return {
    object: "list",
    data,
    model: model.id,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString("base64");
}
