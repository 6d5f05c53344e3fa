/**
 * Every error this project throws on purpose. `code` is stable and documented; `message` says what was wrong, where
 * (file, field or flag), and what to do. A subclass exists where callers act differently.
 */
export class DeepTsError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A field of config.json, GGUF metadata or tokenizer files is missing, of the wrong type or contradicts another. */
export class ConfigError extends DeepTsError {
  /** The offending field, e.g. `kv_lora_rank` or `deepseek2.attention.kv_lora_rank`. */
  readonly field: string;
  constructor(field: string, message: string, options?: { cause?: unknown }) {
    super("config", `${field}: ${message}`, options);
    this.field = field;
  }
}

/** Bytes of a file that do not follow its format. */
export class FormatError extends DeepTsError {
  readonly file: string;
  /** Byte offset in `file` of the value that is wrong. */
  readonly offset: number;
  constructor(file: string, offset: number, message: string, options?: { cause?: unknown }) {
    super("format", `${file}: byte ${offset}: ${message}`, options);
    this.file = file;
    this.offset = offset;
  }
}

/** Shapes that do not fit together, found while a Program is recorded. */
export class ShapeError extends DeepTsError {
  readonly op: string;
  constructor(op: string, want: string, got: string) {
    super("shape", `${op}: want ${want}, got ${got}`);
    this.op = op;
  }
}

/** A backend was asked for an op, dtype or numerics that its capability table does not list. */
export class UnsupportedOpError extends DeepTsError {
  constructor(backend: string, what: string) {
    super("unsupported_op", `backend ${backend} does not support ${what}`);
  }
}

/** A backend that exists but cannot run here; the message says why. */
export class BackendUnavailableError extends DeepTsError {
  constructor(backend: string, why: string, options?: { cause?: unknown }) {
    super("backend_unavailable", `backend ${backend}: ${why}`, options);
  }
}

/** The latent cache cannot hold what was asked for. */
export class CacheFullError extends DeepTsError {
  constructor(message: string) {
    super("cache_full", message);
  }
}

/** Text to render or to tokenize that cannot be handled: a template that fails, a token id out of range. */
export class TextError extends DeepTsError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("text", message, options);
  }
}

/** A request the API refuses: HTTP status, OpenAI error type, and the parameter at fault. */
export class ApiError extends DeepTsError {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  /** Seconds after which the request may succeed, where that is known. */
  readonly retryAfter: number | null;
  constructor(
    status: number,
    message: string,
    detail: { type?: string; param?: string | null; code?: string; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(detail.code ?? "invalid_request", message, { cause: detail.cause });
    this.status = status;
    this.type = detail.type ?? (status >= 500 ? "server_error" : "invalid_request_error");
    this.param = detail.param ?? null;
    this.retryAfter = detail.retryAfter ?? null;
  }
}
