import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { type LayerRules, layerViolations, pageViolations, type Sources } from "./import-layers.ts";

/** The layers of src/ (docs/ARCHITECTURE.md): a folder imports only lower numbers, never its own number elsewhere. */
const RULES: LayerRules = {
  layers: {
    "errors.ts": 0,
    "embedded.ts": 0,
    "next-turn.ts": 0,
    "version.ts": 0,
    tensor: 1,
    tokenizer: 1,
    protocol: 1,
    grammar: 1,
    formats: 2,
    backends: 2,
    model: 3,
    engine: 4,
    cluster: 5,
    convert: 5,
    server: 5,
    "node.ts": 6,
    "browser.ts": 6,
    cli: 7,
  },
  split: ["backends"],
  importers: {
    backends: ["node.ts", "browser.ts"],
    "backends/kernels": ["backends/cpu", "backends/wasm"],
  },
  nodeOnly: [
    "backends/cpu",
    "backends/kernels/physical-cores.ts",
    "backends/wasm/node-environment.ts",
    "convert/hf-directory.ts",
    "engine/prefix-files.ts",
    "formats/file-sink.ts",
    "formats/file-source.ts",
    "formats/open-path.ts",
    "tokenizer/template-node.ts",
    "tokenizer/template-thread.ts",
    "tokenizer/tokenizer-files.ts",
    "version.ts",
    "node.ts",
    "server",
    "cli",
  ],
  packages: Object.keys(manifest.dependencies),
};

/** What the chat page is made with; its build puts them into the page. */
const PAGE_PACKAGES = ["@preact/signals", "dompurify", "highlight.js", "marked", "preact"];

function readSources(folder = "src"): Sources {
  const top = fileURLToPath(new URL(`../${folder}`, import.meta.url));
  const files = readdirSync(top, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file));
  return new Map(files.map((file) => [file.split(path.sep).join("/"), readFileSync(path.join(top, file), "utf8")]));
}

