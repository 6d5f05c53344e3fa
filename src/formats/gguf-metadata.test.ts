import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import { GgufMetadata } from "./gguf-metadata.ts";
import type { GgufValue } from "./gguf-values.ts";

const metadata = new GgufMetadata(
  "m.gguf",
  new Map<string, GgufValue>([
    ["text", { type: "string", value: "a" }],
    ["number", { type: "f32", value: 0.5 }],
    ["big", { type: "u64", value: 2n ** 60n }],
    ["flag", { type: "bool", value: false }],
    ["words", { type: "array", of: "string", value: ["a", "b"] }],
    ["ids", { type: "array", of: "i32", value: Int32Array.of(-1, 2) }],
    ["bigs", { type: "array", of: "u64", value: [1, 2n ** 60n] }],
    ["flags", { type: "array", of: "bool", value: [true] }],
    ["none", { type: "array", of: "u64", value: [] }],
  ]),
);

describe("GgufMetadata", () => {
  it("gives values of the type asked for", () => {
    expect(metadata.string("text")).toBe("a");
    expect(metadata.number("number")).toBe(0.5);
    expect(metadata.bool("flag")).toBe(false);
    expect(metadata.strings("words")).toEqual(["a", "b"]);
    expect(metadata.numbers("ids")).toEqual([-1, 2]);
    expect(metadata.numbers("none")).toEqual([]);
    expect(metadata.has("text")).toBe(true);
  });

  it.each([
    () => metadata.string("x.y"),
    () => metadata.number("x.y"),
    () => metadata.bool("x.y"),
    () => metadata.strings("x.y"),
    () => metadata.numbers("x.y"),
  ])("names a missing key and the file: %s", (read) => {
    expect(read).toThrow(ConfigError);
    expect(read).toThrow("x.y: is missing from the metadata of m.gguf");
  });

  it("gives undefined for a missing optional key", () => {
    expect(metadata.optionalString("x")).toBeUndefined();
    expect(metadata.optionalNumber("x")).toBeUndefined();
    expect(metadata.optionalBool("x")).toBeUndefined();
    expect(metadata.optionalStrings("x")).toBeUndefined();
    expect(metadata.optionalNumbers("x")).toBeUndefined();
  });

  it.each<[() => unknown, string]>([
    [() => metadata.optionalString("number"), "number: must be a string, but m.gguf has f32 0.5"],
    [() => metadata.number("text"), "text: must be a number up to 2^53, but m.gguf has string a"],
    [() => metadata.number("big"), "big: must be a number up to 2^53"],
    [() => metadata.number("flag"), "flag: must be a number"],
    [() => metadata.number("ids"), "ids: must be a number up to 2^53, but m.gguf has a list of i32"],
    [() => metadata.optionalBool("number"), "number: must be a bool"],
    [() => metadata.strings("ids"), "ids: must be a list of strings"],
    [() => metadata.numbers("words"), "words: must be a list of numbers"],
    [() => metadata.numbers("bigs"), "bigs: must be a list of numbers"],
    [() => metadata.numbers("flags"), "flags: must be a list of numbers"],
    [() => metadata.optionalNumbers("number"), "number: must be a list of numbers"],
  ])("refuses a value of another type: %s", (read, message) => {
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
  });
});
