import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fixture, NO_SHARED } from "../../test/shared-fixtures.ts";
import { vectorText } from "../../test/vectors/tokenizer/read.ts";
import { ConfigError, FormatError } from "../errors.ts";
import { loadTokenizer } from "./tokenizer-files.ts";

const json = {
  added_tokens: [
    { id: 2, content: "<s>", special: true },
    { id: 3, content: "</s>", special: true },
  ],
  pre_tokenizer: { type: "ByteLevel" },
  model: { type: "BPE", vocab: { a: 0, b: 1 }, merges: [] },
};

describe("loadTokenizer", () => {
  const made: string[] = [];
  afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true }))));

  async function directory(files: Record<string, unknown>): Promise<string> {
    const place = await mkdtemp(path.join(os.tmpdir(), "deepts-tokenizer-"));
    made.push(place);
    for (const [name, content] of Object.entries(files))
      await writeFile(path.join(place, name), typeof content === "string" ? content : JSON.stringify(content));
    return place;
  }

  it("reads tokenizer.json alone", async () => {
    const loaded = await loadTokenizer(await directory({ "tokenizer.json": json }));
    expect(loaded).toMatchObject({ chatTemplate: null, namedTemplates: {}, bosToken: null, eosToken: null });
    expect(loaded.tokenizer).toMatchObject({ bosId: null, eosId: null, addBos: false, size: 4 });
  });

  it("reads token names as text or object, from tokenizer_config.json before special_tokens_map.json", async () => {
    const place = await directory({
      "tokenizer.json": json,
      "tokenizer_config.json": {
        bos_token: { content: "<s>" },
        add_bos_token: true,
        eos_token: null,
        chat_template: "T",
      },
      "special_tokens_map.json": { bos_token: "</s>", eos_token: "</s>" },
    });
    const loaded = await loadTokenizer(place);
    expect(loaded).toMatchObject({
      bosToken: "<s>",
      eosToken: "</s>",
      chatTemplate: "T",
      namedTemplates: { default: "T" },
    });
    expect(loaded.tokenizer).toMatchObject({ bosId: 2, eosId: 3, addBos: true });
  });

  it("reads named templates, and chat_template.jinja before tokenizer_config.json", async () => {
    const chat_template = [
      { name: "default", template: "D" },
      { name: "tool_use", template: "U" },
    ];
    const files = { "tokenizer.json": json, "tokenizer_config.json": { chat_template } };
    expect(await loadTokenizer(await directory(files))).toMatchObject({
      chatTemplate: "D",
      namedTemplates: { default: "D", tool_use: "U" },
    });
    expect(await loadTokenizer(await directory({ ...files, "chat_template.jinja": "J" }))).toMatchObject({
      chatTemplate: "J",
      namedTemplates: { default: "J", tool_use: "U" },
    });
  });

  it("reads tiktoken.model with the added tokens of tokenizer_config.json", async () => {
    const place = await directory({
      "tiktoken.model": vectorText("kimi-small.tiktoken"),
      "tokenizer_config.json": {
        added_tokens_decoder: { 1200: { content: "[BOS]", special: true } },
        bos_token: "[BOS]",
      },
    });
    const { tokenizer } = await loadTokenizer(place);
    expect(tokenizer.bosId).toBe(1200);
    expect(tokenizer.decode(tokenizer.encode("[BOS]héllo", { special: true }))).toBe("[BOS]héllo");
  });

  it("reads the fixtures' directories", async (t) => {
    const config = fixture("v3-tiny", "tokenizer.json");
    if (config === null) return t.skip(NO_SHARED);
    const loaded = await loadTokenizer(path.dirname(config));
    expect(loaded.tokenizer).toMatchObject({ bosId: 0, eosId: 1, addBos: true, size: 512 });
    expect(loaded.chatTemplate).toContain("<｜User｜>");
  });

  const refused: [string, Record<string, unknown>, RegExp][] = [
    ["a directory without a tokenizer", {}, /has neither tokenizer\.json nor tiktoken\.model/],
    ["a file that is not JSON", { "tokenizer.json": "{" }, /^tokenizer\.json: is not JSON/],
    [
      "a config that is a list",
      { "tokenizer.json": json, "tokenizer_config.json": [] },
      /^tokenizer_config\.json: want an object/,
    ],
    [
      "a template that is a number",
      { "tokenizer.json": json, "tokenizer_config.json": { chat_template: 1 } },
      /chat_template: want an array/,
    ],
    [
      "a template without text",
      { "tokenizer.json": json, "tokenizer_config.json": { chat_template: [{ name: "x" }] } },
      /chat_template\[0\]\.template: want a string/,
    ],
    [
      "a BOS that is no text",
      { "tokenizer.json": json, "tokenizer_config.json": { bos_token: 1 } },
      /bos_token: want an object/,
    ],
    [
      "a BOS that is not there",
      { "tokenizer.json": json, "tokenizer_config.json": { bos_token: "?" } },
      /bos_token: the token "\?"/,
    ],
    [
      "add_bos_token that is no boolean",
      { "tokenizer.json": json, "tokenizer_config.json": { add_bos_token: "yes" } },
      /add_bos_token/,
    ],
  ];
  for (const [what, files, message] of refused)
    it(`refuses ${what}, naming file and field`, async () => {
      const loading = loadTokenizer(await directory(files));
      await expect(loading).rejects.toThrow(ConfigError);
      await expect(loading).rejects.toThrow(message);
    });

  it("refuses a tiktoken.model that is not one", async () => {
    await expect(loadTokenizer(await directory({ "tiktoken.model": "<html>" }))).rejects.toThrow(FormatError);
  });

  it("refuses a directory in a file's place", async () => {
    const place = await directory({});
    await mkdir(path.join(place, "tokenizer.json"));
    await expect(loadTokenizer(place)).rejects.toThrow(/^tokenizer\.json: is not a file/);
  });
});
