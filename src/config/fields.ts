/**
 * The kinds of values in a configuration: each reads the text of the file, says what it wants, and can
 * be written back. Durations are milliseconds and sizes octets once they are read.
 *
 * @module
 */

import { formatAddress, parseAddress, parseDomain } from "../address.ts";
import { parseDomainPattern } from "../domain_pattern.ts";
import { classifyIp, parseIp, parseNetwork } from "../net_address.ts";
import type { Rate } from "../policy/ledger/ledger.ts";
import { formatSocketAddress, type SocketAddress } from "../runtime/network.ts";
import { parseSocketAddress } from "../socket_address.ts";
import { z } from "./packages.ts";

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/;

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/**
 * Text that fits.
 *
 * @param title what it is, for tables and editors. @param wanted the same where something else was found.
 * @param examples some that fit.
 */
function text(
  title: string,
  wanted: string,
  fits: (text: string) => boolean,
  ...examples: readonly string[]
) {
  const schema = z.string(wanted).refine(fits, wanted);
  return schema.meta({ title, ...(examples.length > 0 && { examples: [...examples] }) });
}

const DURATION = /^(?:\d{1,15}(?:ms|[smhd])){1,5}$/;

const RATE = /^([1-9]\d{0,8})\/(\d[\ddhms]{0,40}|[dhms])$/;

/** Milliseconds, written `500ms`, `30s`, `6m`, `4h`, `5d`, or several (`1h30m`); ten years at most. */
export const duration = z.codec(
  text(
    "duration",
    "wanted a duration, such as 30s, 6m, 4h or 5d (ten years at most)",
    (text) => DURATION.test(text) && parseDuration(text) <= 3650 * UNITS.d,
    ...["30s", "6m", "4h", "5d"],
  ),
  z.number(),
  { decode: parseDuration, encode: formatDuration },
).meta({ title: "duration" });

/** A {@link duration} of a second or more: what must not be over at once. */
export const wait = duration.refine((milliseconds) => milliseconds >= 1000, "wanted 1s or more");

/** How often, at most: `60/1m`, `1000/1d`, `60/m`. */
export const rate = z.codec(
  text(
    "rate",
    "wanted how many in how long, such as 60/1m or 1000/1d (1s to 365d)",
    (text) => parseRate(text) !== null,
    ...["60/1m", "20/10m", "1000/1d"],
  ).meta({ title: "rate", pattern: RATE.source, examples: ["60/1m", "20/10m", "1000/1d"] }),
  z.custom<Rate>(),
  { decode: (text) => parseRate(text)!, encode: formatRate },
).meta({ title: "rate" });

const SIZE = "wanted a size, such as 500K or 50M";

/** Octets, written `1500`, `500K`, `50M`, `1G` (of 1,024). */
export const size = z.codec(
  z.union([
    z.int(SIZE).min(0, SIZE),
    text("size", SIZE, (text) => Number.isSafeInteger(parseSize(text)), "500K", "50M"),
  ], SIZE),
  z.number(),
  { decode: parseSize, encode: formatSize },
).meta({ title: "size" });

/** A whole number over 0. */
export const count = z.int("wanted a whole number").min(1, "wanted 1 or more").meta({
  title: "count",
});

const PORT = "wanted a port, 1 to 65535";

/** A TCP port. */
export const port = z.int(PORT).min(1, PORT).max(65_535, PORT).meta({ title: "port" });

/** Where to listen or connect. @param examples some that fit; the first two stand in what is said of others. */
const socketAddressAs = (...examples: readonly [string, string, ...string[]]) =>
  z.codec(
    text(
      "ADDRESS:PORT",
      `wanted ADDRESS:PORT, [IPV6]:PORT or unix:PATH, such as ${examples[0]} or ${examples[1]}`,
      (text) => parseSocketAddress(text) !== null,
      ...examples,
    ),
    z.custom<SocketAddress>(),
    { decode: (text) => parseSocketAddress(text)!, encode: formatSocketAddress },
  );

/** Where to listen or connect: `ADDR:PORT`, `[IPV6]:PORT` or `unix:PATH`. */
export const socketAddress = socketAddressAs(
  ...["0.0.0.0:25", "[::]:25", "127.0.0.1:2525", "unix:/run/yizhan/lmtp.sock"] as const,
);

/** Where a program is asked: as {@link socketAddress}, and no port 0. @param examples two that fit it. */
export const programAddress = (...examples: readonly [string, string]) =>
  socketAddressAs(...examples)
    .refine((to) => to.transport === "unix" || to.port > 0, "wanted its port")
    .meta({ title: "ADDRESS:PORT", examples: [...examples] });

/** Our own name, in ASCII: it is said before anybody has agreed on anything else. */
export const hostname = text(
  "host name",
  "wanted a host name with a dot, in ASCII, such as mail.example.org",
  (text) => parseDomain(text) !== null && (text.includes(".") || text === "localhost"),
  "mail.example.org",
);

/** A machine to connect to. */
export const host = text(
  "host",
  "wanted a host name or an IP address, such as smtp.example.net",
  (text) => parseIp(text) !== null || parseDomain(text) !== null,
  "smtp.example.net",
);

/** A domain; may have letters of all alphabets. */
export const domain = text(
  "domain",
  "wanted a domain, such as example.org",
  (text) => parseDomain(text, { smtputf8: true }) !== null,
  "example.org",
);

