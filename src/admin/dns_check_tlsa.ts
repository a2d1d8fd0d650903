/**
 * Whether the TLSA records of this host fit the certificates it shows: those who obey them keep their mail while none
 * does (RFC 7672 §2.2).
 *
 * @module
 */

import { matchDane, usableRecords } from "../delivery/dane_match.ts";
import type { DnsData } from "../runtime/dns_message.ts";
import type { TlsaRecord } from "../runtime/resolver.ts";
import { type DnsFinding, type DnsLook, judgeAnswer, type Judgement } from "./dns_finding.ts";
import { hostRecords, type MailHost } from "./dns_records.ts";

/**
 * Compares them; nothing where the certificates are not known.
 *
 * @param now epoch milliseconds.
 */
export async function checkTlsa(
  { resolver, signal }: DnsLook,
  host: MailHost,
  now: number,
): Promise<DnsFinding[]> {
  const wanted = hostRecords(host).find(({ purpose }) => purpose === "tlsa");
  if (wanted === undefined) return [];
  const answer = await resolver.tlsa(wanted.name, signal);
  const judge = (found: readonly TlsaRecord[]) => judgeRecords(host, found, now);
  const toData = (record: TlsaRecord): DnsData => ({ type: "TLSA", ...record });
  return [judgeAnswer(wanted, answer, toData, judge)];
}

function judgeRecords(
  { hostname, certificates = [] }: MailHost,
  found: readonly TlsaRecord[],
  now: number,
): Judgement {
  const records = usableRecords(found);
  if (records.length === 0) {
    const message = "none of the TLSA records can be used for mail (RFC 7672, 3.1)";
    return { status: "different", message, advice: "publish one of usage 3 (DANE-EE), or none" };
  }
  const faults = certificates.map((chain) =>
    matchDane({ records, names: [hostname] }, chain, now)?.text ?? null
  );
  if (faults.includes(null)) return { status: "ok", message: "it fits a certificate of this host" };
  return {
    status: "different",
    message: `no certificate of this host fits: ${faults[0]}`,
    advice: "publish the record of the key that is in use, or take the records away: others keep " +
      "their mail for you meanwhile",
  };
}
