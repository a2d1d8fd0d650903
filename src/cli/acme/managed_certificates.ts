/**
 * When the server orders certificates: one for each name, so that a name that cannot be proved keeps none of the others
 * from theirs. Until an authority has given one there is one signed by ourselves, so that mail flows.
 *
 * Authorities count. So an order is written down before it is begun, and what failed is tried again after a quarter of
 * an hour, half an hour, … a day; a start of the server or a reload, by which an operator may have mended what was wrong,
 * shortens that to the quarter of an hour since the last attempt, never to nothing.
 *
 * What fails is told, and kept for `yizhan status`; a certificate in force stays until its end.
 *
 * @module
 */

import type { AcmeStatus } from "../../admin/station_requests.ts";
import type { Files } from "../../runtime/files.ts";
import type { Clock, Random } from "../../runtime/runtime.ts";
import type { CertificatePaths } from "../certificate_files.ts";
import { describeError } from "../trouble.ts";
import type { Account, Authority, Challenge } from "./authority.ts";
import {
  certificatePath,
  CertificateStore,
  type FailedOrder,
  type KeptCertificate,
  reasonOf,
} from "./certificate_store.ts";
import { type RenewalTime, RenewalTimes } from "./renewal_times.ts";

/** What is managed. */
export interface ManagedOptions {
  readonly authority: Authority;
  /** The URL of the authority's directory, whose account is kept. */
  readonly directory: string;
  /** The key id of the external account that ours shall be bound to; absent: however it is bound. */
  readonly boundTo?: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  /** Where they lie; made with mode 0700. */
  readonly folder: string;
  /** In lower case, each once. */
  readonly names: readonly string[];
  /** Milliseconds before its end at which a certificate is renewed; a third of its life where that is less. */
  readonly renewBefore: number;
  /** Whether a renewed certificate has the key of the one before. */
  readonly reuseKey: boolean;
  /** A certificate is there that was not before. */
  readonly onRenewed: (name: string) => Promise<void>;
  /** What went wrong, and when it is tried again. */
  readonly onTrouble: (text: string) => void;
}

const AT_ONCE: RenewalTime = { due: 0, again: Infinity };
const MINUTE = 60 * 1000;
const HOUR = 60 * MINUTE;
/** Between two looks at what is due, at most. */
const INTERVAL = 12 * HOUR;
/** Between two attempts at a name: doubled from the first to the last. */
const FIRST_PAUSE = 15 * MINUTE;
const LONGEST_PAUSE = 24 * HOUR;
/** For one order: a program that changes DNS may take ten minutes twice. */
const ORDER_PATIENCE = 30 * MINUTE;
/** For the question when a certificate is to be renewed. */
const QUESTION_PATIENCE = 2 * MINUTE;

/** Where the certificates of some names lie, each in one file with its key. */
export function managedPaths(folder: string, names: readonly string[]): CertificatePaths[] {
  return names.map((name) => {
    const path = certificatePath(folder, name);
    return { certificate: path, key: path };
  });
}

/**
 * Whether names can be proved so on this runtime: the TLS of Deno shows no certificate with an extension that is
 * critical and that it does not know, as RFC 8737 §3 wants it.
 */
export function canProve(challenge: Challenge): boolean {
  return challenge !== "tls-alpn-01" || typeof Deno === "undefined";
}

/** When a certificate is renewed, epoch milliseconds; at once where it is signed by ourselves. */
export function renewalOf({ from, to, temporary }: KeptCertificate, renewBefore: number): number {
  return temporary ? 0 : to - Math.min(renewBefore, (to - from) / 3);
}

/** The pause after so many failures in a row. */
export function pauseAfter(times: number): number {
  return Math.min(FIRST_PAUSE * 2 ** (times - 1), LONGEST_PAUSE);
}

/** The certificates of a server. */
export class ManagedCertificates {
  readonly #options: ManagedOptions;
  readonly #store: CertificateStore;
  readonly #times: RenewalTimes;
  /** By file. */
  readonly #states = new Map<string, AcmeStatus>();
  #failures = new Map<string, FailedOrder>();
  /** Names that failed since we began: the others wait no longer than the first pause. */
  readonly #triedHere = new Set<string>();

  constructor(options: ManagedOptions) {
    this.#options = options;
    this.#store = new CertificateStore(options.files, options.folder);
    this.#times = new RenewalTimes(options);
  }

  /** How it stands with the certificate in a file; `undefined`: it is none of these. */
  stateOf(file: string): AcmeStatus | undefined {
    return this.#states.get(file);
  }

  /** Has something to show for every name. @throws where the folder cannot be written in. */
  async prepare(): Promise<void> {
    const { names, clock } = this.#options;
    await this.#store.open();
    for (const name of names) {
      const kept = await this.#store.certificate(name);
      if (kept === null) await this.#store.keepTemporary(name, clock.now());
      this.#note(name, kept !== null && !kept.temporary, clock.now());
    }
  }

  /**
   * Orders what is due, now and later, until the signal is aborted: an order under way then is still brought to its
   * end, unless `broken` is aborted too. Never rejects.
   */
  async run(signal: AbortSignal, broken: AbortSignal): Promise<void> {
    const { clock, random, onTrouble } = this.#options;
    if (signal.aborted) return;
    this.#failures = await this.#store.failures();
    while (!signal.aborted) {
      const next = await this.renew(signal, broken).catch((error) => {
        onTrouble(`certificates cannot be looked at: ${reasonOf(describeError(error))}`);
        return clock.now() + INTERVAL;
      });
      // The clock may have been set meanwhile; and not all servers of the world shall ask at once.
      const wait = Math.min(Math.max(next - clock.now(), 1000), INTERVAL);
      await clock.sleep(wait + random.float() * MINUTE, signal).catch(() => {});
    }
  }