/** A domain, `.example.org` for all below it. */
export const domainPattern = text(
  "domain pattern",
  "wanted a domain (example.org), all below one (.example.org) or all others (*)",
  (text) => text === "*" || parseDomainPattern(text) !== null,
  ...["example.org", ".example.org", "*"],
);

/** A mail address. */
export const mailAddress = text(
  "mail address",
  "wanted a mail address, such as alice@example.org",
  (text) => parseAddress(text, { smtputf8: true }) !== null,
  "alice@example.org",
).overwrite((text) => {
  const address = parseAddress(text, { smtputf8: true });
  return address === null ? text : formatAddress(address);
});

/** The IP address of a machine. */
export const ipAddress = text(
  "IP address",
  "wanted an IP address, such as 192.0.2.1 or 2001:db8::1",
  (text) => {
    const kind = classifyIp(text);
    return kind !== null && kind !== "unspecified";
  },
  ...["192.0.2.1", "2001:db8::1"],
);

/** An {@link ipAddress} that is IPv4. */
export const ipv4Address = text(
  "IPv4 address",
  "wanted an IPv4 address, such as 192.0.2.1",
  (text) => ipAddress.safeParse(text).success && parseIp(text)?.length === 4,
  "192.0.2.1",
);

/** An {@link ipAddress} that is IPv6. */
export const ipv6Address = text(
  "IPv6 address",
  "wanted an IPv6 address, such as 2001:db8::1",
  (text) => ipAddress.safeParse(text).success && parseIp(text)?.length === 16,
  "2001:db8::1",
);

/** A network in CIDR form. */
export const network = text(
  "network",
  "wanted a network, such as 192.0.2.0/24 or 2001:db8::/32",
  (text) => parseNetwork(text) !== null,
  ...["192.0.2.0/24", "2001:db8::/32"],
);

/** A network that may relay: not everybody's. */
export const relayNetwork = network.refine(
  (text) => parseNetwork(text)?.prefix !== 0,
  "wanted your own networks: this one would relay for everybody",
);

/** `ADDR` or `ADDR:PORT`. */
export const nameServer = text(
  "IP address, or with a port",
  "wanted an address with or without a port, such as 127.0.0.1:53",
  (text) => {
    const parts = /^(?:\[(.+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text);
    const number = Number(parts?.[3] ?? 53);
    return number >= 1 && number <= 65_535 &&
      parseIp(parts?.[1] ?? parts?.[2] ?? text) !== null;
  },
  ...["127.0.0.1", "127.0.0.1:53"],
);

/** A path; relative ones are relative to the folder of the file, or where it is said so to `data`. */
export const path = text("path", "wanted a path", (text) => text !== "" && !CONTROL.test(text))
  // Shells replace it; here it would be a folder of that name.
  .refine((text) => !/^~(?:\/|$)/.test(text), "wanted the whole path: ~ stands for nothing here")
  .meta({ title: "path" });

const SECRET = "wanted the secret itself, or file: PATH of a file that holds it";

/** A password or key: the text itself, or `{ file: PATH }` of a file that holds nothing else. */
export const secret = z.union([
  text("secret", SECRET, (text) => text !== "" && !CONTROL.test(text)),
  z.strictObject({
    file: path.describe("A file that holds the secret and nothing else, mode 0600"),
  }, SECRET),
], SECRET).meta({ title: "secret" });

/** See {@link secret}. */
export type Secret = z.output<typeof secret>;

/** Reads a duration; the text fits {@link duration}. */
export function parseDuration(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|[smhd])/g)) {
    total += Number(amount) * UNITS[unit as keyof typeof UNITS];
  }
  return total;
}

/** The shortest text that {@link parseDuration} reads as these milliseconds. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.round(milliseconds);
  let text = "";
  for (const [unit, length] of Object.entries(UNITS)) {
    const amount = Math.floor(rest / length);
    rest -= amount * length;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text || "0s";
}

/** Reads a rate: how many, a slash, and in how long (`60/1m`, or `60/m`); `null` where it is none. */
export function parseRate(text: string): Rate | null {
  const [, count, written = ""] = RATE.exec(text) ?? [];
  const time = /^\d/.test(written) ? written : `1${written}`;
  if (count === undefined || !DURATION.test(time)) return null;
  const per = parseDuration(time);
  return per < UNITS.s || per > 365 * UNITS.d ? null : { count: Number(count), per };
}

/** The text that {@link parseRate} reads as this rate, such as `60/1m`. */
export function formatRate({ count, per }: Rate): string {
  return `${count}/${formatDuration(per)}`;
}

const PREFIXES = ["", "K", "M", "G", "T"];

function parseSize(given: string | number): number {
  const [, digits, unit = ""] = /^(\d{1,15})([KMGT]?)$/.exec(String(given)) ?? [];
  return Number(digits) * 1024 ** PREFIXES.indexOf(unit);
}

function formatSize(octets: number): string | number {
  let amount = octets;
  let step = 0;
  while (amount > 0 && amount % 1024 === 0 && step < PREFIXES.length - 1) {
    amount /= 1024;
    step += 1;
  }
  return step === 0 ? amount : `${amount}${PREFIXES[step]}`;
}
