import { describe, expect, it } from "vitest";
import { acceptor, schemaAcceptor } from "../../test/grammar/acceptor.ts";

const written = (schema: unknown) => acceptor({ type: "json_schema", schema });
const closed = (properties: object, required: string[] = []) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});

describe("a JSON schema", () => {
  it("has objects in the order of its properties, further ones last", () => {
    const accepts = written({ type: "object", properties: { b: { type: "integer" }, a: {} }, required: ["a"] });
    for (const good of ['{"b":1,"a":2}', '{"a":2}', '{"a":2,"c":[],"d":{}}']) expect(accepts(good), good).toBe(true);
    for (const bad of ['{"a":2,"b":1}', '{"c":1,"a":2}', '{"b":1}', '{"a":2,}', '{,"a":2}']) {
      expect(accepts(bad), bad).toBe(false);
    }
  });

  it("does not let a further property pass for one that it names", () => {
    const accepts = written({ type: "object", properties: { ab: { type: "integer" } } });
    for (const good of ['{"abc":"x"}', '{"a":"x"}', '{"":"x"}', '{"é\\n":"x"}']) expect(accepts(good), good).toBe(true);
    for (const bad of ['{"ab":"x"}', '{"a\\u0062":"x"}', '{"ab":1,"ab":"x"}']) expect(accepts(bad), bad).toBe(false);
  });

  it("has one space or none behind a colon and a comma", () => {
    const accepts = written(closed({ a: {}, b: { type: "array", items: { type: "integer" } } }));
    for (const good of ['{"a": 1, "b": [1, 2,3]}', '{"a":1,"b":[1,2]}']) expect(accepts(good), good).toBe(true);
    for (const bad of ['{"a":  1}', '{ "a":1}', '{"a" :1}', '{"a":1 }', '{"a":1}\n', '{"b":[ 1]}']) {
      expect(accepts(bad), bad).toBe(false);
    }
  });

  it("has strings with any escape, but no half surrogate pairs and no control characters", () => {
    const accepts = written({ type: "string" });
    for (const good of ['"\\u00e9\\/\\n"', '"\\ud83d\\ude00"', '"\\uD83D\\uDE00é😀"'])
      expect(accepts(good), good).toBe(true);
    for (const bad of ['"\\ud83d"', '"\\ude00\\ud83d"', '"\\x"', '"\n"', '"\\u12"', "'a'"])
      expect(accepts(bad), bad).toBe(false);
    expect(accepts(Uint8Array.of(0x22, 0xff, 0x22))).toBe(false);
    expect(accepts(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).toBe(false);
  });

  it("has numbers that JSON.parse reads as finite ones", () => {
    const accepts = written({ type: "number" });
    for (const good of ["0", "-1.5", "1e299", "1.25E-7", "1234567890123456789"]) expect(accepts(good), good).toBe(true);
    for (const bad of ["01", "1.", ".5", "+1", "1e300", "10e299", "12345678901234567890", "NaN"]) {
      expect(accepts(bad), bad).toBe(false);
    }
  });

  it("takes the length of strings in characters, escapes and all", () => {
    const accepts = written({ type: "string", minLength: 2, maxLength: 3 });
    for (const good of ['"😀é"', '"\\u00e9\\n\\ud83d\\ude00"', '"\\"\\""']) expect(accepts(good), good).toBe(true);
    for (const bad of ['"😀"', '"abcd"', '"\\u00e9"', '""']) expect(accepts(bad), bad).toBe(false);
    expect(schemaAcceptor({ type: "string", maxLength: 1e9 })("x".repeat(5000))).toBe(true);
    const both = schemaAcceptor({ type: "string", pattern: "^(ab)+$", minLength: 3, maxLength: 6 });
    expect(["ab", "abab", "ababab", "abababab", "aba"].map(both)).toEqual([false, true, true, false, false]);
  });

  it("is recursive where it refers to itself", () => {
    const accepts = schemaAcceptor(
      closed({ v: { type: "integer" }, next: { anyOf: [{ $ref: "#" }, { type: "null" }] } }, ["v"]),
    );
    expect(accepts({ v: 1, next: { v: 2, next: { v: 3, next: null } } })).toBe(true);
    expect(accepts({ v: 1, next: { v: 2, next: { next: null } } })).toBe(false);
    let deep: unknown = null;
    for (let v = 0; v < 3000; v++) deep = { v, next: deep };
    expect(accepts(deep)).toBe(true);
  });

  it("joins what allOf, $ref and anyOf ask of one value", () => {
    const accepts = schemaAcceptor({
      $defs: { named: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } },
      allOf: [{ $ref: "#/$defs/named" }, { properties: { name: { minLength: 2 }, age: { minimum: 0 } } }],
      anyOf: [{ required: ["age"] }, { properties: { name: { maxLength: 3 } } }],
    });
    expect(accepts({ name: "abcdef", age: 1 })).toBe(true);
    expect(accepts({ name: "abc" })).toBe(true);
    expect(accepts({ name: "abcdef" })).toBe(false);
    expect(accepts({ name: "a", age: 1 })).toBe(false);
    expect(accepts({ name: "abc", age: -1 })).toBe(false);
  });

  it("leaves of enum and const what the other keywords allow", () => {
    const accepts = schemaAcceptor({
      enum: ["abc", "a", 7, 7.5, null, { x: 1 }],
      type: ["string", "integer"],
      minLength: 2,
    });
    expect(["abc", "a", 7, 7.5, null, { x: 1 }].map(accepts)).toEqual([true, false, true, false, false, false]);
    expect(() => schemaAcceptor({ const: "a", type: "integer" })).toThrow("no text can match");
  });

  it.each([
    [{ oneOf: [{ type: "string" }, { type: "integer" }] }, true],
    [{ oneOf: [{ type: "number" }, { type: "integer" }] }, false],
    [{ oneOf: [{ const: 1 }, { enum: [2, 3] }] }, true],
    [{ oneOf: [{ const: 1 }, { enum: [1, 3] }] }, false],
    [{ oneOf: [closed({ k: { const: 1 } }, ["k"]), closed({ k: { const: 2 } }, ["k"])] }, true],
    [{ oneOf: [closed({ k: { const: 1 } }, ["k"]), closed({ k: { const: 2 } })] }, true],
    [{ oneOf: [closed({ k: { const: 1 } }), closed({ k: { const: 2 } })] }, false],
    [{ oneOf: [closed({ a: {} }, ["a"]), closed({ b: {} }, ["b"])] }, true],
    [{ type: "object", oneOf: [{ required: ["a"] }, { required: ["b"] }] }, false],
  ])("%j: alternatives of oneOf that are apart: %s", (schema, apart) => {
    if (apart) expect(() => schemaAcceptor(schema)).not.toThrow();
    else expect(() => schemaAcceptor(schema)).toThrow("/oneOf: its alternatives may overlap");
  });

  it.each([
    [{ properties: { "a/b~c": { not: {} } } }, '/properties/a~1b~0c/not: the keyword "not" is not supported'],
    [{ items: { uniqueItems: true } }, "/items/uniqueItems: "],
    [{ $defs: { x: { if: {} } }, $ref: "#/$defs/x" }, "/$defs/x/if: "],
    [{ properties: { a: { type: "text" } } }, "/properties/a/type: want one of object, array"],
    [{ properties: { a: 1 } }, "/properties/a: want a schema"],
    [{ required: "a" }, "/required: want a list of names"],
    [{ minLength: -1 }, "/minLength: want an integer >= 0"],
    [{ minimum: "1" }, "/minimum: want a number"],
    [{ items: [{}] }, "/items: a list of schemas is not supported here; use prefixItems"],
    [{ anyOf: [{ format: "colour" }] }, '/anyOf/0/format: "colour" is not supported; known are date-time'],
    [{ $ref: "https://example.org/x" }, "/$ref: "],
    [{ items: { $ref: "#/$defs/none" } }, '/items/$ref: "#/$defs/none" does not exist'],
    [{ anyOf: [] }, "/anyOf: want a list of schemas"],
    ["text", "want a schema"],
    [false, "no text can match"],
    [closed({ a: false }, ["a"]), "no text can match"],
    [{ $defs: { a: closed({ a: { $ref: "#/$defs/a" } }, ["a"]) }, $ref: "#/$defs/a" }, "no text can match"],
  ])("%j is refused: %s", (schema, says) => {
    expect(() => schemaAcceptor(schema)).toThrow(says);
  });

  it("may have annotations", () => {
    const schema = {
      $schema: "x",
      $id: "y",
      title: "t",
      description: "d",
      examples: [1],
      "x-order": 3,
      uniqueItems: false,
    };
    expect(schemaAcceptor({ ...schema, type: "null", default: null })(null)).toBe(true);
  });
});
