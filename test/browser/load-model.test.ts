import { statSync } from "node:fs";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ServerOptions, type StaticServer, serveFiles } from "../../scripts/static-server.mjs";
import { EMBEDDED_MODEL } from "../../src/embedded.ts";
import { embeddedModelPath, loadModel } from "../../src/node.ts";
import { built, root } from "../cli/spawn-deepts.ts";
import { NO_BROWSER, openChromium } from "./chromium.ts";

/** What a user of the package would serve, and the tests' own pages; side by side as in the checkout. */
const FOLDERS = Object.fromEntries(
  ["dist", "build/wasm", "models", "examples/browser", "test/browser"].map((name) => [
    `/${name}/`,
    path.join(root, name),
  ]),
);
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
  server = await serveFiles(FOLDERS, options);
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
  await expect.poll(() => page.workers().length).toBe(count);
}

describe("a model in a browser", () => {
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
    expect(expected.length).toBeGreaterThan(10);
  });
  beforeEach((t) => {
    if (NO_BROWSER !== null) t.skip(NO_BROWSER);
  });
  afterEach(async () => {
    await page?.close();
    await server?.close();
  });
  afterAll(() => browser?.close());

  it("answers on two threads as the reference backend does in Node, where the page is cross-origin isolated", async () => {
    await openPage({ isolated: true });
    const got = await answer(MODEL, { threads: 2, numerics: "exact" });
    expect(got).toMatchObject({ text: expected, id: path.basename(MODEL, ".gguf"), notes: [] });
    expect(modulesServed()).toEqual(["wasm-relaxed-threads.wasm"]);
  });

  it("answers the same on one thread where the page is not isolated, and says why it is one", async () => {
    await openPage();
    const got = await answer(MODEL, { threads: 2, numerics: "exact" });
    expect(got.text).toBe(expected);
    expect(got.notes).toEqual([expect.stringMatching(/one thread.*cross-origin isolated/)]);
    expect(modulesServed()).toEqual(["wasm-relaxed.wasm"]);
  });

  it.for([1, 2])("answers the same with 64-bit addresses, on %i threads", async (threads) => {
    await openPage({ isolated: true });
    expect(await answer(MODEL, { memory64: true, threads, numerics: "exact" })).toMatchObject({ text: expected });
    expect(modulesServed()).toEqual([threads === 1 ? "wasm64.wasm" : "wasm64-threads.wasm"]);
  });

  it("answers the same on the reference backend, without a module", async () => {
    await openPage();
    expect((await answer(MODEL, { backend: "reference" })).text).toBe(expected);
    expect(modulesServed()).toEqual([]);
  });

  it("answers the same on any number of threads in fast numerics", async () => {
    await openPage({ isolated: true });
    const texts = [];
    for (const threads of [1, 2, 3]) texts.push((await answer(MODEL, { threads, numerics: "fast" })).text);
    expect(texts[0]!.length).toBeGreaterThan(10);
    expect(new Set(texts).size).toBe(1);
  });

  it("reads a URL by ranges, few bytes twice", async () => {
    await openPage();
    await answer(MODEL);
    const served = modelServed();
    expect(served.map((one) => one.status)).toEqual(served.map(() => 206));
    expect(served.length).toBeGreaterThan(1);
    const bytes = served.reduce((sum, one) => sum + one.bytes, 0);
    expect(bytes).toBeGreaterThanOrEqual(MODEL_BYTES * 0.9);
    expect(bytes).toBeLessThanOrEqual(MODEL_BYTES * 1.1);
  });

  it("fetches a file once from a server without ranges", async () => {
    await openPage({ ranges: false });
    expect((await answer(MODEL, { numerics: "exact" })).text).toBe(expected);
    expect(modelServed()).toEqual([{ path: MODEL, status: 200, bytes: MODEL_BYTES }]);
  });

  it("reads a file that the user chose, and a Blob", async () => {
    await openPage();
    const file = await answer(MODEL, { as: "file", numerics: "exact" });
    expect(file).toMatchObject({ text: expected, id: "chosen", created: 5 });
    expect(await answer(MODEL, { as: "blob", numerics: "exact" })).toMatchObject({ text: expected, id: "model" });
  });

  it("ends every thread when it is closed, also in the middle of an answer, which says so", async () => {
    await openPage({ isolated: true });
    await page.evaluate(`keep("${MODEL}", { threads: 2 })`);
    await threads(2);
    const { during, after } = await page.evaluate<Record<string, Answer>>("closeDuringAnswer()");
    expect([during, after]).toMatchObject([{ error: { code: "shutting_down" } }, { error: { code: "shutting_down" } }]);
    await threads(0);
  });

  it("says what is wrong with a URL that is not there, that is no model, or that cannot be reached", async () => {
    await openPage();
    const gone = await answer("/models/none.gguf");
    expect(gone.error).toMatchObject({ name: "FormatError", code: "format" });
    expect(gone.error!.message).toMatch(/models\/none\.gguf.*HTTP status 404/);
    const html = await answer("/test/browser/page.html");
    expect(html.error!.message).toMatch(/page\.html.*GGUF/);
    const elsewhere = await serveFiles(FOLDERS);
    const foreign = await answer(elsewhere.url + MODEL);
    await elsewhere.close();
    expect(foreign.error!.message).toMatch(/cannot be fetched.*CORS/);
    await threads(0);
  });

  it("says where it looked for modules that are not served, and what to do", async () => {
    await openPage();
    const { error } = await answer(MODEL, { modules: "/nowhere/" });
    expect(error).toMatchObject({ name: "BackendUnavailableError", code: "backend_unavailable" });
    expect(error!.message).toMatch(/\/nowhere\/wasm-relaxed\.wasm: HTTP status 404.*build\/wasm\/.*`modules`/);
    expect((await answer(MODEL, { modules: "/build/wasm/", numerics: "exact" })).text).toBe(expected);
    await page.route("**/*.wasm", (route) => route.fulfill({ body: "a page for what is not there" }));
    expect((await answer(MODEL)).error!.message).toMatch(/does not compile/);
  });

  it("refuses a backend that a browser has not, and a list of files that is empty", async () => {
    await openPage();
    expect((await answer(MODEL, { backend: "cpu" })).error!.message).toMatch(/cpu.*want one of wasm, reference/);
    expect((await answer(MODEL, { as: "none" })).error!.message).toMatch(/there are none/);
  });

  it("answers in the example's page", async () => {
    await openPage({ isolated: true }, "/examples/browser/");
    await page.getByText(`${path.basename(MODEL, ".gguf")} is ready`).waitFor();
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText(/\d+ tokens in .* ended by/).waitFor();
    expect((await page.locator("output").textContent())!.length).toBeGreaterThan(10);
    await page.setInputFiles("[type=file]", { name: "mine.gguf", mimeType: "", buffer: Buffer.from("no model") });
    await page.getByText(/mine\.gguf.*GGUF/).waitFor();
  });
});
