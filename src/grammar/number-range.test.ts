import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { schemaAcceptor } from "../../test/grammar/acceptor.ts";

/** As an automaton may write it: no exponent. */
const written = (value: number) => !/e/.test(String(value));

describe("numbers in a range", () => {
  const bound = fc.oneof(
    fc.integer({ min: -1200, max: 1200 }),
    fc.integer({ min: -99999, max: 99999 }).map((n) => n / 100),
  );
  const near = (value: number) => [
    value,
    value + 1,
    value - 1,
    value + 0.01,
    value - 0.01,
    value * 10,
    -value,
    value / 10,
  ];

  it("are those that compare so", () => {
    const property = fc.property(
      bound,
      bound,
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      fc.integer(),
      (a, b, open, half, integer, any) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const schema = {
          type: integer ? "integer" : "number",
          [open ? "exclusiveMinimum" : "minimum"]: low,
          ...(half ? {} : { [open ? "maximum" : "exclusiveMaximum"]: high }),
        };
        const fits = (x: number) =>
          (open ? x > low : x >= low) && (half || (open ? x <= high : x < high)) && (!integer || Number.isInteger(x));
        let accepts: (value: unknown) => boolean = () => false;
        try {
          accepts = schemaAcceptor(schema);
        } catch (error) {
          expect((error as Error).message).toContain("no text can match");
        }
        for (const exact of [...near(low), ...near(high), 0, any, any / 1e6]) {
          const value = Number(exact.toFixed(6)) + 0; // -0 is not written
          if (written(value)) expect(accepts(value), `${value} in ${JSON.stringify(schema)}`).toBe(fits(value));
        }
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it.each([
    [{ type: "integer", minimum: 0, maximum: 9007199254740991 }, [0, 9007199254740991], [-1]],
    [{ type: "integer", minimum: 0.5, exclusiveMaximum: 3 }, [1, 2], [0, 3]],
    [{ type: "number", exclusiveMinimum: 0.1 }, [0.11, 1, 0.10000001], [0.1, 0, -1]],
    [{ type: "number", maximum: -0.25 }, [-0.25, -0.3, -100], [-0.2, 0, 1]],
    [{ type: "number", minimum: 1e-7, maximum: 2e-7 }, [], [0, 1]],
    [{ type: "integer", multipleOf: 7, minimum: -20 }, [0, 7, -14, 700], [1, -21, 6]],
    [{ type: "number", multipleOf: 4, maximum: 10 }, [8, 0, -4], [12, 2, 0.5]],
    [{ allOf: [{ multipleOf: 4 }, { multipleOf: 6 }], type: "integer" }, [12, 0, -24], [4, 6, 8]],
    [{ minimum: 5 }, [5, "x", null], [4]],
  ])("%j", (schema, good, bad) => {
    const accepts = schemaAcceptor(schema);
    for (const value of good) expect(accepts(value), `${value}`).toBe(true);
    for (const value of bad) expect(accepts(value), `${value}`).toBe(false);
  });

  it("refuse bounds that a decimal of 15 digits does not tell apart", () => {
    expect(() => schemaAcceptor({ properties: { x: { type: "number", minimum: 0.1234567890123456 } } })).toThrow(
      "/properties/x/minimum: 0.1234567890123456 has more than 15 digits",
    );
  });
});
