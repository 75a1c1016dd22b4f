//! Where an account's rows live on this device, and what happens when that place fails.
//!
//! Invariants: a store that cannot be opened, or whose rows turn out to be damaged, is set aside and never written again; a
//! new one has no cursor, so the engine asks for a new device epoch and nothing is sent twice. What the browser refuses is
//! kept in memory, and the app is told so. Not here: reading or writing rows (the stores).

import { type Store, StoreDamaged } from "./store.js";
import { IndexedStore } from "./store/indexed.js";
import { MemoryStore } from "./store/memory.js";

/** How rows are kept. */
export type Storage =
  /** On disk. `isNew`: what was there before could not be used, and everything is read again from the server. */
  | { readonly type: "disk"; readonly isNew: boolean; readonly why: string }
  /** In memory: what is not sent when the last tab closes is lost. */
  | { readonly type: "memory"; readonly why: string };

/** A store and how it keeps. */
export interface Opened {
  readonly store: Store;
  readonly storage: Storage;
}

/** Gives a host its stores. */
export interface StoreSource {
  /** The first one. */
  open(): Promise<Opened>;
  /** The one to go on with after a failure; `undefined` = there is none, the engine stops. The failed one is closed. */
  after(failed: Store, error: unknown): Promise<Opened | undefined>;
  /** Forgets everything of this account on this device. */
  destroy(): Promise<void>;
}

/** A source of one store: if it fails, the engine stops. */
export const onlyStore = (store: Store): StoreSource => ({
  open: async () => ({ store, storage: { type: "memory", why: "" } }),
  after: async () => undefined,
  destroy: () => store.destroy(),
});

/** Databases of one account that were set aside at most; older ones go. */
const ASIDE_MAX = 2;

/** Shares of the message rows that go while the disk stays full; then it is given up. */
const SHARES = [0.25, 0.5, 1];
/** A disk that is full again after this long begins with the first share, milliseconds. */
const FULL_AGAIN = 60_000;

const textOf = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error));
const isFull = (error: unknown): boolean => error instanceof Error && error.name === "QuotaExceededError";

/** Databases `name`, `name~1`, `name~2` ...: the highest is the one in use, the others were set aside. */
export class LocalStores implements StoreSource {
  private failures = 0;
  /** Steps of `SHARES` taken since the disk was full for the first time, and when it was so last. */
  private evictions = 0;
  private fullAtMs = 0;

  constructor(
    private readonly name: string,
    private readonly factory: IDBFactory | undefined = globalThis.indexedDB,
  ) {}

  async open(): Promise<Opened> {
    return this.openDisk("").catch((error: unknown) => inMemory(textOf(error)));
  }

  async after(failed: Store, error: unknown): Promise<Opened | undefined> {
    const why = textOf(error);
    if (isFull(error)) {
      if (await this.makeRoom(failed)) return { store: failed, storage: { type: "disk", isNew: false, why } };
    } else this.failures += 1;
    failed.close();
    if (failed instanceof IndexedStore && failed.isTakenAway) return undefined;
    if (this.failures > 2 || isFull(error)) return inMemory(why);
    const opening = error instanceof StoreDamaged ? this.setAside(why) : this.openDisk(why);
    return opening.catch((next: unknown) => inMemory(textOf(next)));
  }

  /** Message rows are the bulk and the server has them too: some go, and more of them if that was not enough. */
  private async makeRoom(store: Store): Promise<boolean> {
    const now = Date.now();
    if (now - this.fullAtMs > FULL_AGAIN) this.evictions = 0;
    this.fullAtMs = now;
    for (let share = SHARES[this.evictions]; share !== undefined; share = SHARES[this.evictions]) {
      this.evictions += 1;
      if ((await store.evict(share).catch(() => 0)) > 0) return true;
    }
    return false;
  }

  async destroy(): Promise<void> {
    const numbers = await this.numbers().catch(() => [0]);
    for (const n of new Set([0, ...numbers])) await this.remove(n).catch(() => undefined);
  }

  /** Opens the database in use, or sets it aside and begins the next. @throws if the browser gives no storage */
  private async openDisk(why: string): Promise<Opened> {
    const last = (await this.numbers()).at(-1) ?? 0;
    try {
      return { store: await this.openOne(last), storage: { type: "disk", isNew: false, why } };
    } catch (error) {
      return this.setAside(textOf(error));
    }
  }

  /** Begins the next database; the one in use is not written again. @throws if the browser gives no storage */
  private async setAside(why: string): Promise<Opened> {
    const numbers = await this.numbers();
    const store = await this.openOne((numbers.at(-1) ?? 0) + 1);
    for (const n of numbers.slice(0, -ASIDE_MAX)) await this.remove(n).catch(() => undefined);
    return { store, storage: { type: "disk", isNew: true, why } };
  }

  private async openOne(n: number): Promise<Store> {
    if (this.factory === undefined) throw new Error("this browser has no IndexedDB");
    return IndexedStore.open(this.nameOf(n), this.factory);
  }

  private remove(n: number): Promise<void> {
    return IndexedStore.remove(this.nameOf(n), this.factory);
  }

  private nameOf(n: number): string {
    return n === 0 ? this.name : `${this.name}~${n}`;
  }

  /** The numbers of the databases that are there, rising. */
  private async numbers(): Promise<number[]> {
    const all = (await this.factory?.databases?.()) ?? [];
    const own = all.flatMap(({ name = "" }) => {
      if (name === this.name) return [0];
      const tail = name.startsWith(`${this.name}~`) ? Number(name.slice(this.name.length + 1)) : Number.NaN;
      return Number.isSafeInteger(tail) && tail > 0 ? [tail] : [];
    });
    return own.sort((a, b) => a - b);
  }
}

function inMemory(why: string): Opened {
  return { store: new MemoryStore(), storage: { type: "memory", why } };
}
