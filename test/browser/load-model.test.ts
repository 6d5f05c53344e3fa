import { statSync } from "node:fs";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EMBEDDED_MODEL } from "../../src/embedded.ts";
import { embeddedModelPath, loadModel } from "../../src/node.ts";
import { built } from "../cli/spawn-deepts.ts";
import { NO_BROWSER, openChromium } from "./chromium.ts";
import { type ServerOptions, type StaticServer, serveFiles } from "./static-server.ts";

const MODEL = `/models/${EMBEDDED_MODEL.file}`;
const MODEL_BYTES = statSync(embeddedModelPath()).size;

interface Answer {
  readonly text: string;
  readonly notes: readonly string[];
  readonly id: string;
  readonly created: number;
  readonly error?: { readonly name: string; readonly code: string; readonly message: string };
}

let browser: Browser;
let expected: string;
let server: StaticServer | null = null;
let page: Page;

/** A page of the tests' own, on a server with these options. */
async function openPage(options: ServerOptions = {}, place = "/test/browser/page.html"): Promise<void> {
  server = await serveFiles(options);
  page = await browser.newPage();
  await page.goto(server.url + place);
}

/** @param options see page.html */
const answer = (model: string, options: object = {}): Promise<Answer> =>
  page.evaluate(`answer(${JSON.stringify(model)}, ${JSON.stringify(options)})`);

const modulesServed = () => server!.log.filter((file) => file.path.endsWith(".wasm")).map((f) => path.basename(f.path));
const modelServed = () => server!.log.filter((file) => file.path === MODEL);

/** Waits until the page has so many threads. */
async function threads(count: number): Promise<void> {
  while (page.workers().length > count) await page.waitForEvent("worker", () => page.workers().length <= count);
  expect(page.workers()).toHaveLength(count);
}

describe.skipIf(false)("a model in a browser", () => {
  beforeAll(async () => {
    if (NO_BROWSER !== null) return;
    await built();
    browser = await openChromium();
    const { engine, close } = await loadModel(undefined, { backend: "reference", contextSize: 128, parallel: 1 });
    const { ids } = await engine.renderChat({ messages: [{ role: "user", content: "Hello" }] });
    expected = "";
    for await (const event of engine.generate({ prompt: ids, maxTokens: 24, sampling: { temperature: 0 } })) {
      expected += event.text;
    }
    await close();
  });
  afterEach(async () => {
    await page?.close();
    await server?.close();
  });
  afterAll(() => browser?.close());

  it("answers on two threads as the reference backend does in Node, where the page is cross-origin isolated", async (t) => {
    if (NO_BROWSER !== null) t.skip(NO_BROWSER);
    await openPage({ isolated: true });
    const got = await answer(MODEL, { threads: 2, numerics: "exact" });
    expect(expected.length).toBeGreaterThan(10);
    expect(got).toMatchObject({ text: expected, id: path.basename(MODEL, ".gguf"), notes: [] });
    expect(modulesServed()).toEqual(["wasm-relaxed-threads.wasm"]);
  });
});
