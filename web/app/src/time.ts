//! Times and numbers for people.

import type { Language } from "./words.js";

const DAY_MS = 86_400_000;
const locale = (language: Language) => (language === "zh" ? "zh-CN" : "en-GB");

/** The day asked about last: neighbours in a chat mostly share it. */
let held = { from: 0, to: 0 };

function midnight(ms: number): number {
  if (ms < held.from || ms >= held.to) {
    const date = new Date(ms);
    const from = date.setHours(0, 0, 0, 0);
    held = { from, to: date.setDate(date.getDate() + 1) };
  }
  return held.from;
}

/** Formatters are dear to make and cheap to use. */
const formats = new Map<string, Intl.DateTimeFormat>();

function format(language: Language, form: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language}${JSON.stringify(form)}`;
  const made = formats.get(key) ?? new Intl.DateTimeFormat(locale(language), form);
  formats.set(key, made);
  return made;
}

/** Days between two moments, by the calendar. */
const daysAgo = (ms: number, now: number): number => Math.round((midnight(now) - midnight(ms)) / DAY_MS);

/** 09:41. */
export const clock = (ms: number, language: Language): string => format(language, { hour: "2-digit", minute: "2-digit" }).format(ms);

/** For a list: the time today, the weekday this week, else the date. */
export function short(ms: number, now: number, language: Language, words: { yesterday: string }): string {
  const days = daysAgo(ms, now);
  if (days <= 0) return clock(ms, language);
  if (days === 1) return words.yesterday;
  if (days < 7) return format(language, { weekday: "short" }).format(ms);
  return format(language, { year: "2-digit", month: "2-digit", day: "2-digit" }).format(ms);
}

/** A day, for a separator. */
export function day(ms: number, now: number, language: Language, words: { today: string; yesterday: string }): string {
  const days = daysAgo(ms, now);
  if (days <= 0) return words.today;
  if (days === 1) return words.yesterday;
  const isThisYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  const form: Intl.DateTimeFormatOptions = { weekday: "long", month: "long", day: "numeric", ...(isThisYear ? {} : { year: "numeric" }) };
  return format(language, form).format(ms);
}

/** Everything, for a tooltip. */
export const full = (ms: number, language: Language): string => format(language, { dateStyle: "full", timeStyle: "short" }).format(ms);

/** True if both moments are on the same day. */
export const isSameDay = (a: number, b: number): boolean => midnight(a) === midnight(b);

/** 15,480. */
export const number = (value: number, language: Language): string => value.toLocaleString(locale(language));
