//! A moment with its day and time.

import type { Language } from "../words.js";

/** 5 March 2026, 14:30. */
export const moment = (ms: number, language: Language): string =>
  new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" }).format(ms);
