//! A long list on the page: which entries are drawn, where they stand, and how the reader keeps his place.
//!
//! Takes and gives: entries and the elements of the page in; the range to draw and whether the reader is at the end out.
//! Invariants: at the end it stays at the end; elsewhere the entry at the top of the screen does not move when entries come
//! above it or turn out to be of another height than guessed.
//! Not here: arithmetic of heights (layout), what an entry looks like (message-list).

import { type Anchor, Layout, type Placed } from "./layout.js";

/** Nearer to the end than this is at the end, pixels. */
const END_PX = 48;
/** Drawn beyond the screen at both sides, pixels: what a wheel turns in one frame is less. */
const OVER_PX = 900;
/** Drawn anew when less than this is left beyond the screen. */
const LEFT_PX = 350;

/** Entries `from..to`; `to` is not drawn. */
export interface PaneRange {
  readonly from: number;
  readonly to: number;
}

/** What the page shows of the list. */
export interface PaneState {
  /** The same object as long as the same is drawn. */
  readonly range: PaneRange;
  readonly isAtEnd: boolean;
  /** First and last entry on the screen. */
  readonly firstShown: number;
  readonly lastShown: number;
}

/** The elements: `box` scrolls, `canvas` has the height of the whole list, `pane` holds what is drawn. */
export interface PaneElements {
  readonly box: HTMLElement;
  readonly canvas: HTMLElement;
  readonly pane: HTMLElement;
}

/** Scrolling of one list. */
export class ScrollPane<T extends Placed> {
  readonly layout: Layout<T>;
  private entries: readonly T[] = [];
  private state: PaneState = { range: { from: 0, to: 0 }, isAtEnd: true, firstShown: 0, lastShown: 0 };
  private readonly told = new Set<() => void>();
  private on: PaneElements | undefined;
  private anchor: Anchor | undefined;
  private sticks = true;
  private isWhole = true;
  private scrolledTo = 0;
  private width = 0;
  /** Length of the list when the anchor was found. */
  private anchorLength = 0;

  constructor(
    guess: (entry: T) => number,
    private readonly mayHold: (entry: T) => boolean,
  ) {
    this.layout = new Layout(guess);
  }

  readonly subscribe = (told: () => void): (() => void) => {
    this.told.add(told);
    return () => this.told.delete(told);
  };

  readonly get = (): PaneState => this.state;
  readonly range = (): PaneRange => this.state.range;
  readonly isAtEnd = (): boolean => this.state.isAtEnd;

  /** Takes the entries that are about to be drawn; `range` says which of them. `isWhole`: nothing comes after them, so their end is the end. */
  take(entries: readonly T[], isWhole: boolean): void {
    if (entries === this.entries && isWhole === this.isWhole) return;
    this.isWhole = isWhole;
    if (!isWhole) this.sticks = false;
    this.entries = entries;
    this.layout.update(entries);
    this.state = this.seen(this.wantedTop(), this.height, true);
  }

  /** Begins to follow the page; gives what ends that. */
  attach(elements: PaneElements): () => void {
    this.on = elements;
    const observer = new ResizeObserver(() => this.drawn());
    observer.observe(elements.box);
    observer.observe(elements.pane);
    elements.box.addEventListener("scroll", this.scrolled, { passive: true });
    return () => {
      observer.disconnect();
      elements.box.removeEventListener("scroll", this.scrolled);
      this.on = undefined;
    };
  }

  /** To be called when the page shows what `take` gave: measures it and puts everything in its place. */
  drawn(): void {
    const { on } = this;
    if (on === undefined) return;
    if (on.box.clientWidth !== this.width) {
      this.width = on.box.clientWidth;
      this.layout.loosen();
    }
    const children = on.pane.children;
    for (let i = 0; i < children.length; i++) this.layout.measure(this.state.range.from + i, (children[i] as HTMLElement).getBoundingClientRect().height);
    on.canvas.style.height = `${this.layout.total}px`;
    on.pane.style.transform = `translateY(${this.layout.topOf(this.state.range.from)}px)`;
    const top = this.wantedTop() + on.canvas.offsetTop;
    if (Math.abs(on.box.scrollTop - top) >= 1) on.box.scrollTop = top;
    this.scrolledTo = on.box.scrollTop;
    this.look();
  }

