/**
 * What a client session must be told: who we are, what of the peer's offers is not used, and how much a peer
 * may make us read, compute and wait. Plain data.
 *
 * @module
 */

/** Settings of one session. */
export interface ClientSettings {
  /** Our name for EHLO: a domain, or an address literal (RFC 5321 §4.1.1.1). */
  readonly hostname: string;
  /** SMTP, or LMTP (RFC 2033: LHLO, and one reply a recipient after the message). */
  readonly protocol: "smtp" | "lmtp";
  /** EHLO keywords to pass over, in upper case, such as `CHUNKING`: for peers that offer what they cannot do. */
  readonly ignoredKeywords: readonly string[];
  /** Whether credentials may be sent over a socket that is not secured. Default `false`. */
  readonly authInClear: boolean;
  /**
   * What becomes of bare CR and LF in a message that is not BINARYMIME: `normalize` makes them CRLF, `refuse`
   * breaks off. Neither ever goes out. Default `normalize`.
   */
  readonly newlines: "normalize" | "refuse";
  /** How much a peer may make us do. */
  readonly limits: ClientLimits;
  /** How long it may take. */
  readonly timeouts: ClientTimeouts;
}

/** How much one peer may make us do. */
export interface ClientLimits {
  /** Octets of a reply line with CRLF. RFC 5321 §4.5.3.1.5 says 512; peers say more. Default 4096. */
  readonly replyLine: number;
  /** Lines of one reply. Default 200. */
  readonly replyLines: number;
  /** Octets of one reply. Default 65,536. */
  readonly reply: number;
  /** Recipients of a transaction where the peer names no limit; RFC 5321 §4.5.3.1.8 promises 100. Default 100. */
  readonly recipients: number;
  /** Messages in a session. Default 100. */
  readonly messages: number;
  /**
   * Commands sent ahead of their replies where PIPELINING is offered: their replies must fit into socket
   * buffers while we write (RFC 2920 §3.1). Default 100.
   */
  readonly commandsAhead: number;
  /** BDAT chunks sent ahead of their replies. Default 8. */
  readonly chunksAhead: number;
  /** Octets gathered for one BDAT chunk. Default 65,536. */
  readonly chunk: number;
  /** Rounds of PBKDF2 a server may ask for (at least 4096, RFC 7677 §4). Default 1,000,000. */
  readonly scramIterations: number;
}

/** How long each wait may last, in milliseconds. The defaults are the minima of RFC 5321 §4.5.3.2. */
export interface ClientTimeouts {
  /** For the greeting: 5 minutes. */
  readonly greeting: number;
  /** For the reply to EHLO, STARTTLS, AUTH, RSET, NOOP: 5 minutes. */
  readonly command: number;
  /** For a TLS handshake: 1 minute. */
  readonly handshake: number;
  /** For the reply to MAIL: 5 minutes. */
  readonly mail: number;
  /** For the reply to RCPT: 5 minutes. */
  readonly rcpt: number;
  /** For the reply to DATA: 2 minutes. */
  readonly data: number;
  /** For one write of the message, and the reply to a BDAT that is not the last: 3 minutes. */
  readonly block: number;
  /** For the reply to the end of the message: 10 minutes. */
  readonly end: number;
  /**
   * For a whole message from MAIL to its last octet, so that a peer whose every answer comes at the last moment does
   * not hold it for days: 2 hours. The reply to its end has its time whatever was before.
   */
  readonly transaction: number;
  /** For the reply to QUIT: 10 seconds, since nothing hangs on it. */
  readonly quit: number;
}

/** What may be said of settings; the rest is as the fields say. */
export interface ClientOptions
  extends Partial<Omit<ClientSettings, "hostname" | "limits" | "timeouts">> {
  /** See {@link ClientSettings.limits}. */
  readonly limits?: Partial<ClientLimits>;
  /** See {@link ClientSettings.timeouts}. */
  readonly timeouts?: Partial<ClientTimeouts>;
}

const MINUTE = 60_000;

const LIMITS: ClientLimits = {
  replyLine: 4096,
  replyLines: 200,
  reply: 65_536,
  recipients: 100,
  messages: 100,
  commandsAhead: 100,
  chunksAhead: 8,
  chunk: 65_536,
  scramIterations: 1_000_000,
};

const TIMEOUTS: ClientTimeouts = {
  greeting: 5 * MINUTE,
  command: 5 * MINUTE,
  handshake: MINUTE,
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  data: 2 * MINUTE,
  block: 3 * MINUTE,
  end: 10 * MINUTE,
  transaction: 120 * MINUTE,
  quit: 10_000,
};

/**
 * Settings with the usual values for what is not said.
 *
 * @throws {TypeError} when the name could break the EHLO line.
 * @example
 * ```ts
 * import { clientSettings } from "./client_settings.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const settings = clientSettings("mta.example", { timeouts: { quit: 1000 } });
 * assertEquals([settings.protocol, settings.timeouts.end], ["smtp", 600_000]);
 * ```
 */
export function clientSettings(hostname: string, options: ClientOptions = {}): ClientSettings {
  if (!/^[!-~]{1,255}$/.test(hostname)) {
    throw new TypeError(`hostname must be visible ASCII: ${JSON.stringify(hostname)}`);
  }
  return {
    hostname,
    protocol: options.protocol ?? "smtp",
    ignoredKeywords: options.ignoredKeywords ?? [],
    authInClear: options.authInClear ?? false,
    newlines: options.newlines ?? "normalize",
    limits: { ...LIMITS, ...options.limits },
    timeouts: { ...TIMEOUTS, ...options.timeouts },
  };
}
