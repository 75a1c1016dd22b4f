//! One question to the server's HTTP interface, and what can go wrong with it.

/** Why a question was not answered: the code of the server's refusal, or one of our own. */
export class Fault extends Error {
  /** The moment from which on the next try is welcome, Unix milliseconds; 0 = not said. */
  readonly retryAtMs: number;

  constructor(
    /** Text of the refusal; `unreachable` without a server, `unreadable` if the answer is not JSON. */
    readonly code: string,
    /** HTTP status, 0 without an answer. */
    readonly status: number,
    message = "",
    /** Wait this long before the next try; 0 = not said. */
    readonly afterMs = 0,
  ) {
    super(message || code);
    this.name = "Fault";
    this.retryAtMs = afterMs > 0 ? Date.now() + afterMs : 0;
  }

  /** The same question may be answered later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** The caller is known, but no administrator. */
  get isRefusedRole(): boolean {
    return this.code === "role_required";
  }

  /** The credential is not accepted any more, or its account is closed. */
  get isSignedOut(): boolean {
    return this.status === 401 || this.code === "account_disabled";
  }
}

/** How a question is put. */
export interface Question {
  /** Sent as JSON with POST; without it the question is a GET. */
  readonly body?: unknown;
  /** Credential of the device that asks. */
  readonly credential?: string;
  readonly signal?: AbortSignal;
}

/** A path with the parameters that are given. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([key, value]) => (value === undefined || value === "" ? [] : [[key, String(value)]]));
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}

interface RefusedBody {
  readonly code?: unknown;
  readonly message?: unknown;
}

const afterMsOf = (response: Response): number => {
  const seconds = Number(response.headers.get("retry-after"));
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
};

async function refusalOf(response: Response): Promise<Fault> {
  const body = (await response.json().catch(() => ({}))) as RefusedBody;
  const code = typeof body.code === "string" ? body.code : response.status === 404 ? "absent" : "unreadable";
  return new Fault(code, response.status, typeof body.message === "string" ? body.message : "", afterMsOf(response));
}

/** Asks the server of this page. @throws Fault; an aborted question throws the signal's reason */
export async function ask<T>(path: string, question: Question = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (question.credential !== undefined) headers["authorization"] = `Bearer ${question.credential}`;
  const init: RequestInit = { headers, cache: "no-store" };
  if (question.body !== undefined) {
    headers["content-type"] = "application/json";
    init.method = "POST";
    init.body = JSON.stringify(question.body);
  }
  if (question.signal !== undefined) init.signal = question.signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (question.signal?.aborted) throw error;
    throw new Fault("unreachable", 0);
  }
  if (!response.ok) throw await refusalOf(response);
  const text = await response.text();
  if (text === "") return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Fault("unreadable", response.status);
  }
}

/** Anything thrown, as a fault. */
export const faultOf = (error: unknown): Fault => (error instanceof Fault ? error : new Fault("unreadable", 0, error instanceof Error ? error.message : ""));
