/**
 * Sends the reports of days that are over to the domains that want them (RFC 8460 §4.1, §5). One for each domain, at a
 * time of its own in the first hours of the next day, so that not all stations write at once; tried again every hour for
 * as long as somebody may want it, three days.
 *
 * What was done with a domain is a line of `tls-reports/DAY.sent`, so that a restart sends nothing twice; a crash between
 * a report and its line sends it again, under the same id. The first thread alone has a reporter.
 *
 * What fails: nothing is thrown. A target that cannot be reached is tried again; a disk that fails is told of.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { decodeStrict, encode } from "../../bytes.ts";
import type { Network as IpNetwork } from "../../net_address.ts";
import { type Clock, errorCode, type Files } from "../../runtime/runtime.ts";
import { type HttpsServices, requestHttps } from "../https/request.ts";
import { parseReportRecord, type ReportTarget } from "./record.ts";
import { packReport, type ReportFacts, reportId } from "./report.ts";
import { formatReportMail, reportMailId } from "./report_mail.ts";
import { dayOf, listDays, readDay } from "./results.ts";
import type { PolicyCount } from "./totals.ts";

/** A report to be submitted as a mail. */
export interface SubmittedReport {
  /** Names it for all time, as `submit()` takes it. */
  readonly id: string;
  /** The reverse-path. */
  readonly sender: string;
  readonly recipient: string;
  /** With CRLF line ends. */
  readonly message: string;
}

/** In whose name reports are sent. */
export interface ReportSettings {
  /** A mail address of ours; its domain signs. */
  readonly contact: string;
  readonly organization: string;
}

/** What a reporter works with. */
export interface ReporterOptions extends HttpsServices {
  readonly files: Files;
  readonly clock: Clock;
  /** Where results are, of all threads. */
  readonly folder: string;
  /** In force at this moment; `null`: no reports. */
  readonly settings: () => ReportSettings | null;
  /** Takes a mail; rejects where it cannot be taken now. */
  readonly submit: (report: SubmittedReport) => Promise<void>;
  /** A report was sent, or could not be. */
  readonly onReport?: (report: SentReport) => void;
  /** Something for the operator, in words. */
  readonly onTrouble?: (what: string) => void;
  /** Addresses that reports may be posted to though they are loopback or the like. */
  readonly allowAddresses?: readonly IpNetwork[];
}

/** What became of a report. */
export interface SentReport {
  readonly domain: string;
  readonly day: string;
  readonly id: string;
  /** Mail addresses and URLs that have it. */
  readonly targets: readonly string[];
  /** Why the others do not. */
  readonly troubles: readonly string[];
}

/** Milliseconds between two looks. */
const LOOK = 300_000;
/** Milliseconds after the end of a day in which its reports begin and have begun: all threads have written by then. */
const EARLIEST = 600_000;
const LATEST = 4 * 3_600_000;
/** Milliseconds until a report is tried again, and until nobody wants it any more. */
const AGAIN = 3_600_000;
const USELESS = 3 * 86_400_000;
/** Milliseconds that a web server has, and octets it may say. */
const PATIENCE = 60_000;
const ANSWER_LIMIT = 64 * 1024;

/** Sends reports for as long as it runs. */
export class TlsReporter {
  readonly #options: ReporterOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** By day and domain: when it is tried again. */
  readonly #again = new Map<string, number>();
  #failing = false;

