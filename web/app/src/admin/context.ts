//! What every page of the administration uses.

import { createContext, useContext } from "react";
import type { Me } from "../first-run/api.js";
import type { AdminApi } from "./api.js";

export interface Desk {
  readonly api: AdminApi;
  /** Who administers. */
  readonly me: Me;
  /** Says for a moment that something was done. */
  readonly note: (text: string) => void;
}

const DeskContext = createContext<Desk | undefined>(undefined);
export const DeskProvider = DeskContext.Provider;

/** The desk at which this page works. */
export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new Error("no desk above this component");
  return desk;
}
