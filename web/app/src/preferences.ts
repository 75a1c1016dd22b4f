//! What the user chose for this browser: theme and language.

import { Value } from "@tenon/client";
import { browserLanguage, type Language } from "./words.js";

/** Theme as chosen. */
export type Theme = "system" | "light" | "dark";

const stored = (key: string): string | null => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
};

/** Keeps a value in this browser; a browser that keeps nothing forgets it with the page. */
export function keep(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Private windows may refuse.
  }
}

/** What was kept. */
export const kept = stored;

const themeOf = (value: string | null): Theme => (value === "light" || value === "dark" ? value : "system");

export const theme = new Value<Theme>(themeOf(stored("tenon.theme")));
export const chosenLanguage = new Value<Language | "auto">(((): Language | "auto" => {
  const value = stored("tenon.language");
  return value === "en" || value === "zh" ? value : "auto";
})());

/** The user wants notices of the system in this browser. */
export const isNotifying = new Value(stored("tenon.notify") === "on");

/** The language in force. */
export const languageOf = (chosen: Language | "auto"): Language => (chosen === "auto" ? browserLanguage() : chosen);

/** Puts both choices on the page, now and after every change. */
export function applyPreferences(): void {
  const root = document.documentElement;
  const apply = () => {
    const chosen = theme.get();
    if (chosen === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = chosen;
    root.lang = languageOf(chosenLanguage.get()) === "zh" ? "zh-CN" : "en";
    keep("tenon.theme", chosen === "system" ? undefined : chosen);
    keep("tenon.language", chosenLanguage.get() === "auto" ? undefined : chosenLanguage.get());
  };
  isNotifying.subscribe(() => keep("tenon.notify", isNotifying.get() ? "on" : undefined));
  theme.subscribe(apply);
  chosenLanguage.subscribe(apply);
  apply();
}
