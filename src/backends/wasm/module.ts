import { BackendUnavailableError } from "../../errors.ts";
import type { Environment, ModuleThread } from "./environment.ts";
import type { AddressBits, Argument, Message, Reply } from "./thread.ts";

type Unnumbered<M> = M extends { readonly id: number } ? Omit<M, "id"> : never;

interface Waiting {
  resolve(value: number | Uint8Array): void;
  reject(error: Error): void;
}

/** Of a large tensor no more than this is in memory twice. */
const PIECE_BYTES = 2 ** 23;

/**
 * A module in a thread of its own, with further threads in the same memory where it can be shared. The caller's thread never
 * computes and never sees that memory: calls are messages, carried out in their order.
 */
export class KernelModule {
  readonly #threads: ModuleThread[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #messages = 0;
  #closed: BackendUnavailableError | null = null;

  /** @param threads more than 1 only with shared memory */
  static async open(
    environment: Environment,
    bytes: BufferSource,
    { threads, shared, addressBits }: { threads: number; shared: boolean; addressBits: AddressBits },
  ) {
    const module = await WebAssembly.compile(bytes).catch((cause: Error) => {
      throw new BackendUnavailableError("wasm", `its module does not compile: ${cause.message}`, { cause });
    });
    const opened = new KernelModule(environment, threads);
    try {
      const ways = opened.#threads.slice(1).map(() => new MessageChannel());
      const giveTo = ways.map(({ port1 }) => port1);
      const first = opened.#send(
        { start: module, addressBits, memory: shared ? { giveTo } : "alone" },
        shared ? giveTo : [],
      );
      const others = ways.map(({ port2 }, i) =>
        opened.#send({ start: module, addressBits, memory: { takeFrom: port2 } }, [port2], i + 1),
      );
      await Promise.all([first, ...others]);
      await opened.call("_initialize");
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  }

  private constructor(environment: Environment, threads: number) {
    for (let i = 0; i < threads; i++) {
      const lost = (why: string) => this.#end(new BackendUnavailableError("wasm", why));
      this.#threads.push(environment.startThread((reply) => this.#receive(reply), lost));
    }
  }

  /** @returns the function's result as an unsigned number */
  call(name: string, ...args: readonly Argument[]): Promise<number> {
    return this.#send({ call: name, args }) as Promise<number>;
  }

  async write(address: number, contents: Uint8Array): Promise<void> {
    for (let at = 0; at < contents.length; at += PIECE_BYTES) {
      // A copy that can be handed over: of a view, a message would carry all that it is a view on.
      const piece = contents.slice(at, at + PIECE_BYTES);
      await this.#send({ write: address + at, contents: piece }, [piece.buffer]);
    }
  }

  async read(address: number, into: Uint8Array): Promise<void> {
    into.set((await this.#send({ read: address, bytes: into.length })) as Uint8Array);
  }

  /** Ends the threads, whatever they do; calls under way are rejected. */
  close(): void {
    this.#end(new BackendUnavailableError("wasm", "it is closed"));
  }

  #send(
    message: Unnumbered<Message>,
    transfer: readonly Transferable[] = [],
    thread = 0,
  ): Promise<number | Uint8Array> {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#messages++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#threads[0]!.hold(true);
      this.#threads[thread]!.post({ ...message, id } as Message, transfer);
    });
  }

  #receive(reply: Reply): void {
    if (this.#closed) return;
    if ("body" in reply) {
      // It serves until the module ends, so nobody waits for its answer.
      this.#threads[reply.index]!.post({ ...reply, id: -1 });
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#threads[0]!.hold(false);
    if ("value" in reply) waiting?.resolve(reply.value);
    else waiting?.reject(new BackendUnavailableError("wasm", reply.error));
  }

  #end(why: BackendUnavailableError): void {
    if (this.#closed) return;
    this.#closed = why;
    for (const thread of this.#threads) thread.end();
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }
}
