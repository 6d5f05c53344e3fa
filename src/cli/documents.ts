import { FORMAT_NAMES } from "../grammar/formats.ts";
import { ANNOTATIONS, KEYWORDS } from "../grammar/schema-keywords.ts";
import { type Operation, operations } from "../protocol/operations.ts";
import type { Parameter } from "../protocol/parameters.ts";
import { Metrics } from "../server/metrics.ts";
import { argHelp, type Command, flagOf, flagUsage, operandUsage } from "./command.ts";
import { commands } from "./commands.ts";

/** Markdown by name of the section, by file: what scripts/docs.mjs puts between the marks in these files. */
export function generatedSections(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return {
    "docs/CLI.md": { commands: commands.map(commandSection).join("\n\n") },
    "docs/API.md": { requests: requestTable(), metrics: metricTable(), parameters: parameterSections() },
    "docs/STRUCTURED.md": { keywords: keywordTable() },
  };
}

function requestTable(): string {
  const rows = operations.map(({ admin, aliases = [], method, open, path, summary }) => [
    [path, ...aliases].map((name) => `\`${method} ${name}\``).join(", "),
    `${summary}${open ? " (no key)" : admin ? " (admin key)" : ""}`,
  ]);
  return table(["Request", "Answer"], rows);
}

function metricTable(): string {
  return table(
    ["Metric", "Meaning"],
    new Metrics().list().map(({ name, help }) => [`\`${name}\``, help]),
  );
}

/** One section for each list of parameters; paths that share one share it. */
function parameterSections(): string {
  const byList = new Map<readonly Parameter[], Operation[]>();
  for (const operation of operations) {
    const list = operation.request?.parameters;
    if (list !== undefined) byList.set(list, [...(byList.get(list) ?? []), operation]);
  }
  const sections = [...byList].map(([list, same]) => {
    const paths = same.flatMap(({ aliases = [], path }) => [path, ...aliases]).map((path) => `\`${path}\``);
    return `### ${paths.join(", ")}\n\n${parameterTable(list)}`;
  });
  return sections.join("\n\n");
}

function keywordTable(): string {
  const formats = FORMAT_NAMES.map((name) => `\`${name}\``).join(", ");
  const rows = KEYWORDS.map(({ name, meaning }) => [`\`${name}\``, name === "format" ? formats : meaning]);
  const annotations = ANNOTATIONS.map((name) => `\`${name}\``).join(", ");
  return `${table(["Keyword", "What is taken"], rows)}\n\nLeft aside, since they say nothing of what is valid: ${annotations}, and \`x-...\`.`;
}

function commandSection({ name, summary, description, operands = {}, args, examples, exits }: Command): string {
  const words = Object.entries(operands).map(([operand, definition]) => ` ${operandUsage(operand, definition)}`);
  const rows = [
    ...Object.entries(operands).map(([operand, definition]) => [
      `\`${operandUsage(operand, definition)}\``,
      definition.help,
    ]),
    ...Object.entries(args).map(([arg, definition]) => {
      const no =
        definition.type === "flag" && definition.negatable ? `, \`${flagOf(arg).replace("--", "--no-")}\`` : "";
      return [`\`${flagUsage(arg, definition)}\`${no}`, argHelp(definition)];
    }),
  ];
  return [
    `## \`deepts ${name}${words.join("")}\``,
    `${summary}.${description === undefined ? "" : `\n\n${fenceLists(description)}`}`,
    table(["Argument", "Meaning"], rows),
    `\`\`\`sh\n${examples.map(({ command, what }) => `# ${what}\n${command}`).join("\n")}\n\`\`\``,
    table(["Exit code", "Meaning"], Object.entries(exits)),
  ].join("\n\n");
}

/** Indented lines of a description are laid out by hand. */
function fenceLists(description: string): string {
  return description.replace(/(?:^ {2}.*\n?)+/gm, (lines) => `\n\`\`\`text\n${lines.trimEnd()}\n\`\`\`\n`).trimEnd();
}

function parameterTable(parameters: readonly Parameter[]): string {
  const rows = parameters.map(({ name, state, note, extension }) => [
    `\`${name}\``,
    extension ? `${state} (extension)` : state,
    note,
  ]);
  return table(["Parameter", "State", "Note"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join("\n");
}
