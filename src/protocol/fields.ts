import * as z from "zod";

/** A field that may be left out; null means the same, as in OpenAI's clients. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value): z.output<T> | undefined => value ?? undefined);
}

/**
 * Like z.array, but stops at the first item that is wrong: a million wrong items in one body would otherwise become a
 * million issues (measured: 1.5 GB and 9 s for a 4 MB body).
 */
export function list<T extends z.ZodType>(item: T, size: { readonly min?: number; readonly max: number }) {
  return z
    .array(z.unknown())
    .min(size.min ?? 0)
    .max(size.max)
    .meta({ item }) // for openapi.ts
    .transform((values, context): z.output<T>[] => {
      const items: z.output<T>[] = [];
      for (const [index, value] of values.entries()) {
        const parsed = item.safeParse(value);
        if (!parsed.success) {
          for (const issue of parsed.error.issues) context.issues.push(issueAt(index, issue, value));
          return items; // and not NEVER: zod goes on to the next transform after an unknown key
        }
        items.push(parsed.data);
      }
      return items;
    });
}

/**
 * Token ids. Looked at in a plain loop: a million through a schema each would hold up everyone for seconds (measured: 3.5 s).
 */
export function tokenList(size: { readonly min?: number; readonly max: number }) {
  return z
    .array(z.unknown())
    .min(size.min ?? 0)
    .max(size.max)
    .meta({ item: tokenId }) // for openapi.ts
    .transform((values, context): number[] => {
      const wrong = values.findIndex((value) => !Number.isSafeInteger(value) || (value as number) < 0);
      if (wrong < 0) return values as number[];
      const { issues } = tokenId.safeParse(values[wrong]).error!;
      for (const issue of issues) context.issues.push(issueAt(wrong, issue, values[wrong]));
      return z.NEVER;
    });
}

/** An item's issue as one of its list. */
function issueAt(index: number, issue: z.core.$ZodIssue, input: unknown): z.core.$ZodRawIssue {
  return { ...issue, path: [index, ...issue.path], input } as z.core.$ZodRawIssue;
}

const tokenId = z.int().min(0);

/** A field of which DeepTS takes only some values; the others are refused with the reason. */
export function limited<T extends z.ZodType>(schema: T, takes: (value: z.output<T>) => boolean, reason: string): T {
  return schema.superRefine((value, context) => {
    if (!takes(value)) context.addIssue({ code: "custom", message: reason, params: { code: "unsupported_parameter" } });
  });
}

/** A field whose value changes nothing here; `parameters.ts` says why. */
export const withoutEffect = z.unknown().optional();