  /** To the end, and stay there. */
  toEnd(isSmooth: boolean): void {
    const { on } = this;
    this.sticks = true;
    if (on === undefined) return;
    const left = on.box.scrollHeight - on.box.scrollTop - on.box.clientHeight;
    if (isSmooth && left < on.box.clientHeight * 1.5) on.box.scrollTo({ top: on.box.scrollHeight, behavior: "smooth" });
    else this.drawn();
  }

  /** Puts an entry on the screen, `share` of the free height above it; false if it is not in the list. */
  toKey(key: string, share: number): boolean {
    const index = this.layout.indexOf(key);
    if (index < 0) return false;
    this.sticks = false;
    this.hold({ key, delta: -Math.max(0, this.height - this.layout.heightOf(index)) * share, index });
    const top = this.wantedTop();
    this.sticks = this.isWhole && top >= this.layout.total - this.height - 1;
    this.change(this.seen(top, this.height, true));
    this.drawn();
    return true;
  }

  private get height(): number {
    return this.on?.box.clientHeight ?? 800;
  }

  private hold(anchor: Anchor | undefined): void {
    this.anchor = anchor;
    this.anchorLength = this.entries.length;
  }

  /** Where the screen should begin, in heights of the list. */
  private wantedTop(): number {
    const end = Math.max(0, this.layout.total - this.height);
    if (this.sticks || this.anchor === undefined) return end + this.below;
    const index = this.layout.indexOf(this.anchor.key, this.anchor.index, this.anchorLength);
    if (index < 0) return Math.min(end, this.on ? this.on.box.scrollTop - this.on.canvas.offsetTop : end);
    this.hold({ ...this.anchor, index });
    return Math.min(end + this.below, this.layout.topOf(index) + this.anchor.delta);
  }

  /** Free room below the list. */
  private get below(): number {
    const { on } = this;
    if (on === undefined) return 0;
    return Math.max(0, on.box.scrollHeight - on.canvas.offsetTop - on.canvas.offsetHeight);
  }

  private seen(top: number, height: number, isFresh: boolean): PaneState {
    const bottom = top + height;
    const { layout, state } = this;
    const isDrawn = !isFresh && layout.topOf(state.range.from) <= Math.max(0, top - LEFT_PX) && layout.topOf(state.range.to) >= Math.min(layout.total, bottom + LEFT_PX);
    const wanted = isDrawn ? state.range : layout.range(top, bottom, OVER_PX);
    const isSame = wanted.from === state.range.from && wanted.to === state.range.to;
    const shown = { firstShown: layout.indexAt(top), lastShown: layout.indexAt(bottom - 1) };
    return { range: isSame ? state.range : wanted, isAtEnd: this.isWhole && (this.sticks || layout.total - bottom < END_PX), ...shown };
  }

  /** Tells when something else is to be drawn than is. */
  private look(): void {
    if (this.on === undefined) return;
    this.change(this.seen(this.on.box.scrollTop - this.on.canvas.offsetTop, this.height, false));
  }

  private change(next: PaneState): void {
    const held = this.state;
    const isSame = held.range === next.range && held.isAtEnd === next.isAtEnd && held.firstShown === next.firstShown && held.lastShown === next.lastShown;
    if (isSame) return;
    this.state = next;
    for (const tell of [...this.told]) tell();
  }

  private readonly scrolled = (): void => {
    const { on } = this;
    if (on === undefined) return;
    const top = on.box.scrollTop;
    const left = on.box.scrollHeight - top - on.box.clientHeight;
    if (top < this.scrolledTo - 1 && left > 2) this.sticks = false;
    else if (left < END_PX && this.isWhole) this.sticks = true;
    this.scrolledTo = top;
    const from = top - on.canvas.offsetTop;
    if (!this.sticks) this.hold(this.layout.anchorAt(from, from + on.box.clientHeight, this.mayHold));
    this.look();
  };
}
