import { ApiError } from "../errors.ts";

/**
 * A schema, pattern or grammar that is wrong, asks for what is not supported, or is beyond the limits: status 400.
 * `pointer` is the JSON pointer of the field at fault inside the schema (empty: all of it), or for other grammars a
 * place such as `character 12`.
 */
export class GrammarError extends ApiError {
  readonly pointer: string;
  readonly #what: string;
  constructor(pointer: string, what: string, options: { cause?: unknown } = {}) {
    super(400, pointer === "" ? what : `${pointer}: ${what}`, { code: "invalid_grammar", cause: options.cause });
    this.pointer = pointer;
    this.#what = what;
  }

  /** The same error where the schema stands inside something larger. */
  within(prefix: string): GrammarError {
    return new GrammarError(prefix + this.pointer, this.#what, { cause: this.cause });
  }
}

/** Does something for a field: an error that names no place gets the field's. */
export function locate<T>(pointer: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (pointer === "" || !(error instanceof GrammarError) || error.pointer !== "") throw error;
    throw new GrammarError(pointer, error.message, { cause: error });
  }
}
