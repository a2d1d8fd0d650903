/**
 * The users file: what is wrong in it, aliases that lead to nobody (most often in a circle), domains that nobody
 * lives in, and who reads the mail for postmaster.
 *
 * @module
 */

import { type Address, domainKey, formatAddress, mailboxKey, parseAddress } from "../../address.ts";
import type { Directory } from "../../directory/directory.ts";
import { type DirectoryTable, lookupIn } from "../../directory/directory_table.ts";
import { splitWords } from "../../directory/users_file.ts";
import { AliasError } from "../../routing/aliases.ts";
import { Router, type RouterRule } from "../../routing/router.ts";
import { atKey, type CheckContext, type CheckFinding, findingsOf } from "./finding.ts";

const { ok, warning, error } = findingsOf("users");

/** Aliases that are told of, each for itself. */
const TOLD = 50;

/** What is doubtful in a users file that could be read. */
export async function checkUsers(
  { users, loaded, paths }: Pick<CheckContext, "users" | "loaded" | "paths">,
): Promise<CheckFinding[]> {
  if (users === null || paths === null) return [];
  const file = paths.users;
  const { table, problems, text } = users;
  const findings: CheckFinding[] = problems.map(({ line, text }) => ({
    ...error(text, "a users file with a mistake is not read: mend the line"),
    ...{ file, line },
  }));
  if (loaded === null) return findings;
  const { config } = loaded;
  const delimiter = config.mail.subaddressDelimiter;
  const postmaster = parseAddress(config.mail.postmaster ?? "", { smtputf8: true });
  const router = new Router(tableDirectory(table, config.domains), {
    hostname: config.hostname,
    subaddressDelimiter: delimiter,
    ...(postmaster && { postmaster }),
  });
  // Of a line that is wrong already nothing more is to be said.
  const told = new Set(problems.map(({ line }) => line));
  const aliases = await checkAliases(router, table, text, file, config.relay.enabled);
  findings.push(
    ...aliases.filter(({ line }) => line === undefined || !told.has(line)),
    ...checkDomains(table, config.domains),
    ...await checkPostmaster(router, table, config.domains),
    ...await checkPostmasterName(router, loaded, postmaster),
  );
  if (table.users.size === 0) {
    findings.push(warning("nobody lives here yet", "yizhan user add ADDRESS"));
  }
  if (findings.length > 0) return findings;
  const domains = new Set([...table.domains, ...config.domains.map(domainKey)]).size;
  const counts = [
    count(table.users.size, "user", "users"),
    count(table.aliases.size, "alias", "aliases"),
    count(domains, "domain", "domains"),
  ];
  return [ok(`${file}: ${counts.join(", ")}`)];
}

/** The directory of the file as the router sees it. */
function tableDirectory(table: DirectoryTable, more: readonly string[]): Directory {
  const domains = new Set([...table.domains, ...more.map(domainKey)]);
  return {
    isLocalDomain: (domain) => domains.has(domainKey(domain)),
    lookup: (address) => lookupIn(table, address),
    catchAll: (domain) => table.catchAll.get(domainKey(domain)) ?? null,
    verify: () => Promise.resolve(null),
    maySendAs: () => false,
  };
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

async function checkAliases(
  router: Router,
  table: DirectoryTable,
  text: string,
  file: string,
  sendsOn: boolean,
): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = [];
  const lines = aliasLines(text);
  for (const key of table.aliases.keys()) {
    if (findings.length >= TOLD) break;
    const address = addressOf(key);
    const trouble = await aliasTrouble(router, address, sendsOn);
    if (trouble === null) continue;
    const line = lines.get(key);
    findings.push({ ...trouble, file, ...(line !== undefined && { line }) });
  }
  return findings;
}

async function aliasTrouble(
  router: Router,
  address: Address,
  sendsOn: boolean,
): Promise<CheckFinding | null> {
  const way: Address[] = [];
  let dead = false;
  try {
    const found = await router.resolve(address, ({ address, rule }) => {
      way.push(address);
      dead ||= rule === "nobody";
    });
    if (found.kind === "local" && found.remote.length > 0 && !sendsOn) {
      const what = `${formatAddress(address)} leads elsewhere, and relay.enabled is false`;
      return error(`${what}: mail for it is refused with 554 5.3.3`, "take the target out");
    }
    if (found.kind !== "unknown") return null;
  } catch (failure) {
    if (!(failure instanceof AliasError)) throw failure;
    return error(failure.message, "mail for it waits with its senders (451): make it smaller");
  }
  const name = formatAddress(address);
  if (dead) {
    return error(`alias ${name} leads to nobody`, "make a user of its target, or take it out");
  }
  const circle = way.slice(0, 5).map(formatAddress).join(" → ");
  return error(
    `alias ${name} goes in a circle: ${circle}${way.length > 5 ? " → …" : ""}; ` +
      "mail for it is refused with 550 5.1.1",
    "let one of them lead to a user, or to an address elsewhere",
  );
}

/** The line of each alias, by its key. */
function aliasLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  text.split("\n").forEach((line, index) => {
    if (!line.trimStart().startsWith("alias")) return;
    const name = splitWords(line)?.[1]?.text;
    const address = name === undefined ? null : parseAddress(name, { smtputf8: true });
    if (address !== null) lines.set(mailboxKey(address), index + 1);
  });
  return lines;
}

function addressOf(key: string): Address {
  const at = key.lastIndexOf("@");
  return { local: key.slice(0, at), domain: key.slice(at + 1) };
}

function checkDomains(table: DirectoryTable, configured: readonly string[]): CheckFinding[] {
  const inhabited = new Set(table.catchAll.keys());
  for (const key of [...table.users.keys(), ...table.aliases.keys()]) {
    inhabited.add(addressOf(key).domain);
  }
  const domains = new Set([...table.domains, ...configured.map(domainKey)]);
  return [...domains].filter((domain) => !inhabited.has(domain)).map((domain) =>
    warning(
      `mail for ${domain} ends here, and nobody has an address in it but postmaster`,
      `yizhan user add NAME@${domain}, or take the domain out`,
    )
  );
}

/** A name that was mistyped, most often: nobody of that name is here. */
async function checkPostmasterName(
  router: Router,
  loaded: NonNullable<CheckContext["loaded"]>,
  postmaster: Address | null,
): Promise<CheckFinding[]> {
  if (postmaster === null) return [];
  const found = await Promise.try(() => router.resolve(postmaster)).catch(() => null);
  if (found?.kind !== "unknown") return [];
  const what = `nobody has the address ${formatAddress(postmaster)}`;
  const advice = "name a user, an alias or an address elsewhere; yizhan user list shows the users";
  return [atKey(loaded, "users", ["mail", "postmaster"], what, advice)];
}

/** RFC 5321 §4.5.1: mail for postmaster is never refused; somebody should read it too. */
async function checkPostmaster(
  router: Router,
  table: DirectoryTable,
  configured: readonly string[],
): Promise<CheckFinding[]> {
  const unread: string[] = [];
  for (const domain of new Set([...table.domains, ...configured.map(domainKey)])) {
    const rules: RouterRule[] = [];
    const address = { local: "postmaster", domain };
    await Promise.try(() => router.resolve(address, ({ rule }) => rules.push(rule))).catch(
      () => {},
    );
    if (rules.includes("own-postmaster")) unread.push(domain);
  }
  if (unread.length === 0) return [];
  const shown = unread.slice(0, 5).join(", ") + (unread.length > 5 ? ", …" : "");
  return [warning(
    `mail for postmaster of ${shown} lies in a mailbox that nobody can log in to`,
    "name a user in mail.postmaster, or make an alias",
  )];
}
