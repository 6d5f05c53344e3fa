import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commands } from "./commands.ts";
import { generatedSections } from "./documents.ts";

describe("the documents", () => {
  const sections = Object.entries(generatedSections()).flatMap(([file, parts]) =>
    Object.entries(parts).map(([name, text]) => ({ file, name, text })),
  );

  it.each(sections)("$file holds the $name that the program has (npm run docs)", ({ file, name, text }) => {
    const document = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
    expect(document).toContain(`<!-- generated: ${name} -->\n\n${text}\n\n<!-- end of ${name} -->`);
  });

  it("have a section for every command, with its arguments", () => {
    const text = generatedSections()["docs/CLI.md"]!.commands!;
    expect(text.match(/^## `deepts \w+/gm)).toHaveLength(commands.length);
    expect(text).toContain("| `--thinking`, `--no-thinking` | ask for reasoning");
    expect(text).toContain("| `<IDS...>` | separated by commas");
  });
});
