/**
 * `yizhan dns`: the records of DNS that should be there, beside those that are.
 *
 * @module
 */

import { parseDomain } from "../address.ts";
import { type DkimFolder, dkimKeyPath, readDkimFolder, selectorOf } from "../admin/dkim_folder.ts";
import { publishedKeys } from "../admin/dkim_keys.ts";
import { checkDomain } from "../admin/dns_check_domain.ts";
import { checkHost } from "../admin/dns_check_host.ts";
import { checkTlsa } from "../admin/dns_check_tlsa.ts";
import type { DnsFinding } from "../admin/dns_finding.ts";
import { asciiDomain, domainRecords, hostRecords } from "../admin/dns_records.ts";
import type { MailDomain, MailHost } from "../admin/dns_records.ts";
import { mailDomainsOf, mailHostOf } from "../admin/mail_host.ts";
import { formatZones } from "../admin/zone_text.ts";
import type { ReadConfig } from "../config/load.ts";
import { readUsersFile } from "../directory/users_read.ts";
import type { Files } from "../runtime/files.ts";
import { parseNameServer } from "../runtime/resolv_conf.ts";
import { errorCode } from "../runtime/system_error.ts";
import type { Command, CommandLine, Flag } from "./command.ts";
import { CONFIG_FLAG, readConfigFor } from "./config_file.ts";
import { formatFinding, formatJsonLine, formatSummary, recordAsJson } from "./dns_text.ts";
import { ALGORITHMS, makeDkimKey, writeDkimKey } from "./dkim_key_file.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { shownCertificates } from "./shown_certificates.ts";
import { requirePermissions } from "./permissions.ts";
import { isColourful, say, warn } from "./terminal.ts";
import { describeFileError, explainFailure, isNotCapable } from "./trouble.ts";

const FLAGS = {
  ...CONFIG_FLAG,
  "name-server": {
    value: "ADDR[:PORT]",
    multiple: true,
    help: "Whom to ask (default relay.nameServers, else those of /etc/resolv.conf)",
  },
  records: { help: "Print the records to publish, as a zone file, and ask nobody" },
  "make-key": { help: "Make the DKIM keys (RSA, Ed25519) of each domain that has none, first" },
  json: { help: "Print JSON, an object a line" },
} satisfies Record<string, Flag>;

/** The command. */
export const dns: Command = {
  name: "dns",
  usage: "[DOMAIN] [FLAGS]",
  description: [
    "Asks DNS for the records that mail to and from this host needs, and says of each whether it is as it",
    "should be: the host's addresses, the way back from them and the keys of its certificates (TLSA), and of",
    "DOMAIN (default: all domains of the configuration and of its users) who takes its mail (MX), SPF, DKIM,",
    "DMARC, TLS-RPT, MTA-STS and whether its policy has all who take the mail, where mail programs find how to",
    "send and to read (SRV), and the names of the site that web serves. What listens on loopback only gets none.",
    "",
    "ok         it is there and does what it must, whether or not it is the text that was proposed",
    "missing    it is not there",
    "different  it is there, and wrong: what is there, what should be, and what to do",
    "unknown    DNS did not answer, or this user may not read the key: nothing is known, ask again",
    "optional   it is not there, and need not be",
    "",
    "What others may still remember of the old records, DNS tells as well: after a change wait for the time",
    "the old record said, mostly an hour.",
    "",
    "A domain that is added to the configuration needs DKIM keys: --make-key makes its first ones, as yizhan",
    "init makes those of the first domain, and they sign at once; all others are for yizhan dkim. A key that is",
    "there is never changed. Run it as the server's user, or as root: what is made belongs to whom the folder of",
    "keys belongs to.",
    "",
    "Exit codes: 0 all is well, or records printed; 65 something is missing or different, 66 no configuration,",
    "73 a key cannot be made, 75 nothing is wrong, but something is unknown, 78 wrong configuration.",
  ].join("\n"),
  flags: FLAGS,
  examples: [
    "dns",
    "dns example.org --name-server 1.1.1.1",
    "dns --records >example.org.zone",
    "dns example.net --make-key --records",
  ],
  run: runDns,
};

