//! Which page of the administration is open: `/admin#/users`.

import { useSyncExternalStore } from "react";

/** The pages in the order of the menu. */
export const PAGES = ["overview", "users", "invitations", "groups", "audit"] as const;
export type PageName = (typeof PAGES)[number];

/** The page that a hash names; the overview for all others. */
export function pageOf(hash: string): PageName {
  const name = /^#\/(\w+)/.exec(hash)?.[1];
  return PAGES.find((page) => page === name) ?? "overview";
}

const subscribe = (told: () => void) => {
  addEventListener("hashchange", told);
  return () => removeEventListener("hashchange", told);
};

/** The open page. */
export const usePage = (): PageName => pageOf(useSyncExternalStore(subscribe, () => location.hash));
