//! A moment with its day and time.

import type { Language } from "../words.js";

/** 5 Mar 2025, 14:30; without the year if it is that of `now`. */
export function moment(ms: number, language: Language, now = Date.now()): string {
  const isThisYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  const form: Intl.DateTimeFormatOptions = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", ...(isThisYear ? {} : { year: "numeric" }) };
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", form).format(ms);
}
