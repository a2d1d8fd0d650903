/**
 * The checks of one message of a stranger: SPF, DKIM, ARC and DMARC. SPF is asked when the first recipient is accepted,
 * keys and the author's policy when the head is there, the body is hashed as it streams; at the end little is left.
 *
 * What follows from it is `authentication.ts`. Nothing here rejects: what DNS does not answer in time is `temperror`.
 *
 * @module
 */

import { type Address, formatAddress, isAddressLiteral, toAsciiDomain } from "../../address.ts";
import { type ArcResult, ArcVerifier } from "../../mailauth/arc/verify.ts";
import { BodyHashes } from "../../mailauth/dkim/body_hashes.ts";
import { type DkimResult, DkimVerifier } from "../../mailauth/dkim/verify.ts";
import { type Authors, authorsOf } from "../../mailauth/dmarc/author.ts";
import { type DmarcResult, evaluateDmarc } from "../../mailauth/dmarc/evaluate.ts";
import type { ObservedSpf } from "../../mailauth/dmarc/observation.ts";
import { PolicyRecords } from "../../mailauth/dmarc/tree.ts";
import { checkHost, mailFromQuery } from "../../mailauth/spf/check_host.ts";
import type { RawField } from "../../message/header.ts";
import type { DnsShare } from "../dns/dns_share.ts";
import { DEFAULT_DNS_TIMEOUT } from "../dns/dns_time.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import type { BodyObserver, SessionView } from "../policy.ts";

/** What the checks ask with. */
export interface CheckServices {
  /** Answers for DNS, of SPF and of keys. */
  readonly resolver: DnsShare;
  /** The same, of policies: they must not wait for the others. */
  readonly policies: DnsShare;
  /** Tells the time. */
  readonly clock: Clock;
}

/** What SPF found, and the address it was about. */
export interface SpfFinding extends ObservedSpf {
  /** Of MAIL; the name of HELO where the scope is `helo`. */
  readonly identity: string;
  /** What the domain has to say to a fail, one line of printable ASCII; a stranger's words. */
  readonly explanation?: string;
  /** The term of its record that decided. */
  readonly mechanism?: string;
}

/** All that was found. */
export interface Findings {
  readonly spf: SpfFinding;
  /** One for each signature that was looked at, from the top. */
  readonly dkim: readonly DkimResult[];
  readonly arc: ArcResult;
  readonly authors: Authors;
  /** One for each domain of an author. */
  readonly dmarc: readonly DmarcResult[];
}

const NO_HEAD: Authors = { status: "nobody", reason: "there is no head" };
const NO_CHAIN: ArcResult = { result: "none", sets: [] };

/** The checks of the message that a session is about to send. */
export class MessageChecks {
  /** What SPF says; it was asked when this was made. */
  readonly spf: Promise<SpfFinding>;
  readonly #services: CheckServices;
  readonly #timeout: number;
  /** Nobody waits any more. */
  readonly #stop = new AbortController();
  /** Ends SPF, DKIM and ARC: their questions go to servers that the message names, so a forger's can be slow at will. */
  readonly #late = new AbortController();
  readonly #records: PolicyRecords;
  #authors: Authors = NO_HEAD;
  #dkim: DkimVerifier | null = null;
  #arc: ArcVerifier | null = null;

  /**
   * Begins with SPF.
   *
   * @param timeout milliseconds that SPF may take, and that may pass between the end of the body and the results of
   * SPF, DKIM and ARC. DMARC has time of its own: else who draws out the others would not be held to it.
   */
  constructor(
    session: SessionView,
    sender: Address | null,
    receiver: string,
    services: CheckServices,
    timeout: number,
  ) {
    this.#services = services;
    this.#timeout = timeout;
    this.#records = new PolicyRecords(services.policies, this.#stop.signal);
    this.spf = this.#askSpf(session, sender, receiver);
    // Where the message never comes nobody waits for it, and a fault in it must not end the process.
    this.spf.catch(() => {});
  }

  /** The head is there: gives what wants to see the body, or nothing where nobody has signed it. */
  begin(fields: readonly RawField[]): BodyObserver | undefined {
    const { resolver, clock } = this.#services;
    const hashes = new BodyHashes();
    const options = { resolver, clock, now: clock.now(), signal: this.#late.signal };
    this.#authors = authorsOf(fields);
    // The answer is there when it is wanted. More authors than one are rare, and a way to make us ask much at once.
    const [author] = this.#domains();
    if (author !== undefined) void this.#records.at(author);
    this.#dkim = new DkimVerifier(fields, hashes, options);
    this.#arc = new ArcVerifier(fields, hashes, options);
    if (!this.#dkim.signed && !this.#arc.sealed) return undefined;
    return { write: (chunk) => hashes.write(chunk), end: () => void hashes.end() };
  }

  /** What was found, when the body has ended. */
  async finish(): Promise<Findings> {
    const [spf, dkim, arc] = await this.#inTime(
      this.#timeout,
      this.#late,
      () => Promise.all([this.spf, this.#dkim?.finish() ?? [], this.#arc?.finish() ?? NO_CHAIN]),
    );
    const dmarc = await this.#inTime(
      DEFAULT_DNS_TIMEOUT,
      this.#stop,
      () => this.#askDmarc(spf, dkim),
    );
    return { spf, dkim, arc, authors: this.#authors, dmarc };
  }

  /** Nobody waits any more; also said when all is found. */
  end(): void {
    this.#stop.abort(null);
    this.#late.abort(null);
  }

  /** Does some work that ends early when `stop` is aborted, which is done when it is late. */
  #inTime<T>(timeout: number, stop: AbortController, work: () => Promise<T>): Promise<T> {
    return withinTime(this.#services.clock, timeout, (signal) => {
      signal.addEventListener("abort", () => stop.abort(null), { once: true });
      return work();
    }, this.#stop.signal);
  }

  #askDmarc(spf: SpfFinding, found: readonly DkimResult[]): Promise<DmarcResult[]> {
    const services = {
      resolver: this.#services.policies,
      signal: this.#stop.signal,
      records: this.#records,
    };
    const dkim = found.flatMap(({ domain, result }) => domain === null ? [] : [{ domain, result }]);
    return Promise.all(
      this.#domains().map((from) => evaluateDmarc({ from, spf, dkim }, services)),
    );
  }

  #domains(): readonly string[] {
    return this.#authors.status === "named" ? this.#authors.domains : [];
  }

  async #askSpf(
    { client, hello }: SessionView,
    sender: Address | null,
    receiver: string,
  ): Promise<SpfFinding> {
    const { resolver, clock } = this.#services;
    const scope = sender === null ? "helo" : "mfrom";
    const written = sender?.domain ?? hello ?? "";
    const domain = isAddressLiteral(written) ? null : toAsciiDomain(written);
    const identity = sender === null ? written : formatAddress(sender);
    if (domain === null || domain === "") {
      return { domain: written, scope, identity, result: "none", reason: "there is no domain" };
    }
    const query = mailFromQuery(
      { ip: client, hello, receiver },
      sender === null ? null : { ...sender, domain },
    );
    const answer = await checkHost(query, {
      ...{ resolver, clock },
      signal: this.#late.signal,
      limits: { time: this.#timeout },
    });
    return { domain, scope, identity, ...answer };
  }
}
