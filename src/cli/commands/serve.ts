import { readFile } from "node:fs/promises";
import { ConfigError } from "../../errors.ts";
import { packageVersion } from "../../version.ts";
import { type Args, defineCommand, type Values } from "../command.ts";
import { SERVE_EXITS, UsageError } from "../exit-codes.ts";
import { printedConfig } from "../print-config.ts";
import { openRedis } from "../rate-limit-store.ts";
import { requestLogger } from "../request-logger.ts";
import { modelSource, namedModels } from "../served-models.ts";
import { computeArgs, ctxSizeArg, deterministicArg, modelArg, parallelArg } from "../shared-args.ts";

const args = {
  model: {
    type: "list",
    named: true,
    value: "[NAME=]MODEL",
    env: modelArg.env,
    help: ".gguf file (of a split one the first) or directory with config.json; of several the first is loaded at start, the others when they are used; default the embedded model",
  },
  memory: {
    type: "bytes",
    value: "SIZE",
    min: 2 ** 20,
    env: "DEEPTS_MEMORY",
    help: "what the loaded models may take together, e.g. 16GB: the one unused for longest makes room; default no limit",
  },
  lazy: { type: "flag", env: "DEEPTS_LAZY", help: "load no model at start, the first too when it is used" },
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
  maxWaiting: {
    type: "integer",
    value: "N",
    min: 0,
    max: 65_536,
    default: 64,
    env: "DEEPTS_MAX_WAITING",
    help: "requests of a model that may wait for their turn; further ones are refused with 503 and Retry-After",
  },
  cacheMemory: {
    type: "bytes",
    value: "SIZE",
    min: 2 ** 20,
    env: "DEEPTS_CACHE_MEMORY",
    help: "memory of each model's cache, e.g. 2GB, which answers share with what is kept of earlier ones; default enough for --parallel answers of --ctx-size tokens",
  },
  prefixCache: {
    type: "text",
    value: "FOLDER",
    env: "DEEPTS_PREFIX_CACHE",
    help: "keeps what was read of prompts and answers, so that it need not be read again after a restart; holds their text; default not kept",
  },
  prefixCacheSize: {
    type: "bytes",
    value: "SIZE",
    min: 2 ** 20,
    default: 2 ** 32,
    env: "DEEPTS_PREFIX_CACHE_SIZE",
    help: "most that this folder may take, e.g. 20GB; what was not used for longest goes",
  },
  deterministic: deterministicArg,
  allowedHost: {
    type: "list",
    value: "NAME",
    env: "DEEPTS_ALLOWED_HOST",
    help: "host name by which clients may call, beside addresses and localhost",
  },
  cors: { type: "list", value: "ORIGIN", env: "DEEPTS_CORS", help: "web origin whose pages may call; * for all" },
  apiKey: {
    type: "list",
    value: "KEY",
    env: "DEEPTS_API_KEY",
    secret: true,
    help: "key that requests must carry; others on this machine see a command line, so better set the variable",
  },
  apiKeys: {
    type: "text",
    value: "FILE",
    env: "DEEPTS_API_KEYS",
    help: "JSON file of keys with names and limits (docs/API.md)",
  },
  adminKey: {
    type: "text",
    value: "KEY",
    env: "DEEPTS_ADMIN_KEY",
    secret: true,
    help: "key that may load and unload models; alone it leaves all else open",
  },
  requestsPerMinute: {
    type: "integer",
    value: "N",
    min: 1,
    env: "DEEPTS_REQUESTS_PER_MINUTE",
    help: "requests of each key, or of each address without keys; default no limit",
  },
  tokensPerMinute: {
    type: "integer",
    value: "N",
    min: 1,
    env: "DEEPTS_TOKENS_PER_MINUTE",
    help: "tokens of prompts and answers of each key or address; default no limit",
  },
  redis: {
    type: "text",
    value: "URL",
    env: "DEEPTS_REDIS",
    secret: true,
    help: "where several servers count these limits together; default each by itself",
  },
  maxBody: {
    type: "bytes",
    value: "SIZE",
    min: 2 ** 16,
    max: 2 ** 30,
    default: 2 ** 22,
    env: "DEEPTS_MAX_BODY",
    help: "largest body of a request, e.g. 16MB",
  },
  answerTimeout: {
    type: "number",
    value: "SECONDS",
    min: 0,
    aboveMin: true,
    env: "DEEPTS_ANSWER_TIMEOUT",
    help: "longest time for an answer, waiting included; default no limit",
  },
  tlsCert: { type: "text", value: "FILE", env: "DEEPTS_TLS_CERT", help: "certificate chain (PEM): serves HTTPS" },
  tlsKey: { type: "text", value: "FILE", env: "DEEPTS_TLS_KEY", help: "its private key (PEM)" },
  logLevel: {
    type: "choice",
    values: ["silent", "error", "info"],
    default: "error",
    env: "DEEPTS_LOG_LEVEL",
    help: "info: one JSON line on stderr for each request, error: for those that fail here; never what was said",
  },
  config: {
    type: "text",
    value: "FILE",
    env: "DEEPTS_CONFIG",
    help: "settings by their names in camel case; default deepts.config.ts, .js or .json in the current directory",
  },
  printConfig: { type: "flag", help: "print the settings that hold, secrets masked, and end" },
} as const satisfies Args;

