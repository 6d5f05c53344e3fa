import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type LoadedModel, loadModel } from "../../src/node.ts";
import { singleApiKey } from "../../src/server/api-keys.ts";
import { ModelDirectory } from "../../src/server/model-directory.ts";
import { built } from "../cli/spawn-deepts.ts";
import { ScriptedModel } from "../server/scripted-model.ts";
import { slowSource } from "../server/slow-source.ts";
import { openServer, startServer } from "../server/start-server.ts";
import { NO_CHROMIUM, openChromium } from "./chromium.ts";
import { expectShown, openPage, say, shown } from "./open-page.ts";

let browser: Browser;
let model: LoadedModel;

beforeAll(async () => {
  if (NO_CHROMIUM !== null) return;
  await built();
  browser = await openChromium();
  model = await loadModel(undefined, { contextSize: 512, parallel: 2 });
});
beforeEach((t) => {
  if (NO_CHROMIUM !== null) t.skip(NO_CHROMIUM);
});
afterAll(async () => {
  await browser?.close();
  await model?.close();
});

const ENDED = /\d+ tokens/;

describe("the chat page with the embedded model", () => {
  it("answers, counts, goes on from what it has read, and answers anew", async () => {
    const { url } = await startServer(model.engine);
    const page = await openPage(browser, url);
    await page.getByText("demonstration model").waitFor();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Temperature").fill("0");
    await page.keyboard.press("Escape");
    const question = "Tell me a story about a fox.";
    await say(page, question);
    await page.getByText(ENDED).waitFor();
    const [, story] = await shown(page);
    expect(story!.length).toBeGreaterThan(50);
    await say(page, "Hello");
    const second = page.locator(".assistant").nth(1);
    await second.getByText(/\d+ tokens · .*first token [\d.]+ s · prompt \d+, \d+ cached/).waitFor();
    const [, , , greeting] = await shown(page);
    const asked = page.waitForRequest("**/v1/chat/completions");
    await page.getByRole("button", { name: "Regenerate" }).click();
    expect((await asked).postDataJSON().messages).toHaveLength(3);
    await second.getByText(ENDED).waitFor();
    await expectShown(page, [question, story, "Hello", greeting]);
  });

  it("keeps conversations over a reload, and answers in the one that is open", async () => {
    const { url } = await startServer(model.engine);
    const page = await openPage(browser, url);
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    await page.getByRole("button", { name: "New chat" }).click();
    await page.getByRole("button", { name: "What is 12 * 7?" }).click();
    await page.getByText(ENDED).waitFor();
    const before = await shown(page);
    await page.reload();
    await expectShown(page, before);
    const entries = page.getByRole("navigation").locator(".entry");
    expect(await entries.allInnerTexts()).toEqual(["What is 12 * 7?", "Hello"]);
    await entries.nth(1).click();
    await page.locator(".bubble").getByText("Hello").waitFor();
    await page.goBack();
    await page.locator(".bubble").getByText("What is 12 * 7?").waitFor();
  });

  it("says what is wrong with a conversation that is too long, and lets an edited message through", async () => {
    const { url } = await startServer(model.engine);
    const page = await openPage(browser, url);
    await say(page, "word ".repeat(600));
    await page
      .getByRole("alert")
      .getByText(/too long for the model.*512/)
      .waitFor();
    await page.getByRole("button", { name: "Edit the message" }).click();
    await page.getByRole("textbox", { name: "Edit the message" }).fill("Hello");
    await page.getByRole("button", { name: "Send" }).first().click();
    await page.getByText(ENDED).waitFor();
    expect(await shown(page)).toEqual(["Hello", expect.stringMatching(/\w/)]);
  });
});

/** A page on a server whose model says this. */
async function openScripted(answer: readonly string[], script: ConstructorParameters<typeof ScriptedModel>[0] = {}) {
  const scripted = new ScriptedModel({ answer: () => answer, ...script });
  const server = await startServer(scripted);
  return { scripted, server, open: (options = {}) => openPage(browser, server.url, options) };
}

