import { Marked, type Token, type Tokens } from "marked";
import { highlighted } from "./highlight.ts";

/** Tags that models write in Markdown for what it lacks. All others are shown as they are written. */
const KEPT_TAG = /^<\/?(?:br|sub|sup|kbd|mark|b|i|u|s|em|strong|code)\s*\/?>$/i;

/** Links that may be followed from a page. */
const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i;

const markdown = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => (KEPT_TAG.test(text.trim()) ? text : escaped(text)),
    code: codeBlock,
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      return SAFE_LINK.test(href) ? anchor(href, text) : text;
    },
    // Fetching an image would tell its server who reads what.
    image: ({ href, text }) => (SAFE_LINK.test(href) ? anchor(href, escaped(text || href)) : escaped(text)),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

export interface Block {
  readonly token: Token;
  /** All that the block's HTML comes from: its text, and the addresses that the whole text defines for links. */
  readonly source: string;
}

/** The parts of a text that are laid out one below the other. While an answer grows, all but the last stay the same. */
export function blocksOf(text: string): Block[] {
  const tokens = markdown.lexer(text);
  const definitions = tokens.filter(({ type }) => type === "def").map(({ raw }) => raw);
  return tokens
    .filter(({ type }) => type !== "space" && type !== "def")
    .map((token) => ({ token, source: [...definitions, token.raw].join("\n") }));
}

/** HTML of one block; it has still to be sanitised. */
export function blockToHtml({ token }: Block): string {
  return markdown.parser([token]);
}

function codeBlock({ text, lang = "" }: Tokens.Code): string {
  const [language = ""] = lang.trim().split(/\s/);
  const code = highlighted(text, language.toLowerCase()) ?? escaped(text);
  // The button is found by its class, where the page is listened to: what is sanitised has no handlers.
  return (
    `<div class="code"><div class="code-head"><span>${escaped(language)}</span>` +
    `<button type="button" class="copy-code">Copy</button></div><pre tabindex="0"><code>${code}\n</code></pre></div>`
  );
}

function anchor(href: string, html: string): string {
  return `<a href="${escaped(href)}" target="_blank" rel="noopener noreferrer">${html}</a>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
