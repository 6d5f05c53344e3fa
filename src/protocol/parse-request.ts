import type * as z from "zod";
import { ApiError } from "../errors.ts";
import type { Parameter } from "./parameters.ts";

/**
 * Checks a request body against the table of its endpoint, then against its schema.
 * @throws ApiError 400 with `param` and one of the codes unknown_parameter, unsupported_parameter,
 * missing_required_parameter, invalid_type, invalid_value
 */
export function parseRequest<T extends z.ZodType>(
  schema: T,
  parameters: readonly Parameter[],
  body: unknown,
): z.output<T> {
  if (!isObject(body))
    throw new ApiError(400, `the body: want a JSON object, got ${shown(body)}`, { code: "invalid_type" });
  const states = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const known: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    const parameter = states.get(name);
    if (parameter === undefined) {
      const param = name.slice(0, 100);
      throw new ApiError(400, `'${param}': unknown parameter`, { param, code: "unknown_parameter" });
    }
    if (parameter.state !== "refused") known[name] = value;
    else if (value !== null) {
      throw new ApiError(400, `'${name}' is not supported: ${parameter.note}`, {
        param: name,
        code: "unsupported_parameter",
      });
    }
  }
  const parsed = schema.safeParse(known);
  if (parsed.success) return parsed.data;
  throw issueError(parsed.error.issues[0]!, known);
}

type Issue = z.core.$ZodIssue;

/** Says one issue in words: the path, what was wanted and what was there. */
function issueError(issue: Issue, body: unknown): ApiError {
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const inner = nearest(issue.errors);
    if (inner !== null) return issueError({ ...inner, path: [...issue.path, ...inner.path] }, body);
    const wanted = new Set(issue.errors.flatMap((issues) => issues.map(want)));
    return refusal(issue.path, body, [...wanted].join(" or "), "invalid_type");
  }
  if (issue.code === "unrecognized_keys") {
    const param = pathText([...issue.path, issue.keys[0]!.slice(0, 100)]);
    return new ApiError(400, `'${param}': unknown parameter`, { param, code: "unknown_parameter" });
  }
  if (issue.code === "custom") {
    const param = pathText(issue.path);
    const code = typeof issue.params?.code === "string" ? issue.params.code : "invalid_value";
    return new ApiError(400, `'${param}' ${issue.message}`, { param, code });
  }
  return refusal(issue.path, body, want(issue), issue.code === "invalid_type" ? "invalid_type" : "invalid_value");
}

/** Of a union's alternatives, the issue of the one that was read furthest; null where none fits at all. */
function nearest(alternatives: readonly Issue[][]): Issue | null {
  let best: Issue | null = null;
  for (const [issue] of alternatives) {
    if (issue === undefined || (issue.path.length === 0 && misfits(issue))) continue;
    if (best === null || progress(issue) > progress(best)) best = issue;
  }
  return best;
}

/** Deeper is further, then later in a list. */
function progress({ path: [first = 0, ...deeper] }: Issue): number {
  return deeper.length + (typeof first === "number" ? first / Number.MAX_SAFE_INTEGER : 0);
}

function misfits(issue: Issue): boolean {
  return issue.code === "invalid_type" || issue.code === "invalid_value";
}

function refusal(path: readonly PropertyKey[], body: unknown, wanted: string, code: string): ApiError {
  const param = pathText(path);
  const value = path.reduce<unknown>(
    (at, key) => (isObject(at) || Array.isArray(at) ? Reflect.get(at, key) : undefined),
    body,
  );
  if (value === undefined) {
    return new ApiError(400, `'${param}' is required: want ${wanted}`, { param, code: "missing_required_parameter" });
  }
  return new ApiError(400, `'${param}': want ${wanted}, got ${shown(value)}`, { param, code });
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "an integer",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  record: "an object",
};

const UNITS: Readonly<Record<string, readonly [one: string, several: string]>> = {
  string: ["character", "characters"],
  array: ["item", "items"],
  map: ["entry", "entries"],
};

function want(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPE_NAMES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return oneOf(issue.values);
    case "invalid_union":
      return oneOf("options" in issue && Array.isArray(issue.options) ? issue.options : []);
    case "too_small":
      return limit("at least", issue.minimum, issue.origin);
    case "too_big":
      return limit("at most", issue.maximum, issue.origin);
    case "invalid_format":
      return issue.format === "regex" ? `a string like ${issue.pattern}` : `a string in the format ${issue.format}`;
    case "invalid_key":
      return `as its name ${issue.issues.map(want).join(" and ")}`;
    default:
      return "another value";
  }
}

function limit(word: string, bound: number | bigint, origin: string): string {
  const units = UNITS[origin];
  return units === undefined ? `a number of ${word} ${bound}` : `${word} ${bound} ${units[bound === 1 ? 0 : 1]}`;
}

function oneOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length === 1 ? texts[0]! : `one of ${texts.join(", ")}`;
}

/** `messages[0].role` */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i > 0 ? "." : ""}${String(key)}`)).join("");
}

/** A value in an error message. Long strings may be prompts, which belong in no message. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isObject(value)) return "an object";
  if (typeof value === "string" && value.length > 40) return `a string of ${value.length} characters`;
  return JSON.stringify(value) ?? "nothing";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
