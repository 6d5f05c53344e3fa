import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openLlamaLogits } from "../bench/peers/llama-logits.mjs";
import { benchmarkSections, storedRuns } from "../bench/peers/report.mjs";
import { numericsSections } from "../bench/peers/report-quantize.mjs";
import { type Engine, measureDepths, measureSpeed, order, ratiosOf } from "../bench/peers/speed.mjs";
import { bootstrapMean, median, percentile, spread } from "../bench/peers/statistics.mjs";
import { againstBest } from "../bench/serve/streams.mjs";

const say = () => {};

describe("engines that are compared", () => {
  const engine = (name: string, how: string, log: string[], speed: number): Engine => ({
    name,
    how,
    measure: async (_file, { repeat }) => {
      log.push(`${name} ${how}`);
      const round = log.filter((line) => line === `${name} ${how}`).length;
      const runs = Array.from({ length: repeat }, (_, i) => speed + 10 * round + i);
      return { prompt: runs, generate: runs, facts: { commit: "abc" } };
    },
  });

  it("take turns, each round the other way round, and every run counts", async () => {
    const log: string[] = [];
    const engines = [engine("DeepTS", "", log, 200), engine("p", "-fa 0", log, 100), engine("p", "-fa 1", log, 90)];
    const work = { prompt: 8, generate: 2, depth: 0, rounds: 3, repeat: 2, threads: 1 };
    const { entries } = await measureSpeed(engines, "m.gguf", work, say);
    const forth = ["DeepTS ", "p -fa 0", "p -fa 1"];
    expect(log).toEqual([...forth, ...forth.toReversed(), ...forth]);
    expect(entries[0]!.prompt).toEqual({ median: 220.5, min: 210, max: 231, runs: [210, 211, 220, 221, 230, 231] });
    expect(order([1, 2], 1)).toEqual([2, 1]);
  });

  it("measure several depths in one process a round", async () => {
    const log: string[] = [];
    const deep = (name: string, speed: number) => ({
      ...engine(name, "", [], speed),
      measureDepths: async (_file: string, { depths, repeat }: { depths: readonly number[]; repeat: number }) => {
        log.push(name);
        return depths.map((depth) => {
          const runs = Array.from({ length: repeat }, (_, i) => speed - depth + i);
          return { prompt: runs, generate: runs, facts: {} };
        });
      },
    });
    const work = { prompt: 8, generate: 2, depths: [1, 50], rounds: 2, repeat: 1, threads: 1 };
    const [short, long] = await measureDepths([deep("a", 100), deep("b", 200)], "m.gguf", work, say);
    expect(log).toEqual(["a", "b", "b", "a"]);
    expect(short).toMatchObject({ depth: 1, rounds: 2, runsPerRound: 1 });
    expect(short!.entries.map(({ generate }) => generate.runs)).toEqual([
      [99, 99],
      [199, 199],
    ]);
    expect(long!.entries.map(({ generate }) => generate.median)).toEqual([50, 150]);
  });

  it("count with the faster of their settings, phase by phase", () => {
    const entry = (name: string, how: string, prompt: number, generate: number) => ({
      engine: name,
      how,
      prompt: spread([prompt]),
      generate: spread([generate]),
    });
    const entries = [entry("DeepTS", "", 300, 40), entry("p", "-fa 0", 100, 20), entry("p", "-fa 1", 50, 30)];
    expect(ratiosOf([...entries, entry("q", "", 600, 10)])).toEqual([
      {
        engine: "p",
        prompt: { how: "-fa 0", median: 100, ratio: 3 },
        generate: { how: "-fa 1", median: 30, ratio: 4 / 3 },
      },
      { engine: "q", prompt: { how: "", median: 600, ratio: 0.5 }, generate: { how: "", median: 10, ratio: 4 } },
    ]);
  });
});

describe("the mean with its interval", () => {
  it("holds the true mean in about 95 of 100 samples, and is the same each time", () => {
    let state = 1;
    const uniform = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let held = 0;
    for (let trial = 0; trial < 400; trial++) {
      const { low, high } = bootstrapMean(
        Array.from({ length: 60 }, () => -Math.log(1 - uniform())),
        { samples: 400 },
      );
      if (low <= 1 && 1 <= high) held++;
    }
    expect(held).toBeGreaterThan(355); // skewed values: a little less than 380
    expect(held).toBeLessThan(396);
    expect(bootstrapMean([1, 2, 4])).toEqual(bootstrapMean([1, 2, 4]));
  });

  it("has no width where all values are the same", () => {
    expect(bootstrapMean([2, 2, 2])).toEqual({ mean: 2, low: 2, high: 2 });
    expect(median([3, 1, 2, 10])).toBe(2.5);
  });
});

