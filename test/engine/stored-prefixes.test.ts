import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { openReference } from "../../src/backends/reference/backend.ts";
import type { Engine, EngineOptions } from "../../src/engine/engine.ts";
import { openPrefixFiles } from "../../src/engine/prefix-files.ts";
import { PAGE_SIZE } from "../../src/model/cache-layout.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { answer, type EmbeddedModel, openEmbedded, userTurn } from "./embedded-engine.ts";

const GREEDY = { temperature: 0 };
const LONG = "Please tell me all that you know of foxes, owls and the sea, one after the other, in short words. ";

describe("an engine over a folder of stored prefixes", () => {
  let model: EmbeddedModel;
  let folder: string;
  const warnings: string[] = [];

  beforeAll(async () => {
    // The same everywhere, but the reference backend is slow.
    model = await openEmbedded(NO_CPU === null ? openCpu() : openReference());
  });
  afterAll(() => model.close());
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "deepts-prefixes-"));
    warnings.length = 0;
    onTestFinished(() => rm(folder, { recursive: true }));
  });

  /** Runs with an engine of its own, as a process does between two starts. */
  async function started<T>(use: (engine: Engine) => Promise<T>, options: Partial<EngineOptions> = {}): Promise<T> {
    const engine = await model.newEngine({
      openPrefixStore: (network) =>
        openPrefixFiles({ ...network, folder, maxBytes: 2 ** 30, warn: (line) => warnings.push(line) }),
      ...options,
    });
    try {
      const result = await use(engine);
      expect(engine.activity.pages.available).toBe(engine.activity.pages.total);
      return result;
    } finally {
      await engine.close();
    }
  }

  it("starts the second turn of a chat from what the process before it has read", async () => {
    const question = { role: "user", content: LONG.repeat(2) };
    const first = await started(async (engine) => {
      const { ids } = await engine.renderChat({ messages: [question] });
      return answer(engine, { prompt: ids, maxTokens: 40, sampling: GREEDY });
    });
    expect(first.end.cachedPromptTokens).toBe(0);
    const second = async (engine: Engine) => {
      const messages = [question, { role: "assistant", content: first.text }, { role: "user", content: "And then?" }];
      const { ids } = await engine.renderChat({ messages });
      return answer(engine, { prompt: ids, maxTokens: 20, sampling: GREEDY });
    };
    const [found, alone] = [await started(second), await started(second, { openPrefixStore: undefined })];
    expect(found.end.cachedPromptTokens).toBeGreaterThanOrEqual(first.end.promptTokens - PAGE_SIZE);
    expect(found.text).toBe(alone.text);
    expect(warnings).toEqual([]);
  });
});
