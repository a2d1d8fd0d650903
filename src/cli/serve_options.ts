/**
 * What `yizhan serve` is told on its command line, checked.
 *
 * @module
 */

import { formatAddress, parseAddress, parseDomain } from "../address.ts";
import { classifyIp, parseIp, parseNetwork } from "../net_address.ts";
import type { SocketAddress } from "../runtime/runtime.ts";
import type { Role } from "../server/roles.ts";
import type { CertificatePaths } from "./certificate_files.ts";
import type { CommandLine, Flag } from "./command.ts";
import { UsageError } from "./exit.ts";
import { LOG_FLAGS } from "./log_output.ts";
import { readListenAddress, readSize } from "./values.ts";

/** The flags of `serve`. */
export const SERVE_FLAGS = {
  hostname: { value: "NAME", help: "This machine's name in DNS (required)" },
  address: {
    value: "IP",
    multiple: true,
    help: "An address of this machine, as DNS knows it",
  },
  users: { value: "FILE", help: "Who lives here, as written by `user add` (required)" },
  mail: { value: "DIR", help: "The folder of the mailboxes, DIR/DOMAIN/USER (required)" },
  domain: { value: "DOMAIN", multiple: true, help: "A domain of ours beside those in FILE" },
  mx: { value: "ADDR:PORT", multiple: true, help: "Take mail from other servers (port 25)" },
  submission: {
    value: "ADDR:PORT",
    multiple: true,
    help: "Take mail from our users, by STARTTLS and AUTH (port 587)",
  },
  submissions: {
    value: "ADDR:PORT",
    multiple: true,
    help: "The same with TLS from the start (port 465)",
  },
  lmtp: {
    value: "ADDR:PORT|unix:PATH",
    multiple: true,
    help: "Take mail from a local mail server",
  },
  certificate: {
    value: "FILE",
    multiple: true,
    help: "A certificate and its chain, PEM; SNI chooses among several",
  },
  key: { value: "FILE", multiple: true, help: "The key of each certificate, in the same order" },
  "relay-from": { value: "CIDR", multiple: true, help: "Clients that may relay without AUTH" },
  postmaster: { value: "ADDRESS", help: "Who gets mail for postmaster, where FILE does not say" },
  queue: {
    value: "DIR",
    help: "The queue of mail that goes on (default .queue in the mail folder)",
  },
  "queue-only": {
    help: "Take mail in, and deliver only what queue retry names by its id",
  },
  "no-relay": { help: "Only deliver here: no queue, nobody is connected to" },
  route: { value: "DOMAIN=WAY", multiple: true, help: "How mail for DOMAIN goes, see above" },
  credentials: {
    value: "FILE",
    help: "Logins at the hosts of --route, see above; of mode 0600",
  },
  "relay-domain": {
    value: "DOMAIN",
    multiple: true,
    help: "Take mail for DOMAIN from anybody and send it on (backup MX)",
  },
  "name-server": {
    value: "ADDR[:PORT]",
    multiple: true,
    help: "Whom to ask for names (default: those in /etc/resolv.conf)",
  },
  "retry-for": { value: "DAYS", help: "How long mail is tried before it is returned (default 5)" },
  temporary: { value: "DIR", help: "For mail too big for memory (default in the queue)" },
  "max-size": { value: "SIZE", help: "The largest message (default 50M)" },
  ...LOG_FLAGS,
} satisfies Record<string, Flag>;

/** What `serve` shall do. */
export interface ServeOptions {
  readonly hostname: string;
  /** IP addresses of this machine. */
  readonly addresses: readonly string[];
  readonly users: string;
  readonly mail: string;
  readonly domains: readonly string[];
  readonly listeners: readonly { readonly role: Role; readonly address: SocketAddress }[];
  readonly certificates: readonly CertificatePaths[];
  readonly relayFrom: readonly string[];
  readonly postmaster?: string;
  readonly temporary?: string;
  /** The folder of the queue; `null`: mail only ends here. */
  readonly queue: string | null;
  /** Nothing in the queue is delivered. */
  readonly queueOnly: boolean;
  /** As written. */
  readonly routes: readonly string[];
  readonly credentials?: string;
  readonly relayDomains: readonly string[];
  readonly nameServers: readonly string[];
  /** Milliseconds. */
  readonly retryFor?: number;
  /** Octets. */
  readonly maxSize?: number;
}

const ROLES = ["mx", "submission", "submissions", "lmtp"] as const;