export const serve = defineCommand({
  name: "serve",
  summary: "Serve models over the OpenAI-compatible HTTP API",
  description:
    "GET /health answers at once and says when the model is loaded; then one line `listening on URL` is printed.\n" +
    "SIGINT and SIGTERM let running answers end; a second one ends the process at once.\n" +
    "The command line goes before the environment, and that before the configuration file.",
  args,
  readsConfig: true,
  examples: [
    { command: "deepts", what: "the embedded model on http://127.0.0.1:8080" },
    { command: "deepts serve --model ./DeepSeek-V2-Lite --port 9000", what: "a Hugging Face directory" },
    {
      command: "deepts serve --model small=a.gguf --model big=b.gguf --memory 16GB",
      what: "two models, and memory for one of them at a time",
    },
    {
      command: "deepts serve --model m.gguf --host 0.0.0.0 --allowed-host llm.example.org",
      what: "for other machines",
    },
    { command: "DEEPTS_API_KEY=$(openssl rand -hex 24) deepts serve --print-config", what: "the settings that hold" },
  ],
  exits: { ...SERVE_EXITS, 0: "stopped by a signal" },
  async run({ args: given, io, stdout, stderr, signal }) {
    if (given.printConfig) return stdout.line(printedConfig(args, given));
    const { backend, threads, numerics, cacheType, ctxSize: contextSize, parallel, deterministic } = given;
    const models = namedModels(given.model);
    const files = await readFiles(given);
    const limits = { requestsPerMinute: given.requestsPerMinute, tokensPerMinute: given.tokensPerMinute };
    const redis =
      given.redis === undefined ? null : await openRedis(given.redis, (problem) => void stderr.line(problem));
    // Not at the top: the other commands start faster without a server.
    const [{ createApp }, { listen }, { Metrics }, { ModelDirectory }, { warmUp }] = await Promise.all([
      import("../../server/app.ts"),
      import("../../server/listen.ts"),
      import("../../server/metrics.ts"),
      import("../../server/model-directory.ts"),
      import("../../grammar/warm-up.ts"),
    ]);
    const { cacheMemory, maxBody: maxBodyBytes, maxWaiting, prefixCache, prefixCacheSize } = given;
    const compute = { backend, threads, numerics, cacheType, contextSize, parallel, cacheMemory, deterministic };
    const options = {
      ...compute,
      maxWaiting,
      prefixCache,
      prefixCacheSize,
      onWarning: (line: string) => void stderr.line(line),
    };
    const directory = new ModelDirectory(
      models.map((model) => modelSource(model, options, { stderr })),
      { memoryBytes: given.memory },
    );
    const listening = listen(
      { fetch: (request, origin) => app.fetch(request, origin) },
      { port: given.port, host: given.host, signal, tls: files.tls, webSockets: { maxFrameBytes: maxBodyBytes } },
    );
    const app = createApp({
      model: directory,
      version: packageVersion(),
      apiKeys: files.apiKeys,
      adminKeys: files.adminKeys,
      rateLimits: { ...limits, redis: redis?.client },
      allowedHosts: given.allowedHost,
      cors: given.cors.includes("*") ? "*" : given.cors.length > 0 ? given.cors : undefined,
      maxBodyBytes,
      answerTimeoutMs: given.answerTimeout === undefined ? undefined : given.answerTimeout * 1000,
      metrics: new Metrics({ processMetrics: true }),
      log: requestLogger(given.logLevel, io.stderr),
    });
    const server = await listening.catch(async (error: unknown) => {
      await redis?.close();
      throw error;
    });
    try {
      await directory.start({ load: !given.lazy, signal });
      await stdout.line(`listening on ${server.url}`);
      await warmUp(signal);
      await server.closed;
    } catch (error) {
      // The signal's reason: loading was broken off, which is what was wanted.
      if (!signal.aborted) throw error;
    } finally {
      await directory.close();
      await server.close();
      await redis?.close();
    }
  },
});

/** Keys and certificates, read before anything is opened. @throws ConfigError, UsageError naming the flag */
async function readFiles(given: Values<typeof args, Record<never, never>>) {
  const read = (flag: string, file: string) =>
    readFile(file).catch((cause: Error) => {
      throw new ConfigError(flag, `cannot read ${file}: ${cause.message}`, { cause });
    });
  const { adminKey, apiKey, apiKeys, tlsCert, tlsKey } = given;
  const { parseApiKeys, singleApiKey } = await import("../../server/api-keys.ts");
  const single = apiKey.map((key, i) => singleApiKey(key, i === 0 ? "default" : `default-${i + 1}`, "--api-key"));
  const named = apiKeys === undefined ? [] : parseApiKeys(String(await read("--api-keys", apiKeys)), apiKeys);
  const adminKeys = adminKey === undefined ? [] : [{ ...singleApiKey(adminKey, "admin", "--admin-key"), admin: true }];
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError("--tls-cert and --tls-key belong together");
  const tls =
    tlsCert === undefined || tlsKey === undefined
      ? undefined
      : { cert: await read("--tls-cert", tlsCert), key: await read("--tls-key", tlsKey) };
  return { apiKeys: [...single, ...named], adminKeys, tls };
}