  /** Orders what is due; gives when to look again. */
  async renew(signal: AbortSignal, broken: AbortSignal): Promise<number> {
    const { clock, names } = this.#options;
    let next = clock.now() + INTERVAL;
    for (const name of names) {
      if (signal.aborted) break;
      next = Math.min(next, await this.#look(name, signal, broken));
    }
    return next;
  }

  /** Orders the certificate of a name where it is due; gives when to look at it again. */
  async #look(name: string, signal: AbortSignal, broken: AbortSignal): Promise<number> {
    const { clock } = this.#options;
    const kept = await this.#store.certificate(name);
    const issued = kept !== null && !kept.temporary;
    const renewal = kept === null
      ? AT_ONCE
      : await this.#renewal(name, kept, AbortSignal.any([signal, broken]));
    // A question may take a while, and others may have taken over in it.
    if (signal.aborted) return clock.now() + INTERVAL;
    const due = Math.max(renewal.due, this.#pausedUntil(name));
    if (due > clock.now()) {
      this.#note(name, issued, due);
      return renewal.due > clock.now() ? Math.min(due, renewal.again) : due;
    }
    return await this.#try(name, kept, broken);
  }

  /** When a certificate is due: by our rule, or when the authority wants it. */
  #renewal(name: string, kept: KeptCertificate, over: AbortSignal): Promise<RenewalTime> {
    const signal = AbortSignal.any([over, AbortSignal.timeout(QUESTION_PATIENCE)]);
    return this.#times.of(name, kept, renewalOf(kept, this.#options.renewBefore), signal);
  }

  /** Until when a name is left alone. */
  #pausedUntil(name: string): number {
    const failure = this.#failures.get(name);
    if (failure === undefined) return 0;
    const pause = this.#triedHere.has(name) ? pauseAfter(failure.times) : FIRST_PAUSE;
    // The clock may have been set back: nobody waits for a time that was wrong.
    return Math.min(failure.last, this.#options.clock.now()) + pause;
  }

  async #try(
    name: string,
    kept: KeptCertificate | null,
    broken: AbortSignal,
  ): Promise<number> {
    const { clock, onRenewed, onTrouble } = this.#options;
    const times = (this.#failures.get(name)?.times ?? 0) + 1;
    const begun = clock.now();
    let renewal: number;
    try {
      // First of all: whoever cannot write it down orders nothing, which could not be kept either.
      await this.#fail(name, {
        times,
        last: begun,
        reason: "the server ended in the middle of it",
      });
      renewal = await this.#order(name, kept, times > 1, broken);
    } catch (error) {
      if (broken.aborted) return clock.now() + INTERVAL; // what was written down says so
      const reason = reasonOf(describeError(error));
      await this.#fail(name, { times, last: clock.now(), reason }).catch(() => {});
      const pause = pauseAfter(times);
      this.#note(name, kept !== null && !kept.temporary, clock.now() + pause);
      onTrouble(`no certificate for ${name}: ${reason}; tried again in ${spell(pause)}`);
      return clock.now() + pause;
    }
    this.#failures.delete(name);
    await this.#keepFailures().catch((error) => onTrouble(reasonOf(describeError(error))));
    this.#note(name, true, renewal);
    await onRenewed(name).catch((error) => onTrouble(reasonOf(describeError(error))));
    return renewal;
  }

  /** Gets a certificate and keeps it; gives when it is to be renewed. */
  async #order(
    name: string,
    kept: KeptCertificate | null,
    again: boolean,
    broken: AbortSignal,
  ): Promise<number> {
    const { authority, clock, renewBefore, reuseKey } = this.#options;
    const signal = AbortSignal.any([broken, AbortSignal.timeout(ORDER_PATIENCE)]);
    const account = await this.#account(again, signal);
    const key = reuseKey ? kept?.key ?? null : null;
    const given = await this.#store.keep(name, await authority.order(account, name, key, signal));
    const renewal = renewalOf(given, renewBefore);
    if (renewal > clock.now()) return renewal;
    throw new Error("the new certificate is to be renewed already; is this machine's clock right?");
  }

  /** The account with this authority: the one we have, or a new one. */
  async #account(again: boolean, signal: AbortSignal): Promise<Account> {
    const { directory, authority, boundTo } = this.#options;
    const kept = await this.#store.account(directory, boundTo);
    // Something failed: it may be that the authority has forgotten us, and is told of the same key again.
    if (kept !== null && !again) return kept;
    // Found again without its binding it is bound as before.
    const account = { ...kept, ...await authority.openAccount(kept?.key ?? null, signal) };
    await this.#store.keepAccount(account);
    return account;
  }

  async #fail(name: string, failure: FailedOrder): Promise<void> {
    this.#failures.set(name, failure);
    this.#triedHere.add(name);
    await this.#keepFailures();
  }

  /** Of names that are wanted no more nothing is remembered. */
  async #keepFailures(): Promise<void> {
    const { names } = this.#options;
    await this.#store.keepFailures(
      new Map([...this.#failures].filter(([name]) => names.includes(name))),
    );
  }

  #note(name: string, issued: boolean, next: number): void {
    const trouble = this.#failures.get(name)?.reason;
    const file = certificatePath(this.#options.folder, name);
    this.#states.set(file, { issued, next, ...(trouble !== undefined && { trouble }) });
  }
}

function spell(milliseconds: number): string {
  return milliseconds < HOUR
    ? `${Math.round(milliseconds / MINUTE)} min`
    : `${Math.round(milliseconds / HOUR)} h`;
}
