/**
 * Who is asked for names: the servers given, or those of `/etc/resolv.conf`, which is read when the first
 * question comes and again when it may have changed. One that does not answer comes last for a while. Reading
 * the file is for the adapter.
 *
 * What fails: a file that cannot be read, or has no server, gives the reason in words instead.
 *
 * @module
 */

import { formatNameServer, type NameServer, parseResolvConf } from "./resolv_conf.ts";
import type { Clock } from "./runtime.ts";

/** Where the system says who its name servers are. */
export const RESOLV_CONF = "/etc/resolv.conf";
/** Milliseconds after which the file is read again: a machine that moves gets other name servers. */
const RESOLV_CONF_AGE = 60_000;
/** Milliseconds for which a server that did not answer comes last. */
const ILL_FOR = 30_000;

/** Reads a file of text. */
export type ReadText = (path: string) => Promise<string>;

/** Who is asked, and who of them is ill. */
export class DnsServers {
  readonly #clock: Pick<Clock, "now">;
  readonly #readText: ReadText;
  readonly #given: readonly NameServer[] | undefined;
  readonly #illUntil = new Map<string, number>();
  #read: { readonly at: number; readonly servers: readonly NameServer[] | string } | undefined;

  /** Those given; without any, those of the file that `readText` reads. */
  constructor(
    clock: Pick<Clock, "now">,
    readText: ReadText,
    given: readonly NameServer[] | undefined,
  ) {
    this.#clock = clock;
    this.#readText = readText;
    this.#given = given;
  }

  /** All, the ill ones last; or why none is known. */
  async inOrder(): Promise<readonly NameServer[] | string> {
    const servers = this.#given ?? await this.#fromFile();
    if (typeof servers === "string") return servers;
    const now = this.#clock.now();
    const isIll = (server: NameServer) =>
      (this.#illUntil.get(formatNameServer(server)) ?? 0) > now ? 1 : 0;
    return [...servers].sort((a, b) => isIll(a) - isIll(b));
  }

  /** One did not answer. */
  ill(server: NameServer): void {
    this.#illUntil.set(formatNameServer(server), this.#clock.now() + ILL_FOR);
  }

  async #fromFile(): Promise<readonly NameServer[] | string> {
    const now = this.#clock.now();
    if (this.#read === undefined || this.#read.at + RESOLV_CONF_AGE <= now) {
      const servers = await this.#readFile();
      this.#read = { at: now, servers };
    }
    return this.#read.servers;
  }

  async #readFile(): Promise<readonly NameServer[] | string> {
    try {
      const servers = parseResolvConf(await this.#readText(RESOLV_CONF));
      return servers.length > 0 ? servers : `${RESOLV_CONF} names no name server`;
    } catch (error) {
      // Deno's permissions.
      const denied = error instanceof Error && error.name === "NotCapable";
      return denied
        ? `${RESOLV_CONF} may not be read (--allow-read=${RESOLV_CONF})`
        : `${RESOLV_CONF} cannot be read`;
    }
  }
}
