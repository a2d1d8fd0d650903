/**
 * When certificates are to be renewed: by our own rule, until the authority wants it otherwise (RFC 9773), which may
 * have to revoke one, or spread its load. It is asked a few times a day, first some time after the start, so that a
 * server which is started again and again does not ask again and again; and it moves the time only within bounds, so
 * that what it says wrongly costs an order a day at most, and lets no certificate run out.
 *
 * What fails: nothing. An authority that knows of no such thing, or does not answer, leaves the time as it is.
 *
 * @module
 */

import type { Clock, Random } from "../../runtime/runtime.ts";
import type { Authority } from "./authority.ts";
import type { KeptCertificate } from "./certificate_store.ts";
import { type RenewalInfo, USUAL_PAUSE } from "./renewal_info.ts";

/** When a certificate is to be renewed, and when to ask for that again: epoch milliseconds. */
export interface RenewalTime {
  readonly due: number;
  readonly again: number;
}

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

/** When the certificates of some names are to be renewed. */
export class RenewalTimes {
  readonly #authority: Pick<Authority, "renewalInfo">;
  readonly #clock: Clock;
  readonly #random: Random;
  /** By name. */
  readonly #known = new Map<string, RenewalTime & { readonly id: string }>();

  constructor(
    { authority, clock, random }: {
      readonly authority: Pick<Authority, "renewalInfo">;
      readonly clock: Clock;
      readonly random: Random;
    },
  ) {
    this.#authority = authority;
    this.#clock = clock;
    this.#random = random;
  }

  /** Of one name; asks where it is time to. @param usual when it is due by our own rule. */
  async of(
    name: string,
    kept: KeptCertificate,
    usual: number,
    signal: AbortSignal,
  ): Promise<RenewalTime> {
    const { id } = kept;
    if (id === null || kept.temporary) return { due: usual, again: Infinity };
    const now = this.#clock.now();
    let known = this.#known.get(name);
    if (known === undefined || known.id !== id) {
      known = { id, due: usual, again: now + this.#random.float() * HOUR };
    }
    if (known.again <= now && known.due > now) {
      const info = await this.#authority.renewalInfo(id, signal).catch(() => null);
      const again = this.#clock.now() + (info?.again ?? USUAL_PAUSE);
      known = { id, due: info === null ? known.due : this.#within(info, kept, usual), again };
    }
    this.#known.set(name, known);
    return known;
  }

  /** A time in what it wants: any, so that not all come at once (RFC 9773 §4.2). */
  #within({ start, end }: RenewalInfo, { from, to }: KeptCertificate, usual: number): number {
    const wanted = start + this.#random.float() * (end - start);
    const earliest = Math.min(from + DAY, usual);
    const latest = usual + Math.min(DAY, (to - usual) / 2);
    return Math.min(Math.max(wanted, earliest), latest);
  }
}
