import type { GenerationRequest, ServedModel } from "../engine/generation.ts";
import { type AnswerSinks, streamAnswer } from "./stream-answer.ts";

type Message = {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
};

export interface ConversationOptions {
  readonly system?: string;
  readonly thinking: boolean;
  readonly request: Omit<GenerationRequest, "prompt">;
}

/** Turns with a model, each of which sees those before. */
export class Conversation {
  readonly #model: ServedModel;
  readonly #options: ConversationOptions;
  #messages: readonly Message[] = [];
  #answering: AbortController | null = null;

  constructor(model: ServedModel, options: ConversationOptions) {
    this.#model = model;
    this.#options = options;
    this.reset();
  }

  /** Forgets all turns. */
  reset(): void {
    const { system } = this.#options;
    this.#messages = system === undefined ? [] : [{ role: "system", content: system }];
  }

  /**
   * Asks the model and remembers what it answers. A turn that fails is forgotten; one that was stopped counts as far as
   * it came.
   * @returns false when `stop` ended the answer
   */
  async ask(content: string, sinks: AnswerSinks, signal: AbortSignal): Promise<boolean> {
    const { thinking, request } = this.#options;
    const asked = [...this.#messages, { role: "user" as const, content }];
    const { ids, startsInThinking } = await this.#model.renderChat({ messages: asked, thinking });
    const stopped = new AbortController();
    this.#answering = stopped;
    let answer = "";
    const remembering: AnswerSinks = {
      reasoning: (text) => sinks.reasoning(text),
      content(text) {
        answer += text;
        return sinks.content(text);
      },
    };
    try {
      const either = AbortSignal.any([signal, stopped.signal]);
      await streamAnswer(this.#model, { ...request, prompt: ids }, startsInThinking, remembering, either);
    } catch (error) {
      if (!stopped.signal.aborted || signal.aborted) throw error;
    } finally {
      this.#answering = null;
    }
    if (answer !== "" || !stopped.signal.aborted) this.#messages = [...asked, { role: "assistant", content: answer }];
    return !stopped.signal.aborted;
  }

  /** Ends the answer that is being given. @returns false where there is none */
  stop(): boolean {
    this.#answering?.abort();
    return this.#answering !== null;
  }
}
