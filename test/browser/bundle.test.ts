import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { built, root } from "../cli/spawn-deepts.ts";

/** What a page loads: the entry, and the program of the thread for templates. */
const PROGRAMS = [manifest.exports["./browser"].default, "dist/tokenizer/template-web-thread.mjs"];

/** Every module that a built file names, followed through those that are files. */
function importsFrom(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const { importedFiles } = ts.preProcessFile(readFileSync(file, "utf8"), true, true);
  return importedFiles.flatMap(({ fileName }) =>
    fileName.startsWith(".") ? importsFrom(path.resolve(path.dirname(file), fileName), seen) : [fileName],
  );
}

describe("the programs of a page", () => {
  beforeAll(built);

  it.for(PROGRAMS)("%s needs nothing but files of dist/", (program) => {
    const file = path.join(root, program);
    expect(readFileSync(file, "utf8").length).toBeGreaterThan(1000);
    expect(importsFrom(file)).toEqual([]);
  });

  it.for(PROGRAMS)("%s asks for nothing of Node by other ways", (program) => {
    const text = readFileSync(path.join(root, program), "utf8");
    expect(text).not.toMatch(/["'`]node:/);
    expect(text).not.toMatch(/\brequire\(["'`]/);
  });

  it("the walk sees what the package's entry for Node imports", () => {
    const found = importsFrom(fileURLToPath(new URL("../../dist/node.mjs", import.meta.url)));
    expect(found.filter((name) => name.startsWith("node:"))).not.toEqual([]);
    expect(found.filter((name) => builtinModules.includes(name))).toEqual([]);
  });
});
