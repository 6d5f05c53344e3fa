import { ConfigError } from "../../errors.ts";
import { type Candidates, MAX_LARGEST } from "./candidates.ts";
import { DryPenalty } from "./dry.ts";
import { minP } from "./min-p.ts";
import { Mirostat } from "./mirostat.ts";
import type { SamplingParams } from "./params.ts";
import { applyCountPenalties, applyLogitBias, applyRepetitionPenalty } from "./penalties.ts";
import { freshSeed, Random } from "./random.ts";
import { applyTemperature } from "./temperature.ts";
import { topK } from "./top-k.ts";
import { topP } from "./top-p.ts";
import { typical } from "./typical.ts";
import { excludeTopChoices } from "./xtc.ts";

/** Chooses the tokens of one sequence: `sample` and `accept` by turns. */
export interface Sampler {
  /**
   * Chooses a token; changes only the random state and mirostat's, not the history.
   * @param logits  [vocabSize] f32; not modified
   * @param allowed bitmask of the tokens that may be chosen (bit t & 31 of word t >> 5); all when left out
   * @throws DeepTsError `bad_logits`: NaN, +Infinity, a wrong length, or no token possible
   */
  sample(logits: Float32Array, allowed?: Uint32Array): number;
  /** Tells that `token` is now part of the answer, whether it came from `sample` or not. */
  accept(token: number): void;
}

/**
 * The sampler chain of one sequence, in this fixed order:
 * mask, logit bias, repetition penalty, frequency and presence penalty, DRY, [greedy at temperature 0], temperature,
 * top-k, top-p, min-p, typical, XTC, draw. Mirostat takes the place of top-k to draw. Temperature comes first among
 * them as in Hugging Face and vLLM, for whose order the values in generation_config.json are meant (llama.cpp has it last).
 *
 * @param prompt    token ids before the answer; read once
 * @param workspace scratch memory of the model's vocabulary; may be shared by any number of samplers
 * @throws ConfigError when a token id in `params` is outside the vocabulary
 */
export function createSampler(params: SamplingParams, prompt: ArrayLike<number>, workspace: Candidates): Sampler {
  return new ChainSampler(params, prompt, workspace);
}

class ChainSampler implements Sampler {
  private readonly params: SamplingParams;
  private readonly candidates: Candidates;
  private readonly random: Random;
  private readonly mirostat: Mirostat | null;
  private readonly dry: DryPenalty | null;
  /** Whether no option changes a logit before tokens are removed. */
  private readonly plain: boolean;
  /** How many of the largest logits matter: 1 for greedy choices; all when there is no such number. */
  private readonly largest: number;
  /** Whether top-p is asked for over the whole vocabulary, and beside it no more than temperature and min-p. */
  private readonly quick: boolean;
  /** How many of the last tokens the repetition penalty sees; 0 when it is off. */
  private readonly repeatWindow: number;
  /** Prompt and answer; stays empty when no option reads it. */
  private readonly history: number[] = [];
  private readonly windowCounts = new Map<number, number>();
  private readonly answerCounts = new Map<number, number>();

  constructor(params: SamplingParams, prompt: ArrayLike<number>, candidates: Candidates) {
    for (const token of params.logitBias.keys()) {
      if (token < candidates.vocabSize) continue;
      throw new ConfigError("logitBias", `token ${token} is outside the vocabulary of ${candidates.vocabSize}`);
    }
    this.params = params;
    this.candidates = candidates;
    this.random = new Random(params.seed ?? freshSeed());
    this.mirostat = params.mirostat === 2 ? new Mirostat(params.mirostatTau, params.mirostatEta) : null;
    this.dry = params.dryMultiplier > 0 && params.dryPenaltyLastN !== 0 ? new DryPenalty(dryOptions(params)) : null;
    this.repeatWindow = params.repetitionPenalty === 1 ? 0 : params.repeatLastN < 0 ? Infinity : params.repeatLastN;
    const penalties =
      params.presencePenalty !== 0 || params.frequencyPenalty !== 0 || this.repeatWindow > 0 || this.dry;
    this.plain = params.logitBias.size === 0 && !penalties;
    this.largest = params.temperature === 0 ? 1 : (!this.mirostat && params.topK) || Infinity;
    const others = params.topK > 0 || params.typicalP < 1 || params.xtcProbability > 0 || this.mirostat !== null;
    this.quick = params.topP < 1 && params.temperature > 0 && !others;
    for (let i = 0; i < prompt.length; i++) this.remember(prompt[i]!);
  }

  sample(logits: Float32Array, allowed?: Uint32Array): number {
    const c = this.candidates;
    if (this.quick) return this.drawQuickly(c, logits, allowed);
    if (this.plain && this.largest <= MAX_LARGEST) c.loadLargest(logits, this.largest, allowed);
    else this.load(c, logits, allowed);
    return c.ids[this.params.temperature === 0 ? c.best() : this.draw(c)]!;
  }

  accept(token: number): void {
    this.remember(token);
    if (this.params.presencePenalty !== 0 || this.params.frequencyPenalty !== 0) count(this.answerCounts, token, 1);
  }

  private load(c: Candidates, logits: Float32Array, allowed: Uint32Array | undefined): void {
    const p = this.params;
    c.load(logits, allowed);
    applyLogitBias(c, p.logitBias);
    applyRepetitionPenalty(c, this.windowCounts.keys(), p.repetitionPenalty);
    applyCountPenalties(c, this.answerCounts, p.presencePenalty, p.frequencyPenalty);
    this.dry?.apply(c, this.history);
  }

  /** What `draw` chooses. */
  private drawQuickly(c: Candidates, logits: Float32Array, allowed: Uint32Array | undefined): number {
    const u = this.random.uniform();
    const asItIs = this.plain && allowed === undefined;
    if (!asItIs) this.load(c, logits, allowed);
    const chosen = c.quickDraw(asItIs ? logits : null, this.params, u);
    if (chosen >= 0) return chosen;
    if (asItIs) this.load(c, logits, allowed);
    return c.ids[this.draw(c, u)]!;
  }

  /** @param u for the last choice. Default: the next of the random numbers */
  private draw(c: Candidates, u?: number): number {
    const p = this.params;
    // Before the temperature, which changes no order, so that fewer are divided.
    if (!this.mirostat) topK(c, p.topK);
    applyTemperature(c, p.temperature);
    if (this.mirostat) return this.mirostat.choose(c, this.random.uniform());
    topP(c, p.topP);
    minP(c, p.minP);
    typical(c, p.typicalP);
    if (p.xtcProbability > 0 && this.random.uniform() < p.xtcProbability) excludeTopChoices(c, p.xtcThreshold);
    c.softmax();
    return c.at(u ?? this.random.uniform());
  }

  private remember(token: number): void {
    if (this.repeatWindow === 0 && !this.dry) return;
    this.history.push(token);
    if (this.repeatWindow === 0) return;
    count(this.windowCounts, token, 1);
    if (this.history.length > this.repeatWindow) {
      count(this.windowCounts, this.history[this.history.length - 1 - this.repeatWindow]!, -1);
    }
  }
}

function dryOptions(p: SamplingParams) {
  return {
    multiplier: p.dryMultiplier,
    base: p.dryBase,
    allowedLength: p.dryAllowedLength,
    lastN: p.dryPenaltyLastN,
    breakers: p.drySequenceBreakers,
  };
}

function count(counts: Map<number, number>, token: number, change: 1 | -1): void {
  const next = (counts.get(token) ?? 0) + change;
  if (next === 0) counts.delete(token);
  else counts.set(token, next);
}