  private constructor(options: ReporterOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Starts one. */
  static start(options: ReporterOptions): TlsReporter {
    return new TlsReporter(options);
  }

  /** Breaks off what it does. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the station is stopping"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.#look();
      await clock.sleep(LOOK, signal).catch(() => {});
    }
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { files, folder, clock, settings, onTrouble } = this.#options;
    try {
      const today = dayOf(clock.now());
      for (const [day, names] of await listDays(files, folder)) {
        if (day >= today) continue;
        const said = settings();
        // Without reports there is nobody to keep results for.
        if (said === null || await this.#report(day, names, said)) await this.#forget(day, names);
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) onTrouble?.(`reports of TLS cannot be made: ${wordsOf(error)}`);
      this.#failing = true;
    }
  }

  /** Sends what is due of a day; whether nothing of it is left to do. */
  async #report(
    day: string,
    names: readonly string[],
    settings: ReportSettings,
  ): Promise<boolean> {
    const { files, folder, clock } = this.#options;
    const end = Date.parse(`${day}T00:00:00Z`) + 86_400_000;
    if (clock.now() > end + USELESS) return true;
    if (clock.now() < end + EARLIEST) return false;
    const totals = await readDay(files, folder, names);
    const sent = await this.#readSent(day);
    let left = 0;
    for (const [domain, policies] of totals) {
      if (this.#stopping.signal.aborted) return false;
      if (sent.has(domain)) continue;
      const key = `${day} ${domain}`;
      const due = this.#again.get(key) ?? end + delayOf(day, domain, settings);
      if (clock.now() < due) {
        left++;
      } else if (await this.#send(domain, day, policies, settings)) {
        await this.#noteSent(day, domain);
        this.#again.delete(key);
      } else {
        left++;
        this.#again.set(key, clock.now() + AGAIN);
      }
    }
    return left === 0;
  }

  /** Sends one report to all who want it; `false`: nobody has it, and somebody may another time. */
  async #send(
    domain: string,
    day: string,
    policies: readonly PolicyCount[],
    { contact, organization }: ReportSettings,
  ): Promise<boolean> {
    const { resolver, onReport } = this.#options;
    const answer = await resolver.txt(`_smtp._tls.${domain}`, this.#stopping.signal);
    if (answer.status === "failed") return false;
    const targets = answer.status === "found" ? parseReportRecord(answer.records) : null;
    if (targets === null) return true;
    const submitter = contact.slice(contact.lastIndexOf("@") + 1);
    const facts = { domain, day, policies, organization, contact, submitter };
    const reached: string[] = [];
    const troubles: string[] = [];
    for (const target of targets) {
      const name = target.kind === "mail" ? target.address : target.url;
      const trouble = target.kind === "mail"
        ? await this.#mail(facts, target.address)
        : await this.#post(facts, target);
      if (trouble === null) reached.push(name);
      else troubles.push(`${name}: ${trouble}`);
    }
    if (this.#stopping.signal.aborted && reached.length === 0) return false;
    onReport?.({ domain, day, id: reportId(facts), targets: reached, troubles });
    // RFC 8460 §3: it is delivered when one of them has it.
    return reached.length > 0;
  }

  async #mail(facts: ReportFacts, recipient: string): Promise<string | null> {
    const { clock, submit } = this.#options;
    try {
      await submit({
        id: reportMailId(facts, recipient),
        sender: facts.contact,
        recipient,
        message: formatReportMail(facts, recipient, clock.now()),
      });
      return null;
    } catch (error) {
      return wordsOf(error);
    }
  }

  async #post(
    facts: ReportFacts,
    { host, port, target }: ReportTarget & { readonly kind: "https" },
  ): Promise<string | null> {
    const { allowAddresses } = this.#options;
    const got = await requestHttps(this.#options, {
      ...{ method: "POST", host, port, target },
      headers: { "Content-Type": "application/tlsrpt+gzip", "User-Agent": "yizhan" },
      body: packReport(facts),
      ...{ limit: ANSWER_LIMIT, patience: PATIENCE },
      // It must arrive where certificates are what is broken (RFC 8460 §3, §5.3).
      verify: false,
      ...(allowAddresses && { allowAddresses }),
      signal: this.#stopping.signal,
    });
    if ("stage" in got) return got.reason;
    return got.status >= 200 && got.status < 300 ? null : `it answers ${got.status}`;
  }

  async #readSent(day: string): Promise<Set<string>> {
    const { files, folder } = this.#options;
    try {
      const octets = await files.readFile(`${folder}/${day}.sent`, 16 * 1024 * 1024);
      // A line that a crash has cut has no end: it counts as none.
      return new Set((decodeStrict(octets) ?? "").split("\n").slice(0, -1));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return new Set();
      throw error;
    }
  }

  async #noteSent(day: string, domain: string): Promise<void> {
    const { files, folder } = this.#options;
    const handle = await files.open(`${folder}/${day}.sent`, { append: true, create: true });
    try {
      await handle.write(encode(`${domain}\n`));
      await handle.sync();
    } finally {
      handle.close();
    }
  }

  async #forget(day: string, names: readonly string[]): Promise<void> {
    const { files, folder } = this.#options;
    // The list of what was sent goes last: results without it would be sent again.
    const all = [...names].filter((name) => !name.endsWith(".sent"));
    for (const name of [...all, `${day}.sent`]) {
      await files.remove(`${folder}/${name}`).catch((error) => {
        if (errorCode(error) !== "ENOENT") throw error;
      });
    }
    for (const key of this.#again.keys()) if (key.startsWith(`${day} `)) this.#again.delete(key);
  }
}

/** When after a day its report for a domain is sent, in milliseconds: always the same for the same station. */
function delayOf(day: string, domain: string, { contact }: ReportSettings): number {
  const hash = createHash("sha256").update(`${contact}\n${day}\n${domain}`).digest();
  return EARLIEST + (hash.readUInt32BE() / 2 ** 32) * (LATEST - EARLIEST);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
