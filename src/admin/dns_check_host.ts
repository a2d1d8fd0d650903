/**
 * Whether DNS says of this host what it should: its addresses, the way back from them, that its name is no other
 * name of something else, and who may say HELO by it.
 *
 * @module
 */

import { canonicalIp, classifyIp } from "../net_address.ts";
import type { DnsData } from "../runtime/dns_message.ts";
import type { DnsAnswer } from "../runtime/resolver.ts";
import { checkSpfRecord } from "./dns_check_spf.ts";
import {
  ASK_AGAIN,
  type DnsFinding,
  type DnsLook,
  judgeAnswer,
  type Judgement,
} from "./dns_finding.ts";
import { addressRecord, heloRecord, type MailHost, ptrRecord } from "./dns_records.ts";

/** What DNS says of a host. */
export interface HostCheck {
  readonly findings: readonly DnsFinding[];
  /** The host with its addresses: those that were said, else those of DNS. */
  readonly host: MailHost;
}

/** Compares what DNS says of a host. */
export async function checkHost(look: DnsLook, host: MailHost): Promise<HostCheck> {
  const { hostname } = host;
  const [four, six, alias] = await Promise.all([
    look.resolver.a(hostname, look.signal),
    look.resolver.aaaa(hostname, look.signal),
    look.resolver.cname(hostname, look.signal),
  ]);
  const inDns = [four, six].flatMap((answer) => answer.status === "found" ? answer.records : []);
  const known = host.addresses.length > 0;
  const whole = { ...host, addresses: known ? host.addresses.map(canonicalIp) : inDns };
  const addresses = known
    ? compareAddresses(whole, { A: four, AAAA: six })
    : describeAddresses(host, four, six);
  const others = await Promise.all([
    ...whole.addresses.map((address) => checkPtr(look, hostname, address)),
    checkSpfRecord(look, heloRecord(hostname), whole.addresses),
  ]);
  const links = alias.status === "found" ? [describeAlias(hostname, alias.records)] : [];
  return { findings: [...links, ...addresses, ...others], host: whole };
}

/** A host that takes mail must not be a CNAME (RFC 2181 §10.3). */
function describeAlias(name: string, found: readonly string[]): DnsFinding {
  return {
    ...{ purpose: "address", status: "different", name, type: "CNAME", found, wanted: null },
    message: `it is only another name of ${found.join(", ")}, which a host in an MX must not be`,
    advice: "publish A and AAAA records in place of the CNAME",
  };
}

type Answers = Readonly<Record<"A" | "AAAA", DnsAnswer<string>>>;

/** Each address that should be there, and then those that should not. */
function compareAddresses({ hostname, addresses }: MailHost, answers: Answers): DnsFinding[] {
  const findings = addresses.map((address) => {
    const type = address.includes(":") ? "AAAA" : "A";
    const judge = (found: readonly string[]): Judgement =>
      found.map(canonicalIp).includes(address)
        ? { status: "ok", message: `${address} is there` }
        : { status: "missing", message: `${address} is not there`, advice: "publish it" };
    const toData = (found: string): DnsData => ({ type, address: found });
    return judgeAnswer(addressRecord(hostname, address), answers[type], toData, judge);
  });
  for (const type of ["A", "AAAA"] as const) {
    const answer = answers[type];
    const found = answer.status === "found" ? answer.records : [];
    const strange = found.filter((text) => !addresses.includes(canonicalIp(text)));
    if (strange.length > 0) findings.push(describeStrange(hostname, type, strange));
  }
  return findings;
}

function describeStrange(
  name: string,
  type: "A" | "AAAA",
  found: readonly string[],
): DnsFinding {
  return {
    ...{ purpose: "address", status: "different", name, type, found, wanted: null },
    message: `${found.join(", ")} is there too, and is none of this host's addresses`,
    advice: "take it out of DNS, or add it to addresses in the configuration",
  };
}

/** Nobody said which addresses there should be: only that there are some, and such as others can reach. */
function describeAddresses(
  { hostname: name }: MailHost,
  four: DnsAnswer<string>,
  six: DnsAnswer<string>,
): DnsFinding[] {
  const found = [four, six].flatMap((answer) => answer.status === "found" ? answer.records : []);
  const type = four.status === "found" || six.status !== "found" ? "A" : "AAAA";
  const about = { purpose: "address", name, type, found, wanted: null } as const;
  const failed = [four, six].find((answer) => answer.status === "failed");
  if (failed?.status === "failed") {
    const message = `DNS did not tell: ${failed.reason}`;
    return [{ ...about, status: "unknown", message, advice: ASK_AGAIN }];
  }
  if (found.length === 0) {
    const message = "there is no address, A or AAAA";
    return [{ ...about, status: "missing", message, advice: "publish this host's addresses" }];
  }
  const useless = found.filter((text) => classifyIp(text) !== "unicast");
  if (useless.length > 0) {
    const message = `nobody else can reach ${useless.join(", ")}`;
    // Some resolvers of this machine answer for its own name from /etc/hosts.
    const advice = "publish this host's addresses; see whether another name server says the same";
    return [{ ...about, status: "different", message, advice }];
  }
  const message = `${
    found.join(", ")
  }; the configuration does not say which it should be (addresses)`;
  return [{ ...about, status: "ok", message, advice: null }];
}

/** The name of an address must lead back to it (RFC 1912 §2.1); so many servers demand it. */
async function checkPtr(
  { resolver, signal }: DnsLook,
  hostname: string,
  address: string,
): Promise<DnsFinding> {
  const advice = `have ${address} lead to ${hostname} where you got it from (reverse DNS)`;
  const judge = (names: readonly string[]): Judgement =>
    names.includes(hostname)
      ? { status: "ok", message: `${address} leads to ${hostname}` }
      : { status: "different", message: `${address} leads to ${names.join(", ")}`, advice };
  const answer = await resolver.ptr(address, signal);
  const toData = (name: string): DnsData => ({ type: "PTR", name });
  return judgeAnswer(ptrRecord(hostname, address), answer, toData, judge, advice);
}