describe("percentiles", () => {
  it("are values that were measured: the least that no more than the rest exceed", () => {
    expect([0.5, 0.75, 0.99].map((share) => percentile([4, 1, 3, 2], share))).toEqual([2, 3, 4]);
  });
});

describe("the logits that llama-perplexity saves", () => {
  /** Context 4: of each chunk row 2 alone. Width 3, so that rows are padded. */
  function file(length = Number.POSITIVE_INFINITY): string {
    const folder = mkdtempSync(path.join(tmpdir(), "deepts-logits-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const bytes = Buffer.alloc(20 + 4 * 8 + 2 * 16);
    bytes.write("_logits_");
    for (const [i, value] of [4, 3, 2, 10, 11, 12, 13, 20, 21, 22, 23].entries()) bytes.writeInt32LE(value, 8 + 4 * i);
    for (const [chunk, scale] of [0.5, 0.25].entries()) {
      const at = 52 + chunk * 16;
      bytes.writeFloatLE(scale, at);
      bytes.writeFloatLE(-8, at + 4);
      for (const [i, code] of [0, 4, 65535].entries()) bytes.writeUInt16LE(code, at + 8 + 2 * i);
    }
    const name = path.join(folder, "logits");
    writeFileSync(name, bytes.subarray(0, Math.min(length, bytes.length)));
    return name;
  }

  it("are read back: tokens of each chunk, and log-probabilities of 16 bits", async () => {
    const logits = await openLlamaLogits(file());
    expect(logits).toMatchObject({ context: 4, width: 3 });
    expect(logits.chunks.map((tokens) => [...tokens])).toEqual([
      [10, 11, 12, 13],
      [20, 21, 22, 23],
    ]);
    expect([...(await logits.rows(0))]).toEqual([-8, -6, 65535 / 2 - 8]);
    expect([...(await logits.rows(1))]).toEqual([-8, -7, 65535 / 4 - 8]);
    await logits.close();
  });

  it("are refused when they end too early or are something else", async () => {
    await expect(openLlamaLogits(file(40))).rejects.toThrow(/ends at byte 40, want 52/);
    const logits = await openLlamaLogits(file(70));
    await expect(logits.rows(1)).rejects.toThrow(/ends at byte 70/);
    await logits.close();
    const other = file();
    writeFileSync(other, "GGUF".padEnd(40));
    await expect(openLlamaLogits(other)).rejects.toThrow(/is not of llama-perplexity/);
  });
});

describe("docs/BENCHMARKS.md", () => {
  const entry = (engine: string, how: string, prompt: number, generate: number) => ({
    engine,
    how,
    prompt: spread([prompt]),
    generate: spread([generate]),
    facts:
      engine === "DeepTS" ? { activeBytes: 5e8, numerics: "fast", backend: { device: "avx2" } } : { commit: "abc" },
  });
  const record = (date: string, parts: object) => ({
    date,
    commit: "0123456789abcdef",
    dirty: false,
    machine: { cpu: "A CPU", cores: 2, memoryGiB: 8 },
    runtime: "node v1",
    machineSpeed: { read: 2e10 },
    parts,
  });
  const speed = (prompt: number, generate: number) => {
    const entries = [entry("DeepTS", "", prompt, generate), entry("llama.cpp", "-fa 0", 100, 25)];
    return { file: "m.gguf", prompt: 512, generate: 32, depth: 0, rounds: 1, runsPerRound: 1, threads: 2, entries };
  };
  const q4 = (prompt: number, generate: number) => {
    const part = speed(prompt, generate);
    return { ...part, ratios: ratiosOf(part.entries) };
  };
  const lines = (section: string | undefined) => section!.split("\n").filter((line) => line.startsWith("|"));

  it("is what the stored runs say", () => {
    const page = readFileSync(new URL("../docs/BENCHMARKS.md", import.meta.url), "utf8");
    for (const section of Object.values(benchmarkSections(storedRuns()))) expect(page).toContain(`\n\n${section}\n\n`);
  });

  it("takes each part from the newest run that measured it, and names the file", () => {
    const runs = [
      { file: "b.json", record: record("2026-01-02", { q4: q4(250, 30) }) },
      { file: "a.json", record: record("2026-01-01", { q4: q4(150, 30), q8: q4(500, 40) }) },
    ];
    const rows = lines(benchmarkSections(runs).goals);
    expect(rows.find((row) => row.includes("Q4_K_M, prefill 512"))).toBe(
      "| Q4_K_M, prefill 512 at 0 | 250 tokens/s | 100 tokens/s (`-fa 0`) | 2.50x | >= 2.0x: met | [run](../bench/results/b.json) |",
    );
    expect(rows.filter((row) => row.includes("Q8_0")).map((row) => row.includes("a.json"))).toEqual([true, true]);
  });

  it("compares a page with wllama, and only with it", () => {
    const entries = [entry("DeepTS", "", 120, 30), entry("wllama", "off", 100, 20), entry("wllama", "on", 80, 21)];
    const part = { ...speed(0, 0), entries, ratios: ratiosOf(entries) };
    const parts = { "wasm-q4-one": part, "wasm-q8": q4(1, 1) };
    const rows = lines(benchmarkSections([{ file: "a.json", record: record("2026", parts) }]).goals).slice(2);
    expect(rows.map((row) => row.split(" | ").slice(1, 5))).toEqual([
      ["120 tokens/s", "100 tokens/s (`off`)", "1.20x", ">= 1.3x: **missed**"],
      ["30 tokens/s", "21 tokens/s (`on`)", "1.43x", ">= 1.3x: met"],
    ]);
  });

  it("says which goals are missed", () => {
    const rows = lines(benchmarkSections([{ file: "a.json", record: record("2026", { q4: q4(150, 26) }) }]).goals);
    expect(rows.slice(2).map((row) => row.split(" | ").slice(3, 5))).toEqual([
      ["1.50x", ">= 2.0x: **missed**"],
      ["1.04x", ">= 1.2x: **missed**"],
      ["65 %", ">= 80 %: **missed**"], // 26 tokens/s of 5e8 bytes where memory gives 2e10
    ]);
  });

  it("says how much of the speed is left behind a long context", () => {
    const at = (depth: number, ...speeds: number[][]) => ({
      generate: 16,
      depth,
      rounds: 3,
      runsPerRound: 2,
      entries: ["q8_0", "f16"].map((cacheType, i) => ({ generate: spread(speeds[i]!), facts: { cacheType } })),
    });
    // The second round had a machine of half the speed, of which a share says nothing.
    const short = at(1024, [49, 51, 24, 26, 50, 50], [48, 48, 24, 24, 48, 48]);
    const long = at(15872, [30, 32, 16, 16, 30, 30], [12, 12, 6, 6, 36, 36]);
    const depths = { file: "m.gguf", depths: [short, long] };
    const rows = lines(benchmarkSections([{ file: "a.json", record: record("2026", { depths }) }]).goals).slice(2);
    expect(rows.map((row) => row.split(" | ").slice(0, 5))).toEqual([
      [
        "| Q4_K_M, decode 16 at 15872 beside at 1024, q8_0 cache",
        "30 tokens/s",
        "49.5 tokens/s at 1024",
        "62 % (in 3 rounds 60 % to 64 %)",
        ">= 60 %: met",
      ],
      [
        "| Q4_K_M, decode 16 at 15872 beside at 1024, f16 cache",
        "12 tokens/s",
        "48 tokens/s at 1024",
        "25 % (in 3 rounds 25 % to 75 %)",
        ">= 60 %: **missed**",
      ],
    ]);
  });

  it("judges loading and divergence", () => {
    const seconds = (engine: string, value: number) => ({ engine, seconds: spread([value]) });
    const prompt = (tokens: number, ours: number) => ({
      tokens,
      entries: [seconds("DeepTS", ours), seconds("llama.cpp", 2)],
    });
    const load = { file: "m.gguf", prompts: [prompt(1, 3), prompt(500, 1.5)] };
    const side = (mean: number) => ({ mean, low: mean / 2, high: mean * 2 });
    const model = { file: "m.gguf", rows: 9, deepts: side(0.01), llamaCpp: side(0.02), difference: side(-0.01) };
    const worse = { ...model, deepts: side(0.03) };
    const rows = lines(
      benchmarkSections([{ file: "a.json", record: record("2026", { load, kl: { models: [model, worse] } }) }]).goals,
    );
    expect(rows[2]).toContain("read 1 token, write one, end | 3 s | 2 s | 1.50 of it | no longer: **missed** |");
    expect(rows[3]).toContain("read 500 tokens, write one, end | 1.5 s | 2 s | 0.75 of it | no longer: met |");
    expect(rows[4]).toContain("| 0.01 (0.005 to 0.02) | 0.02 (0.01 to 0.04) | difference -0.01");
    expect(rows[4]).toContain("no larger: met");
    expect(rows[5]).toContain("no larger: **missed**");
  });

  it("judges servers against the best setting of the other, and the second turn against the first", () => {
    const entry = (engine: string, how: string, rate: number) => {
      const times = { p50: 20, p99: 31, max: 40 };
      const facts = { commit: engine === "DeepTS" ? undefined : "abc" };
      return { engine, how, tokensPerSecond: spread([rate]), firstTokenMs: times, betweenMs: times, facts };
    };
    const entries = [entry("DeepTS", "", 140), entry("p", "-fa off", 80), entry("p", "-fa on", 100)];
    const work = { file: "m.gguf", prompt: 128, generate: 64, rounds: 1, runsPerRound: 1, threads: 2 };
    const streams = { ...work, streams: 8, entries, against: againstBest(entries) };
    const chat = (engine: string, secondMs: number) => ({
      engine,
      how: "",
      promptTokens: [2004, 2055],
      firstMs: spread([5000]),
      secondMs: spread([secondMs]),
      share: spread([secondMs / 5000]),
      facts: {},
    });
    const turns = { ...work, entries: [chat("DeepTS", 400), chat("p", 600)] };
    const parts = { "serve-8": streams, "serve-1": { ...streams, streams: 1 }, "second-turn": turns };
    const { goals, servers } = benchmarkSections([{ file: "a.json", record: record("2026", parts) }]);
    const rows = lines(goals).slice(2);
    expect(rows.map((row) => row.split(" | ").slice(1, 5))).toEqual([
      ["140 tokens/s", "100 tokens/s (llama-server `-fa on`)", "1.40x", ">= 1.5x: **missed**"],
      ["400 ms, the first turn 5000 ms", "", "8.0 %", "< 10 %: met"],
    ]);
    expect(servers!.match(/^### .*/gm)).toEqual([
      "### m.gguf, 8 streams: 64 tokens behind 128",
      "### m.gguf, one stream: 64 tokens behind 128",
      "### m.gguf, two turns of one chat",
    ]);
    expect(servers).toContain("| p | -fa on | 100 (100 to 100) | 20, 31 | 20, 31 |");
  });

  it("says so where nothing was measured yet", () => {
    expect(benchmarkSections([]).goals).toBe("No run is stored yet.");
  });
});

describe("what docs/NUMERICS.md says of quantisers", () => {
  const run = (file: string, date: string, ratio: number) => {
    const sides = { deepts: 0.01 * ratio, llamaCpp: 0.01, ratio };
    const errors = [
      { type: "Q4_0", weighted: false, ...sides },
      { type: "Q4_0", weighted: true, ...sides },
      { type: "IQ2_S", weighted: true, ...sides },
      { type: "Q8_0", weighted: false, deepts: 0, llamaCpp: 0, ratio: null },
    ];
    const greedy = { deepts: "a fox", llamaCpp: "a fish" };
    const kl = { rows: 9, llamaCpp: { mean: 0.00123, median: 0.001 }, deeptsFast: { mean: 0.00045, median: 0 } };
    const files = [{ type: "Q4_K_M", kl, greedy }];
    const parts = { quantize: { source: "m.gguf", errors }, files: { source: "m.gguf", files } };
    return { file, record: { date, parts } };
  };

  it("is what the newest stored run says", () => {
    const page = readFileSync(new URL("../docs/NUMERICS.md", import.meta.url), "utf8");
    for (const section of Object.values(numericsSections(storedRuns()))) expect(page).toContain(`\n\n${section}\n\n`);
  });

  it("has a row for each type and for each file type", () => {
    const { quantisers, files } = numericsSections([run("b.json", "2026-02", 0.9), run("a.json", "2026-01", 0.5)]);
    const rows = (section: string | undefined) => section!.split("\n").filter((line) => line.startsWith("|"));
    expect(quantisers).toContain("[run](../bench/results/b.json)");
    expect(rows(quantisers)[2]).toBe("| Q4_0 | 0.9 % | 1 % | 0.900 | 0.9 % | 1 % | 0.900 |");
    expect(rows(quantisers)[3]).toBe("| IQ2_S |  |  |  | 0.9 % | 1 % | 0.900 |");
    expect(rows(quantisers)[4]).toBe("| Q8_0 | 0 % | 0 % | none lost |  |  |  |");
    expect(rows(files)[2]).toBe("| Q4_K_M | 0.0012 | 0.00045 | 0.001 | 0 | 3 of 5 characters |");
  });
});
