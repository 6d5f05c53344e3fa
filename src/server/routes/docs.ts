import { createHash } from "node:crypto";
import { openApiDocument } from "../../protocol/openapi.ts";
import { type Operation, operations } from "../../protocol/operations.ts";
import type { RouteContext } from "./route.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
code{font-family:ui-monospace,monospace}table{border-collapse:collapse;width:100%}
td,th{border:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top}h2{margin-top:2.5rem}`;

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** GET /openapi.json. */
export function openApi(_request: Request, { version }: RouteContext): Response {
  return Response.json(openApiDocument(version));
}

/** GET /docs: the same for people, without a script. */
export function docsPage(_request: Request, { version }: RouteContext): Response {
  const list = operations.map(
    ({ method, path }) => `<li><a href="#${anchor(method, path)}"><code>${method} ${path}</code></a>`,
  );
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>DeepTS API</title><style>${STYLE}</style><h1>DeepTS ${escaped(version)}</h1>
<p>The same as a document: <a href="/openapi.json">/openapi.json</a>. No parameter is ignored silently.</p>
<ul>${list.join("\n")}</ul>${operations.map(section).join("\n")}</html>`;
  return new Response(html, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'`,
    },
  });
}

function section({ aliases = [], errors = [], method, path, request, summary }: Operation): string {
  const also = aliases.length === 0 ? "" : `<p>Also <code>${aliases.join("</code>, <code>")}</code>.</p>`;
  const failures = errors.length === 0 ? "" : `<p>Errors: ${errors.join(", ")}.</p>`;
  const rows = (request?.parameters ?? []).map(
    ({ name, note, state }) => `<tr><td><code>${name}</code><td>${state}<td>${escaped(note)}`,
  );
  const table = rows.length === 0 ? "" : `<table><tr><th>Parameter<th>State<th>Note${rows.join("\n")}</table>`;
  return `<h2 id="${anchor(method, path)}"><code>${method} ${path}</code></h2><p>${escaped(summary)}.</p>${also}${failures}${table}`;
}

function anchor(method: string, path: string): string {
  return `${method}${path}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
