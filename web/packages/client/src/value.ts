//! A value that can be watched. Its shape is that of React's `useSyncExternalStore`, but it knows no framework.

/** Read now, hear of changes later. */
export interface Readable<T> {
  get(): T;
  /** The same as `get`, under the name that stores of frameworks use: equal by identity while nothing changed. */
  getSnapshot(): T;
  /** Calls `told` after every change; gives what ends that. */
  subscribe(told: () => void): () => void;
}

/** A watched value that its owner sets. */
export class Value<T> implements Readable<T> {
  private readonly told = new Set<() => void>();

  constructor(private held: T) {}

  readonly get = (): T => this.held;

  readonly getSnapshot = (): T => this.held;

  set(next: T): void {
    if (Object.is(next, this.held)) return;
    this.held = next;
    for (const tell of [...this.told]) tell();
  }

  /** True while somebody hears of changes. */
  get isWatched(): boolean {
    return this.told.size > 0;
  }

  update(change: (held: T) => T): void {
    this.set(change(this.held));
  }

  readonly subscribe = (told: () => void): (() => void) => {
    this.told.add(told);
    return () => this.told.delete(told);
  };
}
