/**
 * Lists in DNS of clients and domains to refuse or to welcome (RFC 5782), with weights: what all of them say is added
 * up, and the sum decides. Lists of addresses are asked when a client connects, those of names when it says EHLO, those
 * of domains at MAIL; nobody waits for them until RCPT, where the sum is judged. So the postmaster can still be written
 * to, and the log says whose mail was refused (`postmaster.ts`).
 *
 * It is for strangers: not for whoever has logged in, may relay, or comes by LMTP or to a catcher. On listeners for
 * submission nothing is asked before RCPT, which there hardly any stranger reaches.
 *
 * What fails: a list that does not answer in time counts nothing, one that is broken or dead is not asked for a while
 * (`dns_list.ts`), which is told as `policy.failed`; mail goes on.
 *
 * @module
 */

import { type Address, isAddressLiteral, parseDomain, toAsciiDomain } from "../../address.ts";
import { isPrintable } from "../../bytes.ts";
import type { MtaFact } from "../../events.ts";
import { canonicalIp, type Network } from "../../net_address.ts";
import { reply } from "../../smtp/reply.ts";
import { type Soon, whenKnown } from "../../soon.ts";
import { DEFAULT_EXEMPT, isStranger } from "../abuse/stranger.ts";
import type { Policy, SessionView, Verdict } from "../policy.ts";
import { DnsList, type DnsListing, type DnsListKind, type DnsListOptions } from "./dns_list.ts";
import { DEFAULT_DNS_TIMEOUT } from "./dns_time.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import { hearsComplaints } from "./postmaster.ts";
import { SessionMemory } from "../session_memory.ts";

/** What is asked, and what comes of it. */
export interface DnsListsOptions {
  /** All are asked at the same time. */
  readonly lists: readonly DnsListOptions[];
  /** The score from which mail is refused: 554. Default {@link DEFAULT_REJECT_SCORE}; `null`: never. */
  readonly reject?: number | null;
  /** The score from which it is put off: 451. Default `null`: never. */
  readonly defer?: number | null;
  /** Whether who is refused is told what the list says of the entry (its TXT record). Default `true`. */
  readonly explain?: boolean;
  /** Milliseconds in which lists answer, or count nothing. Default {@link DEFAULT_DNS_TIMEOUT}. */
  readonly timeout?: number;
  /** Networks nobody is asked about. Default loopback. */
  readonly exempt?: readonly Network[];
}

/** What it asks with. */
export interface DnsListsServices {
  /** Answers for DNS. */
  readonly resolver: Pick<Resolver, "a" | "txt">;
  /** Tells the time. */
  readonly clock: Clock;
  /** Is told of events. */
  readonly emit: (fact: MtaFact) => void;
}

/** The policy, and what others can learn from it. */
export interface DnsListsPolicy extends Policy {
  /**
   * What the lists make of a client, for other policies: below 0 it is more welcome than not, so that greylisting may
   * let it pass. 0 for those who are no strangers. It may wait for DNS.
   */
  score(session: SessionView): Soon<number>;
}

/** One entry on one list is enough. */
export const DEFAULT_REJECT_SCORE = 1;
/** Of what a list says of an entry, in characters. */
const MAX_TEXT = 200;

/**
 * Names of one session that are looked up before anybody needs to know: a client that says EHLO or MAIL again and again
 * would make us ask for a new one each time. Others are looked up at RCPT.
 */
const MAX_EARLY = 5;

/** What a list of a kind is asked about; `found` is `null` while nobody has asked. */
interface Search {
  readonly subject: string;
  found: Soon<DnsListing[]> | null;
}

/** What is known of a session. */
interface Findings {
  readonly over: AbortController;
  readonly searches: Map<DnsListKind, Search>;
  /** How many were begun before RCPT. */
  early: number;
}

/**
 * The policy.
 *
 * @throws {TypeError} for an answer pattern that is none.
 * @example
 * ```ts
 * import { dnsLists } from "./dns_lists.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver, clock } = memoryRuntime();
 * resolver.set("2.0.0.127.bl.example", { a: ["127.0.0.2"] });
 * resolver.set("7.2.0.192.bl.example", { a: ["127.0.0.2"], txt: ["sends spam"] });
 * const policy = dnsLists({ lists: [{ zone: "bl.example" }] }, { resolver, clock, emit() {} });
 * const session = {
 *   id: "1",
 *   role: "mx",
 *   client: "192.0.2.7",
 *   hello: null,
 *   tls: null,
 *   identity: null,
 *   trusted: false,
 * };
 * policy.connect?.(session);
 * assertEquals(await policy.score(session), 1);
 * ```
 */