/** @throws {UsageError} for the first thing that is missing or wrong. */
export function readServeOptions(line: CommandLine): ServeOptions {
  if (line.operands.length > 0) {
    throw new UsageError(`serve takes flags only, not ${line.operands[0]}`);
  }
  const temporary = line.value("temporary");
  const mail = demand(line, "mail");
  const credentials = line.value("credentials");
  const retryFor = line.value("retry-for");
  const postmaster = line.value("postmaster");
  const maxSize = line.value("max-size");
  const options: ServeOptions = {
    // In ASCII: it is said in the greeting, before anybody has agreed on anything else.
    hostname: readDomain("--hostname", demand(line, "hostname"), false),
    addresses: line.values("address").map(readIp),
    users: demand(line, "users"),
    mail,
    queue: line.has("no-relay") ? null : line.value("queue") ?? `${mail}/.queue`,
    queueOnly: line.has("queue-only"),
    routes: line.values("route"),
    ...(credentials === undefined ? {} : { credentials }),
    relayDomains: line.values("relay-domain"),
    nameServers: line.values("name-server").map(readNameServer),
    ...(retryFor === undefined ? {} : { retryFor: readDays("--retry-for", retryFor) }),
    domains: line.values("domain").map((text) => readDomain("--domain", text, true)),
    listeners: readListeners(line),
    certificates: readCertificates(line),
    relayFrom: line.values("relay-from").map(readNetwork),
    ...(temporary === undefined ? {} : { temporary }),
    ...(postmaster === undefined ? {} : { postmaster: readAddress("--postmaster", postmaster) }),
    ...(maxSize === undefined ? {} : { maxSize: readSize("--max-size", maxSize) }),
  };
  const relaying = [
    "queue",
    "route",
    "credentials",
    "relay-domain",
    "name-server",
    "retry-for",
    "queue-only",
  ];
  const contrary = options.queue === null &&
    relaying.find((flag) => line.has(flag) || line.values(flag).length > 0);
  if (contrary) throw new UsageError(`--${contrary} makes no sense with --no-relay`);
  const needy = options.listeners.find(({ role }) => role.startsWith("submission"));
  if (needy !== undefined && options.certificates.length === 0) {
    throw new UsageError(
      `--${needy.role} needs TLS: give --certificate FILE --key FILE, or no password would be safe`,
    );
  }
  return options;
}

function demand(line: CommandLine, flag: keyof typeof SERVE_FLAGS): string {
  const value = line.value(flag);
  if (value !== undefined) return value;
  const { help } = SERVE_FLAGS[flag];
  const { value: wanted } = SERVE_FLAGS[flag] as Flag;
  throw new UsageError(`--${flag} ${wanted} is missing: ${help.replace(" (required)", "")}`);
}

function readListeners(line: CommandLine): ServeOptions["listeners"] {
  const listeners = ROLES.flatMap((role) =>
    line.values(role).map((text) => ({ role, address: readListenAddress(`--${role}`, text) }))
  );
  if (listeners.length > 0) return listeners;
  throw new UsageError("nowhere to listen: give at least one of --mx, --submission, --lmtp …");
}

function readCertificates(line: CommandLine): CertificatePaths[] {
  const certificates = line.values("certificate");
  const keys = line.values("key");
  if (certificates.length !== keys.length) {
    throw new UsageError(
      `there are ${certificates.length} --certificate and ${keys.length} --key: ` +
        "give a key for each certificate, in the same order",
    );
  }
  return certificates.map((certificate, index) => ({ certificate, key: keys[index]! }));
}

function readDomain(flag: string, text: string, smtputf8: boolean): string {
  const domain = parseDomain(text, { smtputf8 });
  if (domain !== null) return domain;
  throw new UsageError(`${flag} ${text}: wanted a domain name, such as mail.example.org`);
}

function readIp(text: string): string {
  const kind = classifyIp(text);
  if (kind !== null && kind !== "unspecified") return text;
  throw new UsageError(`--address ${text}: wanted an IP address, such as 192.0.2.1 or 2001:db8::1`);
}

function readNetwork(text: string): string {
  const network = parseNetwork(text);
  if (network !== null) {
    if (network.prefix > 0) return text;
    throw new UsageError(`--relay-from ${text} would relay for everybody: name your own networks`);
  }
  throw new UsageError(
    `--relay-from ${text}: wanted a network, such as 192.0.2.0/24 or 2001:db8::/32`,
  );
}

function readNameServer(text: string): string {
  const bare = /^(?:\[(.+)\]|([\d.]+))(?::\d{1,5})?$/.exec(text);
  const address = bare?.[1] ?? bare?.[2] ?? text;
  if (parseIp(address) !== null) return text;
  throw new UsageError(`--name-server ${text}: wanted ADDR or ADDR:PORT, such as 127.0.0.1:53`);
}

function readDays(flag: string, text: string): number {
  const days = Number(text);
  // Addresses that SRS made are good for 21 days: a bounce must find its way to the very end.
  if (text !== "" && days > 0 && days <= 20) return days * 24 * 60 * 60_000;
  throw new UsageError(`${flag} ${text}: wanted a number of days, at most 20`);
}

function readAddress(flag: string, text: string): string {
  const address = parseAddress(text, { smtputf8: true });
  if (address !== null) return formatAddress(address);
  throw new UsageError(`${flag} ${text}: wanted an address, such as admin@example.org`);
}
