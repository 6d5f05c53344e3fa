import { ConfigError } from "../errors.ts";

/** A connection to Redis, for rate limits that several servers share. */
export interface RateLimitStore {
  readonly client: unknown;
  close(): Promise<void>;
}

/**
 * @param onProblem told once when the connection is lost, until it is there again
 * @throws ConfigError when Redis does not answer; no error shows the URL's password
 */
export async function openRedis(url: string, onProblem: (problem: string) => void): Promise<RateLimitStore> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new ConfigError("--redis", "want a URL like redis://host:6379");
  }
  const { Redis } = await import("ioredis");
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1, enableOfflineQueue: false });
  let lost = true; // until it is there for the first time: then connect() tells
  client.on("error", (error: Error) => {
    if (!lost) onProblem(`Redis does not answer, so each server counts by itself: ${error.message}`);
    lost = true;
  });
  client.on("ready", () => {
    lost = false;
  });
  try {
    await client.connect();
  } catch (cause) {
    client.disconnect();
    throw new ConfigError("--redis", `no answer from ${new URL(url).host}: ${(cause as Error).message}`, { cause });
  }
  return {
    client,
    async close() {
      client.disconnect();
    },
  };
}
