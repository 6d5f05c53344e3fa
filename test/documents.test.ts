import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Documents that describe the project as it is; CHANGELOG.md tells of the past. */
const docs = existsSync(path.join(root, "docs")) ? readdirSync(path.join(root, "docs"), { recursive: true }) : [];
const documents = ["README.md", "CONTRIBUTING.md", ...docs.map((file) => path.join("docs", String(file)))].filter(
  (file) => file.endsWith(".md") && existsSync(path.join(root, file)),
);

/** Paths in this repository that a text names as code or links to; not patterns such as `src/<name>.ts`. */
function namedPaths(text: string, folder: string): string[] {
  const code = [...text.matchAll(/`((?:src|web|test|scripts|bin|docs|bench|examples|\.ci|\.changeset)\/[\w./-]*)`/g)];
  const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#]+)(?:#[^)]*)?\)/g)];
  return [...code.map((m) => m[1]!), ...links.map((m) => path.join(folder, m[1]!))];
}

describe("documents", () => {
  it.each(documents)("%s names only files that exist", (document) => {
    const paths = namedPaths(readFileSync(path.join(root, document), "utf8"), path.dirname(document));
    expect(paths.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it("are searched for code and links", () => {
    const text = "`src/a.ts` [b](../b.md#part) [c](https://example.org/c) `src/<name>/d.ts` `npm test` [e](#e)";
    expect(namedPaths(text, "docs")).toEqual(["src/a.ts", "b.md"]);
  });
});
