/**
 * Where the owner of a domain wants aggregate reports: the `rua` of its policy record, and whether those it names want
 * them too. Without their word anybody could have the whole world's reports sent to a victim (RFC 9990 §4).
 *
 * Nothing rejects; DNS that does not answer is `unknown`.
 *
 * @module
 */

import { toAsciiDomain } from "../../address.ts";
import { isDmarcRecord } from "../../mailauth/dmarc/record.ts";
import { PolicyRecords, walkTree } from "../../mailauth/dmarc/tree.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import { parseMailto } from "../reports/mailto.ts";

/** A place for reports. */
export interface ReportPlace {
  /** A mail address. */
  readonly address: string;
  /** Octets of a mail that are taken; `null`: it is not said. */
  readonly limit: number | null;
}

/** What is known of a place. */
export type PlaceAnswer =
  | { readonly status: "granted"; readonly places: readonly ReportPlace[] }
  | { readonly status: "refused"; readonly reason: string }
  | { readonly status: "unknown"; readonly reason: string };

/** Places of one record: a stranger's list does not make us a sprinkler. */
const MAX_PLACES = 4;
/** RFC 1035 §2.3.4, as text. */
const MAX_NAME = 253;

/**
 * The mail addresses that the text of a policy record names, the first four. Kinds that are not mail are passed over. A
 * size behind an address (RFC 7489 §6.2) is kept to, though RFC 9989 has no place for it any more: what is larger would
 * only be refused there.
 *
 * @example
 * ```ts
 * import { parseReportPlaces } from "./targets.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseReportPlaces("v=DMARC1; p=none; rua=mailto:a@example.org!10m, https://x.example"), [
 *   { address: "a@example.org", limit: 10 * 1024 * 1024 },
 * ]);
 * ```
 */
export function parseReportPlaces(record: string): ReportPlace[] {
  const tag = record.split(";", 100).find((part) => /^\s*rua\s*=/i.test(part));
  const uris = tag?.slice(tag.indexOf("=") + 1).split(",", 100) ?? [];
  const places = uris.map((uri) => parsePlace(uri.trim())).filter((place) => place !== null);
  const known = new Map(places.map((place) => [place.address, place]));
  return [...known.values()].slice(0, MAX_PLACES);
}

function parsePlace(uri: string): ReportPlace | null {
  if (uri.length > 1000) return null;
  const [whole, digits, unit = ""] = /!(\d{1,12})([kmgt]?)$/i.exec(uri) ?? [""];
  const address = parseMailto(uri.slice(0, uri.length - whole.length));
  if (address === null) return null;
  const power = " kmgt".indexOf(unit.toLowerCase() || " ");
  return { address, limit: digits === undefined ? null : Number(digits) * 1024 ** power };
}

/**
 * Whether reports about a domain may go to a place (RFC 9990 §4): to one of the same owner always, to another where it
 * has said so in DNS. It may name other addresses of its own then, which are in the place's stead.
 *
 * @param domain where the policy record is, as A-labels.
 */
export async function permitPlace(
  place: ReportPlace,
  domain: string,
  resolver: Pick<Resolver, "txt">,
  signal?: AbortSignal,
): Promise<PlaceAnswer> {
  const host = hostOf(place);
  if (host === null) return refused(`${place.address} has no domain that DNS knows`);
  if (host === domain) return { status: "granted", places: [place] };
  const records = new PolicyRecords(resolver, signal);
  const [own, other] = await Promise.all([walkTree(records, domain), walkTree(records, host)]);
  if (own.status === "failed") return { status: "unknown", reason: own.reason };
  if (other.status === "failed") return { status: "unknown", reason: other.reason };
  if (own.organization === other.organization) return { status: "granted", places: [place] };
  const name = `${domain}._report._dmarc.${host}`;
  if (name.length > MAX_NAME) return refused(`${name} would be too long a name`);
  const answer = await resolver.txt(name, signal);
  if (answer.status === "failed") return { status: "unknown", reason: answer.reason };
  const texts = answer.status === "found" ? answer.records.filter(isDmarcRecord) : [];
  if (texts.length === 0) {
    return refused(`${host} has not said that it wants reports about ${domain} (at ${name})`);
  }
  const instead = texts.map(parseReportPlaces).find((places) => places.length > 0);
  if (instead === undefined) return { status: "granted", places: [place] };
  // One that sends on to a third would be an open relay of reports: then there is none at all.
  return instead.every((one) => hostOf(one) === host)
    ? { status: "granted", places: instead }
    : refused(`${name} names an address of another domain`);
}

function hostOf({ address }: ReportPlace): string | null {
  return toAsciiDomain(address.slice(address.lastIndexOf("@") + 1))?.toLowerCase() ?? null;
}

function refused(reason: string): PlaceAnswer {
  return { status: "refused", reason };
}
