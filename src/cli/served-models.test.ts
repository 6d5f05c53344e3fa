import { expect, test } from "vitest";
import { UsageError } from "./exit-codes.ts";
import { namedModels } from "./served-models.ts";

test("models are named by their files, or as they are told", () => {
  expect(namedModels(["m/V3-Q8_0.gguf", "small=a.gguf", "org/big:4b=/data/b=c.gguf", "./x=y.gguf"])).toEqual([
    { name: "V3-Q8_0", path: "m/V3-Q8_0.gguf" },
    { name: "small", path: "a.gguf" },
    { name: "org/big:4b", path: "/data/b=c.gguf" },
    { name: "x=y", path: "./x=y.gguf" },
  ]);
  expect(namedModels([])).toEqual([{ name: "deepts-tiny", path: undefined }]);
});

test.each([
  [["a=x.gguf", "a=y.gguf"], "two models are called a"],
  [["x/m.gguf", "y/m.gguf"], "two models are called m"],
  [["a="], "a= wants a path"],
])("%j is refused", (given, says) => {
  expect(() => namedModels(given)).toThrow(UsageError);
  expect(() => namedModels(given)).toThrow(says);
});
