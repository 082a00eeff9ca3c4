/**
 * A small typed client of a Kingpost server, for Node 20 and browsers: fetch, and what is
 * around it. Types come from the API's description (`api.ts`, by `make client-types`).
 *
 * The rule: a request is sent again only where that cannot do anything twice: it reads, names
 * what it changes by its key, or carries an idempotency key that it keeps over all attempts.
 */

import type { components } from "./api.js";

export type { components, operations, paths } from "./api.js";

type Schemas = components["schemas"];
export type Answer<T> = Omit<Schemas["AnswerDocument"], "answer"> & {
  /** `null` where there is none, as when the outcome is `refused`. */
  answer: T | null;
  /** The server had answered this request before: it is that answer. */
  isReplayed: boolean;
};
export type DecisionRecord = Schemas["RecordDocument"];
export type Ingested = Schemas["EventsDocument"];
export type Change = Schemas["ChangeDocument"];
export type Task = Schemas["TaskDocument"];
export type TaskPage = Schemas["TasksDocument"];
export type RecordPage = Schemas["LinesDocument"];
export type Run = Schemas["RunDocument"];
export type RunLine = Schemas["RunLineDocument"];
export type ServedDecision = Schemas["DecisionDocument"];
export type Problem = Pick<Schemas["ProblemDocument"], "status" | "code"> &
  Partial<Schemas["ProblemDocument"]>;
export type TaskVerb =
  | "claim" | "release" | "approve" | "override" | "reject" | "modify" | "acknowledge";

/** The server answered with a problem, also when it was asked again where that is safe. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** Stable; `status_<number>` where what answered is no Kingpost. */
  readonly code: string;
  readonly status: number;

  constructor(
    readonly problem: Problem,
    readonly retryAfterS: number,
    readonly idempotencyKey: string | undefined,
  ) {
    super(`${problem.code} (status ${problem.status}): ${problem.detail ?? problem.title ?? "refused"}`);
    this.code = problem.code;
    this.status = problem.status;
  }
}

/** No answer came in time, or none at all; `mayBeDone` when the request may have been done. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";

  constructor(
    reason: string,
    readonly attempts: number,
    readonly mayBeDone: boolean,
    readonly idempotencyKey: string | undefined,
    options?: ErrorOptions,
  ) {
    super(`no answer after ${attempts} attempts (${reason})`, options);
  }
}

export interface ClientOptions {
  /** Where the server is, as `https://kingpost.example`. */
  url: string;
  /** An API key, or what gives a token for each attempt. */
  key?: string | (() => string | Promise<string>);
  /** The longest a request may take, with all attempts and waits. */
  deadlineMs?: number;
  /** The longest one attempt may take. */
  attemptMs?: number;
  attempts?: number;
  fetch?: typeof fetch;
}

export interface DecideOptions {
  /** Made anew when left out, and kept over all attempts. */
  idempotencyKey?: string;
  session?: string;
  traceparent?: string;
  signal?: AbortSignal;
}

interface Sent {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  idempotencyKey?: string;
  isOnce?: boolean;
  deadlineMs?: number;
  signal?: AbortSignal | undefined;
}

const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;
const HEALTH_MS = 2_000;

