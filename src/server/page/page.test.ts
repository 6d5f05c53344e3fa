import { Script } from "node:vm";
import { expect, test } from "vitest";
import { PAGE_HTML } from "./html.ts";
import { PAGE_SCRIPT } from "./script.ts";

test("the script is JavaScript", () => {
  expect(() => new Script(PAGE_SCRIPT)).not.toThrow();
});

test("the script finds every element it asks for", () => {
  const ids = [...PAGE_SCRIPT.matchAll(/byId\("([\w-]+)"\)/g)].map(([, id]) => id!);
  expect(ids.length).toBeGreaterThan(10);
  for (const id of ids) expect(PAGE_HTML).toContain(`id="${id}"`);
});

test("the page needs no exception from its content policy", () => {
  expect(PAGE_HTML).not.toMatch(
    /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:(?!\/\/www\.w3\.org\/2000\/svg)/,
  );
});

test("nothing is ever set as markup", () => {
  expect(PAGE_SCRIPT).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\.srcdoc/);
});
