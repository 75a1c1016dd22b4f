//! The card in which set-up and joining stand.

import type { ReactNode } from "react";
import { LanguageChoice } from "./language-choice.js";

export interface DoorProps {
  readonly title: string;
  readonly hint?: ReactNode;
  readonly children?: ReactNode;
  /** Picture above the title instead of the app's. */
  readonly picture?: ReactNode;
}

export function Door({ title, hint, children, picture }: DoorProps) {
  return (
    <main className="door first-run">
      <div className="door-card">
        {picture ?? <img src="/icon.svg" alt="" width={64} height={64} />}
        <h1>{title}</h1>
        {hint !== undefined && <p className="door-hint">{hint}</p>}
        {children}
      </div>
      <LanguageChoice />
    </main>
  );
}
