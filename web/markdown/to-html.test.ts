import { expect, test } from "vitest";
import { blocksOf, blockToHtml } from "./to-html.ts";

const toHtml = (text: string) => blocksOf(text).map(blockToHtml).join("");

test("tags are shown as they are written, but for some that Markdown lacks", () => {
  expect(toHtml("a <img src=x onerror=alert(1)> <b>b</b><br>")).toBe(
    "<p>a &#60;img src=x onerror=alert(1)&#62; <b>b</b><br></p>\n",
  );
  expect(toHtml('<b onclick="alert(1)">b')).not.toContain("<b");
  expect(toHtml("<script>alert(1)</script>")).not.toContain("<script");
});

test("links lead to the web or to mail, else their text stays alone; images are links", () => {
  expect(toHtml("[a](javascript:alert(1)) [b](data:text/html,x) [c](/docs) [d](//x.example)")).toBe("<p>a b c d</p>\n");
  expect(toHtml("[a](https://a.example/?q=1&r=%22)")).toContain(
    '<a href="https://a.example/?q=1&#38;r=%22" target="_blank"',
  );
  expect(toHtml("![a fox](https://a.example/fox.png)")).toMatch(
    /<a href="https:\/\/a\.example\/fox\.png"[^>]*>a fox<\/a>/,
  );
  expect(toHtml("![a](javascript:alert(1))")).toBe("<p>a</p>\n");
});

test("code is coloured where its language is known, and stays text", () => {
  expect(toHtml("```ts\nconst a = '<b>';\n```")).toMatch(/<span class="hljs-keyword">const<\/span> a = .*&lt;b&gt;/);
  const unknown = toHtml('```"><script>\n<b>\n```');
  expect(unknown).toContain("<span>&#34;&#62;&#60;script&#62;</span>");
  expect(unknown).toContain("<code>&#60;b&#62;\n</code>");
});

test("while an answer grows, all blocks but the last stay the same", () => {
  const text = "# Title\n\nOne *two*.\n\n```js\nlet a = 1;\n\nlet b;\n```\n\n- a\n- b\n\nEnd.";
  const whole = blocksOf(text).map(({ source }) => source);
  for (let length = 1; length < text.length; length++) {
    const sources = blocksOf(text.slice(0, length)).map(({ source }) => source.trimEnd());
    expect(sources.slice(0, -1)).toEqual(whole.slice(0, sources.length - 1).map((source) => source.trimEnd()));
  }
});

test("a link whose address comes later gets it", () => {
  const [before] = blocksOf("See [a][1].\n\nMore.");
  const [after] = blocksOf("See [a][1].\n\nMore.\n\n[1]: https://a.example");
  expect(blockToHtml(before!)).not.toContain("href");
  expect(blockToHtml(after!)).toContain('href="https://a.example"');
  expect(after!.source).not.toBe(before!.source);
});
