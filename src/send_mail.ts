/**
 * Sending mail from a program, without a station: to one server, or straight to the mail hosts of each
 * recipient. One attempt; there is no queue behind it, so what is put off is the caller's to try again
 * (`mta.submit()` has a queue).
 *
 * What fails: arguments that make no sense throw a `TypeError` that says which; what reading the message
 * throws goes through. Whatever becomes of the mail out there is a value.
 *
 * @module
 */

import {
  type Address,
  formatAddress,
  parseAddress,
  parseDomain,
  toAsciiDomain,
} from "./address.ts";
import { putOff, STOPPED } from "./delivery/outcomes.ts";
import { ConnectionPool } from "./delivery/connection_pool.ts";
import { daneGuards } from "./delivery/dane.ts";
import { remoteTransport } from "./delivery/remote.ts";
import { Gate } from "./gate.ts";
import type { SubmitEnvelope, SubmitMessage } from "./intake/submit.ts";
import { type Network, parseIp, parseNetwork } from "./net_address.ts";
import type { QueuedRecipient, QueueEntry } from "./queue/entry.ts";
import type { Outcome } from "./queue/outcome.ts";
import type {
  Credentials,
  MxRoute,
  RelaySettings,
  SmarthostRoute,
  TlsLevel,
} from "./routing/route.ts";
import { Deadlines } from "./runtime/deadlines.ts";
import { withLocalhost } from "./runtime/localhost.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { describeReply, type Reply } from "./smtp/reply.ts";
import { readMessage, readOctets, type SendSource } from "./send_source.ts";

/** How to send. */
export interface SendMailOptions {
  /** The machine. */
  readonly runtime: Runtime;
  /** Our name for EHLO and Message-ID; servers of strangers want one that resolves. Default `localhost`. */
  readonly hostname?: string;
  /** The server to hand the mail to. Absent: the mail hosts of each recipient's domain. */
  readonly server?: SendMailServer;
  /**
   * Networks (CIDR) that a recipient's mail host may lie in though they are loopback, link-local or the
   * like; a `server` may lie anywhere. Default none.
   */
  readonly allowAddresses?: readonly string[];
  /** Gives up, reading the message too; recipients that are not decided then are `deferred`. */
  readonly signal?: AbortSignal;
  /** Octets a message may have: it is held in memory. Default 50 MiB. */
  readonly limit?: number;
}

/** A server to hand mail to. */
export interface SendMailServer {
  /** A name or an IP address; `localhost` is this machine, by IPv6 or else IPv4. */
  readonly host: string;
  /** Default 465 with implicit TLS, else 587 with `auth`, else 25. */
  readonly port?: number;
  /**
   * `implicit`: from the first octet, with a valid certificate; else by STARTTLS, see {@link TlsLevel}.
   * Default `implicit` on port 465, `verified` with `auth`, else `opportunistic`.
   */
  readonly tls?: "implicit" | TlsLevel;
  /** More roots to trust, PEM. */
  readonly authorities?: readonly string[];
  /** Logs in; over verified TLS only, unless `allowUnverified` says otherwise, and never in clear. */
  readonly auth?: Credentials;
}

/** What became of one recipient. */
export interface SentRecipient {
  /** As given. */
  readonly recipient: string;
  /** `sent`: a server has it. `deferred`: may work later. `failed`: never. */
  readonly status: "sent" | "deferred" | "failed";
  /** The answer that decided it, or our own words. */
  readonly reply: Reply;
  /** Who answered, such as `mx.example.org [192.0.2.7]:25`; absent: nobody, the words are ours. */
  readonly host?: string;
  /** What TLS was used, such as `TLSv1.3`. */
  readonly tls?: string;
  /**
   * With `deferred`: the whole message was sent, but no reply to it was seen (RFC 1047). It may have
   * arrived: when it is sent again, there may be two copies; when not, none.
   */
  readonly maybeDelivered?: true;
}

/** What became of a mail. */
export interface SendMailResult {
  /** Whether all recipients are `sent`. */
  readonly ok: boolean;
  /** In the order of the envelope. */
  readonly recipients: readonly SentRecipient[];
}

const LIMIT = 50 * 1024 * 1024;

/** Domains at once, each over a connection; and as many connections rest, for more mail to the same host. */
const CONNECTIONS = 20;

