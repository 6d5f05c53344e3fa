import type * as z from "zod";
import { ApiError } from "../errors.ts";
import type { Parameter } from "../protocol/parameters.ts";
import { parseRequest } from "../protocol/parse-request.ts";
import { findJsonProblem } from "./json-text.ts";

/** A JSON schema of a tool rarely nests 20 deep; whatever recurses over a body must survive this. */
export const MAX_DEPTH = 100;

/** Characters of JSON that a parameter which holds schemas may take: far more than what compiles, and far less than a body. */
const MAX_SCHEMA_TEXT = 512 << 10;

/**
 * The body of a request, checked against the table of its endpoint and its schema.
 * @throws ApiError 415 for another content type or an encoding, 413 above `maxBytes`, 400 for what is not JSON, saying where,
 * for a parameter of schemas that is too long, and as parseRequest()
 */
export async function readRequest<T extends z.ZodType>(
  request: Request,
  schema: T,
  parameters: readonly Parameter[],
  maxBytes: number,
): Promise<z.output<T>> {
  const limited = new Set(parameters.filter(({ schema }) => schema).map(({ name }) => name));
  return parseRequest(schema, parameters, await readJson(request, maxBytes, limited));
}

async function readJson(request: Request, maxBytes: number, limited: ReadonlySet<string>): Promise<unknown> {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type)) {
    const got = type === "" ? "no content-type" : `content-type ${JSON.stringify(type.slice(0, 100))}`;
    throw new ApiError(415, `want the header content-type: application/json, got ${got}`, {
      code: "unsupported_media_type",
    });
  }
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw new ApiError(415, `content-encoding ${JSON.stringify(encoding.slice(0, 100))}: send the body as it is`, {
      code: "unsupported_media_type",
    });
  }
  const text = decode(await readBytes(request, maxBytes));
  if (text.trim() === "") throw new ApiError(400, "the body is empty: want a JSON object", { code: "invalid_json" });
  const problem = findJsonProblem(text, MAX_DEPTH, (name) => (limited.has(name) ? MAX_SCHEMA_TEXT : text.length));
  if (problem === null) return JSON.parse(text);
  if (problem.tooLong !== null) {
    const param = problem.tooLong;
    throw new ApiError(400, `'${param}': want at most ${MAX_SCHEMA_TEXT} characters of JSON`, {
      param,
      code: "invalid_value",
    });
  }
  const before = text.slice(0, problem.offset).split("\n");
  const place = `line ${before.length}, column ${before[before.length - 1]!.length + 1}`;
  throw new ApiError(400, `the body is not acceptable JSON: ${place}: ${problem.message}`, { code: "invalid_json" });
}

/** Reads at most `maxBytes`, whether or not the length was announced. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw tooLarge(maxBytes);
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, `the body is larger than ${maxBytes} bytes`, { code: "body_too_large" });
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ApiError(400, "the body is not UTF-8", { code: "invalid_json", cause });
  }
}
