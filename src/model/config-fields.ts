import { ConfigError } from "../errors.ts";

/** Larger sizes are not a model but a damaged file; the largest released field is a vocabulary of 2^18. */
const MAX_SIZE = 2 ** 28;

/** Reads the fields of a JSON object; every error names the field and the file. */
export class ConfigFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #file: string;
  readonly #prefix: string;

  /** @param prefix written before field names in errors, e.g. `rope_scaling.` */
  constructor(json: unknown, file: string, prefix = "") {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new ConfigError(prefix.slice(0, -1) || file, `must be an object in ${file}`);
    }
    this.#fields = json as Record<string, unknown>;
    this.#file = file;
    this.#prefix = prefix;
  }

  /** Present and not null. */
  has(field: string): boolean {
    return Object.hasOwn(this.#fields, field) && this.#fields[field] !== null;
  }

  /** Present, and null: switched off on purpose. */
  isNull(field: string): boolean {
    return Object.hasOwn(this.#fields, field) && this.#fields[field] === null;
  }

  /** A positive integer. */
  size(field: string): number {
    return this.#integer(field, 1);
  }

  /** An integer >= 0. */
  count(field: string): number {
    return this.#integer(field, 0);
  }

  optionalSize(field: string): number | null {
    return this.has(field) ? this.size(field) : null;
  }

  /** A positive, finite number. */
  number(field: string): number {
    const value = this.#value(field);
    if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value))
      this.#wrong(field, "a positive number", value);
    return value as number;
  }

  optionalNumber(field: string): number | null {
    return this.has(field) ? this.number(field) : null;
  }

  bool(field: string): boolean {
    const value = this.#value(field);
    if (typeof value !== "boolean") this.#wrong(field, "true or false", value);
    return value as boolean;
  }

  optionalBool(field: string): boolean | null {
    return this.has(field) ? this.bool(field) : null;
  }

  string(field: string): string {
    const value = this.#value(field);
    if (typeof value !== "string") this.#wrong(field, "a string", value);
    return value as string;
  }

  optionalString(field: string): string | null {
    return this.has(field) ? this.string(field) : null;
  }

  /** One of these strings. */
  oneOf<const V extends string>(field: string, values: readonly V[]): V {
    const value = this.#value(field);
    if (!values.includes(value as V)) this.#wrong(field, `one of ${values.join(", ")}`, value);
    return value as V;
  }

  /** Token ids: a number or a list of them; empty when the field is absent. */
  ids(field: string): number[] {
    if (!this.has(field)) return [];
    const value = this.#value(field);
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (!list.every((id) => Number.isInteger(id) && (id as number) >= 0))
      this.#wrong(field, "a token id or a list of them", value);
    return list as number[];
  }

  object(field: string): ConfigFields {
    return new ConfigFields(this.#value(field), this.#file, `${this.#prefix}${field}.`);
  }

  /** An error about a field of this object. */
  error(field: string, message: string): ConfigError {
    return new ConfigError(this.#prefix + field, `${message} (${this.#file})`);
  }

  /** Refuses a field that switches on something that is not built. */
  refuse(field: string, unless: unknown): void {
    if (this.has(field) && this.#fields[field] !== unless) {
      throw this.error(
        field,
        `${JSON.stringify(this.#fields[field])} is not supported; want ${JSON.stringify(unless)}`,
      );
    }
  }

  #integer(field: string, min: number): number {
    const value = this.#value(field);
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > MAX_SIZE) {
      this.#wrong(field, `an integer from ${min} to ${MAX_SIZE}`, value);
    }
    return value as number;
  }

  #value(field: string): unknown {
    if (!this.has(field)) throw this.error(field, "is missing");
    return this.#fields[field];
  }

  #wrong(field: string, want: string, got: unknown): never {
    throw this.error(field, `must be ${want}, got ${JSON.stringify(got)?.slice(0, 60)}`);
  }
}
