import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ServedModel } from "../engine/generation.ts";
import type { ModelCard } from "../protocol/models.ts";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

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
    help: "Answers by how they ended: stop, length, cancelled or failed.",
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
  readonly #pages = new Gauge({
    name: "deepts_cache_pages",
    help: "Pages of the cache.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
  });
  readonly #heldPages = new Gauge({
    name: "deepts_cache_pages_held",
    help: "Pages that answers in progress hold. The others are free, or keep what a prompt may begin with.",
    labelNames: ["model"] as const,
    registers: [this.#registry],
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
    for (const gauge of [this.#pages, this.#heldPages]) gauge.reset();
    for (const { id: model, memory_bytes, state } of cards) {
      const there = state === "loaded" || state === "unloading";
      this.#modelLoaded.set({ model }, there ? 1 : 0);
      this.#modelMemory.set({ model }, there ? (memory_bytes ?? 0) : 0);
    }
    for (const { id: model, activity } of loaded) {
      if (!activity) continue;
      const { total, available } = activity.pages;
      this.#pages.set({ model }, total);
      this.#heldPages.set({ model }, total - available);
    }
  }

  async response(): Promise<Response> {
    const text = await this.#registry.metrics();
    return new Response(text, { headers: { "content-type": this.#registry.contentType } });
  }
}
