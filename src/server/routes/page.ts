import { readFile } from "node:fs/promises";
import { ApiError } from "../../errors.ts";
import type { Route } from "./route.ts";

/** What the build made of web/. */
const FOLDER = new URL("../../../dist/web/", import.meta.url);

/** Nothing inline, nothing from elsewhere, markup from the page's sanitiser alone: what a model writes cannot become a script. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types dompurify",
].join("; ");

/** The page at / and the files it loads; they are there while the model is still loading. */
export const pageRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/",
    open: true,
    handler: () => answerFile("index.html", "no-cache"),
  },
  {
    method: "GET",
    // Names hold a hash of what the file holds, so that a browser may keep it for good.
    path: "/page/:file{[\\w-]+\\.(?:js|css)}",
    open: true,
    handler: (_request, { params }) => answerFile(`page/${params.file}`, "public, max-age=31536000, immutable"),
  },
];

async function answerFile(name: string, cacheControl: string): Promise<Response> {
  const content = await readFile(new URL(name, FOLDER), "utf8").catch((cause: unknown) => {
    const advice = name === "index.html" ? "the chat page is not built: run `npm run setup`" : `there is no ${name}`;
    throw new ApiError(404, advice, { code: "not_found", cause });
  });
  const headers = {
    "content-type": `${TYPES[name.slice(name.lastIndexOf("."))]}; charset=utf-8`,
    "content-security-policy": CONTENT_POLICY,
    "cache-control": cacheControl,
  };
  return new Response(content, { headers });
}

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