describe("the layers of src/", () => {
  it("hold", () => {
    const sources = readSources();
    expect(sources.size).toBeGreaterThan(10);
    expect(layerViolations(sources, RULES)).toEqual([]);
  });

  it("name only files that exist as running in Node only", () => {
    const sources = readSources();
    expect(RULES.nodeOnly.filter((part) => part.endsWith(".ts") && !sources.has(part))).toEqual([]);
  });

  /** A file that must be refused, with what the refusal says; the files it names exist. */
  const refused: [what: string, file: string, text: string, says: string][] = [
    ["an import of a higher layer", "model/mla.ts", 'import { a } from "../engine/a.ts";', "layer 3"],
    ["an import of the same layer elsewhere", "tensor/a.ts", 'import { a } from "../protocol/a.ts";', "layer 1"],
    ["a type from a higher layer", "tensor/a.ts", 'import type { A } from "../model/a.ts";', "layer 1"],
    ["a type named in place", "tensor/a.ts", 'let a: import("../model/a.ts").A;', "layer 1"],
    ["a re-export of a higher layer", "tensor/a.ts", 'export * from "../model/a.ts";', "layer 1"],
    ["a late import of a higher layer", "tensor/a.ts", 'await import("../model/a.ts");', "layer 1"],
    ["one backend in another", "backends/cpu/a.ts", 'import { a } from "../reference/a.ts";', "layer 2"],
    ["a backend in the command", "cli/a.ts", 'import { a } from "../backends/reference/a.ts";', "only node.ts and"],
    ["a backend in the engine", "engine/b.ts", 'await import("../backends/reference/a.ts");', "only node.ts and"],
    [
      "what cpu and wasm share in another backend",
      "backends/reference/b.ts",
      'import { a } from "../kernels/a.ts";',
      "layer 2",
    ],
    [
      "what cpu and wasm share at the entry",
      "browser.ts",
      'import { a } from "./backends/kernels/a.ts";',
      "only backends/cpu and",
    ],
    ["a file beside the backends", "backends/b.ts", "", "has no layer"],
    ["a folder without a layer", "stuff/a.ts", "", "has no layer"],
    ["an index.ts", "model/index.ts", "", "index.ts"],
    ["a folder named utils", "model/utils/a.ts", "", '"utils"'],
    ["a file named helpers", "model/helpers.ts", "", '"helpers"'],
    ["an import of a test", "model/b.ts", 'import { a } from "./a.test.ts";', "imports the test"],
    ["an import from outside src/", "model/b.ts", 'import { a } from "../../bench/a.ts";', "outside src/"],
    ["a missing extension", "model/b.ts", 'import { a } from "./a";', "extension"],
    ["Node in code for browsers", "model/b.ts", 'import fs from "node:fs";', "browser"],
    ["a Node file in code for browsers", "formats/a.ts", 'import { a } from "./file-source.ts";', "browser"],
    ["a Node module by its bare name", "server/a.ts", 'import fs from "fs/promises";', "without node:"],
    ["a package that is not installed for users", "cli/a.ts", 'import { it } from "vitest";', "no dependency"],
    [
      "an import of itself round a corner",
      "model/a.ts",
      'import { a } from "./c.ts";',
      "cycle: model/a.ts -> model/c.ts",
    ],
  ];

  it.each(refused)("refuse %s", (_what, file, text, says) => {
    const others = [
      "engine/a.ts",
      "protocol/a.ts",
      "model/a.ts",
      "model/a.test.ts",
      "backends/reference/a.ts",
      "backends/kernels/a.ts",
    ];
    const sources = new Map([...others, "formats/file-source.ts"].map((name) => [name, ""]));
    sources.set("model/c.ts", 'import { a } from "./a.ts";');
    expect(layerViolations(sources, RULES), "without the file").toEqual([]);
    const found = layerViolations(sources.set(file, text), RULES);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(says);
  });

  it("allow what is below, tests, and the types of Node", () => {
    const sources = new Map([
      ["errors.ts", ""],
      ["tensor/a.ts", 'import { E } from "../errors.ts"; import type { Buffer } from "node:buffer";'],
      ["backends/reference/a.ts", 'import { a } from "../../tensor/a.ts"; import { b } from "./ops/b.ts";'],
      ["backends/reference/ops/b.ts", ""],
      ["backends/kernels/a.ts", 'import { a } from "../../tensor/a.ts";'],
      ["backends/cpu/a.ts", 'import { a } from "../kernels/a.ts"; import { E } from "../../errors.ts";'],
      ["formats/file-source.ts", 'import fs from "node:fs/promises"; import { E } from "../errors.ts";'],
      ["model/a.test.ts", 'import { a } from "../backends/reference/a.ts"; import { it } from "vitest";'],
      ["node.ts", 'await import("./backends/reference/a.ts"); export { open } from "./formats/file-source.ts";'],
      ["cli/main.ts", 'import { Command } from "commander"; import { a } from "../node.ts";'],
    ]);
    expect(layerViolations(sources, RULES)).toEqual([]);
  });
});

describe("the imports of web/", () => {
  it("are of its own files, its packages, and types of src/protocol/", () => {
    const sources = new Map(readSources("web"));
    expect(sources.size).toBeGreaterThan(10);
    sources.delete("vite.config.ts"); // runs in Node, when the page is built
    expect(pageViolations(sources, PAGE_PACKAGES)).toEqual([]);
  });

  const refused: [what: string, text: string, says: string][] = [
    ["a value of src/protocol/", 'import { health } from "../../src/protocol/health.ts";', "health.ts"],
    ["a type from elsewhere in src/", 'import type { A } from "../../src/server/app.ts";', "server/app.ts"],
    ["a package that is not the page's", 'import * as z from "zod";', "zod"],
    ["Node", 'import fs from "node:fs";', "node:fs"],
    ["a file that is not there", 'import { a } from "./none.tsx";', "none.tsx"],
    ["itself round a corner", 'import { a } from "./b.tsx";', "cycle: view/a.tsx -> view/b.tsx"],
  ];

  it.each(refused)("refuse %s", (_what, text, says) => {
    const sources = new Map([
      ["view/b.tsx", 'import { a } from "./a.tsx"; export const B = () => <p>{a}</p>;'],
      ["view/a.tsx", 'import type { Health } from "../../src/protocol/health.ts"; import { render } from "preact";'],
    ]);
    expect(pageViolations(sources, PAGE_PACKAGES)).toEqual([]);
    const found = pageViolations(sources.set("view/a.tsx", text), PAGE_PACKAGES);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(says);
  });
});