export class Client {
  readonly #url: string;
  readonly #key: ClientOptions["key"];
  readonly #deadlineMs: number;
  readonly #attemptMs: number;
  readonly #attempts: number;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.#url = options.url.replace(/\/+$/, "");
    this.#key = options.key;
    this.#deadlineMs = options.deadlineMs ?? 30_000;
    this.#attemptMs = options.attemptMs ?? 10_000;
    this.#attempts = options.attempts ?? 50;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** Decide a request; sent again, it gets the answer of the first time. */
  async decide<T = unknown>(
    decision: string, request: unknown, options: DecideOptions = {},
  ): Promise<Answer<T>> {
    const headers: Record<string, string> = {};
    if (options.session) headers["kingpost-session"] = options.session;
    if (options.traceparent) headers["traceparent"] = options.traceparent;
    const response = await this.#send({
      method: "POST",
      path: `/v1/decisions/${part(decision)}`,
      body: request,
      headers,
      idempotencyKey: options.idempotencyKey ?? crypto.randomUUID(),
      signal: options.signal,
    });
    const answer = (await response.json()) as Answer<T>;
    return { ...answer, isReplayed: response.headers.get("idempotency-replayed") === "true" };
  }

  /** Send events, at most 10,000 and 8 MiB at once; each is known by its own key. */
  ingest(stream: string, events: readonly unknown[]): Promise<Ingested> {
    return this.#json({ method: "POST", path: `/v1/events/${part(stream)}`, body: events });
  }

  /** Put an event in the place of the one that is held under its key. */
  correct(stream: string, key: string | number, event: unknown): Promise<Change> {
    return this.#json({ method: "PUT", path: eventPath(stream, key), body: event });
  }

  /** Take an event back: it does not count from here on. */
  retract(stream: string, key: string | number): Promise<Change> {
    return this.#json({ method: "DELETE", path: eventPath(stream, key) });
  }

  async decisions(): Promise<ServedDecision[]> {
    type All = Schemas["DecisionsDocument"];
    return (await this.#json<All>({ method: "GET", path: "/v1/decisions" })).decisions;
  }

  record(id: string): Promise<DecisionRecord> {
    return this.#json({ method: "GET", path: `/v1/records/${part(id)}` });
  }

  /** A page of records; `next` of one page is `before` of the following. */
  findRecords(query: Record<string, string | number | boolean>): Promise<RecordPage> {
    return this.#json({ method: "GET", path: `/v1/records${search(query)}` });
  }

  task(id: string): Promise<Task> {
    return this.#json({ method: "GET", path: `/v1/tasks/${part(id)}` });
  }

  /** A page of tasks; `next` of one page is `after` of the following. */
  findTasks(query: Record<string, string | number | boolean> = {}): Promise<TaskPage> {
    return this.#json({ method: "GET", path: `/v1/tasks${search(query)}` });
  }

  /** Do something with a task; never sent twice. */
  actOnTask(id: string, verb: TaskVerb, body: Record<string, unknown> = {}): Promise<Task> {
    return this.#json({
      method: "POST", path: `/v1/tasks/${part(id)}/${verb}`, body, isOnce: true,
    });
  }

  /** Start a workflow; under the same key it is started once. */
  startWorkflow(
    workflow: string, input: Record<string, unknown>,
    options: { key?: string; priority?: number; at?: string; after?: string } = {},
  ): Promise<RunLine> {
    const { key, ...more } = options;
    return this.#json({
      method: "POST",
      path: "/v1/workflows",
      body: { workflow, input, ...more },
      idempotencyKey: key ?? crypto.randomUUID(),
    });
  }

  workflow(id: string): Promise<Run> {
    return this.#json({ method: "GET", path: `/v1/workflows/${part(id)}` });
  }

  /** Whether it takes work; within 2 seconds. */
  async isReady(): Promise<boolean> {
    try {
      await this.#send({ method: "GET", path: "/health/ready", deadlineMs: HEALTH_MS });
      return true;
    } catch (error) {
      if (error instanceof ApiError || error instanceof NoAnswer) return false;
      throw error;
    }
  }

  async #json<T>(sent: Sent): Promise<T> {
    return (await (await this.#send(sent)).json()) as T;
  }

  async #send(sent: Sent): Promise<Response> {
    const deadline = Date.now() + (sent.deadlineMs ?? this.#deadlineMs);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(sent, deadline);
      if (outcome instanceof Response && outcome.ok) return outcome;
      let waitMs = Math.random() * Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
      let failure: ApiError | NoAnswer;
      let isOver = sent.isOnce === true;
      if (outcome instanceof Response) {
        const askedMs = retryAfterMs(outcome.headers.get("retry-after"));
        waitMs = Math.max(waitMs, askedMs);
        failure = new ApiError(await problemOf(outcome), askedMs / 1000, sent.idempotencyKey);
        isOver ||= !AGAIN.has(outcome.status);
      } else {
        const reason = outcome instanceof Error ? outcome.name : "broken connection";
        failure = new NoAnswer(
          reason, attempt, sent.isOnce === true, sent.idempotencyKey, { cause: outcome },
        );
      }
      sent.signal?.throwIfAborted();
      if (isOver || attempt >= this.#attempts || Date.now() + waitMs >= deadline) throw failure;
      await pause(waitMs, sent.signal);
    }
  }

  async #attempt(sent: Sent, deadline: number): Promise<Response | unknown> {
    const headers: Record<string, string> = { accept: "application/json", ...sent.headers };
    const key = typeof this.#key === "function" ? await this.#key() : this.#key;
    if (key) headers["authorization"] = `Bearer ${key}`;
    if (sent.idempotencyKey) headers["idempotency-key"] = sent.idempotencyKey;
    if (sent.body !== undefined) headers["content-type"] = "application/json";
    const limit = AbortSignal.timeout(Math.max(1, Math.min(this.#attemptMs, deadline - Date.now())));
    try {
      const response = await this.#fetch(this.#url + sent.path, {
        method: sent.method,
        headers,
        body: sent.body === undefined ? null : JSON.stringify(sent.body),
        redirect: "manual", // the key goes nowhere else
        signal: sent.signal ? AbortSignal.any([limit, sent.signal]) : limit,
      });
      // whole before it counts: a connection may break in the middle of an answer
      const body = await response.arrayBuffer();
      const { status, statusText } = response;
      const isEmpty = status === 204 || status === 304 || status < 200;
      return new Response(isEmpty ? null : body, { status, statusText, headers: response.headers });
    } catch (error) {
      return error;
    }
  }
}

function part(text: string): string {
  return text === "." || text === ".." ? text.replaceAll(".", "%2E") : encodeURIComponent(text);
}

function eventPath(stream: string, key: string | number): string {
  return `/v1/events/${part(stream)}/${part(String(key))}`;
}

function search(query: Record<string, string | number | boolean>): string {
  const text = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)] as [string, string]),
  ).toString();
  return text && `?${text}`;
}

function retryAfterMs(text: string | null): number {
  if (!text) return 0;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const said = (await response.json()) as Partial<Problem> | null;
    if (said && typeof said.code === "string") return { ...said, code: said.code, status: response.status };
  } catch {
    // what answered is no Kingpost: its status says all there is
  }
  return { status: response.status, code: `status_${response.status}` };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    }, { once: true });
  });
}