async function runDns(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const named = readDomain(line);
  const servers = line.values("name-server");
  for (const text of servers) {
    if (parseNameServer(text) !== null) continue;
    throw new UsageError(
      `--name-server ${text}: wanted an address, such as 1.1.1.1 or 127.0.0.1:53`,
    );
  }
  const loaded = await readConfigFor(line);
  const { written, paths } = loaded;
  const asks = !line.has("records");
  const nameServers = servers.length > 0 ? servers : written.relay.nameServers;
  const read = [
    paths.users,
    paths.dkim,
    ...(asks && nameServers.length === 0 ? [RESOLV_CONF] : []),
  ];
  const write = line.has("make-key") ? [paths.dkim] : [];
  requirePermissions({ read, write, listen: [], outward: asks, sys: [] }, words);
  const { files, resolver } = thisRuntime(nameServers.length === 0 ? {} : { nameServers });
  const domains = await chooseDomains(files, loaded, named);
  const { selector } = written.dkim;
  const keys: DkimFolder[] = [];
  for (const domain of domains) {
    const find = () => readDkimFolder(files, paths.dkim, domain, selector);
    const found = await find();
    const wanted = found.trouble === null && found.keys.length === 0 && line.has("make-key");
    if (wanted) await makeKeys(files, paths.dkim, domain, selector);
    keys.push(wanted ? await find() : found);
  }
  const certificates = await shownCertificates(files, loaded);
  const host = { ...mailHostOf(written), ...(certificates.length > 0 && { certificates }) };
  const now = thisRuntime().clock.now();
  const mail = keys.map((found): MailDomain => ({
    domain: found.domain,
    dkim: publishedKeys(found, now),
  }));
  const lacks = (found: DkimFolder) => lackingKeys(found, paths.dkim, selector);
  if (!asks) {
    for (const { what, advice } of keys.flatMap(lacks)) warn(`${what}; ${advice}`);
    printRecords(host, mail, line.has("json"));
    return EXIT.ok;
  }
  const report = new Report(line.has("json"));
  const hostCheck = await checkHost({ resolver }, host);
  const ofKeys = await checkTlsa({ resolver }, host, now);
  report.add("host", host.hostname, [...hostCheck.findings, ...ofKeys]);
  for (const [index, one] of mail.entries()) {
    const lacking = lacks(keys[index]!).map((lack) => findingOf(one.domain, lack));
    const findings = await checkDomain({ resolver }, hostCheck.host, one);
    report.add("domain", one.domain, [...findings, ...lacking]);
  }
  return report.end();
}

const RESOLV_CONF = "/etc/resolv.conf";

function readDomain(line: CommandLine): string | null {
  const [text, extra] = line.operands;
  if (extra !== undefined) throw new UsageError(`dns takes one domain; what is ${extra} for?`);
  if (text === undefined) return null;
  const domain = parseDomain(text.replace(/\.$/, ""), { smtputf8: true });
  if (domain !== null) return asciiDomain(domain);
  throw new UsageError(`${text} is no domain, such as example.org`);
}

/** The first keys of a domain, which sign at once: no other signature is lost by it. */
async function makeKeys(
  files: Files,
  folder: string,
  domain: string,
  base: string,
): Promise<void> {
  for (const algorithm of ALGORITHMS) {
    const path = dkimKeyPath(folder, domain, selectorOf(base, algorithm));
    try {
      await writeDkimKey(files, folder, path, await makeDkimKey(algorithm));
    } catch (error) {
      throw explainFailure(path, error) ?? error;
    }
    say(`wrote  ${path}`);
  }
}

