import type { Conversation } from "./conversation.ts";

/** Where conversations are kept. What it gives back may be anything. */
export interface ConversationStore {
  readonly durable: boolean;
  all(): Promise<readonly unknown[]>;
  put(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
}

const DATABASE = "deepts";
const STORE = "conversations";

/** The browser's own database; where it gives none (private windows of some browsers), nothing outlives the page. */
export async function openStore(): Promise<ConversationStore> {
  try {
    return new BrowserStore(await openDatabase());
  } catch {
    return { durable: false, all: async () => [], put: async () => {}, remove: async () => {} };
  }
}

class BrowserStore implements ConversationStore {
  readonly durable = true;
  readonly #database: IDBDatabase;

  constructor(database: IDBDatabase) {
    this.#database = database;
  }

  all(): Promise<readonly unknown[]> {
    return settled(this.#records("readonly").getAll());
  }

  async put(conversation: Conversation): Promise<void> {
    const records = this.#records("readwrite");
    const done = settled(records.put(conversation));
    records.transaction.commit(); // the page may be about to end
    await done;
  }

  async remove(id: string): Promise<void> {
    await settled(this.#records("readwrite").delete(id));
  }

  #records(mode: IDBTransactionMode): IDBObjectStore {
    return this.#database.transaction(STORE, mode).objectStore(STORE);
  }
}

async function openDatabase(): Promise<IDBDatabase> {
  const database = await open();
  if (database.objectStoreNames.contains(STORE)) return database;
  // Not a database of ours: begin anew.
  database.close();
  await settled(indexedDB.deleteDatabase(DATABASE));
  return open();
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
  return settled(request).then((database) => {
    // Another tab may want to begin anew.
    database.onversionchange = () => database.close();
    return database;
  });
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
