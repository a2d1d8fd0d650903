/**
 * The DNS records that a mail domain needs, and why: what `yizhan init` prints and `yizhan dns` compares. Pure;
 * texts are as RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC), RFC 8461 (MTA-STS), RFC 8460 (TLS-RPT) and
 * RFC 6186 with RFC 8314 (SRV) have them; TLSA as RFC 7672 wants it.
 *
 * All names are A-labels without a dot at the end.
 *
 * @module
 */

import { createHash, X509Certificate } from "node:crypto";
import { toAsciiDomain } from "../address.ts";
import { type StsPolicy, stsPolicyLines } from "../delivery/sts/policy.ts";
import { canonicalIp } from "../net_address.ts";
import type { DnsData } from "../runtime/dns_message.ts";
import { reverseDnsName } from "../runtime/dns_name.ts";
import { type DkimPublicKey, formatDkimRecord } from "./dkim_key.ts";
import {
  policyRecord,
  type SiteHost,
  siteNameRecords,
  siteServiceRecords,
} from "./dns_site_records.ts";
import type { WantedRecord } from "./wanted_record.ts";

/** The machine that takes the mail. */
export interface MailHost {
  /** Its name. */
  readonly hostname: string;
  /** Its addresses as the world knows them; empty where nobody has said so. */
  readonly addresses: readonly string[];
  /** The certificates it shows to servers, DER: each with its chain, its own first; absent: they are not known. */
  readonly certificates?: readonly (readonly Uint8Array[])[];
  /** The port where users submit by STARTTLS, where there is one. */
  readonly submission?: number;
  /** The port where users submit with TLS from the start, where there is one. */
  readonly submissions?: number;
  /** What it serves of the site of its domains; absent: nothing. */
  readonly site?: SiteHost;
  /** The policy of MTA-STS of its domains: one that it serves, or one that is enforced, whoever serves it. */
  readonly stsPolicy?: StsPolicy;
}

/** A domain that has its mail here. */
export interface MailDomain {
  /** It may have letters of all alphabets. */
  readonly domain: string;
  /** The keys whose records must be there. */
  readonly dkim: readonly PublishedKey[];
}

/** A DKIM key whose record must be there. */
export interface PublishedKey {
  readonly selector: string;
  readonly key: DkimPublicKey;
  /** What it does: `new` waits for its record, mail signed by an `old` one is still on its way. Default `signs`. */
  readonly state?: "new" | "signs" | "old";
}

/** The records of the host itself. */
export function hostRecords({ hostname, addresses, certificates = [] }: MailHost): WantedRecord[] {
  return [
    ...addresses.map((address) => addressRecord(hostname, address)),
    ...addresses.map((address) => ptrRecord(hostname, address)),
    heloRecord(hostname),
    ...certificates.flatMap(([own]) => own === undefined ? [] : tlsaRecord(hostname, own)),
  ];
}

/** The key of a certificate of the host: DANE-EE, which RFC 7672 §3.1.1 recommends. */
function tlsaRecord(hostname: string, certificate: Uint8Array): WantedRecord[] {
  const data = keyDigest(certificate);
  if (data === null) return [];
  return [{
    purpose: "tlsa",
    name: tlsaName(hostname),
    data: { type: "TLSA", usage: 3, selector: 1, matching: 1, data },
    need: "later",
    why: [
      "DANE (RFC 7672): others send to this host only while it has this key. Publish it where the zone is signed",
      "(DNSSEC) and the key stays the same when the certificate is renewed. Before a new key is used its record",
      "must be there, beside the old one, for as long as that may be remembered: else mail from others waits.",
    ],
  }];
}

/** Where the keys of a mail host are (RFC 7672 §2.2.3). */
export function tlsaName(hostname: string): string {
  return `_25._tcp.${hostname}`;
}

function keyDigest(certificate: Uint8Array): Uint8Array | null {
  try {
    const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
    return Uint8Array.from(createHash("sha256").update(key).digest());
  } catch {
    return null;
  }
}

/** Where a host is. */
export function addressRecord(hostname: string, ip: string): WantedRecord {
  const address = canonicalIp(ip);
  return {
    purpose: "address",
    name: hostname,
    data: { type: address.includes(":") ? "AAAA" : "A", address },
    need: "required",
    why: ["Where this host is."],
  };
}

/** The way back from an address to a host. */
export function ptrRecord(hostname: string, ip: string): WantedRecord {
  return {
    purpose: "ptr",
    name: reverseDnsName(canonicalIp(ip)) ?? "",
    data: { type: "PTR", name: hostname },
    need: "required",
    why: [
      "The way back from the address to the name. Whoever gave you the address sets it (look for",
      '"reverse DNS"); without it many servers refuse your mail.',
    ],
  };
}

/** Who may say HELO by the name of a host. */
export function heloRecord(hostname: string): WantedRecord {
  return {
    purpose: "spf",
    name: hostname,
    data: text("v=spf1 a -all"),
    need: "required",
    why: ["Only this host may call itself so: bounces have no other sender (RFC 7208, 2.3)."],
  };
}

