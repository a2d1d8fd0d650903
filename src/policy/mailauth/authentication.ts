/**
 * Who sent this: the policy that checks mail of strangers by SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617) and DMARC
 * (RFC 9989), says what it found in Authentication-Results (RFC 8601), and does about it what the operator wants: takes
 * the message, takes it into Junk, or refuses it.
 *
 * | when | what |
 * | --- | --- |
 * | first RCPT that is accepted | SPF is asked, and not waited for; but where a `fail` is to be refused, here it is |
 * | the head is there | keys of signatures and seals are asked for |
 * | the body comes | it is hashed, in one pass for all |
 * | the message is whole | DMARC; the field; the action |
 *
 * No question is asked for mail that nobody here would get. Users and networks of ours, LMTP and programs on this
 * machine are not checked (`stranger.ts`); but fields that bear our name and are not ours are taken out of their mail
 * too, so that whoever reads mail here may believe those that are left. Only LMTP, which is spoken behind a server that
 * took the mail in, and servers that the operator names may bring such fields.
 *
 * What fails: DNS that does not answer is `temperror` after the time-out, which refuses nothing for good.
 *
 * @module
 */

import type { MtaFact } from "../../events.ts";
import { trustedArcPass } from "../../mailauth/arc/trust.ts";
import type { DmarcObserver } from "../../mailauth/dmarc/observation.ts";
import { formatAuthenticationResults } from "../../message/authentication_results.ts";
import { forgedOccurrences } from "../../message/forged_results.ts";
import { type Network, networkContains } from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { DEFAULT_EXEMPT, isStranger } from "../abuse/stranger.ts";
import { type DnsShare, shareOf } from "../dns/dns_share.ts";
import { hearsComplaints } from "../dns/postmaster.ts";
import type { Change, MessageView, Policy, SessionView, Verdict } from "../policy.ts";
import { SessionMemory } from "../session_memory.ts";
import { type Findings, MessageChecks } from "./authentication_checks.ts";
import { authenticatedFact, methodResults, observationsOf } from "./authentication_report.ts";
import {
  type AuthenticationAction,
  AuthenticationRuleBook,
  type AuthenticationRules,
} from "./authentication_rules.ts";
import { decide, type Decision, type Known, refuseBySpf } from "./authentication_verdict.ts";

/** What is not as usual. */
export interface AuthenticationOptions {
  /** The name that our results bear (RFC 8601 §2.5): the host's. */
  readonly authservId: string;
  /** Other names of ours, under which no field may come in. */
  readonly otherIds?: readonly string[];
  /** Whether mail is checked. `false`: only forged fields are taken out. Default `true`. */
  readonly enabled?: boolean;
  /** What is done; see {@link AuthenticationRules} for what is usual. */
  readonly rules?: Partial<AuthenticationRules>;
  /** What differs for some domains, by the key of a domain pattern, or `*`. */
  readonly domains?: ReadonlyMap<string, Partial<AuthenticationRules>>;
  /** What becomes of mail with several From fields, or too many authors to check. Default `reject`. */
  readonly malformedFrom?: AuthenticationAction;
  /**
   * Domains of forwarders whose word by ARC counts against a failure of DMARC, by the keys of their patterns. Default
   * none.
   */
  readonly sealers?: ReadonlySet<string>;
  /**
   * Milliseconds that SPF may take, and SPF, DKIM and ARC together after the end of a message; DMARC has a few seconds
   * of its own. Default 20,000 (RFC 7208 §4.6.4).
   */
  readonly timeout?: number;
  /** Networks whose mail is not checked. Default loopback. */
  readonly exempt?: readonly Network[];
  /** Networks of servers whose fields under our name are true: those in front of this one, or filters. Default none. */
  readonly borders?: readonly Network[];
}

/** What it works with. */
export interface AuthenticationServices {
  /** Answers for DNS. */
  readonly resolver: DnsShare;
  /** Tells the time. */
  readonly clock: Clock;
  /** Is told what was found of each message. */
  readonly emit: (fact: MtaFact) => void;
  /** Is told what is to be reported to the domains of authors. */
  readonly observe?: DmarcObserver;
}

