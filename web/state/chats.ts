import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { ChatCompletionChunk } from "../../src/protocol/chat-response.ts";
import { type Failure, ServerError } from "../server/failure.ts";
import type { ChatFields } from "../server/requests.ts";
import { type Answer, addChunk, EMPTY_ANSWER } from "./answer.ts";
import { type Conversation, chatMessages, newConversation, readConversation } from "./conversation.ts";
import type { ConversationStore } from "./database.ts";

/** What conversations need of the world. */
export interface ChatsHost {
  readonly store: ConversationStore;
  /** Asks the server. @throws ServerError */
  stream(fields: ChatFields, signal: AbortSignal): AsyncIterable<ChatCompletionChunk>;
  /** The fields of a request that do not come from the conversation, and the system prompt. */
  wishes(): { readonly fields: Omit<ChatFields, "messages">; readonly system: string };
  /** Calls back once when there is something to show: a browser's next frame. */
  nextFrame(callback: () => void): void;
  onFailure(failure: Failure): void;
}

/** An answer that is being made. */
interface Run {
  /** Changes with every frame, while the list of runs changes with their beginning and end. */
  readonly answer: Signal<Answer>;
  readonly abort: AbortController;
}

/** All conversations, the one that is open, and the answers that are being made; several may be, one each. */
export class Chats {
  /** The latest first. */
  readonly list: Signal<readonly Conversation[]> = signal([]);
  readonly openId: Signal<string | null> = signal(null);
  readonly open: ReadonlySignal<Conversation | null> = computed(
    () => this.list.value.find(({ id }) => id === this.openId.value) ?? null,
  );
  /** The answer that is being made in the open conversation. */
  readonly current: ReadonlySignal<Answer | null> = computed(
    () => this.runs.value.get(this.openId.value ?? "")?.answer.value ?? null,
  );
  readonly answering: ReadonlySignal<boolean> = computed(() => this.runs.value.has(this.openId.value ?? ""));
  readonly runs: Signal<ReadonlyMap<string, Run>> = signal(new Map());
  /** What was deleted last, until something else happens. */
  readonly deleted: Signal<Conversation | null> = signal(null);
  /** Why conversations are not kept; empty: they are. */
  readonly storageProblem: Signal<string> = signal("");
  readonly #host: ChatsHost;

  constructor(host: ChatsHost) {
    this.#host = host;
    if (!host.store.durable)
      this.storageProblem.value = "This browser keeps no data here: conversations end with the page.";
  }

  /** Reads what is stored, maybe by another page; what cannot be read is left where it is and not shown. */
  async load(): Promise<void> {
    if (this.storageProblem.value !== "") return;
    try {
      const stored = (await this.#host.store.all()).map(readConversation).filter((one) => one !== null);
      // What an answer is being made for is not yet stored as it is.
      if (this.runs.value.size === 0) this.list.value = stored.sort((a, b) => b.updated - a.updated);
    } catch (error) {
      this.storageProblem.value = `Stored conversations cannot be read: ${textOf(error)}`;
    }
  }

  /** Adds a question to the open conversation, or to a new one, and asks for its answer. */
  send(question: string): void {
    const conversation = this.open.value ?? newConversation(question, Date.now());
    if (this.runs.value.has(conversation.id)) return;
    this.#ask({ ...conversation, messages: [...conversation.messages, { role: "user", content: question }] });
  }

  /** Puts another question in the place of one, and leaves out all that came after it. */
  edit(index: number, question: string): void {
    const conversation = this.open.value;
    if (conversation === null || this.runs.value.has(conversation.id)) return;
    const messages = [...conversation.messages.slice(0, index), { role: "user" as const, content: question }];
    this.#ask({ ...conversation, messages });
  }

  /** Asks anew for the last answer. */
  regenerate(): void {
    const conversation = this.open.value;
    if (conversation === null || this.runs.value.has(conversation.id)) return;
    const last = conversation.messages.findLastIndex(({ role }) => role === "user");
    if (last !== -1) this.#ask({ ...conversation, messages: conversation.messages.slice(0, last + 1) });
  }

  /** Stops the answer of the open conversation; what came of it stays. */
  stop(): void {
    this.runs.value.get(this.openId.value ?? "")?.abort.abort();
  }

  /** Keeps what has come of the answers that are being made. */
  saveRunning(): void {
    for (const conversation of this.list.value) {
      const answer = this.runs.value.get(conversation.id)?.answer.peek();
      if (answer !== undefined) this.#store({ ...conversation, messages: [...conversation.messages, answer] });
    }
  }

  /** The page ends: keeps what has come of the answers, and stops them, which is no failure of the connection. */
  leave(): void {
    this.saveRunning();
    for (const { abort } of this.runs.value.values()) abort.abort();
  }

  rename(id: string, title: string): void {
    const conversation = this.list.value.find((one) => one.id === id);
    if (conversation !== undefined && title.trim() !== "") this.#save({ ...conversation, title: title.trim() });
  }

  delete(id: string): void {
    const conversation = this.list.value.find((one) => one.id === id);
    if (conversation === undefined) return;
    this.runs.value.get(id)?.abort.abort();
    batch(() => {
      this.list.value = this.list.value.filter((one) => one.id !== id);
      if (this.openId.value === id) this.openId.value = null;
      this.deleted.value = conversation;
    });
    this.#stored(this.#host.store.remove(id));
  }

  restore(): void {
    const conversation = this.deleted.value;
    if (conversation === null) return;
    this.#save(conversation);
    this.openId.value = conversation.id;
  }

  #ask(conversation: Conversation): void {
    batch(() => {
      this.#save({ ...conversation, updated: Date.now() });
      this.openId.value = conversation.id;
    });
    void this.#answer(conversation);
  }

