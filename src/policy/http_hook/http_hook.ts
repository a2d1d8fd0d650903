/**
 * A policy that asks a program elsewhere, by HTTP: at the stages it wants, a POST of JSON ({@link HookRequest}), signed,
 * which is answered by a verdict in JSON. For those who run the binary and would have a say in a language of their
 * own.
 *
 * It is asked about every client, whoever that is: what is known of it is in the request. 200 with a verdict is an
 * answer, 204 means accept. Redirects are not followed: where mail is shown to, the configuration says.
 *
 * What fails: no answer in time, another status, an answer that is too long or has a slip in it: `onTrouble`, and an
 * event that says what is wrong. A draft that cannot be read is thrown, which is 451.
 *
 * @module
 */

import { concat, decodeStrict, encode } from "../../bytes.ts";
import type { MtaFact } from "../../events.ts";
import { BusyError, Gate } from "../../gate.ts";
import type { Clock, Random } from "../../runtime/runtime.ts";
import { reply } from "../../smtp/reply.ts";
import type { Soon } from "../../soon.ts";
import { NO_ROOM } from "../no_room.ts";
import type { Change, MessageView, Policy, SessionView, Verdict } from "../policy.ts";
import {
  type HookRequest,
  type HookStage,
  messageRequest,
  recipientRequest,
  senderRequest,
  sessionRequest,
} from "./hook_request.ts";
import { parseHookVerdict } from "./hook_verdict.ts";
import { MIN_HOOK_SECRET, signHook } from "./signature.ts";

/** Milliseconds until an answer must be whole. */
export const DEFAULT_HOOK_TIMEOUT = 10_000;
/** Requests at once. */
export const DEFAULT_HOOK_CONCURRENCY = 50;
/** Requests that may wait for their turn, for each that is under way. */
const WAITING = 10;
/** Octets of bodies that are under way at once; each is in memory some four times, as octets, base64 and JSON. */
const BODIES = 64 * 1024 * 1024;
/** Octets of a body that are not counted. */
const SMALL_BODY = 64 * 1024;
/** Octets of an answer. */
export const DEFAULT_ANSWER_LIMIT = 64 * 1024;

/** What a policy of this kind is told. */
export interface HttpHookOptions {
  /** `https:`, or `http:` within a network that is trusted: mail and answers are not encrypted then. */
  readonly url: string;
  /** Shared with the hook: {@link MIN_HOOK_SECRET} characters or more, or `whsec_` and base64. */
  readonly secret: string;
  /** When it is asked. Default: `message`. */
  readonly stages?: readonly HookStage[];
  /** For the log, where there are several. Default `"http"`. */
  readonly name?: string;
  /** Octets of a message's body that it gets. Default 0: none. */
  readonly bodyLimit?: number;
  /** Milliseconds until the answer must be whole. Default {@link DEFAULT_HOOK_TIMEOUT}. */
  readonly timeout?: number;
  /** Requests at once; others wait. Default {@link DEFAULT_HOOK_CONCURRENCY}. */
  readonly concurrency?: number;
  /** Octets of an answer; more is for hooks that replace bodies. Default {@link DEFAULT_ANSWER_LIMIT}. */
  readonly answerLimit?: number;
  /** Without an answer: 451 4.7.1, or as if it had accepted. Default `"defer"`. */
  readonly onTrouble?: "defer" | "accept";
}

/** What the policy needs of the machine. */
export interface HttpHookServices {
  /** Tells the time. */
  readonly clock: Clock;
  /** For ids. */
  readonly random: Random;
  /** The web's `fetch`. */
  readonly fetch: typeof fetch;
  /** Is told of events. */
  readonly emit: (fact: MtaFact) => void;
}

/**
 * The policy.
 *
 * @throws {TypeError} when the URL is none for HTTP or has a password in it, or the secret is too short.
 *
 * @example
 * ```ts
 * import { httpHook } from "./http_hook.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = { action: "reject", code: 550, enhanced: "5.7.1", text: "not from there" };
 * const services = {
 *   ...memoryRuntime({ address: "192.0.2.25" }),
 *   fetch: () => Promise.resolve(Response.json(answer)),
 *   emit: () => {},
 * };
 * const policy = httpHook({
 *   url: "https://hook.example/",
 *   secret: "a secret of ours",
 *   stages: ["connect"],
 * }, services);
 * const session = {
 *   id: "1",
 *   role: "mx",
 *   client: "192.0.2.7",
 *   hello: null,
 *   tls: null,
 *   identity: null,
 *   trusted: false,
 * };
 * const verdict = await policy.connect?.(session);
 * assertEquals(verdict?.action, "reject");
 * ```
 */
