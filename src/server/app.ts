import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { requestId } from "hono/request-id";
import { routePath } from "hono/route";
import type { ServedModel } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";
import { checkHost } from "./allowed-hosts.ts";
import type { ApiKey } from "./api-keys.ts";
import type { Dialect } from "./dialects.ts";
import { errorResponse, toApiError } from "./errors.ts";
import { type Caller, Gate } from "./gate.ts";
import type { Meter } from "./metered-model.ts";
import { Metrics } from "./metrics.ts";
import { ModelDirectory } from "./model-directory.ts";
import { RATE_LIMIT_HEADERS, type RateLimitOptions, RateLimits } from "./rate-limits.ts";
import { ResponseStore, type StoreLimits } from "./response-store.ts";
import { routes } from "./route-table.ts";
import type { Limits, Route } from "./routes/route.ts";

export interface AppOptions {
  /**
   * One model, or a promise of one that is still being loaded, or a directory of several. The app owns none of them.
   * Until the first is loaded /health says so and other routes answer 503.
   */
  readonly model: ServedModel | Promise<ServedModel> | ModelDirectory;
  /** For the API's documents. Default empty. */
  readonly version?: string;
  /** Keys of which a request must carry one. Default none: everyone may ask. */
  readonly apiKeys?: readonly ApiKey[];
  /** Keys that may manage the server, beside those of apiKeys that may. Without apiKeys nobody else needs one. Default none. */
  readonly adminKeys?: readonly ApiKey[];
  /** Default: no limits. */
  readonly rateLimits?: RateLimitOptions;
  /** Host names by which clients may call this server, beside localhost and addresses. Default none. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may call this server, or "*" for all. Default none. */
  readonly cors?: readonly string[] | "*";
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number;
  /** How long an answer may take, waiting included, in milliseconds. Default: no limit. */
  readonly answerTimeoutMs?: number;
  /** What POST /v1/responses keeps. Default 1024 responses, 64 Mi characters. */
  readonly storedResponses?: StoreLimits;
  /** Default 15 000. */
  readonly keepAliveMs?: number;
  /** Default: metrics of its own, without those of the process. */
  readonly metrics?: Metrics;
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
  /** Name of the API key. */
  readonly key?: string;
  /** What made the status 500 or more. */
  readonly error?: unknown;
}

/** What the host of an app knows of a request beside the Request. */
export interface RequestOrigin {
  /** The client's address. */
  readonly address?: string;
}

type AppEnv = { Bindings: RequestOrigin; Variables: { requestId: string; caller: Caller } };
type AppContext = Context<AppEnv>;

/** Paths of the API, without the pages and look-ups of one thing; the README lists them. */
export const API_PATHS: readonly string[] = routes
  .map(({ path }) => path)
  .filter((path) => path === "/health" || (path.startsWith("/v1/") && !path.includes(":")));

const DEFAULT_STORE: StoreLimits = { maxResponses: 1024, maxSize: 64 << 20 };

/** nginx's status for a client that closed the connection; nobody gets it, but the log shows it. */
const CLIENT_CLOSED_REQUEST = 499;

