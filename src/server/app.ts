import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { requestId } from "hono/request-id";
import type { ServedModel } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";
import { checkHost } from "./allowed-hosts.ts";
import type { Dialect } from "./dialects.ts";
import { errorResponse, toApiError } from "./errors.ts";
import { singleModel } from "./model-directory.ts";
import { ResponseStore, type StoreLimits } from "./response-store.ts";
import { chatCompletions } from "./routes/chat.ts";
import { completions } from "./routes/completions.ts";
import { getHealth } from "./routes/health.ts";
import { countTokens, messages } from "./routes/messages.ts";
import { getModel, listModels } from "./routes/models.ts";
import { pageRoutes } from "./routes/page.ts";
import { createResponse, deleteResponse, getResponse } from "./routes/responses.ts";
import type { Limits, Route } from "./routes/route.ts";
import { applyTemplate, detokenize, tokenize } from "./routes/text.ts";

export interface AppOptions {
  /** A promise of a model that is still being loaded: until then /health says so and other routes answer 503. */
  readonly model: ServedModel | Promise<ServedModel>;
  /** Host names by which clients may call this server, beside localhost and addresses. Default none. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may call this server, or "*" for all. Default none. */
  readonly cors?: readonly string[] | "*";
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number;
  /** What POST /v1/responses keeps. Default 1024 responses, 64 Mi characters. */
  readonly storedResponses?: StoreLimits;
  /** Default 15 000. */
  readonly keepAliveMs?: number;
  /** Takes one entry for each answered request, and one more when a stream fails after its status has been sent. */
  readonly log?: (entry: RequestLog) => void;
}

/** Holds nothing of what was asked or answered. */
export interface RequestLog {
  readonly requestId: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  /** Time until the status was decided, in milliseconds. */
  readonly durationMs: number;
  /** What made the status 500 or more. */
  readonly error?: unknown;
}

const routes: readonly Route[] = [
  { method: "GET", path: "/health", handler: getHealth },
  { method: "GET", path: "/v1/models", handler: listModels },
  { method: "GET", path: "/v1/models/:id{.+}", handler: getModel },
  { method: "POST", path: "/v1/chat/completions", handler: chatCompletions },
  { method: "POST", path: "/v1/completions", handler: completions },
  { method: "POST", path: "/v1/responses", handler: createResponse },
  { method: "GET", path: "/v1/responses/:id", handler: getResponse },
  { method: "DELETE", path: "/v1/responses/:id", handler: deleteResponse },
  { method: "POST", path: "/v1/messages", dialect: "anthropic", handler: messages },
  { method: "POST", path: "/v1/messages/count_tokens", dialect: "anthropic", handler: countTokens },
  { method: "POST", path: "/tokenize", handler: tokenize },
  { method: "POST", path: "/detokenize", handler: detokenize },
  { method: "POST", path: "/apply-template", handler: applyTemplate },
  // DeepSeek's own paths: base URLs https://api.deepseek.com and https://api.deepseek.com/beta.
  { method: "GET", path: "/models", handler: listModels },
  { method: "POST", path: "/chat/completions", dialect: "deepseek", handler: chatCompletions },
  { method: "POST", path: "/beta/chat/completions", dialect: "deepseek", handler: chatCompletions },
  { method: "POST", path: "/completions", dialect: "deepseek", handler: completions },
  { method: "POST", path: "/beta/completions", dialect: "deepseek", handler: completions },
  ...pageRoutes,
];

/** Paths of the API, without the pages and look-ups of one model; the README lists them. */
export const API_PATHS: readonly string[] = routes
  .map(({ path }) => path)
  .filter((path) => path === "/health" || (path.startsWith("/v1/") && !path.includes(":")));

const DEFAULT_STORE: StoreLimits = { maxResponses: 1024, maxSize: 64 << 20 };

/** nginx's status for a client that closed the connection; nobody gets it, but the log shows it. */
const CLIENT_CLOSED_REQUEST = 499;

