import { describe, expect, it } from "vitest";
import { type Command, defineCommand } from "./command.ts";
import { UsageError } from "./exit-codes.ts";
import { parseCommandLine } from "./parse.ts";

const bake = defineCommand({
  name: "bake",
  summary: "Bake a cake",
  operands: { flavour: { help: "what it tastes of" } },
  args: {
    minutes: { type: "integer", min: 1, max: 90, default: 30, env: "BAKE_MINUTES", help: "time in the oven" },
    heat: { type: "number", min: 0, aboveMin: true, help: "in degrees" },
    tinSize: { type: "text", help: "of the tin" },
    pan: { type: "choice", values: ["round", "square"], default: "round", env: "PAN", help: "its form" },
    box: { type: "bytes", min: 2 ** 20, max: 2 ** 30, env: "BOX", help: "to put it in" },
    lid: { type: "bytes", value: "SIZE", min: 2 ** 10, default: 2 ** 12, help: "on the box" },
    topping: { type: "list", help: "on top" },
    glaze: { type: "flag", help: "shine" },
    fan: { type: "flag", negatable: true, help: "moving air" },
  },
  examples: [{ command: "deepts bake lemon", what: "a lemon cake" }],
  exits: { 0: "eaten" },
  async run() {},
});

const eat = defineCommand({
  name: "eat",
  summary: "Eat it",
  operands: { what: { required: true, help: "" }, guests: { rest: true, help: "" } },
  args: { fork: { type: "text", required: true, env: "FORK", help: "of silver" } },
  examples: [],
  exits: {},
  async run() {},
});

function parse(argv: string[], env: Record<string, string> = {}) {
  const commands: Command[] = [bake, eat];
  const parsed = parseCommandLine(argv, { commands, fallback: "bake", version: "1.2.3", env });
  return parsed.command === null ? parsed.text : { name: parsed.command.name, ...parsed.values() };
}

const nothing = { name: "bake", minutes: 30, pan: "round", lid: 4096, topping: [], glaze: false };

describe("a command line", () => {
  it("without a command is for the fallback", () => {
    expect(parse([])).toEqual(nothing);
    expect(parse(["--glaze"])).toEqual({ ...nothing, glaze: true });
  });

  it("gives every argument in its type", () => {
    const argv = "bake --heat 180.5 --tin-size big --topping a --topping b --minutes 5 --no-fan lemon".split(" ");
    expect(parse(argv)).toEqual({
      name: "bake",
      heat: 180.5,
      lid: 4096,
      tinSize: "big",
      pan: "round",
      topping: ["a", "b"],
      minutes: 5,
      fan: false,
      glaze: false,
      flavour: "lemon",
    });
  });

  it("takes the environment before the default and the flag before both; an empty variable is none", () => {
    expect(parse([], { BAKE_MINUTES: "45" })).toEqual({ ...nothing, minutes: 45 });
    expect(parse(["--minutes", "7"], { BAKE_MINUTES: "45" })).toEqual({ ...nothing, minutes: 7 });
    expect(parse([], { BAKE_MINUTES: "" })).toEqual(nothing);
  });

  it("takes all further operands where the last one says so", () => {
    expect(parse(["eat", "cake", "--fork", "mine", "a", "b"])).toMatchObject({ what: "cake", guests: ["a", "b"] });
    expect(parse(["eat", "cake"], { FORK: "yours" })).toMatchObject({ fork: "yours", guests: [] });
  });

  it.each([
    [["bkae"], "unknown command 'bkae' (did you mean bake?); see deepts --help"],
    [["--minuts", "3"], "unknown option '--minuts' (did you mean --minutes?); see deepts bake --help"],
    [["help", "bkae"], "no help for an unknown command; see deepts --help"],
    [["eat"], "missing required argument 'WHAT'; see deepts eat --help"],
    [["eat", "cake"], "--fork is required: of silver"],
    [["bake", "a", "b"], "too many arguments for 'bake'. Expected 1 argument but got 2; see deepts bake --help"],
    [["--minutes"], "option '--minutes <MINUTES>' argument missing; see deepts bake --help"],
    [["--minutes", "0"], '--minutes: want an integer (1 to 90), got "0"'],
    [["--minutes", "1.5"], '--minutes: want an integer (1 to 90), got "1.5"'],
    [["--minutes", ""], '--minutes: want an integer (1 to 90), got ""'],
    [["--heat", "0"], '--heat: want a number (above 0), got "0"'],
    [["--heat", "Infinity"], '--heat: want a number (above 0), got "Infinity"'],
  ])("%j is refused in one line", (argv, message) => {
    expect(() => parse(argv)).toThrow(new UsageError(message));
  });

  it("takes one of the values of a choice, and names them where another is given", () => {
    expect(parse(["bake", "--pan", "square"])).toEqual({ ...nothing, pan: "square" });
    expect(() => parse(["bake", "--pan", "oval"])).toThrow(new UsageError('--pan: want round, square, got "oval"'));
    expect(() => parse(["bake"], { PAN: "oval" })).toThrow(/^PAN: want round, square/);
    expect(parse(["bake", "--help"])).toContain("--pan <round|square>");
  });

  it("takes a size with its unit, or in bytes; a number that may be meant as megabytes is refused", () => {
    const sizes = { "2MB": 2e6, "1 MiB": 2 ** 20, "1GiB": 2 ** 30, "5000000": 5e6 };
    for (const [text, box] of Object.entries(sizes)) {
      expect(parse(["--box", text])).toEqual({ ...nothing, box });
      expect(parse([], { BOX: text })).toEqual({ ...nothing, box });
    }
    for (const text of ["512", "1MB", "2GiB", "-5000000", "much", ""]) {
      const says = `--box: want a size such as 8GB or 8GiB, a number alone being bytes (1 MiB to 1 GiB), got "${text}"`;
      expect(() => parse([`--box=${text}`])).toThrow(new UsageError(says));
    }
    expect(parse(["bake", "--help"])).toMatch(/--lid <SIZE>\s+on the box \(1 KiB or more; default 4 KiB\)/);
  });

  it("names the variable where its value is refused", () => {
    expect(() => parse([], { BAKE_MINUTES: "x" })).toThrow('BAKE_MINUTES: want an integer (1 to 90), got "x"');
  });

  it("asks for help or for the version", () => {
    expect(parse(["--version"])).toBe("1.2.3\n");
    expect(parse(["--help"])).toMatch(/bake .*Bake a cake[\s\S]*what deepts bake does/);
    expect(parse(["bake", "--help"])).toBe(parse(["help", "bake"]));
    const help = parse(["bake", "--help"]);
    expect(help).toMatch(/--minutes <MINUTES>\s+time in the oven \(1 to 90; default 30; env BAKE_MINUTES\)/);
    expect(help).toMatch(/# a lemon cake\n {2}deepts bake lemon[\s\S]*0 +eaten/);
  });
});