/**
 * Sends a mail. Line ends of the message may be LF; Date and Message-ID are added where they lack, Bcc is
 * taken out (RFC 6409 §8).
 *
 * @throws {TypeError} for arguments that make no sense. {@link RangeError} for a message over the limit.
 *
 * @example To a server
 * ```ts
 * import { createMta, denoRuntime } from "../mod.ts";
 * import { sendMail } from "./send_mail.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const mta = await createMta({
 *   listeners: [{ role: "catcher", address: { transport: "tcp", hostname: "127.0.0.1", port: 0 } }],
 *   delivery: { maildirRoot: await Deno.makeTempDir() },
 * });
 * const [listener] = mta.addresses;
 *
 * const { ok, recipients } = await sendMail(
 *   { sender: "alice@example.com", recipients: ["bob@example.org"] },
 *   "From: alice@example.com\nTo: bob@example.org\nSubject: hi\n\nHello, Bob.\n",
 *   {
 *     runtime: denoRuntime(),
 *     server: { host: "127.0.0.1", port: listener?.transport === "tcp" ? listener.port : 0 },
 *   },
 * );
 * assertEquals([ok, recipients[0]?.status, recipients[0]?.reply.code], [true, "sent", 250]);
 * await mta.stop();
 * ```
 */
export async function sendMail(
  envelope: SubmitEnvelope,
  message: SubmitMessage,
  options: SendMailOptions,
): Promise<SendMailResult> {
  const { runtime, hostname = "localhost", signal = new AbortController().signal } = options;
  const { clock, random, network, resolver } = runtime;
  if (parseDomain(hostname) === null) {
    throw new TypeError(`hostname: "${hostname}" is no host name`);
  }
  const addresses = readRecipients(envelope);
  const routes = readRoutes(addresses, options);
  const octets = await readOctets(message, options.limit ?? LIMIT, signal);
  if (octets === null) return resultOf(envelope, putOff([...addresses.keys()], STOPPED));
  const source = readMessage(octets, {
    now: clock.now(),
    id: random.bytes(12).toHex(),
    hostname,
  });
  const entry = newEntry(envelope, addresses, source, clock.now());
  const deadlines = new Deadlines(clock);
  const transport = remoteTransport({
    hostname,
    network,
    resolver: options.server === undefined ? resolver : withLocalhost(resolver),
    clock,
    random,
    deadlines,
    nonce: () => random.bytes(18).toBase64(),
    own: () => ({ hostnames: [], addresses: [] }),
    guards: daneGuards(resolver),
    pool: new ConnectionPool(clock, { connections: CONNECTIONS }),
    emit: () => {},
  });
  const gate = new Gate(CONNECTIONS);
  try {
    const jobs = [...routes].map(([route, recipients]) =>
      gate.run(async () => {
        if (signal.aborted) return putOff(recipients, STOPPED);
        const open = () => Promise.resolve(source);
        return await transport.deliver(
          { entry, sender: entry.sender, recipients, route, open },
          signal,
        );
      })
    );
    return resultOf(envelope, (await Promise.all(jobs)).flat());
  } finally {
    await transport.stop();
    deadlines.stop();
  }
}

/** A result in lines for people: `bob@example.org failed: 550 5.1.1 no such user (mx.example.org [192.0.2.7]:25)`. */
export function describeSent({ recipients }: SendMailResult): string[] {
  return recipients.map(({ recipient, status, reply, host }) =>
    `${recipient} ${status}: ${describeReply(reply)}${host === undefined ? "" : ` (${host})`}`
  );
}

function resultOf({ recipients }: SubmitEnvelope, outcomes: readonly Outcome[]): SendMailResult {
  const byIndex = new Map(outcomes.map((outcome) => [outcome.recipient, outcome]));
  const sent = recipients.map((recipient, index): SentRecipient => {
    const { status, reply, host, tls, maybeDelivered } = byIndex.get(index)!;
    return {
      recipient: typeof recipient === "string" ? recipient : recipient.address,
      status: status === "relayed" ? "sent" : status === "failed" ? "failed" : "deferred",
      reply,
      ...(host !== undefined && { host }),
      ...(tls !== undefined && { tls }),
      ...(maybeDelivered && { maybeDelivered }),
    };
  });
  return { ok: sent.every(({ status }) => status === "sent"), recipients: sent };
}

