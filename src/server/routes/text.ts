import { detokenizeParameters, templateParameters, tokenizeParameters } from "../../protocol/parameters.ts";
import {
  type Detokenized,
  detokenizeRequest,
  type Templated,
  type Tokenized,
  templateRequest,
  tokenizeRequest,
} from "../../protocol/text-requests.ts";
import { checkTokens } from "../check-tokens.ts";
import { toChatInput } from "../generation-request.ts";
import { readRequest } from "../json-body.ts";
import { withModel } from "../with-model.ts";
import type { RouteContext } from "./route.ts";

/** POST /tokenize: text to ids. */
export async function tokenize(request: Request, context: RouteContext): Promise<Response> {
  const { maxBodyBytes } = context.limits;
  const body = await readRequest(request, tokenizeRequest, tokenizeParameters, maxBodyBytes);
  const options = { special: body.parse_special };
  const tokens = await withModel(context, body.model, request.signal, (model) => {
    const ids = body.add_special ? model.encodePrompt(body.content, options) : model.encode(body.content, options);
    return body.with_pieces ? ids.map((id) => ({ id, piece: pieceOf(model.tokenBytes(id)) })) : ids;
  });
  return Response.json({ tokens } satisfies Tokenized);
}

/** POST /detokenize: ids to text. */
export async function detokenize(request: Request, context: RouteContext): Promise<Response> {
  const { maxBodyBytes } = context.limits;
  const body = await readRequest(request, detokenizeRequest, detokenizeParameters, maxBodyBytes);
  const content = await withModel(context, body.model, request.signal, (model) =>
    model.decode(checkTokens(body.tokens, "tokens", model)),
  );
  return Response.json({ content } satisfies Detokenized);
}

/** POST /apply-template: the prompt that a chat request makes. */
export async function applyTemplate(request: Request, context: RouteContext): Promise<Response> {
  const { maxBodyBytes } = context.limits;
  const body = await readRequest(request, templateRequest, templateParameters, maxBodyBytes);
  const chat = { ...toChatInput(body), addGenerationPrompt: body.add_generation_prompt };
  const { text, ids } = await withModel(context, body.model, request.signal, (model) => model.renderChat(chat));
  return Response.json({ prompt: text, tokens: [...ids] } satisfies Templated);
}

function pieceOf(bytes: Uint8Array): string | number[] {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return [...bytes];
  }
}
