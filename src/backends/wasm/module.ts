import { BackendUnavailableError } from "../../errors.ts";
import type { Environment, ModuleThread } from "./environment.ts";
import type { Argument, Message, Reply } from "./thread.ts";

type Unnumbered<M> = M extends { readonly id: number } ? Omit<M, "id"> : never;

interface Waiting {
  resolve(value: number | Uint8Array): void;
  reject(error: Error): void;
}

/**
 * A module in a thread of its own, with further threads in the same memory where it can be shared. The caller's thread never
 * computes: calls are messages, carried out in their order. Shared memory it reads and writes itself.
 */
export class KernelModule {
  readonly #memory: WebAssembly.Memory | null;
  readonly #threads: ModuleThread[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #messages = 0;
  #closed: BackendUnavailableError | null = null;

  /** @param threads more than 1 only with shared memory */
  static async open(environment: Environment, bytes: BufferSource, threads: number, shared: boolean) {
    const module = await WebAssembly.compile(bytes).catch((cause: Error) => {
      throw new BackendUnavailableError("wasm", `its module does not compile: ${cause.message}`, { cause });
    });
    const opened = new KernelModule(environment, threads, shared);
    try {
      const starts = opened.#threads.map((_, i) => opened.#send({ start: module, memory: opened.#memory }, i));
      await Promise.all(starts);
      await opened.call("_initialize");
    } catch (error) {
      opened.close();
      throw error;
    }
    return opened;
  }

  private constructor(environment: Environment, threads: number, shared: boolean) {
    this.#memory = shared ? sharedMemory() : null;
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
    if (this.#memory && !this.#closed) new Uint8Array(this.#memory.buffer, address, contents.length).set(contents);
    else await this.#send({ write: address, contents });
  }

  async read(address: number, into: Uint8Array): Promise<void> {
    if (this.#memory && !this.#closed) into.set(new Uint8Array(this.#memory.buffer, address, into.length));
    else into.set((await this.#send({ read: address, bytes: into.length })) as Uint8Array);
  }

  /** Ends the threads, whatever they do; calls under way are rejected. */
  close(): void {
    this.#end(new BackendUnavailableError("wasm", "it is closed"));
  }

  #send(message: Unnumbered<Message>, thread = 0): Promise<number | Uint8Array> {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#messages++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#threads[0]!.hold(true);
      this.#threads[thread]!.post({ ...message, id } as Message);
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

/** As much as 32 bits reach, or as much of it as this machine can reserve. */
function sharedMemory(): WebAssembly.Memory {
  for (let maximum = 65536; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: 64, maximum, shared: true });
    } catch (cause) {
      if (maximum <= 4096) throw new BackendUnavailableError("wasm", "there is no memory for it", { cause });
    }
  }
}
