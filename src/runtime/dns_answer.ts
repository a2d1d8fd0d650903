/**
 * What a name server's message says to a question: whether it belongs to it, what it found, and whether a
 * "no" may be believed. Pure; messages are whatever came.
 *
 * @module
 */

import { type DnsData, type DnsMessage, type DnsType, RCODE } from "./dns_message.ts";
import { normalizeDnsName } from "./dns_name.ts";

/** What a message says. Times are in seconds. `authenticated`: AD was set, which is worth what its sender is. */
export type DnsReading =
  | {
    readonly status: "found";
    readonly data: readonly DnsData[];
    readonly ttl: number;
    readonly authenticated?: boolean;
    /** Whose records they are, where it is not the name that was asked for. */
    readonly canonical?: string;
  }
  | {
    readonly status: "none";
    readonly reason: "nxdomain" | "nodata";
    /** How long this may be remembered; 0 where no SOA says so (RFC 2308 §5). */
    readonly ttl: number;
    readonly authenticated?: boolean;
  }
  /** The name is another's (CNAME), of which nothing is said: to be asked for that one. */
  | {
    readonly status: "alias";
    readonly name: string;
    readonly ttl: number;
    readonly authenticated?: boolean;
  }
  /** Nothing can be learnt from it. */
  | { readonly status: "failed"; readonly reason: string };

/** CNAMEs followed for one question; a longer chain is taken for a loop. */
export const MAX_ALIASES = 8;

/** The rcodes by name (RFC 1035 §4.1.1), for people. */
const RCODE_NAMES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

/**
 * Whether a message is the answer to a question asked with an id. One that refuses may leave the question
 * out, as some servers do that do not understand it; it tells nothing that is believed.
 */
export function isDnsAnswerTo(
  message: DnsMessage,
  id: number,
  name: string,
  type: DnsType,
): boolean {
  if (!message.response || message.id !== id) return false;
  if (message.question === null) {
    return message.rcode !== RCODE.noError && message.rcode !== RCODE.nameError;
  }
  return message.question.type === type &&
    normalizeDnsName(message.question.name) === normalizeDnsName(name);
}

/** Reads the answer to a question. Records of other names than asked for do not count. */
export function readDnsAnswer(message: DnsMessage, name: string, type: DnsType): DnsReading {
  const { rcode } = message;
  if (rcode !== RCODE.noError && rcode !== RCODE.nameError) {
    return { status: "failed", reason: RCODE_NAMES[rcode] ?? `rcode ${rcode}` };
  }
  let owner = normalizeDnsName(name);
  let ttl = Infinity;
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const records = message.answers.filter((record) => normalizeDnsName(record.name) === owner);
    const found = records.filter((record) => record.data.type === type);
    if (found.length > 0) {
      ttl = Math.min(ttl, ...found.map((record) => record.ttl));
      return {
        ...{ status: "found", data: found.map((record) => record.data), ttl },
        ...authenticity(message),
        ...(aliases > 0 && { canonical: owner }),
      };
    }
    const alias = records.find((record) => record.data.type === "CNAME");
    if (alias?.data.type !== "CNAME") return readNegative(message, owner, aliases, ttl);
    owner = normalizeDnsName(alias.data.name);
    ttl = Math.min(ttl, alias.ttl);
  }
  return { status: "failed", reason: "a loop of CNAMEs" };
}

/** No record. The rcode is about the last name of the chain (RFC 6604 §3). */
function readNegative(
  message: DnsMessage,
  owner: string,
  aliases: number,
  ttl: number,
): DnsReading {
  const soa = message.authority.find((record) => record.data.type === "SOA");
  const remember = soa?.data.type === "SOA" ? Math.min(ttl, soa.ttl, soa.data.minimum) : 0;
  if (message.rcode === RCODE.nameError) {
    return { status: "none", reason: "nxdomain", ttl: remember, ...authenticity(message) };
  }
  if (soa === undefined && aliases > 0) {
    return { status: "alias", name: owner, ttl, ...authenticity(message) };
  }
  // A server that only names others has not said that there is nothing (RFC 2308 §2.2).
  const referral = message.authority.some((record) => record.data.type === "NS");
  if (soa === undefined && referral) return { status: "failed", reason: "a referral" };
  return { status: "none", reason: "nodata", ttl: remember, ...authenticity(message) };
}

function authenticity({ authenticated }: DnsMessage): { readonly authenticated?: true } {
  return authenticated ? { authenticated } : {};
}
