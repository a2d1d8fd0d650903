/**
 * DKIM keys: whether mail of each domain will be signed, and what waits to be done about its keys. Whether their records
 * are in DNS is for `yizhan dns`; that they give no secret to others for `check_secrets.ts`.
 *
 * @module
 */

import {
  describeKey,
  type DkimFolder,
  type DomainKeyOnDisk,
  findKeyDomains,
  findSelectors,
  readDkimFolder,
} from "../../admin/dkim_folder.ts";
import { isOver } from "../../admin/dkim_keys.ts";
import { mailDomainsOf } from "../../admin/mail_host.ts";
import { openSigningKey } from "../../mailauth/dkim/signing_key.ts";
import { formatDay } from "../dkim_steps.ts";
import { formatUnused } from "../dkim_text.ts";
import { type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("dkim");

/** Bits of RSA that everybody takes for enough (RFC 8301 §3.2). */
const ENOUGH_BITS = 2048;

/** What is wrong with keys, or is to be done about them. */
export async function checkDkim({ loaded, paths, users, runtime, now }: CheckContext) {
  if (loaded === null || paths === null) return [];
  const { dkim, domains } = loaded.written;
  if (!dkim.sign) return [ok("nothing is signed (dkim.sign: false)")];
  const findings: CheckFinding[] = [];
  const own = mailDomainsOf({ domains }, users?.table.domains ?? []);
  const keyed = await findKeyDomains(runtime.files, paths.dkim);
  for (const domain of [...new Set([...own, ...keyed])].sort()) {
    const found = await readDkimFolder(runtime.files, paths.dkim, domain, dkim.selector);
    const bad = await badKeys(found);
    const unused = found.keys.length === 0 ? await findSelectors(runtime.files, found) : [];
    const slip = unused.length === 0 ? null : formatUnused(dkim.selector, unused);
    findings.push(...checkDomain(found, bad, { above: hasParent(domain, keyed), slip }, now));
  }
  return findings;
}

/** Whether the keys of a domain above would sign. */
function hasParent(domain: string, keyed: readonly string[]): boolean {
  return keyed.some((one) => domain.endsWith(`.${one}`));
}

/** The keys that should sign and cannot: they are opened as the server opens them. */
async function badKeys({ domain, keys }: DkimFolder): Promise<CheckFinding[]> {
  const bad: CheckFinding[] = [];
  for (const { path, state, found } of keys) {
    if (state !== "signs") continue;
    const opened = found.status === "key" ? await openSigningKey(found.pem) : found;
    if (opened.status === "key") continue;
    const advice = `the server does not start so; put it right, or: yizhan dkim rotate ${domain}`;
    bad.push(error(`${path} ${opened.reason}`, advice));
  }
  return bad;
}

function checkDomain(
  found: DkimFolder,
  bad: readonly CheckFinding[],
  { above, slip }: { readonly above: boolean; readonly slip: string | null },
  now: number,
): CheckFinding[] {
  const { domain, keys, trouble } = found;
  if (trouble !== null) {
    const advice = "the server does not start so; mend it, or remove it: the first keys sign then";
    return [error(trouble, advice)];
  }
  const signing = keys.filter(({ state }) => state === "signs");
  const findings = [...bad, ...keys.flatMap((key) => todo(domain, key, now))];
  if (signing.length === 0 && !above) {
    const verb = keys.length === 0 ? "new" : "list";
    const advice = slip ?? `yizhan dkim ${verb} ${domain}`;
    return [...findings, warning(`mail from ${domain} is not signed: no DKIM key signs`, advice)];
  }
  if (findings.length > 0 || signing.length === 0) return findings;
  const names = signing.map(({ selector, found }) => `${selector} (${describeKey(found)})`);
  return [ok(`mail from ${domain} is signed: ${names.join(", ")}`)];
}

function todo(domain: string, key: DomainKeyOnDisk, now: number): CheckFinding[] {
  const { selector, state, found, since } = key;
  const name = `the DKIM key ${selector} of ${domain}`;
  if (isOver(key, now) && found.status === "key") {
    const advice = `take its record out of DNS, then: yizhan dkim remove ${domain} ${selector}`;
    return [warning(`${name} is not needed any more`, advice)];
  }
  if (state === "new" && found.status === "key") {
    const advice = `publish its record (yizhan dns), then: yizhan dkim rotate ${domain} --finish`;
    return [warning(`${name} waits for its record since ${formatDay(since)}`, advice)];
  }
  const short = found.status === "key" && found.key.kind === "rsa" && found.bits < ENOUGH_BITS;
  if (!short || state !== "signs") return [];
  return [warning(`${name} has ${found.bits} bits only`, `yizhan dkim rotate ${domain}`)];
}
