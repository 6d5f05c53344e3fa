/** What a thread is told. It carries out messages in their order and answers each with a Reply of the same number. */
export type Message =
  | {
      readonly id: number;
      readonly start: WebAssembly.Module;
      readonly addressBits: AddressBits;
      readonly memory: MemoryPlace;
    }
  | { readonly id: number; readonly call: string; readonly args: readonly Argument[] }
  | { readonly id: number; readonly read: number; readonly bytes: number }
  | { readonly id: number; readonly write: number; readonly contents: Uint8Array }
  | ({ readonly id: number } & ThreadStart);
/** Of the module's memory: 64 where it was made for WebAssembly's Memory64. */
export type AddressBits = 32 | 64;
/**
 * Where a thread has its memory from: it makes one, alone or to share it with the threads behind these ports; or it gets the
 * one that comes by a port. The caller's thread never holds a shared memory: only its collector would free it, and that
 * does not know how large it is.
 */
export type MemoryPlace = "alone" | { readonly giveTo: readonly MessagePort[] } | { readonly takeFrom: MessagePort };
/** Numbers go as they are; of an array the module gets the address of a copy, which is gone after the call. */
export type Argument = number | Uint8Array | Int32Array | Uint32Array | Float32Array | Float64Array;
export type Reply =
  | { readonly id: number; readonly value: number | Uint8Array }
  | { readonly id: number; readonly error: string }
  | ThreadStart;
/** The module asks for a thread: body(context, index) on a stack that ends at `stack`. */
export interface ThreadStart {
  readonly body: number;
  readonly context: number;
  readonly index: number;
  readonly stack: number;
}

/** The thread's end of the channel: `self` of a web worker, `parentPort` in Node. */
export interface Port {
  onmessage: ((event: { data: Message }) => void) | null;
  postMessage(reply: Reply, transfer?: Transferable[]): void;
}

/**
 * The program of a thread that holds the module. It is sent to the thread as text, so that it starts at once and wherever
 * the package was bundled to: it must not use anything from outside.
 */
export function serveModule(port: Port): void {
  /** What the module takes and gives: an address of 64 bits is a bigint. */
  type Word = number | bigint;
  type Exports = Record<string, (...args: Word[]) => Word | undefined>;
  let memory: WebAssembly.Memory;
  let exports: Exports;
  let wide = false;
  const toModule = (value: number): Word => (wide ? BigInt(value) : value);
  const fromModule = (word: Word | undefined): number => (typeof word === "bigint" ? Number(word) : (word ?? 0) >>> 0);
  /** Views may change whenever the memory grows. */
  const bytesAt = (address: number, length: number) => new Uint8Array(memory.buffer, address, length);

  /** As much as 32 bits reach, or with 64 bits what engines allow, 16 GiB; or as much of it as this machine can reserve. */
  const newMemory = (shared: boolean): WebAssembly.Memory => {
    for (let maximum = wide ? 2 ** 18 : 2 ** 16; ; maximum /= 2) {
      try {
        // TypeScript does not know `address` yet.
        const sizes = { initial: toModule(64), maximum: toModule(maximum), address: wide ? "i64" : "i32" };
        return new WebAssembly.Memory({ ...(sizes as unknown as WebAssembly.MemoryDescriptor), shared });
      } catch {
        if (maximum <= 4096) throw new Error("there is no memory for it");
      }
    }
  };

  const start = (module: WebAssembly.Module): number => {
    const host = {
      fail: (message: Word, length: Word) => {
        throw new Error(new TextDecoder().decode(bytesAt(fromModule(message), fromModule(length)).slice()));
      },
      startThread: (body: Word, context: Word, index: Word, stack: Word) =>
        port.postMessage({
          body: fromModule(body),
          context: fromModule(context),
          index: fromModule(index),
          stack: fromModule(stack),
        }),
      // Only modules with 64-bit addresses ask for these: they have no C library.
      exp: Math.exp,
      sin: Math.sin,
      cos: Math.cos,
    };
    const imports: WebAssembly.Imports = { env: { memory }, host };
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      if (from === "env" || from === "host") continue;
      // Of the system the C library asks only to write and to end when something is lost.
      imports[from] ??= {};
      imports[from][name] = () => {
        throw new Error(`the module failed (${name})`);
      };
    }
    const instance = new WebAssembly.Instance(module, imports);
    exports = instance.exports as Exports;
    return 0;
  };

  const call = (name: string, args: readonly Argument[]): number => {
    const copies: number[] = [];
    const words = args.map((arg) => {
      if (typeof arg === "number") return toModule(arg);
      const at = fromModule(exports.memory_new!(toModule(Math.max(1, arg.byteLength))));
      copies.push(at);
      bytesAt(at, arg.byteLength).set(new Uint8Array(arg.buffer, arg.byteOffset, arg.byteLength));
      return toModule(at);
    });
    try {
      return fromModule(exports[name]!(...words));
    } finally {
      for (const at of copies) exports.memory_release!(toModule(at));
    }
  };

  const run = ({ body, context, index, stack }: ThreadStart): number => {
    (exports as unknown as { __stack_pointer: WebAssembly.Global }).__stack_pointer.value = toModule(stack);
    return fromModule(exports.thread_run!(toModule(body), toModule(context), toModule(index)));
  };

  const answer = (message: Message): number | Uint8Array => {
    if ("start" in message) {
      const { memory: place } = message;
      wide = message.addressBits === 64;
      if (place === "alone") memory = newMemory(false);
      else if ("giveTo" in place) {
        memory = newMemory(true);
        for (const other of place.giveTo) other.postMessage(memory);
      }
      return start(message.start);
    }
    if ("call" in message) return call(message.call, message.args);
    if ("read" in message) return bytesAt(message.read, message.bytes).slice();
    if ("body" in message) return run(message);
    bytesAt(message.write, message.contents.length).set(message.contents);
    return 0;
  };

  const serve = (message: Message): void => {
    try {
      const value = answer(message);
      port.postMessage({ id: message.id, value }, typeof value === "number" ? [] : [value.buffer]);
    } catch (error) {
      port.postMessage({ id: message.id, error: error instanceof Error ? error.message : String(error) });
    }
  };

  port.onmessage = ({ data }) => {
    if (!("start" in data) || data.memory === "alone" || "giveTo" in data.memory) {
      serve(data);
      return;
    }
    const { takeFrom } = data.memory;
    takeFrom.onmessage = (given) => {
      takeFrom.close();
      memory = given.data;
      serve(data);
    };
  };
}