export function httpHook(options: HttpHookOptions, services: HttpHookServices): Policy {
  const { stages = ["message"], name = "http", bodyLimit = 0, onTrouble = "defer" } = options;
  const { timeout = DEFAULT_HOOK_TIMEOUT, secret } = options;
  const { concurrency = DEFAULT_HOOK_CONCURRENCY } = options;
  const target = checkTarget(options.url, secret);
  const gate = new Gate(concurrency, concurrency * WAITING);
  // Strangers say how large messages are, and how many come at once.
  const atOnce = Math.max(1, Math.min(concurrency, Math.floor(BODIES / bodyLimit)));
  const heavy = new Gate(atOnce, concurrency * WAITING);

  async function ask(
    { id }: SessionView,
    stage: HookStage,
    build: () => Soon<HookRequest>,
    octets = 0,
  ): Promise<Verdict | undefined> {
    const given = await answerTo(stage, build, octets);
    if (!("wrong" in given)) return given;
    services.emit({ type: "policy.failed", session: id, policy: name, stage, error: given.wrong });
    return onTrouble === "accept" ? undefined : UNAVAILABLE;
  }

  /** What comes of one question, in time. Only what `build` throws is thrown. */
  async function answerTo(
    stage: HookStage,
    build: () => Soon<HookRequest>,
    octets: number,
  ): Promise<Verdict | Wrong> {
    const late = new AbortController();
    const over = new AbortController();
    services.clock.sleep(timeout, over.signal).then(() => late.abort(), () => {});
    try {
      // Built when its turn has come: what waits has no body in memory.
      const inTurn = <T>(work: () => Promise<T>) =>
        octets > SMALL_BODY ? heavy.run(() => gate.run(work)) : gate.run(work);
      return await inTurn(async () => {
        if (late.signal.aborted) return { wrong: `no answer within ${timeout} ms` };
        const body = encode(JSON.stringify(await build()));
        try {
          return await post(body, stage, late.signal);
        } catch (error) {
          return { wrong: late.signal.aborted ? `no answer within ${timeout} ms` : wordsOf(error) };
        }
      });
    } catch (error) {
      if (error instanceof BusyError) return { wrong: error.message };
      throw error;
    } finally {
      over.abort(null);
    }
  }

  async function post(
    body: Uint8Array,
    stage: HookStage,
    signal: AbortSignal,
  ): Promise<Verdict | Wrong> {
    const { random, clock } = services;
    const response = await services.fetch(options.url, {
      method: "POST",
      headers: { ...HEADERS, ...signHook(secret, random.bytes(16).toHex(), clock.now(), body) },
      body: body as Uint8Array<ArrayBuffer>,
      redirect: "manual",
      signal,
    });
    return await readAnswer(response, stage, options.answerLimit ?? DEFAULT_ANSWER_LIMIT);
  }

  /** Without what may be secret in a URL: errors of `fetch` cite it whole. */
  function wordsOf(error: unknown): string {
    return messageOf(error).replaceAll(target.href, target.origin);
  }

  const hooks: Required<Pick<Policy, HookStage>> = {
    connect: (session) => ask(session, "connect", () => sessionRequest("connect", session)),
    hello: (session) => ask(session, "hello", () => sessionRequest("hello", session)),
    sender: (session, sender) => ask(session, "sender", () => senderRequest(session, sender)),
    recipient: (session, recipient, envelope) =>
      ask(session, "recipient", () => recipientRequest(session, recipient, envelope)),
    async message(message) {
      const build = () => messageRequest(message, bodyLimit);
      const octets = Math.min(message.bodySize, bodyLimit);
      return withStoredBodies(message, await ask(message.session, "message", build, octets));
    },
  };
  return {
    name,
    // Ours runs out first; this one is for a body that hangs.
    timeout: timeout + 5000,
    ...Object.fromEntries(stages.map((stage) => [stage, hooks[stage]])),
  };
}

/** Another body does not stay in memory while the message waits for others. */
async function withStoredBodies(
  message: MessageView,
  verdict: Verdict | undefined,
): Promise<Verdict | undefined> {
  if (verdict?.action !== "annotate") return verdict;
  const changes: Change[] = [];
  for (const change of verdict.changes) {
    if (change.change !== "replace-body" || !(change.body instanceof Uint8Array)) {
      changes.push(change);
      continue;
    }
    const draft = message.draftBody();
    await draft.write(change.body);
    const body = await draft.finish();
    if (body === null) return NO_ROOM;
    changes.push({ change: "replace-body", body });
  }
  return { action: "annotate", changes };
}

interface Wrong {
  readonly wrong: string;
}

const HEADERS = { "content-type": "application/json", "accept": "application/json" };

function checkTarget(text: string, secret: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new TypeError("a hook wants a URL with http: or https:");
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("the URL of a hook must hold no password: requests are signed");
  }
  if (secret.length < MIN_HOOK_SECRET) {
    throw new TypeError(`the secret of a hook must have ${MIN_HOOK_SECRET} characters or more`);
  }
  return url;
}

async function readAnswer(
  response: Response,
  stage: HookStage,
  limit: number,
): Promise<Verdict | Wrong> {
  const { status } = response;
  const wanted = status === 200 || status === 204;
  const octets = wanted ? await readBounded(response, limit) : null;
  if (!wanted) {
    await response.body?.cancel();
    const what = status >= 300 && status < 400 ? ", a redirect: it is not followed" : "";
    return { wrong: `it answered with status ${status}${what}` };
  }
  if (octets === null) return { wrong: `its answer is longer than ${limit} octets` };
  if (status === 204) return { action: "accept" };
  const text = decodeStrict(octets);
  if (text === null) return { wrong: "its answer is not UTF-8" };
  const verdict = parseHookVerdict(stage, text);
  return "wrong" in verdict ? { wrong: `its answer: ${verdict.wrong}` } : verdict;
}

/** The body, or `null` where it is longer; that is counted as it comes, whatever was said of its length. */
async function readBounded(response: Response, limit: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    // To leave the loop cancels the rest.
    if (length > limit) return null;
    parts.push(part);
  }
  return concat(parts);
}

/** Words of a failed `fetch`; the reason often lies one deeper. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}

const UNAVAILABLE: Verdict = {
  action: "defer",
  reply: reply(451, "4.7.1", "a check is not available now: try again later"),
};
