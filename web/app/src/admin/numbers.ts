//! Numbers for people.

import type { Language } from "../words.js";

const locale = (language: Language): string => (language === "zh" ? "zh-CN" : "en");

/** 1,234; from a million on 1.23M. */
export function count(value: number, language: Language): string {
  const form: Intl.NumberFormatOptions = value >= 1_000_000 ? { notation: "compact", maximumFractionDigits: 2 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat(locale(language), form).format(value);
}

/** A rate: one decimal below ten, so that a quiet server is not 0. */
export function rate(value: number, language: Language): string {
  const digits = value > 0 && value < 10 ? 1 : 0;
  const form: Intl.NumberFormatOptions = value >= 100_000 ? { notation: "compact", maximumFractionDigits: 1 } : { maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale(language), form).format(value);
}

/** A duration given in microseconds, with its unit: 840 µs, 3.2 ms, 1.5 s. */
export function micros(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  const [value, unit] = us < 1_000_000 ? [us / 1000, "ms"] : [us / 1_000_000, "s"];
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${unit}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes with their unit: 3.4 GiB. */
export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return `${power > 0 && scaled < 10 ? Number(scaled.toFixed(1)) : Math.round(scaled)} ${UNITS[power]}`;
}

/** The two largest parts of a duration: 3 d 4 h. */
export function duration(seconds: number, units: { readonly d: string; readonly h: string; readonly min: string; readonly s: string }): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), units.d],
    [Math.floor(seconds / 3600) % 24, units.h],
    [Math.floor(seconds / 60) % 60, units.min],
    [Math.floor(seconds) % 60, units.s],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return `0 ${units.s}`;
  return parts
    .slice(first, first + 2)
    .filter(([value], i) => i === 0 || value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}
