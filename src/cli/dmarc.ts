/**
 * `yizhan dmarc`: what others report of mail in the name of our domains.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress, parseDomain } from "../address.ts";
import { asciiDomain } from "../admin/dns_records.ts";
import { DmarcSummary, type DomainSummary } from "../admin/dmarc/summary.ts";
import { mailDomainsOf, mailHostOf } from "../admin/mail_host.ts";
import type { ReadConfig } from "../config/load.ts";
import { mailboxPath } from "../delivery/maildir/mailbox_path.ts";
import { type FileDirectory, openFileDirectory } from "../directory/file_directory.ts";
import { readUsersFile } from "../directory/users_read.ts";
import { Router } from "../routing/router.ts";
import { formatVisible } from "../observe/visible_text.ts";
import type { Command, CommandLine, Flag } from "./command.ts";
import { CONFIG_FLAG, readConfigFor } from "./config_file.ts";
import { readMailbox, readNamed, type ReportSink } from "./dmarc_files.ts";
import { formatDomainSummary } from "./dmarc_text.ts";
import { formatJsonLine } from "./dns_text.ts";
import { EXIT, type ExitCode, UsageError } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { requirePermissions } from "./permissions.ts";
import { isColourful, say, warn } from "./terminal.ts";
import { explainFailure } from "./trouble.ts";

const FLAGS = {
  ...CONFIG_FLAG,
  domain: { value: "DOMAIN", multiple: true, help: "Only this domain, and those below it" },
  since: {
    value: "DATE|DAYS",
    help: "Only reports on this time, such as 2026-11-01 or 7d (default 30d; of files all)",
  },
  mailbox: {
    value: "ADDRESS",
    multiple: true,
    help: "Where reports arrive (default postmaster of each domain)",
  },
  json: { help: "Print JSON, an object a line: a domain each" },
} satisfies Record<string, Flag>;

/** The command. */
export const dmarc: Command = {
  name: "dmarc",
  usage: "[FILE]... [FLAGS]",
  description: [
    "Sums up the aggregate reports of DMARC that others send about your domains: who sends mail in their name,",
    "what of it passes, what became of it, and what is to be done. The reports are looked for where they arrive",
    "when the record is as yizhan dns proposes it (rua=mailto:postmaster@DOMAIN): in the mailbox of postmaster,",
    "with all its folders. FILEs are read instead: reports (.xml, .xml.gz, .zip), mails with reports, or folders",
    "of such, as other programs keep them; then no configuration is asked.",
    "",
    "mail     messages in the name of the domain        dkim     an aligned signature was valid",
    "passed   DMARC passed: dkim or spf, or both        spf      SPF passed and was aligned",
    "junk     they were quarantined                     refused  they were rejected",
    "",
    "A report is only as true as who sent it. One that cannot be read is named, with the reason, and the rest",
    "counts. Run it as the server's user, or as root: mailboxes are private.",
    "",
    "Exit codes: 0 done, 65 some report cannot be read, 66 no configuration, 77 not allowed to read, 78 wrong",
    "configuration.",
  ].join("\n"),
  flags: FLAGS,
  examples: [
    "dmarc",
    "dmarc --domain example.org --since 7d",
    "dmarc --mailbox reports@example.org",
    "dmarc google.com!example.org!1795392000!1795478399.zip --json",
  ],
  run: runDmarc,
};

const DAY = 86_400_000;
const USUAL_DAYS = 30;

async function runDmarc(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const domains = line.values("domain").map(readDomain);
  const boxes = line.values("mailbox").map(readAddress);
  const named = line.operands;
  if (named.length > 0 && boxes.length > 0) {
    throw new UsageError("give files or --mailbox, not both");
  }
  const now = thisRuntime().clock.now();
  const given = line.value("since");
  const since = given === undefined ? null : readSince(given, now);
  if (named.length > 0) {
    requirePermissions({ read: named, write: [], listen: [], sys: [] }, words);
    const { files } = thisRuntime();
    const desk = new Desk(new DmarcSummary({ since: since ?? 0, wants: wanting(domains) }), line);
    for (const path of named) await readNamed(files, path, desk);
    return desk.end();
  }
  const loaded = await readConfigFor(line);
  const { paths: { users, mail } } = loaded;
  requirePermissions({ read: [users, mail], write: [], listen: [], sys: [] }, words);
  return await readOwn(loaded, { domains, boxes, since: since ?? now - USUAL_DAYS * DAY }, line);
}

/** What is asked of our own mailboxes. */
interface Wish {
  readonly domains: readonly string[];
  readonly boxes: readonly Address[];
  readonly since: number;
}

