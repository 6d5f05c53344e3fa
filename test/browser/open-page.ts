import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";

/**
 * The chat page of a server, in a browser profile of its own. When the test has finished, it fails if the page met an error,
 * broke its content policy, or asked for anything that is not the server's.
 */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { readonly prepare?: string } = {},
): Promise<Page> {
  const { prepare, ...contextOptions } = options;
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...contextOptions });
  const page = await context.newPage();
  const problems: string[] = [];
  await page.exposeFunction("reportProblem", (problem: string) => void problems.push(problem));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) => {
      (window as unknown as { reportProblem(text: string): void }).reportProblem(
        `policy: ${effectiveDirective} ${blockedURI} ${sample}`,
      );
    });
  });
  if (prepare !== undefined) await page.addInitScript(prepare);
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== new URL(url).origin) {
      problems.push(`request: ${request.url()}`);
    }
  });
  onTestFinished(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });
  await page.goto(url);
  return page;
}

/** Writes a message and sends it with the keyboard. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel("Your message").fill(text);
  await page.keyboard.press("Enter");
}

/** The messages as they are shown, actions left out. */
export async function shown(page: Page): Promise<string[]> {
  const texts = await page.locator(".bubble, .assistant > .markdown").allInnerTexts();
  return texts.map((text) => text.trim());
}

/** Waits until these messages are shown: what is stored is read after a page has been loaded. */
export async function expectShown(page: Page, texts: readonly (string | undefined)[]): Promise<void> {
  await expect.poll(() => shown(page)).toEqual(texts);
}
