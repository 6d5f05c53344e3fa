import * as z from "zod";
import { errorBody } from "./error.ts";
import { type Operation, operations } from "./operations.ts";
import type { Parameter } from "./parameters.ts";

type Json = Record<string, unknown>;

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: "The request is wrong; `param` names the field",
  401: "The API key is missing or wrong",
  403: "The host name is not one of this server's, or the key may not do this",
  404: "There is nothing of this name",
  413: "The body is too large",
  415: "The body is not JSON",
  422: "A parameter is wrong; `param` names it",
  426: "This path takes web sockets",
  429: "Too many requests or tokens; Retry-After says when to try again",
  500: "The server failed; its log has the details under x-request-id",
  503: "The model is loading or the queue is full; Retry-After says when to try again",
  504: "The answer was not complete in time",
  529: "The model is loading or the queue is full; Retry-After says when to try again",
};

/** The API as an OpenAPI 3.1 document, made from the schemas that requests are read with. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    for (const path of [operation.path, ...(operation.aliases ?? [])]) {
      paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describe(operation, path) };
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "DeepTS", version, description: "An inference engine for the DeepSeek model family." },
    paths,
    components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
    security: [{ key: [] }, {}],
  };
}

function describe(operation: Operation, path: string): Json {
  const { answer, error = errorBody, errors = [], event, lastEvent, method, open, request, summary } = operation;
  const failures = [...errors, 403, 500, ...(open ? [] : [401, 429])].sort();
  const answers: Json =
    answer === undefined ? {} : typeof answer === "string" ? { [answer]: {} } : json(answer, "output");
  if (event !== undefined) {
    const contents = [event, error].map((schema) => schemaOf(schema, "output"));
    answers["text/event-stream"] = { schema: eventSchema(contents, lastEvent) };
  }
  return {
    operationId: `${method} ${path}`.toLowerCase().replace(/[^a-z]+/g, "_"),
    summary,
    ...(open ? { security: [] } : {}),
    ...(path.includes("{id}")
      ? { parameters: [{ name: "id", in: "path", required: true, schema: { type: "string", minLength: 1 } }] }
      : {}),
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: noted(schemaOf(request.schema, "input"), request.parameters) } },
          },
        }),
    responses: {
      ...(answer === undefined ? {} : { 200: { description: "The answer", content: answers } }),
      ...Object.fromEntries(
        failures.map((status) => [status, { description: DESCRIPTIONS[status], content: json(error, "output") }]),
      ),
    },
  };
}

/** Of one server-sent event: a part of the answer, the error that ends it, or what comes last. */
function eventSchema(contents: readonly Json[], last: string | undefined): Json {
  const json = { type: "string", contentMediaType: "application/json", contentSchema: { anyOf: contents } };
  const data = last === undefined ? json : { anyOf: [json, { const: last }] };
  return { type: "object", properties: { event: { type: "string" }, data }, required: ["data"] };
}

function json(schema: z.ZodType, io: "input" | "output"): Json {
  return { "application/json": { schema: schemaOf(schema, io) } };
}

/** `list` checks its items itself, so that they have to be put in; what JSON Schema cannot say becomes anything. */
function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...converted } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override({ jsonSchema }) {
      const { item } = jsonSchema as { item?: z.ZodType };
      if (item === undefined) return;
      delete jsonSchema.item;
      jsonSchema.items = schemaOf(item, io) as typeof jsonSchema;
    },
  });
  return converted;
}

/** Adds what the table says of each parameter. */
function noted(schema: Json, parameters: readonly Parameter[]): Json {
  const properties = { ...(schema.properties as Record<string, Json> | undefined) };
  for (const { name, note, state } of parameters) {
    if (properties[name] !== undefined) properties[name] = { ...properties[name], description: note, "x-state": state };
  }
  return { ...schema, properties };
}
