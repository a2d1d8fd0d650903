/**
 * Whether the SPF record of a name lets our hosts send, and nobody it should not. Whatever text does that is
 * right, not only the one that was proposed.
 *
 * @module
 */

import { checkHost, helloQuery, type SpfAnswer } from "../mailauth/spf/check_host.ts";
import { isSpf } from "../mailauth/spf/record.ts";
import {
  type DnsFinding,
  type DnsLook,
  judgeAnswer,
  type Judgement,
  textData,
} from "./dns_finding.ts";
import type { WantedRecord } from "./wanted_record.ts";

/** An address that nobody has (RFC 1112 §4): what SPF says of it, it says of everybody. */
const NOBODY = "240.0.0.1";

/** @param addresses ours, from which mail of the name comes. */
export async function checkSpfRecord(
  look: DnsLook,
  record: WantedRecord,
  addresses: readonly string[],
): Promise<DnsFinding> {
  const { resolver, signal } = look;
  const answer = await resolver.txt(record.name, signal);
  const ours = await Promise.all(addresses.map(async (address) => ({
    address,
    said: await ask(look, record.name, address),
  })));
  const nobody = await ask(look, record.name, NOBODY);
  const about = answer.status === "found" ? onlySpf(answer) : answer;
  const judge = (texts: readonly string[]) => judgeSpf(texts, ours, nobody);
  return judgeAnswer(record, about, textData, judge);
}

/** What SPF says of mail of a name from an address; `unclear` where that is another thing for each sender. */
type SpfSaid =
  | { readonly result: Exclude<SpfAnswer["result"], Silent> }
  | { readonly result: Silent | "unclear"; readonly reason: string };

/** Results that say nothing of an address. */
type Silent = "none" | "permerror" | "temperror";

async function ask({ resolver, signal }: DnsLook, name: string, ip: string): Promise<SpfSaid> {
  const { result, reason = "", senderTerm } = await checkHost(helloQuery({ ip, hello: name }), {
    resolver,
    signal,
  });
  if (result === "none" || result === "permerror" || result === "temperror") {
    return { result, reason };
  }
  if (senderTerm === undefined) return { result };
  return { result: "unclear", reason: `it depends on the sender (${senderTerm})` };
}

/** The name may have texts for other things. */
function onlySpf(answer: { readonly status: "found"; readonly records: readonly string[] }) {
  const records = answer.records.filter((text) => /v=spf1/i.test(text));
  if (records.length === 0) return { status: "none", reason: "nodata" } as const;
  return { ...answer, records };
}

interface Said {
  readonly address: string;
  readonly said: SpfSaid;
}

function judgeSpf(texts: readonly string[], ours: readonly Said[], nobody: SpfSaid): Judgement {
  const different = (message: string, advice: string): Judgement => ({
    ...{ status: "different", message, advice },
  });
  const records = texts.filter(isSpf);
  if (records.length === 0) {
    return different(
      "the text does not begin with v=spf1",
      "publish it without quotes or blanks before it",
    );
  }
  if (records.length > 1) {
    return different("there is more than one SPF record, so none counts", "make one of them");
  }
  for (const { said } of [...ours, { said: nobody }]) {
    if (said.result === "permerror" || said.result === "none") {
      return different(said.reason, "mend the record");
    }
  }
  const refused = ours.find(({ said }) => /^(?:fail|softfail|neutral)$/.test(said.result));
  if (refused !== undefined) {
    const { address, said } = refused;
    const term = `${address.includes(":") ? "ip6" : "ip4"}:${address}`;
    return different(
      `it says ${said.result} of ${address}, which is ours`,
      `add mx or ${term} to it`,
    );
  }
  if (nobody.result === "pass") {
    return different("it lets everybody send", "end it with ~all or -all");
  }
  for (const { said } of [...ours, { said: nobody }]) {
    if (said.result !== "temperror" && said.result !== "unclear") continue;
    return { status: "unknown", message: `what it says is not known: ${said.reason}` };
  }
  if (nobody.result === "neutral") {
    return different("it says nothing about others", "end it with ~all or -all");
  }
  if (ours.length === 0) {
    const message = "it can be read; whether it has this host is not known, as no address is";
    return { status: "unknown", message, advice: "publish this host's addresses first" };
  }
  const allowed = ours.map(({ address }) => address).join(", ");
  return { status: "ok", message: `it allows ${allowed}; ${nobody.result} for others` };
}
