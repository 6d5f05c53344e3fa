import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { ScriptedModel } from "../../../test/server/scripted-model.ts";
import { createApp } from "../app.ts";

const app = createApp({ model: new ScriptedModel() });

test("the page and all that it names are there, and need no exception from its content policy", async () => {
  const response = await app.request("/");
  const html = await response.text();
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
  const files = [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, file]) => `/${file}`);
  expect(files.map((file) => file.replace(/-[\w-]+\./, "."))).toEqual(["/page/index.js", "/page/index.css"]);
  for (const file of files) {
    const { status, headers } = await app.request(file);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toMatch(/^text\/(javascript|css); charset=utf-8$/);
    expect(headers.get("cache-control")).toContain("immutable");
  }
});

test("the page is small: at most 120 KB, compressed", async () => {
  const html = await (await app.request("/")).text();
  const files = [...html.matchAll(/\.\/(page\/[\w.-]+)/g)].map(([, file]) => `/${file}`);
  const bodies = await Promise.all(["/", ...files].map(async (file) => (await app.request(file)).text()));
  expect(bodies).toHaveLength(3);
  expect(bodies.reduce((sum, body) => sum + gzipSync(body).length, 0)).toBeLessThan(120_000);
});

test("nothing beside the page's files is there", async () => {
  for (const path of ["/page/none.js", "/page/..%2f..%2fnode.mjs", "/page/index.html", "/page/", "/page/a/b.js"]) {
    expect((await app.request(path)).status, path).toBe(404);
  }
});
