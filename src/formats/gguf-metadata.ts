import { ConfigError } from "../errors.ts";
import type { GgufValue } from "./gguf-values.ts";

/**
 * Typed access to the metadata of a GGUF file. Each accessor throws ConfigError naming the key when the key is missing
 * or its value has another type; the `optional` ones give undefined for a missing key and still refuse a wrong type.
 */
export class GgufMetadata {
  readonly values: ReadonlyMap<string, GgufValue>;
  readonly #file: string;

  constructor(file: string, values: ReadonlyMap<string, GgufValue>) {
    this.#file = file;
    this.values = values;
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  string(key: string): string {
    return this.#required(key, this.optionalString(key));
  }
  optionalString(key: string): string | undefined {
    const found = this.values.get(key);
    if (found === undefined || found.type === "string") return found?.value;
    return this.#wrong(key, "a string", found);
  }

  /** Any integer or float type. */
  number(key: string): number {
    return this.#required(key, this.optionalNumber(key));
  }
  optionalNumber(key: string): number | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (typeof found.value === "number") return found.value;
    return this.#wrong(key, "a number up to 2^53", found);
  }

  bool(key: string): boolean {
    return this.#required(key, this.optionalBool(key));
  }
  optionalBool(key: string): boolean | undefined {
    const found = this.values.get(key);
    if (found === undefined || found.type === "bool") return found?.value;
    return this.#wrong(key, "a bool", found);
  }

  strings(key: string): readonly string[] {
    return this.#required(key, this.optionalStrings(key));
  }
  optionalStrings(key: string): readonly string[] | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type === "array" && found.of === "string") return Array.from(found.value);
    return this.#wrong(key, "a list of strings", found);
  }

  numbers(key: string): readonly number[] {
    return this.#required(key, this.optionalNumbers(key));
  }
  optionalNumbers(key: string): readonly number[] | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    const list: unknown[] = found.type === "array" ? Array.from<unknown>(found.value) : [undefined];
    if (list.every((item) => typeof item === "number")) return list;
    return this.#wrong(key, "a list of numbers up to 2^53", found);
  }

  #required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw new ConfigError(key, `is missing from the metadata of ${this.#file}`);
    return value;
  }

  #wrong(key: string, want: string, found: GgufValue): never {
    const got = found.type === "array" ? `a list of ${found.of}` : `${found.type} ${String(found.value).slice(0, 40)}`;
    throw new ConfigError(key, `must be ${want}, but ${this.#file} has ${got}`);
  }
}
