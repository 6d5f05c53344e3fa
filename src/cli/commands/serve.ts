import type { Engine } from "../../engine/engine.ts";
import { type LoadedModel, loadModel } from "../../node.ts";
import type { RequestLog } from "../../server/app.ts";
import { formatBytes } from "../bytes.ts";
import { defineCommand } from "../command.ts";
import { SERVE_EXITS } from "../exit-codes.ts";
import { loadShowing } from "../loading.ts";
import type { Output } from "../output.ts";
import { computeArgs, ctxSizeArg, deterministicArg, modelArg, parallelArg } from "../shared-args.ts";

export const serve = defineCommand({
  name: "serve",
  summary: "Serve a model over the OpenAI-compatible HTTP API",
  description:
    "GET /health answers at once and says when the model is loaded; then one line `listening on URL` is printed.\n" +
    "SIGINT and SIGTERM let running answers end; a second one ends the process at once.",
  args: {
    model: modelArg,
    port: {
      type: "integer",
      min: 0,
      max: 65535,
      default: 8080,
      env: "DEEPTS_PORT",
      help: "TCP port; 0 takes a free one",
    },
    host: {
      type: "text",
      value: "ADDRESS",
      default: "127.0.0.1",
      env: "DEEPTS_HOST",
      help: "address to listen on; 0.0.0.0 lets other machines in",
    },
    ...computeArgs,
    ctxSize: ctxSizeArg,
    parallel: parallelArg,
    cacheMemory: {
      type: "integer",
      value: "MIB",
      min: 1,
      env: "DEEPTS_CACHE_MEMORY",
      help: "memory of the cache, which answers share with what is kept of earlier ones; default enough for --parallel answers of --ctx-size tokens",
    },
    deterministic: deterministicArg,
    allowedHost: {
      type: "list",
      value: "NAME",
      help: "host name by which clients may call, beside addresses and localhost",
    },
    cors: { type: "list", value: "ORIGIN", help: "web origin whose pages may call; * for all" },
  },
  examples: [
    { command: "deepts", what: "the embedded model on http://127.0.0.1:8080" },
    { command: "deepts serve --model ./DeepSeek-V2-Lite --port 9000", what: "a Hugging Face directory" },
    {
      command: "deepts serve --model m.gguf --host 0.0.0.0 --allowed-host llm.example.org",
      what: "for other machines",
    },
  ],
  exits: { ...SERVE_EXITS, 0: "stopped by a signal" },
  async run({ args, stdout, stderr, signal }) {
    // Not at the top: the other commands start faster without a server.
    const [{ createApp }, { listen }] = await Promise.all([
      import("../../server/app.ts"),
      import("../../server/listen.ts"),
    ]);
    const { backend, threads, numerics, cacheType, ctxSize: contextSize, parallel, deterministic } = args;
    const cacheMemory = args.cacheMemory === undefined ? undefined : args.cacheMemory * 2 ** 20;
    const options = { backend, threads, numerics, cacheType, contextSize, parallel, cacheMemory, deterministic };
    const listening = listen({ fetch: (request) => app.fetch(request) }, { port: args.port, host: args.host, signal });
    const loading = listening.then(() =>
      loadShowing({ stderr, signal }, (watch) => loadModel(args.model, { ...options, ...watch })),
    );
    const app = createApp({
      model: loading.then(({ engine }) => engine),
      allowedHosts: args.allowedHost,
      cors: args.cors.includes("*") ? "*" : args.cors.length > 0 ? args.cors : undefined,
      log: (entry) => void reportFailure(entry, stderr),
    });
    const server = await listening;
    try {
      const model = await loading;
      try {
        for (const line of introduction(model)) await stderr.line(line);
        await stdout.line(`listening on ${server.url}`);
        await server.closed;
      } finally {
        await model.close();
      }
    } catch (error) {
      // The signal's reason: loading was broken off, which is what was wanted.
      if (!signal.aborted) throw error;
    } finally {
      await server.close();
    }
  },
});

function introduction({ engine, notes }: LoadedModel): string[] {
  return [`model ${engine.id}`, engine.description, ...notes, memoryOf(engine)].filter((line) => line !== "");
}

function memoryOf({ memory, contextSize }: Engine): string {
  const { weights, mapped, tables, cache, scratch } = memory;
  const file = mapped + tables > 0 ? ` and ${formatBytes(mapped + tables)} of the file` : "";
  const parts = `weights ${formatBytes(weights)}${file}, cache ${formatBytes(cache)}, scratch ${formatBytes(scratch)}`;
  return `context ${contextSize} tokens; memory: ${parts}`;
}

/** Requests that went wrong here, not at the client; nothing of what was asked. */
async function reportFailure({ method, path, status, requestId, error }: RequestLog, stderr: Output): Promise<void> {
  if (error === undefined) return;
  const message = error instanceof Error ? error.message : String(error);
  await stderr.line(`${method} ${path} ${status} (${requestId}): ${message}`).catch(() => undefined);
}