/** Answers carry a policy of their own only where they are a page. */
const API_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** The HTTP API over models, from Request to Response: it runs in a process, over a socket, or in a test. */
export function createApp(options: AppOptions): Hono<AppEnv> {
  const { allowedHosts = [], answerTimeoutMs, apiKeys = [], log, metrics = new Metrics(), version = "" } = options;
  const limits: Limits = { maxBodyBytes: options.maxBodyBytes ?? 4 << 20, keepAliveMs: options.keepAliveMs ?? 15_000 };
  const models = options.model instanceof ModelDirectory ? options.model : ModelDirectory.of(options.model);
  const responses = new ResponseStore(options.storedResponses ?? DEFAULT_STORE);
  const gate = new Gate(apiKeys, new RateLimits(options.rateLimits ?? {}), options.adminKeys);
  const app = new Hono<AppEnv>();
  const failures = new WeakMap<AppContext, unknown>();

  const fail = (c: AppContext, error: unknown, dialect?: Dialect): Response => {
    if (c.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    const apiError = toApiError(error);
    // A 503 of our own, as of a full queue, is an answer and no failure.
    const refuses = apiError.status === 503 && apiError.cause === undefined;
    if (apiError.status >= 500 && !refuses) failures.set(c, apiError.cause ?? apiError);
    return errorResponse(apiError, dialect, c.get("requestId"));
  };
  const entry = (c: AppContext, started: number, status: number, error: unknown): RequestLog => {
    const { method, path } = c.req;
    const durationMs = performance.now() - started;
    const key = c.get("caller")?.key?.name;
    return {
      requestId: c.get("requestId"),
      method,
      path,
      status,
      durationMs,
      ...(key === undefined ? {} : { key }),
      ...(error === undefined ? {} : { error }),
    };
  };
  const meterOf = (caller: Caller): Meter => {
    const { key } = caller;
    const wishes = {
      ...(key === null ? {} : { cacheSalt: Buffer.from(key.hash).toString("hex"), priority: key.priority ?? 0 }),
      ...(answerTimeoutMs === undefined ? {} : { timeoutMs: answerTimeoutMs }),
    };
    const onSpent = (tokens: number) => {
      gate.spend(caller, tokens).catch((error: unknown) => log?.(lostCount(caller, error)));
    };
    return { metrics, wishes, onSpent };
  };

  app.use(requestId());
  app.use(async (c, next) => {
    const started = performance.now();
    await next();
    c.res.headers.set("x-request-id", c.get("requestId"));
    setSecurityHeaders(c.res.headers, options.cors !== undefined);
    // Patterns and not paths: a label must not take any value that a client makes up.
    const pattern = routePath(c, -1);
    const route = pattern === "/*" ? "other" : pattern;
    metrics.requests.inc({ method: c.req.method, route, status: c.res.status });
    metrics.requestSeconds.observe({ route }, (performance.now() - started) / 1000);
    log?.(entry(c, started, c.res.status, failures.get(c)));
  });
  app.use(async (c, next) => {
    checkHost(c.req.url, allowedHosts);
    await next();
  });
  if (options.cors !== undefined) {
    const origin = options.cors === "*" ? "*" : [...options.cors];
    app.use(cors({ origin, exposeHeaders: EXPOSED_HEADERS, maxAge: 600 }));
  }

  for (const { method, path, dialect = "openai", open = false, admin = false, handler } of routes) {
    app.on(method, path, async (c) => {
      const started = performance.now();
      const reportError = (error: ApiError) => {
        const { cause = error } = error;
        if (!c.req.raw.signal.aborted) log?.(entry(c, started, error.status, cause));
      };
      const answer = async (): Promise<Response> => {
        const address = c.env?.address ?? "";
        const caller = open ? { id: address, key: null } : gate.identify(c.req.raw.headers, address);
        c.set("caller", caller);
        if (admin) gate.checkAdmin(caller);
        const left = open ? {} : await gate.admit(caller);
        const response = await handler(c.req.raw, {
          models,
          meter: meterOf(caller),
          caller,
          responses,
          metrics,
          limits,
          dialect,
          version,
          origins: options.cors ?? [],
          params: c.req.param(),
          reportError,
        });
        for (const [name, value] of Object.entries(left)) response.headers.set(name, value);
        return response;
      };
      // Whatever is thrown: Hono's handler takes instances of Error only.
      const response = await answer().catch((error: unknown) => fail(c, error, dialect));
      if (dialect === "anthropic") response.headers.set("request-id", c.get("requestId"));
      return response;
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

/** For pages of other origins. */
const EXPOSED_HEADERS = ["x-request-id", "request-id", "retry-after", ...RATE_LIMIT_HEADERS];

/** Tokens that could not be counted: not a request, but the log should tell. */
function lostCount(caller: Caller, error: unknown): RequestLog {
  const key = caller.key?.name;
  return { requestId: "", method: "", path: "rate limits", status: 500, durationMs: 0, error, ...(key ? { key } : {}) };
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
