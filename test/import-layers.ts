import { builtinModules } from "node:module";
import path from "node:path";
import ts from "typescript";

/** A file of src/ by its path from there, with `/`; its text. */
export type Sources = ReadonlyMap<string, string>;

export interface LayerRules {
  /** Layer of a top file or a folder of src/; a file imports only from lower ones and from its own folder. */
  layers: Readonly<Record<string, number>>;
  /** Folders whose folders are apart from one another. */
  split: readonly string[];
  /** Who may import from a folder. One of the same layer may by this alone; where it is above, that is not enough. */
  importers: Readonly<Record<string, readonly string[]>>;
  /** Parts and single files that run in Node only; all else must run in a browser too. */
  nodeOnly: readonly string[];
  /** Packages that may be imported. */
  packages: readonly string[];
}

interface Import {
  specifier: string;
  typeOnly: boolean;
}

const VAGUE_NAMES = ["utils", "util", "helpers", "helper", "common", "misc", "lib"];

/** What breaks the rules, one line each, sorted; empty when all is well. Tests may import what they like. */
export function layerViolations(sources: Sources, rules: LayerRules): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of sources) {
    found.push(...nameViolations(file, rules).map((what) => `${file}: ${what}`));
    if (isTest(file)) continue;
    const targets: string[] = [];
    for (const entry of importsOf(file, text)) {
      const target = resolve(file, entry.specifier);
      const broken =
        target === null ? packageViolation(file, entry, rules) : fileViolation(file, target, entry, sources, rules);
      if (broken !== null) found.push(`${file}: ${broken}`);
      if (target !== null && sources.has(target)) targets.push(target);
    }
    graph.set(file, targets);
  }
  return [...found, ...cycles(graph).map((cycle) => `import cycle: ${cycle.join(" -> ")}`)].sort();
}

/** Folder of src/ of which the page knows the types. */
const PAGE_TYPES = "../src/protocol/";

/**
 * What breaks the rules of web/, as `layerViolations`. Its files import one another, these packages, and types of src/protocol/.
 * @param sources files of web/ by their path from there
 */
export function pageViolations(sources: Sources, packages: readonly string[]): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of sources) {
    found.push(...vagueNames(file).map((what) => `${file}: ${what}`));
    if (isTest(file)) continue;
    const imports = importsOf(file, text).map((entry) => ({ ...entry, target: resolve(file, entry.specifier) }));
    for (const { specifier, target, typeOnly } of imports) {
      const mayBe =
        target === null
          ? packages.includes(packageOf(specifier))
          : (sources.has(target) && !isTest(target)) || (typeOnly && target.startsWith(PAGE_TYPES));
      if (!mayBe)
        found.push(
          `${file}: imports ${specifier}, which is neither of web/, its packages, nor a type of src/protocol/`,
        );
    }
    graph.set(
      file,
      imports.flatMap(({ target }) => (target !== null && sources.has(target) ? [target] : [])),
    );
  }
  return [...found, ...cycles(graph).map((cycle) => `import cycle: ${cycle.join(" -> ")}`)].sort();
}

function nameViolations(file: string, rules: LayerRules): string[] {
  const found = vagueNames(file);
  if (layerOf(file, rules) === undefined) found.push("has no layer: name its folder in test/imports.test.ts");
  return found;
}

function vagueNames(file: string): string[] {
  const names = file.split("/").map((name) => name.replace(/(\.test)?\.tsx?$/, ""));
  const found = names
    .filter((name) => VAGUE_NAMES.includes(name))
    .map((name) => `"${name}" does not say what it holds`);
  if (path.posix.basename(file) === "index.ts") found.push("an index.ts hides where things are");
  return found;
}

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function packageViolation(file: string, { specifier, typeOnly }: Import, rules: LayerRules): string | null {
  const name = packageOf(specifier);
  if (specifier.startsWith("node:")) {
    return typeOnly || isNodeOnly(file, rules) ? null : `imports ${specifier}, but must run in a browser too`;
  }
  if (builtinModules.includes(name)) return `imports ${specifier} without node:`;
  return rules.packages.includes(name) ? null : `imports ${name}, which is no dependency in package.json`;
}

function fileViolation(
  file: string,
  target: string,
  { typeOnly }: Import,
  sources: Sources,
  rules: LayerRules,
): string | null {
  if (target.startsWith("..")) return `imports ${target}, outside src/`;
  if (!sources.has(target)) return `imports ${target}, which does not exist (the extension is .ts)`;
  if (isTest(target)) return `imports the test ${target}`;
  const [from, to] = [partOf(file, rules), partOf(target, rules)];
  if (from === to) return browserViolation(file, target, typeOnly, rules);
  const importers = rules.importers[to] ?? rules.importers[target.split("/")[0]!];
  const invited = rules.importers[to]?.includes(from) ?? false;
  const [above, below] = [layerOf(file, rules), layerOf(target, rules)];
  if (!invited && above !== undefined && below !== undefined && above <= below) {
    return `imports ${target}: layer ${above} may import lower ones only, not ${below}`;
  }
  if (importers !== undefined && !importers.includes(from)) {
    return `imports ${target}, which only ${importers.join(" and ")} may`;
  }
  return browserViolation(file, target, typeOnly, rules);
}

function browserViolation(file: string, target: string, typeOnly: boolean, rules: LayerRules): string | null {
  if (typeOnly || isNodeOnly(file, rules) || !isNodeOnly(target, rules)) return null;
  return `imports ${target}, which runs in Node only, but must run in a browser too`;
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts");
}

function isNodeOnly(file: string, rules: LayerRules): boolean {
  return rules.nodeOnly.some((part) => file === part || file.startsWith(`${part}/`));
}

function layerOf(file: string, rules: LayerRules): number | undefined {
  const parts = file.replace(/\.test\.ts$/, ".ts").split("/");
  if (rules.split.includes(parts[0]!) && parts.length < 3) return undefined;
  return rules.layers[parts[0]!];
}

/** What a file may import freely from: its top folder, or the folder below that in a split one. */
function partOf(file: string, rules: LayerRules): string {
  const parts = file.split("/");
  return rules.split.includes(parts[0]!) ? parts.slice(0, 2).join("/") : parts[0]!;
}

/** Path from src/ of a relative import, null for a package. */
function resolve(file: string, specifier: string): string | null {
  return specifier.startsWith(".") ? path.posix.join(path.posix.dirname(file), specifier) : null;
}

/** Every module that a file names: static and dynamic imports, re-exports, `import("x").T` types. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean) => {
    if (node !== undefined && ts.isStringLiteralLike(node)) found.push({ specifier: node.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest)); // which tells TSX by the name
  return found;
}

/** The circles of a graph, each once, from its first file round to it again. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start !== -1) found.push([...trail.slice(start), file]);
    if (start !== -1 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...trail, file]);
    done.add(file);
  };
  for (const file of [...graph.keys()].sort()) walk(file, []);
  return found;
}