export function dnsLists(options: DnsListsOptions, services: DnsListsServices): DnsListsPolicy {
  const { exempt = DEFAULT_EXEMPT, timeout = DEFAULT_DNS_TIMEOUT, explain = true } = options;
  const { reject = DEFAULT_REJECT_SCORE, defer = null } = options;
  const lists = options.lists.map((list) => new DnsList(list, timeout, services));
  const sessions = new SessionMemory<Findings>();
  const concerns = (session: SessionView) => lists.length > 0 && isStranger(session, exempt);

  function findingsOf(session: SessionView): Findings {
    const known = sessions.get(session);
    if (known !== undefined) return known;
    const fresh = { over: new AbortController(), searches: new Map(), early: 0 };
    sessions.set(session, fresh);
    return fresh;
  }

  /** The client is now this, as lists of a kind see it; `null`: nothing that could be listed. */
  function meet(session: SessionView, kind: DnsListKind, subject: string | null): void {
    const mine = findingsOf(session);
    if (subject === null) return void mine.searches.delete(kind);
    if (mine.searches.get(kind)?.subject === subject) return;
    if (!lists.some((list) => list.kind === kind)) return;
    mine.searches.set(kind, { subject, found: null });
    if (mine.early++ < MAX_EARLY) answersTo(session, kind);
  }

  /** What the lists of a kind say, which are asked all at once, and once. */
  function answersTo(session: SessionView, kind: DnsListKind): Soon<DnsListing[]> {
    const { over, searches } = findingsOf(session);
    const search = searches.get(kind)!;
    if (search.found !== null) return search.found;
    const onTrouble = (error: string) => {
      const facts = { session: session.id, policy: NAME, stage: "recipient", error };
      services.emit({ type: "policy.failed", ...facts });
    };
    const ofKind = lists.filter((list) => list.kind === kind);
    const work = (signal: AbortSignal) =>
      Promise.all(ofKind.map((list) => list.ask(search.subject, signal, onTrouble)));
    return search.found = withinTime(services.clock, timeout, work, over.signal)
      .then((all) => search.found = all.filter((one) => one !== null));
  }

  function findings(session: SessionView): Soon<DnsListing[]> {
    meet(session, "address", canonicalIp(session.client));
    const all = [...findingsOf(session).searches.keys()].map((kind) => answersTo(session, kind));
    if (!all.some((found) => found instanceof Promise)) return (all as DnsListing[][]).flat();
    return Promise.all(all).then((known) => known.flat());
  }

  async function verdict(session: SessionView, found: readonly DnsListing[]): Promise<Verdict> {
    const worst = found.reduce((a, b) => b.weight > a.weight ? b : a);
    if (reject !== null && total(found) >= reject) {
      const why = explain ? await textOf(worst, findingsOf(session).over.signal) : "";
      return { action: "reject", reply: reply(554, "5.7.1", `${describe(worst)}${why}`) };
    }
    return { action: "defer", reply: reply(451, "4.7.1", `${describe(worst)}: try again later`) };
  }

  /** What the list says of an entry, made safe: it is a stranger's text. */
  async function textOf({ query }: DnsListing, over: AbortSignal): Promise<string> {
    const work = (signal: AbortSignal) => services.resolver.txt(query, signal);
    const answer = await withinTime(services.clock, timeout, work, over);
    const [text = ""] = answer.status === "found" ? answer.records : [];
    return text === "" || !isPrintable(text) ? "" : `: ${text.slice(0, MAX_TEXT)}`;
  }

  return {
    name: NAME,
    connect(session) {
      if (session.role === "mx" && concerns(session)) {
        meet(session, "address", canonicalIp(session.client));
      }
    },
    hello(session) {
      if (session.role === "mx" && concerns(session)) {
        meet(session, "hello", listable(session.hello));
      }
    },
    sender(session, sender) {
      if (concerns(session)) meet(session, "sender-domain", listable(sender?.domain ?? null));
    },
    recipient(session, recipient: Address) {
      if (!concerns(session) || hearsComplaints(recipient)) return;
      return whenKnown(findings(session), (found) => {
        const score = total(found);
        const enough = Math.min(reject ?? Infinity, defer ?? Infinity);
        return found.length === 0 || score < enough ? undefined : verdict(session, found);
      });
    },
    score(session) {
      return concerns(session) ? whenKnown(findings(session), total) : 0;
    },
    close(session) {
      sessions.drop(session)?.over.abort(null);
    },
  };
}

const NAME = "dns-lists";

function total(found: readonly DnsListing[]): number {
  return found.reduce((sum, { weight }) => sum + weight, 0);
}

/** A name that a list may have an entry for, as DNS has it: no address literal, no word without a dot. */
function listable(name: string | null): string | null {
  if (name === null || isAddressLiteral(name)) return null;
  const domain = parseDomain(name, { smtputf8: true });
  return domain === null || !domain.includes(".") ? null : toAsciiDomain(domain);
}

function describe({ list, subject }: DnsListing): string {
  return `${subject} is listed by ${list}`;
}
