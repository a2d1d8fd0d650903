/**
 * What `yizhan dkim` prints of keys, for people and for programs.
 *
 * @module
 */

import { describeKey, type DomainKeyOnDisk } from "../admin/dkim_folder.ts";
import { isOver } from "../admin/dkim_keys.ts";
import type { DnsFinding } from "../admin/dns_finding.ts";
import { dkimRecord } from "../admin/dns_records.ts";
import { formatZoneRecord } from "../admin/zone_text.ts";
import { formatVisible } from "../observe/visible_text.ts";
import { formatDay } from "./dkim_steps.ts";

/** The line of a zone file. */
export function formatRecord(domain: string, { selector, found }: DomainKeyOnDisk): string {
  if (found.status !== "key") return "";
  const { name, data } = dkimRecord(domain, { selector, key: found.key });
  return formatZoneRecord(name, data);
}

/** A key in a line, and what DNS says of it in another. */
export function formatKey(
  domain: string,
  key: DomainKeyOnDisk,
  now: number,
  published: DnsFinding | null = null,
): string[] {
  const { selector, path, found } = key;
  const trouble = found.status === "key" ? [] : [`${path} ${found.reason}`];
  const rows = [
    ...trouble,
    ...(published === null ? [] : [`DNS: ${formatVisible(published.message, 200)}`]),
  ];
  return [
    `  ${selector.padEnd(24)}  ${describeKey(found).padEnd(8)}  ${describeState(domain, key, now)}`,
    ...rows.map((row) => `  ${" ".repeat(24)}  ${row}`),
  ];
}

function describeState(domain: string, key: DomainKeyOnDisk, now: number): string {
  const { state, since, until, selector } = key;
  const day = formatDay(since);
  switch (state) {
    case "new":
      return `made ${day}, does not sign yet: publish its record, then yizhan dkim rotate ${domain} --finish`;
    case "signs":
      return `signs since ${day}`;
    case "old":
      return isOver(key, now)
        ? `signed until ${day}; take its record out of DNS, then yizhan dkim remove ${domain} ${selector}`
        : `signed until ${day}; leave its record in DNS until ${formatDay(until!)}`;
  }
}

/** What lies there and does not sign, since `dkim.selector` names another: a slip, where nobody says so. */
export function formatUnused(selector: string, others: readonly string[]): string {
  return `dkim.selector is ${selector}, and the keys there are ${others.join(", ")}`;
}

/** A key for programs. Times are in ISO 8601. */
export function formatKeyJson(
  domain: string,
  key: DomainKeyOnDisk,
  now: number,
  published: DnsFinding | null = null,
) {
  const { selector, state, since, until, path, found } = key;
  const time = (milliseconds: number) => new Date(milliseconds).toISOString();
  const about = { domain, selector, state, since: time(since), path };
  const end = until === undefined ? {} : { until: time(until), over: isOver(key, now) };
  if (found.status !== "key") return { ...about, ...end, trouble: found.reason };
  const { name, data } = dkimRecord(domain, { selector, key: found.key });
  return {
    ...{ ...about, ...end, algorithm: found.key.kind, bits: found.bits },
    record: { name, type: data.type, value: data.type === "TXT" ? data.text : "" },
    ...(published && { dns: published.status }),
  };
}
