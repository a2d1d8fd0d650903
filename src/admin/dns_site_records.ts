/**
 * The DNS records of a domain's site, where this host serves it: its names, the announcement of its MTA-STS policy
 * (RFC 8461 §3.1), and where mail programs find servers without asking the site (RFC 6186). Pure.
 *
 * @module
 */

import type { SiteName } from "../config/site.ts";
import type { WantedRecord } from "./wanted_record.ts";

/** The site of domains, as far as DNS has to know of it. */
export interface SiteHost {
  /** The names below each domain by which it is asked for. */
  readonly names: readonly SiteName[];
  /** Its port for TLS. */
  readonly port: number;
  /** The id of the policy of MTA-STS that it serves; `null`: none. */
  readonly policyId: string | null;
  /** Where mail is read: the service as RFC 6186 names it. */
  readonly readers: readonly {
    readonly service: "imap" | "imaps" | "pop3" | "pop3s";
    readonly hostname: string;
    readonly port: number;
  }[];
}

/** The records of the names that the site is asked for by. @param hostname where they lead. */
export function siteNameRecords(
  hostname: string,
  { names }: SiteHost,
  domain: string,
): WantedRecord[] {
  return names.filter((name) => `${name}.${domain}` !== hostname).map((name) => ({
    purpose: "site",
    name: `${name}.${domain}`,
    data: { type: "CNAME", name: hostname },
    need: name === "mta-sts" ? "required" : "optional",
    why: WHY[name],
  }));
}

const WHY: Readonly<Record<SiteName, readonly string[]>> = {
  "mta-sts": ["Where others fetch the policy of MTA-STS. A and AAAA records do as well."],
  autoconfig: ["Where Thunderbird and others ask how an account is set up."],
  autodiscover: ["Where Outlook asks how an account is set up."],
};

/** That there is a policy, and which: each change of it has an id of its own. */
export function policyRecord(id: string, domain: string): WantedRecord {
  return {
    purpose: "mta-sts",
    name: `_mta-sts.${domain}`,
    data: { type: "TXT", text: `v=STSv1; id=${id}` },
    need: "required",
    why: [
      "MTA-STS: others send to you by verified TLS only, as the policy says that this host serves (web.mtaSts).",
      "With the policy the id changes: publish the new one then. First this host needs a certificate of an",
      "authority, for its own name and for the policy's.",
    ],
  };
}

/** Where mail programs find what reads mail, and Outlook the site. */
export function siteServiceRecords(
  hostname: string,
  { names, port, readers }: SiteHost,
  domain: string,
): WantedRecord[] {
  const outlook = names.includes("autodiscover");
  return [
    ...readers.map((reader) => ({
      purpose: "srv" as const,
      name: `_${reader.service}._tcp.${domain}`,
      data: srv(reader.hostname, reader.port),
      need: "optional" as const,
      why: ["Where mail programs find how to read mail (RFC 6186, RFC 8314)."],
    })),
    ...(outlook
      ? [{
        purpose: "srv" as const,
        name: `_autodiscover._tcp.${domain}`,
        data: srv(hostname, port),
        need: "optional" as const,
        why: ["Where Outlook asks, when nothing is at autodiscover under the domain."],
      }]
      : []),
  ];
}

function srv(target: string, port: number) {
  return { type: "SRV", priority: 0, weight: 1, port, target } as const;
}
