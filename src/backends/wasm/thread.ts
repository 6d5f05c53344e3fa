/** What a thread is told. It carries out messages in their order and answers each with a Reply of the same number. */
export type Message =
  | { readonly id: number; readonly start: WebAssembly.Module; readonly memory: MemoryPlace }
  | { readonly id: number; readonly call: string; readonly args: readonly Argument[] }
  | { readonly id: number; readonly read: number; readonly bytes: number }
  | { readonly id: number; readonly write: number; readonly contents: Uint8Array }
  | ({ readonly id: number } & ThreadStart);
/**
 * Where a thread has its memory from: it makes one, alone or to share it with the threads behind these ports; or it gets the
 * one that comes by a port. The caller's thread never holds a shared memory: only its collector would free it, and that
 * does not know how large it is.
 */
export type MemoryPlace = "alone" | { readonly giveTo: readonly MessagePort[] } | { readonly takeFrom: MessagePort };
/** Numbers go as they are; of an array the module gets the address of a copy, which is gone after the call. */
export type Argument = number | Uint8Array | Int32Array | Uint32Array | Float32Array;
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
  type Exports = Record<string, (...args: number[]) => number>;
  let memory: WebAssembly.Memory;
  let exports: Exports;
  /** Views may change whenever the memory grows. */
  const bytesAt = (address: number, length: number) => new Uint8Array(memory.buffer, address, length);

  /** As much as 32 bits reach, or as much of it as this machine can reserve. */
  const newMemory = (shared: boolean): WebAssembly.Memory => {
    for (let maximum = 65536; ; maximum /= 2) {
      try {
        return new WebAssembly.Memory({ initial: 64, maximum, shared });
      } catch {
        if (maximum <= 4096) throw new Error("there is no memory for it");
      }
    }
  };

  const start = (module: WebAssembly.Module): number => {
    const host = {
      fail: (message: number, length: number) => {
        throw new Error(new TextDecoder().decode(bytesAt(message >>> 0, length).slice()));
      },
      startThread: (body: number, context: number, index: number, stack: number) =>
        port.postMessage({ body, context, index, stack: stack >>> 0 }),
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
      if (typeof arg === "number") return arg;
      const at = exports.memory_new!(Math.max(1, arg.byteLength)) >>> 0;
      copies.push(at);
      bytesAt(at, arg.byteLength).set(new Uint8Array(arg.buffer, arg.byteOffset, arg.byteLength));
      return at;
    });
    try {
      return exports[name]!(...words) >>> 0;
    } finally {
      for (const at of copies) exports.memory_release!(at);
    }
  };

  const run = ({ body, context, index, stack }: ThreadStart): number => {
    (exports as unknown as { __stack_pointer: WebAssembly.Global }).__stack_pointer.value = stack;
    return exports.thread_run!(body, context, index);
  };

  const answer = (message: Message): number | Uint8Array => {
    if ("start" in message) {
      const { memory: place } = message;
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
