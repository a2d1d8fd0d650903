/**
 * SPF (RFC 7208): whether a domain lets a host send in its name.
 *
 * | result | what it means |
 * | --- | --- |
 * | `none` | the domain has no record, or there is no such domain |
 * | `pass`, `fail`, `softfail`, `neutral` | what the record says of the host |
 * | `permerror` | the record cannot be read, or asks too much |
 * | `temperror` | DNS gave no answer, or not in time |
 *
 * What becomes of the mail is for others. Nothing throws: records are strangers', and DNS may be ill.
 *
 * @module
 */

import { type Address, toAsciiDomain } from "../../address.ts";
import { isAscii } from "../../bytes.ts";
import { canonicalIp, parseIp } from "../../net_address.ts";
import { withinTime } from "../../runtime/within_time.ts";
import { isDnsName } from "../../runtime/dns_name.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { AuthResult } from "../result.ts";
import { type SpfClient, type SpfDecision, SpfEvaluation } from "./evaluation.ts";
import { expandName, expandText, parseExplanation } from "./macro_string.ts";
import {
  dnsText,
  SPF_LIMITS,
  type SpfLimits,
  SpfQuestions,
  type SpfResolver,
  SpfStop,
} from "./questions.ts";

/** Who sends, and in whose name. */
export interface SpfQuery {
  /** The client's IP address. IPv4 also where it is written `::ffff:` (RFC 7208 §5). */
  readonly ip: string;
  /** The domain whose record is asked for: of MAIL FROM, or the name in HELO or EHLO. */
  readonly domain: string;
  /** An address, the local part unquoted. Without a local part it is the postmaster's (RFC 7208 §4.3). */
  readonly sender: string;
  /** What the client said in HELO or EHLO. */
  readonly hello: string;
  /** Our own name, for explanations that have it. */
  readonly receiver?: string;
}

/** What it asks with. */
export interface SpfServices {
  /** Answers for DNS. */
  readonly resolver: SpfResolver;
  /** Milliseconds since the Unix epoch, for explanations that have it. Default: the clock's. */
  readonly now?: number;
  /** Makes an end of it: `temperror`. */
  readonly signal?: AbortSignal;
  /** Holds it to its time. Without one, whoever asks does so by the signal. */
  readonly clock?: Clock;
  /** Other limits than {@link SPF_LIMITS}. */
  readonly limits?: Partial<SpfLimits>;
}

/** What SPF says. */
export interface SpfAnswer {
  /** All but `policy`. */
  readonly result: AuthResult;
  /** Of `fail`: what the domain has to say to it, in printable ASCII. A stranger's words. */
  readonly explanation?: string;
  /** The directive that decided, as it stands in its record. */
  readonly mechanism?: string;
  /** Of `none`, `temperror` and `permerror`: why, for people. */
  readonly reason?: string;
  /** A term that was looked at by the sender's local part or the name in HELO: others may get another result. */
  readonly senderTerm?: string;
}

/** Of a session, what SPF goes by. */
export interface SpfSession {
  /** The client's IP address. */
  readonly ip: string;
  /** What it said in HELO or EHLO; `null` where it said nothing. */
  readonly hello: string | null;
  /** Our own name. */
  readonly receiver?: string;
}

/** Longest explanation that is passed on: a few lines of a reply. */
const MAX_EXPLANATION = 500;

/**
 * The question by the name in HELO or EHLO (RFC 7208 §2.3).
 *
 * @example
 * ```ts
 * import { helloQuery } from "./check_host.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { domain, sender } = helloQuery({ ip: "192.0.2.1", hello: "mx.example.org" });
 * assertEquals([domain, sender], ["mx.example.org", "postmaster@mx.example.org"]);
 * ```
 */
export function helloQuery({ ip, hello, receiver }: SpfSession): SpfQuery {
  const name = hello ?? "";
  return { ip, domain: name, sender: `postmaster@${name}`, hello: name, receiver };
}

/** The question by the address in MAIL FROM, which for the null reverse-path is that of HELO (RFC 7208 §2.4). */
export function mailFromQuery(session: SpfSession, sender: Address | null): SpfQuery {
  if (sender === null || sender.domain === "") return helloQuery(session);
  const { ip, hello, receiver } = session;
  const { local, domain } = sender;
  return { ip, domain, sender: `${local}@${domain}`, hello: hello ?? "", receiver };
}

