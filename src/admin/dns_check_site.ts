/**
 * Whether DNS leads the names of a domain's site to this host, and announces the policy that is served.
 *
 * @module
 */

import { canonicalIp } from "../net_address.ts";
import { type DnsFinding, type DnsLook, judgeAnswer, type Judgement } from "./dns_finding.ts";
import type { WantedRecord } from "./wanted_record.ts";

/**
 * Whether a name leads where the host is, by a CNAME or by addresses of its own.
 *
 * @param ours the addresses of the host; empty where they are not known: then any is right.
 */
export async function checkSiteName(
  { resolver, signal }: DnsLook,
  record: WantedRecord,
  ours: readonly string[],
): Promise<DnsFinding> {
  const [four, six] = await Promise.all([
    resolver.a(record.name, signal),
    resolver.aaaa(record.name, signal),
  ]);
  const found = [four, six].flatMap((answer) => answer.status === "found" ? answer.records : []);
  const judge = (): Judgement => {
    const places = found.map(canonicalIp);
    const strange = places.filter((address) => !ours.includes(address));
    if (ours.length === 0 || strange.length === 0) {
      return { status: "ok", message: `it leads to ${places.join(", ")}` };
    }
    const advice = "publish the one wanted, unless what is there leads on to this host";
    const message = `it leads to ${strange.join(", ")}, which is not this host`;
    return { status: "different", message, advice };
  };
  const failed = [four, six].find(({ status }) => status === "failed");
  const answer = found.length > 0 ? four.status === "found" ? four : six : failed ?? four;
  // What is told of as there: the addresses, whether or not a CNAME leads to them.
  const toData = (address: string) => ({
    type: address.includes(":") ? "AAAA" as const : "A" as const,
    address,
  });
  return judgeAnswer(record, answer, toData, judge);
}