const RESULTS = "Authentication-Results";
const DEFAULT_TIMEOUT = 20_000;
/** Questions at once, of 256 that our resolvers ask: the rest is for mail on its way out. */
const PLACES = 128;
/** The same, of DMARC. */
const PLACES_FOR_POLICIES = 64;
const NOBODY: ReadonlySet<string> = new Set();

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { authentication } from "./authentication.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { resolver, clock } = memoryRuntime();
 * // For `policies` of createMta().
 * const policy = authentication(
 *   { authservId: "mx.example.org", rules: { dmarcReject: "junk" } },
 *   { resolver, clock, emit: (fact) => console.log(fact) },
 * );
 * assertEquals(policy.name, "authentication");
 * ```
 */
export function authentication(
  options: AuthenticationOptions,
  services: AuthenticationServices,
): Policy {
  const { authservId, otherIds = [], exempt = DEFAULT_EXEMPT, sealers = NOBODY } = options;
  const { borders = [] } = options;
  const { timeout = DEFAULT_TIMEOUT, malformedFrom = "reject" } = options;
  const book = new AuthenticationRuleBook(options.rules, options.domains);
  const ownIds = [authservId, ...otherIds];
  const { resolver, clock } = services;
  const asking = {
    resolver: shareOf(resolver, PLACES),
    policies: shareOf(resolver, PLACES_FOR_POLICIES),
    clock,
  };
  const checks = new SessionMemory<MessageChecks>((forgotten) => forgotten.end());
  const clean = (view: MessageView) => forgeries(view, ownIds, borders);

  async function check(view: MessageView, running: MessageChecks): Promise<Verdict> {
    const found = await running.finish().finally(() => running.end());
    const known: Known = { ...found, vouched: vouchedBy(found, sealers) };
    const decision = heard(view, decide(known, { book, malformedFrom }));
    services.emit(authenticatedFact(view, known, decision));
    if (services.observe !== undefined) {
      observationsOf(view, known, decision, clock.now()).forEach(services.observe);
    }
    if (decision.action === "reject" || decision.action === "defer") return decision;
    const value = formatAuthenticationResults(authservId, methodResults(known));
    return {
      action: "annotate",
      changes: [
        ...clean(view),
        { change: "add-field", name: RESULTS, value },
        ...junkChange(decision),
      ],
    };
  }

  const stripping: Policy = {
    name: "authentication",
    message(view) {
      const changes = clean(view);
      return changes.length === 0 ? undefined : { action: "annotate", changes };
    },
  };
  if (options.enabled === false) return stripping;

  return {
    name: "authentication",
    // A little more than the checks have, which end by themselves.
    timeout: timeout + 10_000,
    sender(session) {
      checks.drop(session)?.end();
    },
    recipient(session, recipient, { sender }) {
      if (!isStranger(session, exempt)) return;
      let running = checks.get(session);
      if (running === undefined) {
        running = new MessageChecks(session, sender, authservId, asking, timeout);
        checks.set(session, running);
      }
      const domain = sender?.domain ?? session.hello ?? "";
      if (book.of(domain).spfFail !== "reject" || hearsComplaints(recipient)) return;
      return running.spf.then((spf) => verdictOf(refuseBySpf(spf, session.client, book)));
    },
    watches: (session) => checks.get(session) !== undefined,
    body: (session, fields) => checks.get(session)?.begin(fields),
    message(view) {
      const running = checks.drop(view.session);
      return running === undefined ? stripping.message!(view) : check(view, running);
    },
    close(session) {
      checks.drop(session)?.end();
    },
  };
}

/** Who is refused by mistake must still reach somebody who can mend it. */
function heard({ envelope: { recipients } }: MessageView, decision: Decision): Decision {
  if (decision.action !== "reject") return decision;
  if (!recipients.every(({ address }) => hearsComplaints(address))) return decision;
  return { action: "junk", reason: decision.reply.lines[0] ?? "" };
}

function verdictOf(decision: Decision | null): Verdict | undefined {
  return decision?.action === "reject" || decision?.action === "defer" ? decision : undefined;
}

function junkChange(decision: Decision): Change[] {
  return decision.action === "junk" ? [{ change: "junk", reason: decision.reason }] : [];
}

/**
 * Fields under our name that came from nobody whom we believe (RFC 8601 §5): not from clients that may relay, nor from
 * this machine, which are mostly programs, and some of them write what others told them.
 */
function forgeries(
  view: MessageView,
  ownIds: readonly string[],
  borders: readonly Network[],
): Change[] {
  // The fields are taken apart only where there is such a one.
  if (!view.hasResults || isBelieved(view.session, borders)) return [];
  return forgedOccurrences(view.fields, ownIds).map((occurrence) => ({
    ...{ change: "replace-field", name: RESULTS, occurrence, value: null },
  }));
}

/** Whether the client is a server of ours by its role or its address. A catcher keeps mail as it came. */
function isBelieved(
  { role, client, identity }: SessionView,
  borders: readonly Network[],
): boolean {
  if (role === "lmtp" || role === "catcher") return true;
  return identity === null && borders.some((network) => networkContains(network, client));
}

/** By author's domain, the trusted station that saw DMARC pass for it. */
function vouchedBy({ arc, dmarc }: Findings, sealers: ReadonlySet<string>): Map<string, string> {
  const vouched = new Map<string, string>();
  for (const { domain, result } of dmarc) {
    const station = result === "fail" ? trustedArcPass(arc, sealers, domain) : null;
    if (station !== null) vouched.set(domain, station.domain);
  }
  return vouched;
}
