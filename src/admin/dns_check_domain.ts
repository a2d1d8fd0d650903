/**
 * Whether DNS says of a domain what it should: who takes its mail, and the texts by which others judge and
 * report its mail.
 *
 * @module
 */

import type { DnsData } from "../runtime/dns_message.ts";
import type { MxRecord, SrvRecord } from "../runtime/resolver.ts";
import { checkPolicyHosts } from "./dns_check_policy.ts";
import { checkSiteName } from "./dns_check_site.ts";
import { checkSpfRecord } from "./dns_check_spf.ts";
import { checkDkim, checkDmarc, checkMtaSts, checkTlsRpt } from "./dns_check_texts.ts";
import { type DnsFinding, type DnsLook, judgeAnswer, type Judgement } from "./dns_finding.ts";
import { asciiDomain, domainRecords, type MailDomain, type MailHost } from "./dns_records.ts";
import type { WantedRecord } from "./wanted_record.ts";

/** Compares what DNS says of a domain. @param host with its addresses, as `checkHost` found them. */
export async function checkDomain(
  look: DnsLook,
  host: MailHost,
  domain: MailDomain,
): Promise<DnsFinding[]> {
  const [policy, ...records] = await Promise.all([
    checkPolicyHosts(look, host, asciiDomain(domain.domain)),
    ...domainRecords(host, domain).map((record) => checkRecord(look, host, domain, record)),
  ]);
  return [...records, ...policy];
}

function checkRecord(
  look: DnsLook,
  host: MailHost,
  { dkim }: MailDomain,
  record: WantedRecord,
): Promise<DnsFinding> {
  switch (record.purpose) {
    case "mx":
      return checkMx(look, host, record);
    case "srv":
      return checkSrv(look, record);
    case "spf":
      return checkSpfRecord(look, record, host.addresses);
    case "dkim": {
      const { key } = dkim.find(({ selector }) =>
        record.name.startsWith(`${selector}._domainkey.`)
      )!;
      return checkDkim(look, record, key);
    }
    case "dmarc":
      return checkDmarc(look, record);
    case "tls-rpt":
      return checkTlsRpt(look, record);
    case "mta-sts":
      return checkMtaSts(look, record, host.site?.policyId ?? null);
    case "site":
      return checkSiteName(look, record, host.addresses);
    case "address":
    case "ptr":
    case "tlsa":
      throw new TypeError(`no record of a domain: ${record.purpose}`);
  }
}

async function checkMx(
  { resolver, signal }: DnsLook,
  { hostname }: MailHost,
  record: WantedRecord,
): Promise<DnsFinding> {
  const answer = await resolver.mx(record.name, signal);
  const toData = (mx: MxRecord): DnsData => ({ type: "MX", ...mx });
  return judgeAnswer(record, answer, toData, (records) => judgeMx(records, hostname));
}

function judgeMx(records: readonly MxRecord[], hostname: string): Judgement {
  const advice = "publish it in place of what is there, or beside it";
  const own = records.find(({ exchange }) => exchange === hostname);
  const others = records.filter(({ exchange }) => exchange !== hostname);
  const literal = others.find(({ exchange }) => /^[\d.]+$|:/.test(exchange));
  if (others.some(({ exchange }) => exchange === "")) {
    const message = 'a null MX ("0 .") says that the domain takes no mail';
    return { status: "different", message, advice: "take it out and publish the one wanted" };
  }
  if (literal !== undefined) {
    const message = `${literal.exchange} is an address, and an MX has a name`;
    return { status: "different", message, advice: "put the host's name in its place" };
  }
  if (own === undefined) {
    const names = others.map(({ exchange }) => exchange).join(", ");
    return { status: "different", message: `mail goes to ${names}, not to ${hostname}`, advice };
  }
  const names = others.map(({ preference, exchange }) => `${exchange} (${preference})`).join(", ");
  const beside = names === "" ? "" : `; beside it ${names}`;
  return { status: "ok", message: `mail comes to ${hostname} (${own.preference})${beside}` };
}

async function checkSrv({ resolver, signal }: DnsLook, record: WantedRecord): Promise<DnsFinding> {
  const { data } = record;
  const answer = await resolver.srv(record.name, signal);
  const toData = (srv: SrvRecord): DnsData => ({ type: "SRV", ...srv });
  return judgeAnswer(record, answer, toData, (records) => {
    const right = data.type === "SRV" &&
      records.some(({ port, target }) => port === data.port && target === data.target);
    if (right) return { status: "ok", message: `mail programs find ${data.target}:${data.port}` };
    const advice = "publish the one wanted, or none";
    return { status: "different", message: "it leads elsewhere", advice };
  });
}
