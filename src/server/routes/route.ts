import type { ApiError } from "../../errors.ts";
import type { Dialect } from "../dialects.ts";
import type { Caller } from "../gate.ts";
import type { Meter } from "../metered-model.ts";
import type { Metrics } from "../metrics.ts";
import type { ModelDirectory } from "../model-directory.ts";
import type { ResponseStore } from "../response-store.ts";

/** What every route is given. */
export interface RouteContext {
  readonly models: ModelDirectory;
  /** How the caller's use of models is counted; with-model.ts applies it. */
  readonly meter: Meter;
  readonly caller: Caller;
  readonly responses: ResponseStore;
  readonly metrics: Metrics;
  /** Of the program, for documents. */
  readonly version: string;
  readonly limits: Limits;
  readonly dialect: Dialect;
  /** Web origins whose pages may call. */
  readonly origins: readonly string[] | "*";
  /** Parts of the path that the route's pattern names. */
  readonly params: Readonly<Record<string, string>>;
  /** Takes an error that comes after the status has been sent, for the log. */
  readonly reportError: (error: ApiError) => void;
}

export interface Limits {
  /** Larger bodies are refused with 413. */
  readonly maxBodyBytes: number;
  /** Streams send a comment when they have been silent for this long. */
  readonly keepAliveMs: number;
}

/** Throws what `toApiError` understands. The request's signal aborts when the client is gone. */
export type Handler = (request: Request, context: RouteContext) => Promise<Response> | Response;

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Hono's pattern. */
  readonly path: string;
  /** Default openai. */
  readonly dialect?: Dialect;
  /** Anyone may ask, without a key and without limit. Default false. */
  readonly open?: true;
  /** Only with an admin key. Default false. */
  readonly admin?: true;
  readonly handler: Handler;
}