/** Answers carry a policy of their own only where they are a page. */
const API_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** The HTTP API over one model, from Request to Response: it runs in a process, over a socket, or in a test. */
export function createApp(options: AppOptions): Hono {
  const { allowedHosts = [], log } = options;
  const limits: Limits = { maxBodyBytes: options.maxBodyBytes ?? 4 << 20, keepAliveMs: options.keepAliveMs ?? 15_000 };
  const models = singleModel(options.model);
  const responses = new ResponseStore(options.storedResponses ?? DEFAULT_STORE);
  const app = new Hono();
  const failures = new WeakMap<Context, unknown>();

  const fail = (c: Context, error: unknown, dialect?: Dialect): Response => {
    if (c.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    const apiError = toApiError(error);
    if (apiError.status >= 500) failures.set(c, apiError.cause ?? apiError);
    return errorResponse(apiError, dialect, c.get("requestId"));
  };
  const entry = (c: Context, started: number, status: number, error: unknown): RequestLog => {
    const { method, path } = c.req;
    const durationMs = performance.now() - started;
    return {
      requestId: c.get("requestId"),
      method,
      path,
      status,
      durationMs,
      ...(error === undefined ? {} : { error }),
    };
  };

  app.use(requestId());
  app.use(async (c, next) => {
    const started = performance.now();
    await next();
    c.res.headers.set("x-request-id", c.get("requestId"));
    setSecurityHeaders(c.res.headers, options.cors !== undefined);
    log?.(entry(c, started, c.res.status, failures.get(c)));
  });
  app.use(async (c, next) => {
    checkHost(c.req.url, allowedHosts);
    await next();
  });
  if (options.cors !== undefined) {
    const origin = options.cors === "*" ? "*" : [...options.cors];
    app.use(cors({ origin, exposeHeaders: ["x-request-id", "retry-after"], maxAge: 600 }));
  }

  for (const { method, path, dialect = "openai", handler } of routes) {
    if (dialect === "anthropic") {
      app.use(path, async (c, next) => {
        await next();
        c.res.headers.set("request-id", c.get("requestId"));
      });
    }
    app.on(method, path, async (c) => {
      const started = performance.now();
      const reportError = (error: ApiError) => {
        const { cause = error } = error;
        if (!c.req.raw.signal.aborted) log?.(entry(c, started, error.status, cause));
      };
      try {
        return await handler(c.req.raw, {
          models,
          caller: { id: "" },
          responses,
          limits,
          dialect,
          params: c.req.param(),
          reportError,
        });
      } catch (error) {
        return fail(c, error, dialect); // whatever it is: Hono's handler takes instances of Error only
      }
    });
  }
  for (const [path, { methods, dialect }] of byPath(routes)) {
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    app.all(path, (c) => {
      if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
      const wanted = `${c.req.path} takes ${methods.join(" and ")} requests`;
      const response = fail(c, new ApiError(405, wanted, { code: "method_not_allowed" }), dialect);
      response.headers.set("allow", allow);
      return response;
    });
  }
  app.notFound((c) =>
    fail(c, new ApiError(404, `there is nothing at ${c.req.path.slice(0, 200)}`, { code: "not_found" })),
  );
  app.onError((error, c) => fail(c, error));
  return app;
}

function byPath(all: readonly Route[]): Map<string, { readonly methods: string[]; readonly dialect?: Dialect }> {
  const paths = new Map<string, { methods: string[]; dialect?: Dialect }>();
  for (const { method, path, dialect } of all) {
    const entry = paths.get(path);
    if (entry === undefined) paths.set(path, { methods: [method], dialect });
    else entry.methods.push(method);
  }
  return paths;
}

function setSecurityHeaders(headers: Headers, crossOrigin: boolean): void {
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  headers.set("cross-origin-resource-policy", crossOrigin ? "cross-origin" : "same-origin");
  if (!headers.has("content-security-policy")) headers.set("content-security-policy", API_CONTENT_POLICY);
}
