/**
 * Who is asked for names: the servers given, or those of `/etc/resolv.conf`, which is read when the first
 * question comes and again when it may have changed. One that does not answer comes last for a while. Reading
 * the file is for the adapter.
 *
 * What fails: a file that cannot be read, or has no server, gives the reason in words instead.
 *
 * @module
 */

import {
  formatNameServer,
  isForwarder,
  isLocalServer,
  type NameServer,
  parseResolvConf,
  trustsAuthenticData,
} from "./resolv_conf.ts";
import type { Clock } from "./runtime.ts";

/** Where the system says who its name servers are. */
export const RESOLV_CONF = "/etc/resolv.conf";
/** Milliseconds after which the file is read again: a machine that moves gets other name servers. */
const RESOLV_CONF_AGE = 60_000;
/** Milliseconds for which a server that did not answer comes last. */
const ILL_FOR = 30_000;

/** Reads a file of text. */
export type ReadText = (path: string) => Promise<string>;

/**
 * When what servers say of DNSSEC is believed: `auto`: where all of them are on this machine, or resolv.conf says that
 * they can be trusted (`options trust-ad`); never of those that are known to hand on what others say.
 */
export type DnssecTrust = "auto" | "on" | "off";

/** Servers, and whether they are trusted to have validated. */
export interface KnownServers {
  readonly servers: readonly NameServer[];
  readonly trusted: boolean;
}

/** Who is asked, and who of them is ill. */
export class DnsServers {
  readonly #clock: Pick<Clock, "now">;
  readonly #readText: ReadText;
  readonly #given: KnownServers | undefined;
  readonly #dnssec: DnssecTrust;
  readonly #illUntil = new Map<string, number>();
  #read: { readonly at: number; readonly known: KnownServers | string } | undefined;

  /** Those given; without any, those of the file that `readText` reads. */
  constructor(
    clock: Pick<Clock, "now">,
    readText: ReadText,
    given: readonly NameServer[] | undefined,
    dnssec: DnssecTrust = "auto",
  ) {
    this.#clock = clock;
    this.#readText = readText;
    this.#dnssec = dnssec;
    this.#given = given && this.#know(given, false);
  }

  /** All, the ill ones last; or why none is known. */
  async inOrder(): Promise<KnownServers | string> {
    const known = this.#given ?? await this.#fromFile();
    if (typeof known === "string") return known;
    const { servers, trusted } = known;
    const now = this.#clock.now();
    const isIll = (server: NameServer) =>
      (this.#illUntil.get(formatNameServer(server)) ?? 0) > now ? 1 : 0;
    return { servers: [...servers].sort((a, b) => isIll(a) - isIll(b)), trusted };
  }

  #know(servers: readonly NameServer[], said: boolean): KnownServers {
    const auto = servers.length > 0 &&
      (said ? !servers.some(isForwarder) : servers.every(isLocalServer));
    return { servers, trusted: this.#dnssec === "auto" ? auto : this.#dnssec === "on" };
  }

  /** One did not answer. */
  ill(server: NameServer): void {
    this.#illUntil.set(formatNameServer(server), this.#clock.now() + ILL_FOR);
  }

  async #fromFile(): Promise<KnownServers | string> {
    const now = this.#clock.now();
    if (this.#read === undefined || this.#read.at + RESOLV_CONF_AGE <= now) {
      const known = await this.#readFile();
      this.#read = { at: now, known };
    }
    return this.#read.known;
  }

  async #readFile(): Promise<KnownServers | string> {
    try {
      const text = await this.#readText(RESOLV_CONF);
      const servers = parseResolvConf(text);
      if (servers.length === 0) return `${RESOLV_CONF} names no name server`;
      return this.#know(servers, trustsAuthenticData(text));
    } catch (error) {
      // Deno's permissions.
      const denied = error instanceof Error && error.name === "NotCapable";
      return denied
        ? `${RESOLV_CONF} may not be read (--allow-read=${RESOLV_CONF})`
        : `${RESOLV_CONF} cannot be read`;
    }
  }
}
