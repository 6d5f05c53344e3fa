import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ModelActivity, ServedModel } from "../engine/generation.ts";
import type { ModelCard } from "../protocol/models.ts";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** What a loaded model tells of itself, undefined where it has no such thing; a counter begins anew when the model is loaded anew. */
const ACTIVITY: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (activity: ModelActivity) => number | undefined;
}[] = [
  { name: "deepts_cache_pages", help: "Pages of the cache.", of: ({ pages }) => pages.total },
  {
    name: "deepts_cache_pages_held",
    help: "Pages that answers in progress hold. The others are free, or keep what a prompt may begin with.",
    of: ({ pages }) => pages.total - pages.available,
  },
  {
    name: "deepts_cache_pages_indexed",
    help: "Pages, held or not, with what a prompt may begin with.",
    of: ({ pages }) => pages.indexed,
  },
  {
    name: "deepts_cache_evictions_total",
    help: "Pages that lost what a prompt may begin with to something new.",
    of: ({ evictions }) => evictions,
  },
  {
    name: "deepts_stored_prefix_pages",
    help: "Pages in the folder of --prefix-cache, which models may share, when this model last looked.",
    of: ({ stored }) => stored?.pages,
  },
  {
    name: "deepts_stored_prefix_bytes",
    help: "Bytes of these pages.",
    of: ({ stored }) => stored?.bytes,
  },
  {
    name: "deepts_stored_prefix_hits_total",
    help: "Pages that a prompt wanted and the folder had.",
    of: ({ stored }) => stored?.hits,
  },
  {
    name: "deepts_stored_prefix_misses_total",
    help: "Pages that a prompt wanted and the folder had not; behind the first of a prompt none is looked for.",
    of: ({ stored }) => stored?.misses,
  },
  {
    name: "deepts_stored_prefix_writes_total",
    help: "Pages that were written to the folder.",
    of: ({ stored }) => stored?.writes,
  },
  {
    name: "deepts_stored_prefix_damaged_total",
    help: "Files of the folder that were ignored, since they were damaged or could not be read.",
    of: ({ stored }) => stored?.damaged,
  },
];

/** What GET /metrics tells, in Prometheus's text format; nothing of what was asked or answered. */
export class Metrics {
  readonly #registry = new Registry();
  readonly requests = new Counter({
    name: "deepts_http_requests_total",
    help: "Requests that were answered, by the route's pattern.",
    labelNames: ["method", "route", "status"] as const,
    registers: [this.#registry],
  });
  readonly requestSeconds = new Histogram({
    name: "deepts_http_request_duration_seconds",
    help: "Time until the status was decided.",
    labelNames: ["route"] as const,
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly running = new Gauge({
    name: "deepts_answers_in_progress",
    help: "Answers that are generated or wait for their turn.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });
  readonly answers = new Counter({
    name: "deepts_answers_total",
    help: "Answers by how they ended: stop, length, cancelled or failed; or refused, before they began.",
    labelNames: ["model", "reason"] as const,
    registers: [this.#registry],
  });
  readonly promptTokens = new Counter({
    name: "deepts_prompt_tokens_total",
    help: "Tokens of prompts, those from the cache included.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });
  readonly cachedTokens = new Counter({
    name: "deepts_cached_prompt_tokens_total",
    help: "Tokens of prompts that had been read for an earlier request.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });
  readonly generatedTokens = new Counter({
    name: "deepts_generated_tokens_total",
    help: "Tokens of answers.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });
  readonly firstTokenSeconds = new Histogram({
    name: "deepts_time_to_first_token_seconds",
    help: "Time from a request to its answer's first token, waiting included.",
    labelNames: ["model"] as const,
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly nextTokenSeconds = new Histogram({
    name: "deepts_time_between_tokens_seconds",
    help: "Time from one token of an answer to the next.",
    labelNames: ["model"] as const,
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #activity = ACTIVITY.map(({ of, ...about }) => {
    const options = { ...about, labelNames: ["model"] as const, registers: [this.#registry] };
    const metric = about.name.endsWith("_total") ? new Counter(options) : new Gauge(options);
    return { metric, of };
  });
  readonly #modelLoaded = new Gauge({
    name: "deepts_model_loaded",
    help: "1 where the model is loaded, else 0.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });
  readonly #modelMemory = new Gauge({
    name: "deepts_model_memory_bytes",
    help: "Memory of the model's weights, cache and scratch; 0 where it is not loaded.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });

  /** @param processMetrics memory, CPU and event loop of the process too: once a process, since they observe it */
  constructor({ processMetrics = false }: { readonly processMetrics?: boolean } = {}) {
    if (processMetrics) collectDefaultMetrics({ register: this.#registry });
  }

  /**
   * Notes what the models of the server do now.
   * @param loaded those of them that can answer
   */
  observe(cards: readonly ModelCard[], loaded: readonly ServedModel[]): void {
    for (const { metric } of this.#activity) metric.reset();
    for (const { id: model, memory_bytes, state } of cards) {
      const there = state === "loaded" || state === "unloading";
      this.#modelLoaded.set({ model }, there ? 1 : 0);
      this.#modelMemory.set({ model }, there ? (memory_bytes ?? 0) : 0);
    }
    for (const { id: model, activity } of loaded) {
      if (!activity) continue;
      for (const { metric, of } of this.#activity) {
        const value = of(activity);
        if (value !== undefined) metric.inc({ model }, value);
      }
    }
  }

  /** What there is, without the process's own. */
  list(): { readonly name: string; readonly help: string }[] {
    return this.#registry.getMetricsAsArray().map(({ name, help }) => ({ name, help }));
  }

  async response(): Promise<Response> {
    const text = await this.#registry.metrics();
    return new Response(text, { headers: { "content-type": this.#registry.contentType } });
  }
}