describe("the chat page", () => {
  it("stops an answer by Escape or the button, keeps what came of it, and frees the server", async () => {
    const { scripted, open } = await openScripted(["Once ", "upon "], { hangs: true });
    const page = await open();
    await say(page, "A story");
    await page.getByText("Once upon").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("stopped").waitFor();
    await scripted.firstStop;
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.getByText("Answering").waitFor({ state: "attached" });
    await page.getByText("Once upon").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("stopped").waitFor();
    await expectShown(page, ["A story", "Once upon"]);
    await expect.poll(() => scripted.stopped).toBe(2);
  });

  it("keeps what had come of an answer when the page was closed in its middle", async () => {
    const { open } = await openScripted(["Once ", "upon "], { hangs: true });
    const page = await open();
    await say(page, "A story");
    await page.getByText("Once upon").waitFor();
    await page.reload();
    await expectShown(page, ["A story", "Once upon"]);
    await page.getByText("stopped").waitFor();
  });

  it("shows hostile answers as text: nothing runs, nothing is fetched, no link leads into the page", async () => {
    const hostile = [
      "<img src=x onerror=\"alert(1)\"> <img src='https://evil.example/a.png'>",
      "<script>alert(2)</script> <svg onload=alert(3)> <iframe srcdoc='<script>alert(4)</script>'></iframe>",
      "[a](javascript:alert(5)) [b](JaVaScRiPt:alert(6)) [c](data:text/html,<script>alert(7)</script>) [d](/docs)",
      "![e](javascript:alert(8)) ![f](https://evil.example/b.png)",
      "<a href='javascript:alert(9)'>g</a> <form action='https://evil.example'><button>h</button></form>",
      "<style>body { display: none }</style> <div style='position: fixed; inset: 0'>i</div>",
      "<b onmouseover=alert(10)>j</b> <code><img src=x onerror=alert(11)></code>",
      '```"><img src=x onerror=alert(12)>\n<script>alert(13)</script>\n```',
      "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(14)>'>",
      "<br><sub>k</sub>",
    ].join("\n\n");
    const { open } = await openScripted([hostile], { startsInThinking: false });
    const page = await open();
    await say(page, "Attack");
    await page.getByText(ENDED).waitFor();
    const answer = page.locator(".assistant .markdown");
    const inside = await answer.evaluate((element) => ({
      tags: [...new Set([...element.querySelectorAll("*")].map(({ localName }) => localName))].sort(),
      attributes: [...new Set([...element.querySelectorAll("*")].flatMap((one) => one.getAttributeNames()))].sort(),
      links: [...element.querySelectorAll("a")].map(({ href }) => href),
    }));
    expect(inside.tags).toEqual(["a", "br", "button", "code", "div", "p", "pre", "span", "sub"]);
    expect(inside.attributes).toEqual(["class", "href", "rel", "tabindex", "target", "type"]);
    expect(inside.links).toEqual(["https://evil.example/b.png"]);
    expect(await answer.textContent()).toContain('<img src=x onerror="alert(1)">');
    await answer.getByText(/onmouseover/).hover();
  });

  it("would report what breaks its content policy", async () => {
    const { server } = await openScripted([]);
    const page = await browser.newPage();
    await page.goto(server.url);
    const violated = page.evaluate(
      () =>
        new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
          document.body.append(Object.assign(document.createElement("img"), { src: "https://evil.example/a.png" }));
        }),
    );
    expect(await violated).toBe("img-src");
    const refused = page.evaluate(() => {
      document.body.innerHTML = "<b>b</b>";
    });
    await expect(refused).rejects.toThrow(/TrustedHTML/);
    await page.close();
  });

  it("folds thinking away with its time, and colours code that can be copied", async () => {
    const code = "const answer: number = 42;";
    const { open } = await openScripted(["Let me ", "think.", "</think>", `Here:\n\n\`\`\`ts\n${code}\n\`\`\`\n`], {
      startsInThinking: true,
    });
    const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    await page.getByRole("checkbox", { name: "Think first" }).check();
    await say(page, "Code");
    await page.getByText(ENDED).waitFor();
    const thinking = page.getByText("Let me think.");
    expect(await thinking.isVisible()).toBe(false);
    await page.getByText(/^Thought for [\d.]+ s$/).click();
    await thinking.waitFor();
    expect(await page.locator(".hljs-keyword").textContent()).toBe("const");
    await page.getByRole("button", { name: "Copy", exact: true }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`${code}\n`);
    await page.getByRole("button", { name: "Copy the answer" }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain("Here:");
  });

  it("copies also where a page has no clipboard: over plain HTTP from another machine", async () => {
    const { open } = await openScripted(["Hi there"]);
    const page = await open({ prepare: 'Object.defineProperty(navigator, "clipboard", { value: undefined });' });
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    await page.getByRole("button", { name: "Copy the answer" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    await page.getByLabel("Your message").focus();
    await page.keyboard.press("ControlOrMeta+V");
    expect(await page.getByLabel("Your message").inputValue()).toBe("Hi there");
  });

  it("sends the parameters that were chosen, also after a reload, and takes none that is out of range", async () => {
    const { scripted, open } = await openScripted(["Hi"]);
    const page = await open();
    await page.getByRole("button", { name: "Settings" }).click();
    const settings: [label: string, value: string][] = [
      ["System prompt", "Be brief."],
      ["Temperature", "0.25"],
      ["Top p", "0.5"],
      ["Max tokens", "77"],
      ["Seed", "7"],
    ];
    for (const [label, value] of settings) await page.getByLabel(label).fill(value);
    await page.reload();
    await page.getByRole("button", { name: "Settings" }).click();
    for (const [label, value] of settings) expect(await page.getByLabel(label).inputValue()).toBe(value);
    await page.getByLabel("Temperature").fill("9");
    await page.getByLabel("Temperature").press("Tab");
    await page.keyboard.press("Escape");
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    expect(scripted.requests).toMatchObject([{ maxTokens: 77, sampling: { temperature: 0.25, topP: 0.5, seed: 7n } }]);
    expect(scripted.chats[0]!.messages).toMatchObject([{ role: "system", content: "Be brief." }, { role: "user" }]);
  });

  it("says when the server is gone, and answers when it is back", async () => {
    const hanging = new ScriptedModel({ answer: () => ["Once ", "upon "], hangs: true });
    const killed = await openServer(hanging);
    const page = await openPage(browser, killed.url);
    await say(page, "A story");
    await page.getByText("Once upon").waitFor();
    await killed.close();
    await page
      .getByRole("alert")
      .getByText(/ended before the answer was complete/)
      .waitFor();
    await page.getByText("The server does not answer").first().waitFor();
    await page.getByRole("button", { name: "Try again" }).click();
    await page
      .getByRole("alert")
      .getByText(/does not answer.*start it again/)
      .waitFor();
    await startServer(new ScriptedModel(), { port: killed.port });
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText(ENDED).waitFor();
    await expectShown(page, ["A story", "Hello, world!"]);
    await page.getByText("The server does not answer").waitFor({ state: "detached" });
  });

  it("waits for a model that is loaded while the server starts", async () => {
    let loaded = (_: ScriptedModel) => {};
    const loading = new Promise<ScriptedModel>((resolve) => {
      loaded = resolve;
    });
    const { url } = await startServer(loading);
    const page = await openPage(browser, url);
    await page.locator(".top-bar").getByText("Loading the model").waitFor();
    const waiting = page.locator(".assistant").getByText("Loading the model…");
    await say(page, "Hello");
    await waiting.waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("stopped").waitFor();
    await page.getByRole("button", { name: "Regenerate" }).click();
    await waiting.waitFor();
    loaded(new ScriptedModel());
    await page.getByText(ENDED).waitFor();
    await expectShown(page, ["Hello", "Hello, world!"]);
    await page.getByText("scripted", { exact: true }).waitFor();
  });

  it("asks for an API key where the server wants one, and keeps it", async () => {
    const key = "sk-alice-0123456789";
    const { url } = await startServer(new ScriptedModel(), { apiKeys: [singleApiKey(key, "alice", "--api-key")] });
    const page = await openPage(browser, url);
    await page.getByRole("button", { name: "Enter a key" }).click();
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await page.getByText("scripted", { exact: true }).waitFor();
    await page.reload();
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    expect(await page.locator("body").textContent()).not.toContain(key);
  });

  it("lets one choose among several models", async () => {
    const { scripted, open } = await openScripted(["Hi"]);
    const page = await open();
    const card = { object: "model", created: 1, owned_by: "x", description: "", context_length: 512 };
    const body = {
      object: "list",
      data: [
        { ...card, id: "one" },
        { ...card, id: "two" },
      ],
    };
    await page.route("**/v1/models", (route) => route.fulfill({ json: body }));
    await page.reload();
    await page.getByLabel("Model").selectOption("two");
    const asked = page.waitForRequest("**/v1/chat/completions");
    await say(page, "Hello");
    expect((await asked).postDataJSON()).toMatchObject({ model: "two" });
    await page.getByText(ENDED).waitFor();
    expect(scripted.requests).toHaveLength(1);
  });

  it("says that the model it waits for is being loaded, until the answer begins", async () => {
    const [quick, slow] = [
      slowSource("quick"),
      slowSource("slow", new ScriptedModel({ answer: () => ["Here ", "I am"] })),
    ];
    quick.letGo();
    const directory = new ModelDirectory([quick.source, slow.source]);
    onTestFinished(() => directory.close());
    await directory.start();
    const { url } = await startServer(directory);
    const page = await openPage(browser, url);
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    await page.getByRole("button", { name: "New chat" }).click();
    await page.getByLabel("Model").selectOption("slow");
    const loading = page.locator(".assistant").getByText("Loading the model…");
    await say(page, "Are you there?");
    await loading.waitFor();
    await page.getByRole("status").getByText("Loading the model", { exact: true }).waitFor({ state: "attached" });
    await page.keyboard.press("Escape");
    await page.getByText("stopped").waitFor();
    await loading.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Regenerate" }).click();
    await loading.waitFor();
    slow.letGo();
    await page.getByText(ENDED).waitFor();
    await expectShown(page, ["Are you there?", "Here I am"]);
    expect(await loading.count()).toBe(0);
  });

  it("works by keyboard alone: opens, renames, deletes and restores conversations, and edits a message", async () => {
    const { open } = await openScripted(["Hi"]);
    const page = await open();
    const focused = () =>
      page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
    /** Goes on with Tab until this has the focus. */
    const tabTo = async (name: string, key = "Tab") => {
      for (let count = 0; count < 30 && (await focused()) !== name; count++) await page.keyboard.press(key);
      expect(await focused()).toBe(name);
    };
    await page.getByText("scripted", { exact: true }).waitFor();
    expect(await focused()).toBe("Your message");
    await page.keyboard.type("First");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("line two");
    await page.keyboard.press("Enter");
    await page.getByText(ENDED).waitFor();
    await expectShown(page, ["First\nline two", "Hi"]);
    expect(await focused()).toBe("Your message");
    const title = "First line two";
    await tabTo(`Rename “${title}”`);
    expect(await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe("solid");
    await page.keyboard.press("Enter");
    await page.keyboard.type("Foxes");
    await page.keyboard.press("Enter");
    await tabTo("Edit the message");
    await page.keyboard.press("Enter");
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("Second");
    await page.keyboard.press("Enter");
    await page.getByText("Second").waitFor();
    await page.getByText(ENDED).waitFor();
    await expectShown(page, ["Second", "Hi"]);
    await tabTo("Delete “Foxes”");
    await page.keyboard.press("Enter");
    await page.getByText("Deleted “Foxes”").waitFor();
    await tabTo("Undo", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.reload();
    await expectShown(page, ["Second", "Hi"]);
  });

  it("is dark or light as the system is, or as one chooses, which a reload keeps", async () => {
    const { open } = await openScripted(["Hi"]);
    const page = await open({ colorScheme: "dark" });
    const brightness = () =>
      page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)![0]) / 255);
    expect(await brightness()).toBeLessThan(0.2);
    await page.emulateMedia({ colorScheme: "light" });
    expect(await brightness()).toBeGreaterThan(0.9);
    await page.getByRole("button", { name: /Change to light/ }).click();
    await page.getByRole("button", { name: /Change to dark/ }).click();
    expect(await brightness()).toBeLessThan(0.2);
    await page.reload();
    await page.getByRole("button", { name: /Colours: dark/ }).waitFor();
    expect(await brightness()).toBeLessThan(0.2);
  });

  it("fits a phone: nothing sticks out, and the list is a drawer", async () => {
    const wide = `${"x".repeat(300)}\n\n\`\`\`js\n${"let wide; ".repeat(40)}\n\`\`\`\n\n|${" column |".repeat(20)}\n|${"-|".repeat(20)}\n|${" cell |".repeat(20)}`;
    const { open } = await openScripted([wide]);
    const page = await open({ viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true });
    const widths = () =>
      page.evaluate(() => [
        document.documentElement.scrollWidth,
        ...[...document.querySelectorAll(".scroller")].map((one) => one.scrollWidth),
      ]);
    await page.getByText("Call it from a program").click();
    expect(Math.max(...(await widths()))).toBeLessThanOrEqual(390);
    await say(page, "y".repeat(300));
    await page.getByText(ENDED).waitFor();
    expect(await page.locator(".markdown table").count()).toBe(1);
    expect(Math.max(...(await widths()))).toBeLessThanOrEqual(390);
    const newChat = page.getByRole("button", { name: "New chat" });
    expect(await newChat.isVisible()).toBe(false);
    await page.getByRole("button", { name: "Conversations" }).click();
    await newChat.waitFor();
    await page.keyboard.press("Escape");
    await newChat.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("API key").waitFor();
    expect(Math.max(...(await widths()))).toBeLessThanOrEqual(390);
  });

  it("does not move where one wishes for less of it", async () => {
    const { open } = await openScripted([], { hangs: true });
    const page = await open({ reducedMotion: "reduce" });
    await say(page, "Hello");
    const dot = page.locator(".waiting span").first();
    expect(await dot.evaluate((element) => element.getAnimations().length)).toBe(0);
    await page.emulateMedia({ reducedMotion: "no-preference" });
    expect(await dot.evaluate((element) => element.getAnimations().length)).toBe(1);
  });

  it("works with whatever the browser's storage holds", async () => {
    const { open } = await openScripted(["Hi"]);
    const page = await open();
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    await page.evaluate(async () => {
      localStorage.setItem("deepts.settings", "{ not JSON");
      const request = indexedDB.open("deepts");
      const database = await new Promise<IDBDatabase>((resolve) => {
        request.onsuccess = () => resolve(request.result);
      });
      const store = database.transaction("conversations", "readwrite").objectStore("conversations");
      for (const record of [{ id: "a" }, { id: 5, messages: 7 }, { id: "b", messages: [null, { role: "user" }] }])
        store.put(record);
      await new Promise((resolve) => {
        store.transaction.oncomplete = resolve;
      });
    });
    await page.reload();
    await expectShown(page, ["Hello", "Hi"]);
    expect(await page.locator(".entry").allInnerTexts()).toEqual(["Hello", "Untitled"]);
  });

  it("says that nothing is kept where the browser has no storage, and works", async () => {
    const { open } = await openScripted(["Hi"]);
    const prepare = `Object.defineProperty(window, "indexedDB", { value: undefined });
      Object.defineProperty(window, "localStorage", { get() { throw new Error("forbidden"); } });`;
    const page = await open({ prepare });
    await page.getByText("conversations end with the page").waitFor();
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    await expectShown(page, ["Hello", "Hi"]);
  });

  it("begins anew where a database of that name is none of its own", async () => {
    const { server, open } = await openScripted(["Hi"]);
    const page = await open();
    await page.goto(`${server.url}/docs`);
    await page.evaluate(async () => {
      const done = (request: IDBRequest) =>
        new Promise((resolve) => {
          request.onsuccess = resolve;
        });
      await done(indexedDB.deleteDatabase("deepts"));
      const request = indexedDB.open("deepts", 1);
      await done(request);
      request.result.close();
    });
    await page.goto(server.url);
    await say(page, "Hello");
    await page.getByText(ENDED).waitFor();
    await page.reload();
    await expectShown(page, ["Hello", "Hi"]);
  });
});
