import { chatCompletions } from "./routes/chat.ts";
import { completions } from "./routes/completions.ts";
import { docsPage, openApi } from "./routes/docs.ts";
import { createEmbeddings } from "./routes/embeddings.ts";
import { getHealth } from "./routes/health.ts";
import { countTokens, messages } from "./routes/messages.ts";
import { getMetrics } from "./routes/metrics.ts";
import { getModel, listModels, loadModel, unloadModel } from "./routes/models.ts";
import { pageRoutes } from "./routes/page.ts";
import { createResponse, deleteResponse, getResponse } from "./routes/responses.ts";
import type { Route } from "./routes/route.ts";
import { applyTemplate, detokenize, tokenize } from "./routes/text.ts";
import { openWebSocket } from "./routes/web-socket.ts";

/** Everything the server answers; src/protocol/operations.ts describes it. */
export const routes: readonly Route[] = [
  { method: "GET", path: "/health", open: true, handler: getHealth },
  { method: "GET", path: "/metrics", handler: getMetrics },
  { method: "GET", path: "/openapi.json", open: true, handler: openApi },
  { method: "GET", path: "/docs", open: true, handler: docsPage },
  { method: "GET", path: "/v1/models", handler: listModels },
  { method: "GET", path: "/v1/models/:id{.+}", handler: getModel },
  { method: "POST", path: "/v1/models/load", admin: true, handler: loadModel },
  { method: "POST", path: "/v1/models/unload", admin: true, handler: unloadModel },
  { method: "POST", path: "/v1/chat/completions", handler: chatCompletions },
  { method: "POST", path: "/v1/completions", handler: completions },
  { method: "POST", path: "/v1/embeddings", handler: createEmbeddings },
  { method: "POST", path: "/v1/responses", handler: createResponse },
  { method: "GET", path: "/v1/responses/:id", handler: getResponse },
  { method: "DELETE", path: "/v1/responses/:id", handler: deleteResponse },
  { method: "POST", path: "/v1/messages", dialect: "anthropic", handler: messages },
  { method: "POST", path: "/v1/messages/count_tokens", dialect: "anthropic", handler: countTokens },
  { method: "POST", path: "/tokenize", handler: tokenize },
  { method: "POST", path: "/detokenize", handler: detokenize },
  { method: "POST", path: "/apply-template", handler: applyTemplate },
  // DeepSeek's own paths: base URLs https://api.deepseek.com and https://api.deepseek.com/beta.
  { method: "GET", path: "/models", handler: listModels },
  { method: "POST", path: "/chat/completions", dialect: "deepseek", handler: chatCompletions },
  { method: "POST", path: "/beta/chat/completions", dialect: "deepseek", handler: chatCompletions },
  { method: "POST", path: "/completions", dialect: "deepseek", handler: completions },
  { method: "POST", path: "/beta/completions", dialect: "deepseek", handler: completions },
  { method: "GET", path: "/v1/ws", handler: openWebSocket },
  ...pageRoutes,
];