async function readOwn(
  { written, paths }: ReadConfig,
  { domains, boxes, since }: Wish,
  line: CommandLine,
): Promise<ExitCode> {
  const runtime = thisRuntime();
  const { files } = runtime;
  try {
    const ofUsers = (await readUsersFile(files, paths.users)).file.table.domains;
    const own = mailDomainsOf(written, ofUsers);
    const wanted = domains.length === 0 ? own : domains;
    const directory = await openFileDirectory({
      ...runtime,
      ...{ path: paths.users, domains: written.domains },
    });
    const addresses = boxes.length > 0
      ? boxes
      : own.map((domain): Address => ({ local: "postmaster", domain }));
    const summary = new DmarcSummary({
      own: mailHostOf(written).addresses,
      // Anybody may send reports on any domain.
      wants: wanting(wanted),
      since,
    });
    const places = addresses.map(formatAddress).join(", ");
    const day = new Date(since).toISOString().slice(0, 10);
    const looked =
      `Looked for in the mail of ${places}, with all folders, on the time since ${day}.`;
    const desk = new Desk(summary, line, looked);
    for (const path of await findMailboxes(directory, written, addresses)) {
      await readMailbox(files, `${paths.mail}/${path}`, since, desk);
    }
    return desk.end();
  } catch (error) {
    throw explainFailure(paths.mail, error) ?? error;
  }
}

/** The folders of the mailboxes that addresses lead to, each once. */
async function findMailboxes(
  directory: FileDirectory,
  { hostname, mail }: ReadConfig["written"],
  addresses: readonly Address[],
): Promise<Set<string>> {
  const postmaster = mail.postmaster === undefined
    ? null
    : parseAddress(mail.postmaster, { smtputf8: true });
  const router = new Router(directory, {
    hostname,
    subaddressDelimiter: mail.subaddressDelimiter,
    ...(postmaster && { postmaster }),
  });
  const paths = new Set<string>();
  for (const address of addresses) {
    const found = await router.resolve(address);
    const local = found.kind === "local" ? found.mailboxes : [];
    for (const { mailbox } of local) paths.add(mailboxPath(mailbox));
    if (local.length === 0) {
      const elsewhere = found.kind === "unknown" ? "nobody has it" : "its mail goes elsewhere";
      warn(`${formatAddress(address)}: ${elsewhere}; where reports arrive, say --mailbox or files`);
    }
  }
  return paths;
}

/** What was found, until it is printed. */
class Desk implements ReportSink {
  readonly #summary: DmarcSummary;
  readonly #json: boolean;
  readonly #looked: string | null;
  #reports = 0;
  #faults = 0;
  #others = 0;

  /** @param looked where, for who finds nothing. */
  constructor(summary: DmarcSummary, line: CommandLine, looked: string | null = null) {
    this.#summary = summary;
    this.#looked = looked;
    this.#json = line.has("json");
  }

  add(report: Parameters<DmarcSummary["add"]>[0]): void {
    const added = this.#summary.add(report);
    if (added === "other") this.#others++;
    else if (added === "added") this.#reports++;
  }

  fault(file: string, reason: string): void {
    this.#faults++;
    warn(`${formatVisible(file, 300)}: ${formatVisible(reason, 300)}`);
  }

  end(): ExitCode {
    const domains = this.#summary.finish();
    if (this.#json) {
      for (const domain of domains) console.log(formatJsonLine(asJson(domain)));
    } else {
      this.#print(domains);
    }
    return this.#faults > 0 ? EXIT.dataError : EXIT.ok;
  }

  #print(domains: readonly DomainSummary[]): void {
    if (this.#reports === 0) say("There are no reports.");
    if (this.#reports === 0 && this.#looked !== null) say(this.#looked);
    const colourful = isColourful("stdout");
    const texts = domains.map((one) => formatDomainSummary(one, colourful));
    if (texts.length > 0) console.log(texts.join("\n\n"));
    if (this.#others > 0) say(`Left out, as on other domains: ${this.#others}`);
  }
}

function asJson(summary: DomainSummary) {
  const timeOf = (time: number) => new Date(time).toISOString();
  return { ...summary, begin: timeOf(summary.begin), end: timeOf(summary.end) };
}

/** Which domains are wanted: those named, and those below. */
function wanting(domains: readonly string[]): (domain: string) => boolean {
  if (domains.length === 0) return () => true;
  return (domain) => domains.some((one) => domain === one || domain.endsWith(`.${one}`));
}

function readDomain(text: string): string {
  const domain = parseDomain(text.replace(/\.$/, ""), { smtputf8: true });
  if (domain !== null) return asciiDomain(domain).toLowerCase();
  throw new UsageError(`--domain ${text}: wanted a domain, such as example.org`);
}

function readAddress(text: string): Address {
  const address = parseAddress(text, { smtputf8: true });
  if (address !== null) return address;
  throw new UsageError(`--mailbox ${text}: wanted an address, such as postmaster@example.org`);
}

function readSince(text: string, now: number): number {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  if (days !== undefined) return now - Number(days) * DAY;
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new UsageError(`--since ${text}: wanted a day, such as 2026-11-01, or days, such as 7d`);
}