/** The one that is named, or all. */
async function chooseDomains(
  files: Files,
  loaded: ReadConfig,
  named: string | null,
): Promise<string[]> {
  const all = await findDomains(files, loaded);
  if (named === null && all.length === 0) {
    throw new CommandError(
      EXIT.config,
      "there is no domain to ask for: name one, or set domains in the configuration",
    );
  }
  if (named === null) return all;
  if (!all.includes(named)) {
    warn(`${named} is no domain of this server yet: put it into domains, or add a user in it`);
  }
  return [named];
}

async function findDomains(files: Files, { written, paths }: ReadConfig): Promise<string[]> {
  let ofUsers: Iterable<string> = [];
  try {
    ofUsers = (await readUsersFile(files, paths.users)).file.table.domains;
  } catch (error) {
    const reason = errorCode(error) === undefined && !isNotCapable(error)
      ? (error as Error).message
      : `${paths.users}: ${describeFileError(error)}`;
    warn(`domains that only users have are left out: ${reason}`);
  }
  return mailDomainsOf(written, ofUsers);
}

/** A key of ours that there is not, or that cannot be used. */
interface LackingKey {
  readonly selector: string;
  readonly what: string;
  readonly advice: string;
  /** Nothing is known of it. */
  readonly unknown: boolean;
}

function lackingKeys(
  { domain, keys, trouble }: DkimFolder,
  folder: string,
  selector: string,
): LackingKey[] {
  if (trouble !== null) {
    const unknown = trouble.includes("cannot be read");
    const advice = unknown ? "run this as the server's user" : "mend it; yizhan dkim writes it";
    return [{ selector, what: trouble, advice, unknown }];
  }
  if (keys.length === 0) {
    const what = `${dkimKeyPath(folder, domain, selector)} does not exist`;
    const advice = `make it: yizhan dns ${domain} --make-key`;
    return [{ selector, what, advice, unknown: false }];
  }
  return keys.flatMap(({ selector, path, state, found }) => {
    if (found.status === "key" || (state === "old" && found.status === "none")) return [];
    const what = `${path} ${found.reason}`;
    const unknown = found.status === "unreadable";
    const advice = unknown
      ? "run this as the server's user"
      : `move it away, then: yizhan dkim new ${domain}`;
    return [{ selector, what, advice, unknown }];
  });
}

/** It cannot be compared. */
function findingOf(domain: string, { selector, what, advice, unknown }: LackingKey): DnsFinding {
  const about = { purpose: "dkim", name: `${selector}._domainkey.${domain}`, type: "TXT" } as const;
  const rest = { found: [], wanted: null, message: `this host's key ${what}`, advice };
  return { ...about, ...rest, status: unknown ? "unknown" : "missing" };
}

function printRecords(host: MailHost, domains: readonly MailDomain[], json: boolean): void {
  if (!json) return console.log(formatZones(host, domains).trimEnd());
  const records = [...hostRecords(host), ...domains.flatMap((one) => domainRecords(host, one))];
  for (const record of records) console.log(formatJsonLine(recordAsJson(record)));
}

/** Findings as they come, and what they come to. */
class Report {
  readonly #json: boolean;
  readonly #all: DnsFinding[] = [];

  constructor(json: boolean) {
    this.#json = json;
  }

  add(kind: "host" | "domain", name: string, findings: readonly DnsFinding[]): void {
    this.#all.push(...findings);
    if (this.#json) {
      for (const one of findings) console.log(formatJsonLine({ [kind]: name, ...one }));
      return;
    }
    console.log(name);
    for (const one of findings) console.log(formatFinding(one, isColourful("stdout")));
  }

  end(): ExitCode {
    const count = (...statuses: string[]) =>
      this.#all.filter(({ status }) => statuses.includes(status)).length;
    const [wrong, unknown] = [count("missing", "different"), count("unknown")];
    if (!this.#json) console.log(formatSummary(wrong, unknown));
    return wrong > 0 ? EXIT.dataError : unknown > 0 ? EXIT.temporary : EXIT.ok;
  }
}