function readRecipients({ recipients }: SubmitEnvelope): Address[] {
  if (recipients.length === 0) throw new TypeError("recipients: at least one is needed");
  return recipients.map((recipient) =>
    readAddress("recipient", typeof recipient === "string" ? recipient : recipient.address)
  );
}

function readAddress(what: string, text: string): Address {
  const address = parseAddress(text, { smtputf8: true });
  if (address === null) throw new TypeError(`${what}: "${text}" is not a mail address`);
  return address;
}

/** Which recipients go which way. */
function readRoutes(
  addresses: readonly Address[],
  { server, allowAddresses = [] }: SendMailOptions,
): Map<MxRoute | SmarthostRoute, number[]> {
  if (server !== undefined) {
    return new Map([[serverRoute(server), addresses.map((_, index) => index)]]);
  }
  const allowed = allowAddresses.map(readNetwork);
  const byDomain = Map.groupBy(
    addresses.keys(),
    (index) => toAsciiDomain(addresses[index]!.domain) ?? addresses[index]!.domain,
  );
  return new Map(
    [...byDomain].map(([domain, indexes]) => [mxRoute(domain, allowed), indexes]),
  );
}

function mxRoute(domain: string, allowAddresses: readonly Network[]): MxRoute {
  return {
    kind: "mx",
    domain,
    port: 25,
    tls: "opportunistic",
    dane: true,
    ...RELAY,
    allowAddresses,
  };
}

function serverRoute(server: SendMailServer): SmarthostRoute {
  const { host, auth, authorities, tls = server.port === 465 ? "implicit" : undefined } = server;
  const implicitTls = tls === "implicit";
  const port = server.port ?? (implicitTls ? 465 : auth === undefined ? 25 : 587);
  if (parseIp(host) === null && parseDomain(host) === null) {
    throw new TypeError(`server.host: "${host}" is no host name or IP address`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new TypeError(`server.port: ${port} is no port`);
  }
  return {
    kind: "smarthost",
    host,
    port,
    implicitTls,
    tls: implicitTls
      ? auth?.allowUnverified === true ? "required" : "verified"
      : tls ?? (auth === undefined ? "opportunistic" : "verified"),
    ...RELAY,
    allowAddresses: ANYWHERE,
    ...(authorities !== undefined && { authorities }),
    ...(auth !== undefined && { credentials: auth }),
  };
}

function readNetwork(text: string): Network {
  const network = parseNetwork(text);
  if (network !== null) return network;
  throw new TypeError(`allowAddresses: ${text} is not a network such as 127.0.0.0/8`);
}

const RELAY: Omit<RelaySettings, "tls" | "allowAddresses"> = {
  family: "ipv6-first",
  connections: CONNECTIONS,
  eightBit: "convert",
};
const ANYWHERE: readonly Network[] = ["0.0.0.0/0", "::/0"].map(readNetwork);

function newEntry(
  envelope: SubmitEnvelope,
  addresses: readonly Address[],
  source: SendSource,
  now: number,
): QueueEntry {
  const { dsnReturn, dsnEnvelopeId, requireTls = false } = envelope;
  const sender = envelope.sender === null ? null : readAddress("sender", envelope.sender);
  const written = [...addresses, ...(sender === null ? [] : [sender])].map(formatAddress).join();
  const recipients = addresses.map((address, index): QueuedRecipient => {
    const given = envelope.recipients[index]!;
    const notify = typeof given === "string" ? undefined : given.notify;
    return {
      address,
      status: "waiting",
      next: 0,
      attempts: 0,
      history: [],
      ...(notify !== undefined && { notify }),
    };
  });
  return {
    id: "send-mail",
    sender,
    recipients,
    body: source.eightBit ? "8BITMIME" : "7BIT",
    smtputf8: source.headIs8bit || /[\u0080-\uffff]/.test(written),
    requireTls,
    received: now,
    headSize: source.head.length,
    bodySize: source.bodySize,
    origin: { kind: "submit" },
    ...(dsnReturn !== undefined && { dsnReturn }),
    ...(dsnEnvelopeId !== undefined && { dsnEnvelopeId }),
  };
}
