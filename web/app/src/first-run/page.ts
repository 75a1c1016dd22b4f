//! What all pages behind a link do with the page around them.

import { useEffect } from "react";

/** Names the page in the tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Tenon`;
  }, [title]);
}

/** A link that is opened over another one changes only what is behind `#`: the page begins anew. */
export function useNewLink(): void {
  useEffect(() => {
    const begin = () => location.reload();
    addEventListener("hashchange", begin);
    return () => removeEventListener("hashchange", begin);
  }, []);
}

/** Puts the focus on the first field that holds something wrong, after it was drawn. */
export function focusFault(form: HTMLFormElement): void {
  requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
}
