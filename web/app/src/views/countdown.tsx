//! A pause that runs down.

export interface CountdownProps {
  readonly text: (seconds: number) => string;
  /** Seconds left. */
  readonly wait: number;
  /** Seconds at the beginning. */
  readonly first: number;
}

/** Counts down for those who see; it is read out once. */
export function Countdown({ text, wait, first }: CountdownProps) {
  return (
    <>
      <span aria-hidden="true">{text(wait)}</span>
      <span className="sr-only">{text(first)}</span>
    </>
  );
}