  async #answer(conversation: Conversation): Promise<void> {
    const { id } = conversation;
    const { fields, system } = this.#host.wishes();
    const abort = new AbortController();
    const started = performance.now();
    let answer: Answer = { ...EMPTY_ANSWER, model: fields.model ?? "" };
    const shown = signal(answer);
    let waiting = false;
    const show = () => {
      waiting = false;
      shown.value = answer;
    };
    this.#setRun(id, { answer: shown, abort });
    try {
      const messages = chatMessages(conversation, system);
      for await (const chunk of this.#host.stream({ ...fields, messages }, abort.signal)) {
        answer = addChunk(answer, chunk, performance.now() - started);
        if (!waiting) this.#host.nextFrame(show);
        waiting = true;
      }
      answer = { ...answer, end: answer.end ?? "stop" };
    } catch (error) {
      answer = abort.signal.aborted ? { ...answer, end: "stopped" } : failed(answer, error);
    }
    batch(() => {
      this.#setRun(id, null);
      const kept = this.list.value.some((one) => one.id === id); // it may have been deleted meanwhile
      if (kept) this.#save({ ...this.#latest(conversation), messages: [...conversation.messages, answer] });
      else if (this.deleted.value?.id === id)
        this.deleted.value = { ...conversation, messages: [...conversation.messages, answer] };
    });
    if (answer.failure !== null) this.#host.onFailure(answer.failure);
  }

  /** The conversation with the title that it has by now. */
  #latest(conversation: Conversation): Conversation {
    return this.list.value.find(({ id }) => id === conversation.id) ?? conversation;
  }

  #setRun(id: string, run: Run | null): void {
    const runs = new Map(this.runs.value);
    if (run === null) runs.delete(id);
    else runs.set(id, run);
    this.runs.value = runs;
  }

  #save(conversation: Conversation): void {
    const others = this.list.value.filter(({ id }) => id !== conversation.id);
    batch(() => {
      this.list.value = [...others, conversation].sort((a, b) => b.updated - a.updated);
      this.deleted.value = null;
    });
    this.#store(conversation);
  }

  #store(conversation: Conversation): void {
    this.#stored(this.#host.store.put(conversation));
  }

  #stored(done: Promise<void>): void {
    done.catch((error: unknown) => {
      this.storageProblem.value = `Conversations cannot be kept: ${textOf(error)}`;
    });
  }
}

function failed(answer: Answer, error: unknown): Answer {
  const failure: Failure =
    error instanceof ServerError ? error.failure : { kind: "failed", message: `The page failed: ${textOf(error)}` };
  return { ...answer, end: "failed", failure };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