/** The records of a domain itself. Those of the host are in {@link hostRecords}. */
export function domainRecords(host: MailHost, { domain, dkim }: MailDomain): WantedRecord[] {
  const name = asciiDomain(domain);
  return [
    {
      purpose: "mx",
      name,
      data: { type: "MX", preference: 10, exchange: host.hostname },
      need: "required",
      why: ["Mail for the domain goes to this host."],
    },
    ...spfRecord(host, name),
    ...dkim.map((key) => dkimRecord(name, key)),
    {
      purpose: "dmarc",
      name: `_dmarc.${name}`,
      data: text(`v=DMARC1; p=none; rua=mailto:postmaster@${name}`),
      need: "required",
      why: [
        "What others shall do with mail that is neither by SPF nor by DKIM yours: nothing yet but report it.",
        "Once the reports show only your own mail, make p=none p=quarantine, then p=reject.",
      ],
    },
    {
      purpose: "tls-rpt",
      name: `_smtp._tls.${name}`,
      data: text(`v=TLSRPTv1; rua=mailto:postmaster@${name}`),
      need: "optional",
      why: ["Others report where they could not reach you by TLS."],
    },
    ...submissionRecords(host, name),
    ...(host.site === undefined ? [] : siteServiceRecords(host.hostname, host.site, name)),
    ...(host.site === undefined ? [] : siteNameRecords(host.hostname, host.site, name)),
    ...announcements(host, name),
  ];
}

/** The public half of a DKIM key. @param domain as DNS has it. */
export function dkimRecord(
  domain: string,
  { selector, key, state = "signs" }: PublishedKey,
): WantedRecord {
  return {
    purpose: "dkim",
    name: `${selector}._domainkey.${domain}`,
    data: text(formatDkimRecord(key)),
    need: "required",
    why: DKIM_WHY[state],
  };
}

const DKIM_WHY: Readonly<Record<NonNullable<PublishedKey["state"]>, readonly string[]>> = {
  signs: [
    "The public half of a DKIM key, by which others check the signatures of the domain's mail.",
  ],
  new: ["The public half of a new DKIM key. It signs once this is there: yizhan dkim rotate"],
  old: [
    "The public half of a DKIM key that signs no more: mail it has signed is still on its way.",
  ],
};

/** The domain as DNS has it. A configuration holds none that has no such form. */
export function asciiDomain(domain: string): string {
  return toAsciiDomain(domain) ?? domain;
}

/** A host that is the domain itself has its SPF already, and it says the same. */
function spfRecord({ hostname }: MailHost, name: string): WantedRecord[] {
  if (hostname === name) return [];
  return [{
    purpose: "spf",
    name,
    data: text("v=spf1 mx ~all"),
    need: "required",
    why: [
      "Mail of the domain comes from the hosts of its MX; what comes from elsewhere is doubtful. Once you",
      "know that nobody else sends for you, ~all may become -all.",
    ],
  }];
}

/** Port 465 comes first (RFC 8314 §5.1). */
function submissionRecords(host: MailHost, name: string): WantedRecord[] {
  const record = (service: string, port: number | undefined, priority: number): WantedRecord[] =>
    port === undefined ? [] : [{
      purpose: "srv",
      name: `_${service}._tcp.${name}`,
      data: { type: "SRV", priority, weight: 1, port, target: host.hostname },
      need: "optional",
      why: ["Where mail programs find how to send (RFC 6186, RFC 8314)."],
    }];
  return [
    ...record("submissions", host.submissions, 0),
    ...record("submission", host.submission, 10),
  ];
}

/** Of the policy that is served, or of one that may be. */
function announcements(host: MailHost, name: string): WantedRecord[] {
  const { site } = host;
  if (site !== undefined && site.policyId !== null) return [policyRecord(site.policyId, name)];
  return [{
    purpose: "mta-sts",
    name: `_mta-sts.${name}`,
    data: text("v=STSv1; id=1"),
    need: "later",
    why: mtaStsWhy(host, name),
  }];
}

function mtaStsWhy({ hostname, stsPolicy }: MailHost, name: string): string[] {
  const policy = stsPolicy ?? { mode: "testing", mx: [hostname], maxAge: 86_400 };
  return [
    "MTA-STS: others send to you by verified TLS only. Yizhan serves the policy once a listener of web has",
    "TLS and is not on loopback, and prints the record for it then. Any other web server can serve it too,",
    `as a file, at https://mta-sts.${name}/.well-known/mta-sts.txt:`,
    ...stsPolicyLines(policy).map((line) => `  ${line}`),
    "When that is there, and this host has a certificate of an authority, publish this record. Each time",
    "the file changes, so must the id. mode: enforce comes last.",
  ];
}

function text(value: string): DnsData {
  return { type: "TXT", text: value };
}
