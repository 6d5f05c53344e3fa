import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Server } from "../bench/serve/servers.mjs";
import { againstBest, measureStreams } from "../bench/serve/streams.mjs";
import { startProgram } from "../scripts/start-program.mjs";
import { streamAnswer } from "../scripts/stream-answer.mjs";

interface Asked {
  readonly prompt: readonly number[];
  readonly max_tokens: number;
}

/** A server that speaks as `/v1/completions` does, of as many tokens as are wanted, and keeps what it was asked. */
function speaking(
  name: string,
  { asked, starts, short = 0 }: { asked: Asked[]; starts: string[]; short?: number },
): Server {
  const start = async () => {
    starts.push(name);
    const server = createServer(async (request, response) => {
      const body: Asked = JSON.parse(Buffer.concat(await request.toArray()).toString());
      asked.push(body);
      const tokens = body.max_tokens - short;
      for (let i = 0; i < tokens; i++) response.write(event({ choices: [{ text: `t${i} ` }] }));
      response.write(event({ choices: [{ text: "", finish_reason: "length" }] }));
      const usage = { prompt_tokens: body.prompt.length, completion_tokens: tokens };
      response.end(`${event({ choices: [], usage })}data: [DONE]\n\n`);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const close = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
    return { url: `http://127.0.0.1:${port}`, facts: { commit: name }, close };
  };
  return { name, how: "", start };
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

const WORK = { streams: 3, places: 8, prompt: 4, generate: 5, rounds: 2, repeat: 2, threads: 1 };

describe("servers that are compared", () => {
  it("get the same prompts, none twice, and take turns, each round the other way round", async () => {
    const [ours, theirs]: [Asked[], Asked[]] = [[], []];
    const starts: string[] = [];
    const servers = [speaking("a", { asked: ours, starts }), speaking("b", { asked: theirs, starts })];
    const { entries } = await measureStreams(servers, "m.gguf", WORK, () => {});
    expect(starts).toEqual(["a", "b", "b", "a"]);
    const prompts = (asked: readonly Asked[]) => asked.map(({ prompt }) => prompt.join()).sort();
    expect(prompts(ours)).toEqual(prompts(theirs));
    // Each process is asked once more to warm up, the same in each round.
    expect(ours).toHaveLength(WORK.streams * WORK.rounds * (WORK.repeat + 1));
    expect(new Set(prompts(ours)).size).toBe(WORK.streams * (WORK.rounds * WORK.repeat + 1));
    expect(entries.map(({ tokensPerSecond }) => tokensPerSecond.runs.length)).toEqual([4, 4]);
  });

  it("must make as many tokens as were wanted", async () => {
    const servers = [speaking("a", { asked: [], starts: [], short: 1 })];
    await expect(measureStreams(servers, "m.gguf", WORK, () => {})).rejects.toThrow(
      /"completion_tokens":4.*want 4 and 5/,
    );
  });

  it("count with the faster of their settings", () => {
    const entry = (engine: string, how: string, median: number) => ({
      engine,
      how,
      tokensPerSecond: { median, min: median, max: median, runs: [median] },
    });
    const entries = [entry("DeepTS", "", 90), entry("p", "off", 30), entry("p", "on", 45)];
    expect(againstBest(entries)).toEqual({ engine: "p", how: "on", ratio: 2 });
  });
});

describe("a streamed answer", () => {
  const answering = async (status: number, body: string) => {
    const server = createServer((_, response) => response.writeHead(status).end(body));
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  it("that breaks off is an error", async () => {
    const url = await answering(200, event({ choices: [{ text: "a" }] }));
    await expect(streamAnswer(url, {})).rejects.toThrow(/ended before it was complete/);
  });

  it("that is refused, in whatever phase, is an error with what the server said", async () => {
    await expect(streamAnswer(await answering(503, "try later"), {})).rejects.toThrow(/503 try later/);
    const late = `event: error\n${event({ error: { message: "too late" } })}`;
    await expect(streamAnswer(await answering(200, late), {})).rejects.toThrow(/too late/);
  });
});

describe("a server's program", () => {
  it("that ends before it listens is an error with what it said last", async () => {
    const program = [process.execPath, "-e", "console.error('no such model'); process.exit(3)"];
    await expect(startProgram(program)).rejects.toThrow(/ended by exit code 3\nno such model/);
  });
});
