import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GrammarError } from "../../src/grammar/grammar-error.ts";
import { acceptor } from "./acceptor.ts";

const folder = new URL("../vectors/json-schema/", import.meta.url);

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

/** Groups whose schema we refuse, and how many there are in each file: the refusal must say so. */
const REFUSED: readonly [file: string, says: RegExp, groups: number][] = [
  ["additionalProperties.json", /"(patternProperties|propertyNames|dependentSchemas)" is not supported/, 4],
  ["defs.json", /want # or a JSON pointer/, 1],
  ["ecmascript-regex.json", /Unicode property/, 2],
  ["ecmascript-regex.json", /"patternProperties" is not supported/, 5],
  ["enum.json", /want a list of values/, 1],
  ["format.json", /is not supported; known are/, 9],
  ["multipleOf.json", /only integers from 1 to 1000/, 4],
  ["oneOf.json", /its alternatives may overlap/, 8],
  ["pattern.json", /Unicode property/, 1],
  ["properties.json", /"patternProperties" is not supported/, 1],
  ["ref.json", /"(unevaluatedProperties|if|then|else)" is not supported/, 4],
  ["ref.json", /want # or a JSON pointer/, 13],
];

/** Valid instances that are not made, by their description or data: formats are a part of their RFCs (src/grammar/formats.ts). */
const NOT_MADE: readonly [file: string, what: RegExp, instances: number][] = [
  ["format.json", /is only an annotation by default/, 10],
  ["format/date-time.json", /leap second|case-insensitive/, 3],
  ["format/time.json", /leap second|case-insensitive/, 7],
  ["format/duration.json", /many digits/, 1],
  ["format/email.json", /quoted string|address-literal/, 5],
  ["format/hostname.json", /maximum label length|--/, 17],
  ["format/uri.json", /--|many special characters|\[2001:db8::7\]|mailto|newsgroup|tel URI|URN/, 7],
];

/** The texts of a value with the members of its objects in every order, at most some hundreds. */
function orders(value: unknown): string[] {
  if (Array.isArray(value)) return combinations(value.map(orders)).map((items) => `[${items.join()}]`);
  if (typeof value !== "object" || value === null) return [JSON.stringify(value)];
  const entries = Object.entries(value);
  const members = combinations(entries.map(([, item]) => orders(item))).map((texts) =>
    texts.map((text, i) => `${JSON.stringify(entries[i]![0])}:${text}`),
  );
  return members.flatMap((list) => permutations(list).map((order) => `{${order.join()}}`));
}

function combinations(lists: readonly string[][]): string[][] {
  return lists.reduce<string[][]>((all, list) => all.flatMap((start) => list.map((item) => [...start, item])), [[]]);
}

function permutations(list: readonly string[]): string[][] {
  if (list.length < 2 || list.length > 5) return [[...list]];
  return list.flatMap((first, i) => permutations(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
}

const files = (readdirSync(folder, { recursive: true, encoding: "utf8" }) as string[])
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".json"))
  .sort();

describe("the JSON Schema test suite", () => {
  const refusals = new Map(REFUSED.map((entry) => [entry, 0]));
  const notMade = new Map(NOT_MADE.map((entry) => [entry, 0]));

  describe.each(files)("%s", (file) => {
    const groups = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Group[];
    it.each(groups)("$description", ({ schema, tests }) => {
      let accepts: (text: string) => boolean = () => false;
      try {
        accepts = acceptor({ type: "json_schema", schema });
      } catch (error) {
        if (!(error instanceof GrammarError)) throw error;
        if (!error.message.endsWith("no text can match")) {
          const entry = REFUSED.find(([name, says]) => name === file && says.test(error.message));
          expect(entry, `${file}: ${error.message}`).toBeDefined();
          refusals.set(entry!, refusals.get(entry!)! + 1);
          return;
        }
      }
      for (const test of tests) {
        const accepted = orders(test.data).some(accepts);
        if (!test.valid) expect(accepted, `${test.description} is not valid`).toBe(false);
        else if (!accepted) {
          const text = `${test.description} ${JSON.stringify(test.data)}`;
          const entry = NOT_MADE.find(([name, what]) => name === file && what.test(text));
          expect(entry, `${text} is valid`).toBeDefined();
          notMade.set(entry!, notMade.get(entry!)! + 1);
        }
      }
    });
  });

  it("is refused in part, by name, and no more of it than known", () => {
    for (const [[file, says, known], count] of [...refusals, ...notMade]) {
      expect.soft(`${file} ${says}: ${count}`).toBe(`${file} ${says}: ${known}`);
    }
  });
});