/**
 * Asks what SPF says (RFC 7208 §4). Never rejects.
 *
 * @example
 * ```ts
 * import { checkHost, mailFromQuery } from "./check_host.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver } = memoryRuntime();
 * resolver.set("example.org", { txt: ["v=spf1 ip4:192.0.2.0/24 -all"] });
 * const from = (ip: string) =>
 *   mailFromQuery({ ip, hello: "mx.example.org" }, { local: "alice", domain: "example.org" });
 * assertEquals(await checkHost(from("192.0.2.1"), { resolver }), {
 *   result: "pass",
 *   mechanism: "ip4:192.0.2.0/24",
 * });
 * assertEquals((await checkHost(from("198.51.100.1"), { resolver })).result, "fail");
 * ```
 */
export async function checkHost(query: SpfQuery, services: SpfServices): Promise<SpfAnswer> {
  const ip = canonicalIp(query.ip);
  if (parseIp(ip) === null) return { result: "none", reason: "the client has no IP address" };
  const domain = parseSpfDomain(query.domain);
  if (domain === null) {
    return { result: "none", reason: "what it is asked of is no full name of a domain" };
  }
  const { clock, signal, now = clock?.now() ?? 0 } = services;
  const client = clientOf(query, ip, domain, now);
  const limits = { ...SPF_LIMITS, ...services.limits };
  const check = (signal?: AbortSignal) =>
    evaluate(client, domain, new SpfQuestions(services.resolver, limits, signal, clock));
  return clock === undefined
    ? await check(signal)
    : await withinTime(clock, limits.time, check, signal);
}

/** A domain as it is asked for, in A-labels; `null` where it is malformed or a single label (RFC 7208 §4.3). */
function parseSpfDomain(text: string): string | null {
  const domain = toAsciiDomain(text)?.replace(/\.$/, "") ?? "";
  return /^(?!\[)[!-[\]-~]+$/.test(domain) && domain.includes(".") && isDnsName(domain)
    ? domain
    : null;
}

function clientOf(query: SpfQuery, ip: string, domain: string, now: number): SpfClient {
  const { sender, hello, receiver = null } = query;
  const at = sender.lastIndexOf("@");
  const written = sender.slice(at + 1);
  return {
    ...{ ip, receiver, now },
    local: at > 0 ? sender.slice(0, at) : "postmaster",
    domain: written === "" ? domain : toAsciiDomain(written) ?? written,
    hello: isAscii(hello) ? hello : toAsciiDomain(hello) ?? hello,
  };
}

async function evaluate(
  client: SpfClient,
  domain: string,
  questions: SpfQuestions,
): Promise<SpfAnswer> {
  const evaluation = new SpfEvaluation(client, questions);
  try {
    const decision = await evaluation.decide(domain);
    if (decision === null) return { result: "none", reason: `${domain} has no SPF record` };
    const { result, directive } = decision;
    const explanation = result === "fail" ? await explain(evaluation, decision, questions) : null;
    return {
      result,
      ...(explanation !== null && { explanation }),
      ...(directive !== null && { mechanism: directive.text }),
      ...(evaluation.senderTerm !== null && { senderTerm: evaluation.senderTerm }),
    };
  } catch (error) {
    if (!(error instanceof SpfStop)) throw error;
    return { result: error.result, reason: error.message };
  }
}

/** What a domain says to those it refuses (RFC 7208 §6.2). Whatever is wrong with it, there is none. */
async function explain(
  evaluation: SpfEvaluation,
  { record, domain }: SpfDecision,
  questions: SpfQuestions,
): Promise<string | null> {
  if (record.explanation === null) return null;
  const spec = record.explanation.domain;
  const name = expandName(spec, await evaluation.values(spec, domain));
  if (name === null) return null;
  const answer = await questions.askTexts(dnsText(name));
  if (answer.status !== "found" || answer.records.length !== 1) return null;
  const text = parseExplanation(answer.records[0]!);
  if (text === null) return null;
  return expandText(text, await evaluation.values(text, domain), MAX_EXPLANATION);
}
