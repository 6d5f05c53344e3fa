import { PAGE_HTML } from "../page/html.ts";
import { PAGE_SCRIPT } from "../page/script.ts";
import { PAGE_STYLE } from "../page/style.ts";
import type { Route } from "./route.ts";

/** Nothing inline, nothing from elsewhere: text that the model writes cannot become a script. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The page at / and its two files; they are there while the model is still loading. */
export const pageRoutes: readonly Route[] = [
  file("/", "text/html", PAGE_HTML),
  file("/page.css", "text/css", PAGE_STYLE),
  file("/page.js", "text/javascript", PAGE_SCRIPT),
];

function file(path: string, type: string, text: string): Route {
  const headers = {
    "content-type": `${type}; charset=utf-8`,
    "content-security-policy": CONTENT_POLICY,
    "cache-control": "no-cache",
  };
  return { method: "GET", path, open: true, handler: () => new Response(text, { headers }) };
}
