import OpenAI from "openai";
import { onTestFinished } from "vitest";
import { type AppOptions, createApp } from "../../src/server/app.ts";
import { type Listening, type ListenOptions, listen } from "../../src/server/listen.ts";

export interface TestServer extends Listening {
  /** The official client, without retries, so that a test sees the first answer. */
  readonly client: OpenAI;
}

type ServerOptions = Omit<AppOptions, "model"> & ListenOptions;

/** Serves a model on a free port until the test has finished. */
export async function startServer(model: AppOptions["model"], options: ServerOptions = {}): Promise<TestServer> {
  const server = await openServer(model, options);
  onTestFinished(() => server.close());
  return server;
}

/** Serves a model on a free port; whoever calls it closes it. */
export async function openServer(model: AppOptions["model"], options: ServerOptions = {}): Promise<TestServer> {
  const server = await listen(createApp({ ...options, model }), { port: 0, graceMs: 0, ...options });
  return { ...server, client: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 }) };
}
