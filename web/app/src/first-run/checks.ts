//! What a person types into the forms of an account, and what is said about it before the server is asked.

import type { FirstWord } from "./words.js";

/** Fewest characters of a password. */
export const PASSWORD_CHARS_MIN = 10;
/** Most bytes of a login or display name. */
export const NAME_BYTES_MAX = 128;
/** Most bytes of an organisation's name. */
export const ORGANISATION_BYTES_MAX = 128;

/** How hard a password is to guess: 0 = too short, 1 = weak to 4 = strong. */
export type Strength = 0 | 1 | 2 | 3 | 4;

const COMMON = ["password", "passwort", "qwert", "asdf", "letmein", "welcome", "admin", "iloveyou", "123456", "abc123", "woaini", "5201314"];

/** Characters that add something: not a repetition, not the next of a row such as 1234 or dcba. */
function tellingChars(text: string): number {
  const codes = [...text].map((sign) => sign.codePointAt(0) ?? 0);
  return codes.filter((code, i) => i < 2 || !((code === codes[i - 1] && code === codes[i - 2]) || (code - (codes[i - 1] ?? 0) === (codes[i - 1] ?? 0) - (codes[i - 2] ?? 0) && Math.abs(code - (codes[i - 1] ?? 0)) <= 1))).length;
}

/** Guesses how hard `password` is to guess for somebody who knows the names beside it. */
export function strengthOf(password: string, known: readonly string[] = []): Strength {
  if ([...password].length < PASSWORD_CHARS_MIN) return 0;
  let rest = password.toLowerCase();
  for (const part of [...known.flatMap((text) => text.toLowerCase().split(/\s+/)).filter((part) => part.length > 2), ...COMMON]) rest = rest.split(part).join("\u0001");
  const distinct = new Set(rest).size;
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  const score = Math.min(tellingChars(rest), distinct * 1.6) + (kinds - 1) * 1.5;
  if (score < 9) return 1;
  if (score < 13) return 2;
  return score < 17 ? 3 : 4;
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** What is wrong with a name; white space at its ends does not count. */
export function nameFault(name: string, bytesMax = NAME_BYTES_MAX): FirstWord | undefined {
  const clean = name.trim();
  if (clean === "") return "nameMissing";
  if (/[\u0000-\u001f\u007f-\u009f]/.test(clean)) return "nameControl";
  return bytesOf(clean) > bytesMax ? "nameLong" : undefined;
}

/** What is wrong with a login name, which is typed often and so has no spaces. */
export function loginFault(name: string): FirstWord | undefined {
  return nameFault(name) ?? (/\s/.test(name.trim()) ? "loginSpaces" : undefined);
}

/** What is wrong with a password. */
export const passwordFault = (password: string): FirstWord | undefined => ([...password].length < PASSWORD_CHARS_MIN ? "passwordShort" : undefined);

/** The token that a link carries behind `#`; empty without one. */
export function tokenOf(hash: string): string {
  const text = hash.replace(/^#\/?/, "").trim();
  return /^[A-Za-z0-9_-]{16,128}$/.test(text) ? text : "";
}

/** A link to share, with the address under which this browser reaches the server: it knows name and scheme, the server may not. */
export function shareable(link: string, page: string): string {
  const at = new URL(link, page);
  if (isLoopback(page)) return at.href;
  const here = new URL(page);
  at.protocol = here.protocol;
  at.hostname = here.hostname;
  at.port = here.port;
  return at.href;
}

/** True if the address works on this computer only. */
export function isLoopback(address: string): boolean {
  const { hostname } = new URL(address);
  return hostname === "localhost" || hostname.endsWith(".localhost") || /^127(\.\d+){3}$/.test(hostname) || hostname === "[::1]";
}
