/**
 * `yizhan dkim`: the keys that sign mail, made, shown and rotated. It changes files only; a running server sees that by
 * itself. What is done to them is `dkim_steps.ts`.
 *
 * @module
 */

import {
  type DkimFolder,
  type DomainKeyOnDisk,
  findKeyDomains,
  findSelectors,
  selectorOf,
} from "../admin/dkim_folder.ts";
import { waitingKeys } from "../admin/dkim_keys.ts";
import { checkDkim } from "../admin/dns_check_texts.ts";
import type { DnsFinding, DnsStatus } from "../admin/dns_finding.ts";
import { dkimRecord } from "../admin/dns_records.ts";
import { mailDomainsOf } from "../admin/mail_host.ts";
import type { ReadConfig } from "../config/load.ts";
import type { WrittenConfig } from "../config/schema.ts";
import type { Resolver } from "../runtime/resolver.ts";
import type { Command, CommandLine } from "./command.ts";
import { readConfigFor } from "./config_file.ts";
import { type DkimAlgorithm, RSA_BITS } from "./dkim_key_file.ts";
import { DKIM_FLAGS, type DkimOptions, readDkimOptions } from "./dkim_options.ts";
import {
  addKeys,
  demandNoneWait,
  type DkimPlace,
  freeSelectors,
  readKeys,
  removeKey,
  startKeys,
  type WantedKey,
} from "./dkim_steps.ts";
import { formatKey, formatKeyJson, formatRecord, formatUnused } from "./dkim_text.ts";
import { formatFinding, formatJsonLine } from "./dns_text.ts";
import { CommandError, EXIT, type ExitCode } from "./exit.ts";
import { thisRuntime } from "./machine.ts";
import { requirePermissions } from "./permissions.ts";
import { isColourful, say, warn } from "./terminal.ts";
import { explainFailure } from "./trouble.ts";

/** The command. */
export const dkim: Command = {
  name: "dkim",
  usage: "list|new|rotate|remove [DOMAIN] [SELECTOR] [FLAGS]",
  description: [
    "list [DOMAIN]           the keys: kind, since when, what each does, and until when its record must stay",
    "new DOMAIN              new keys that do not sign yet, RSA and Ed25519; prints the records to publish. Where",
    "                        such keys wait for their records already it makes none, but with --another",
    "rotate DOMAIN           the next step from old keys to new: makes new ones, of the kinds in use, and prints",
    "                        their records; said again, asks DNS for these, and those that are there sign from",
    "                        then on in place of the old ones",
    "rotate --finish         only the second step, of DOMAIN or of all domains, such as every hour",
    "remove DOMAIN SELECTOR  a key goes that does not sign any more, or not yet",
    "",
    "No key signs before its record is in DNS, but for the very first ones, which yizhan init and yizhan dns",
    "--make-key make. The record of an old key must stay in DNS until the mail it has signed has arrived: as",
    "long as mail may wait in the queue, and a week. list says until when; remove it from DNS after that day.",
    "",
    "A running server sees a change within a minute, or at once by yizhan reload. What each key does stands in",
    "the file keys beside it. Run it as the server's user, or as root: what is made belongs to whom the folder",
    "of keys belongs to.",
    "",
    "Exit codes: 0 done, 64 wrong command line, 65 it makes no sense for that key, new keys wait already, or a",
    "record is wrong, 66 no such key or configuration, 73 a file cannot be made, 75 rotate waits for a record,",
    "or another command changes keys at the same time, 78 wrong configuration.",
  ].join("\n"),
  flags: DKIM_FLAGS,
  examples: [
    "dkim list",
    "dkim rotate example.org",
    "dkim rotate --finish",
    "dkim new example.org --algorithm ed25519",
    "dkim remove example.org yizhan",
  ],
  run: runDkim,
};

const RESOLV_CONF = "/etc/resolv.conf";

async function runDkim(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const options = readDkimOptions(line);
  const loaded = await readConfigFor(line);
  const { written, paths } = loaded;
  const asks = options.verb === "rotate" ? !options.now : options.verb === "list" && options.dns;
  const given = line.values("name-server");
  const nameServers = given.length > 0 ? given : written.relay.nameServers;
  const read = [paths.dkim, ...(asks && nameServers.length === 0 ? [RESOLV_CONF] : [])];
  const write = options.verb === "list" ? [] : [paths.dkim];
  requirePermissions({ read, write, listen: [], outward: asks, sys: [] }, words);
  const { files, resolver, clock } = thisRuntime(nameServers.length === 0 ? {} : { nameServers });
  const place: DkimPlace = {
    files,
    folder: paths.dkim,
    selector: written.dkim.selector,
    now: clock.now(),
    lifetime: keptFor(written),
  };
  const desk = new Desk(place, asks ? resolver : null, line.has("json"));
  try {
    return await perform(desk, loaded, options);
  } catch (error) {
    throw explainFailure(paths.dkim, error) ?? error;
  }
}

/** As long as mail may wait, and a week for stations on its way. */
function keptFor({ queue: { retry, retryDomains } }: WrittenConfig): number {
  const lifetimes = Object.values(retryDomains).map(({ lifetime = 0 }) => lifetime);
  return Math.max(retry.lifetime, ...lifetimes) + 7 * 86_400_000;
}

async function perform(desk: Desk, loaded: ReadConfig, options: DkimOptions): Promise<ExitCode> {
  const { place } = desk;
  switch (options.verb) {
    case "list": {
      const all = options.domain === null ? await allDomains(place, loaded) : [options.domain];
      if (all.length === 0) say("there are no keys yet: yizhan dkim new DOMAIN");
      return await ofEach(all, async (domain) => {
        await desk.list(domain);
        return EXIT.ok;
      });
    }
    case "new": {
      const found = await readKeys(place, options.domain);
      if (!options.another) demandNoneWait(place, found, options.algorithms);
      await desk.make(found, await wantedKeys(place, found, options));
      return EXIT.ok;
    }
    case "rotate": {
      if (options.domain !== null) return await desk.rotate(options.domain, options.finish);
      const all = await findKeyDomains(place.files, place.folder);
      return await ofEach(all, (domain) => desk.rotate(domain, true));
    }
    case "remove": {
      const { domain, selector, now } = options;
      await removeKey(place, await readKeys(place, domain), selector, now);
      say(`${selector} of ${domain} is gone; take its record out of DNS too`);
      return EXIT.ok;
    }
  }
}

/** Does it for each domain, whatever is wrong with others; gives what is worst. */
async function ofEach(
  domains: readonly string[],
  work: (domain: string) => Promise<ExitCode>,
): Promise<ExitCode> {
  let worst: ExitCode = EXIT.ok;
  for (const domain of domains) {
    let code: ExitCode;
    try {
      code = await work(domain);
    } catch (error) {
      // Of one domain the error is all there is to say.
      if (!(error instanceof CommandError) || domains.length === 1) throw error;
      warn(error.message);
      code = error.exitCode;
    }
    if (worst !== EXIT.dataError && code !== EXIT.ok) worst = code;
  }
  return worst;
}

async function wantedKeys(
  place: DkimPlace,
  found: DkimFolder,
  { algorithms, bits, selector }: DkimOptions & { verb: "new" },
): Promise<WantedKey[]> {
  const free = selector === null ? await freeSelectors(place, found, algorithms) : null;
  return algorithms.map((algorithm) => ({
    algorithm,
    bits,
    selector: free?.(algorithm) ??
      (selector!.exact ? selector!.name : selectorOf(selector!.name, algorithm)),
  }));
}

/** Those of the configuration, and those that have keys; domains of users only have keys where somebody made them. */
async function allDomains({ files, folder }: DkimPlace, { written }: ReadConfig) {
  const own = mailDomainsOf(written, []);
  return [...new Set([...own, ...await findKeyDomains(files, folder)])].sort();
}

/** Does it, and tells. */
class Desk {
  readonly #resolver: Resolver | null;
  readonly #json: boolean;

  constructor(readonly place: DkimPlace, resolver: Resolver | null, json: boolean) {
    this.#resolver = resolver;
    this.#json = json;
  }

  async list(domain: string): Promise<void> {
    const found = await readKeys(this.place, domain);
    if (!this.#json) console.log(found.domain);
    if (found.keys.length === 0 && !this.#json) {
      console.log(`  no key: its mail is not signed; yizhan dkim new ${found.domain}`);
      const others = await findSelectors(this.place.files, found);
      if (others.length > 0) console.log(`  ${formatUnused(this.place.selector, others)}`);
    }
    for (const key of found.keys) {
      const published = this.#resolver === null ? null : await this.#look(found.domain, key);
      const { now } = this.place;
      if (this.#json) console.log(formatJsonLine(formatKeyJson(found.domain, key, now, published)));
      else for (const row of formatKey(found.domain, key, now, published)) console.log(row);
    }
  }

  async make(found: DkimFolder, wanted: readonly WantedKey[]): Promise<void> {
    await addKeys(this.place, found, wanted);
    const selectors = wanted.map(({ selector }) => selector);
    const after = await readKeys(this.place, found.domain);
    const made = after.keys.filter(({ selector }) => selectors.includes(selector));
    for (const { path } of made) say(`wrote  ${path}`);
    say("Publish in DNS:");
    for (const key of made) {
      if (this.#json) console.log(formatJsonLine(formatKeyJson(after.domain, key, this.place.now)));
      else console.log(formatRecord(after.domain, key));
    }
    const finish = `yizhan dkim rotate ${after.domain} --finish`;
    say(`No key signs before its record is there, and you have said: ${finish}`);
  }

  /** The next step. */
  async rotate(domain: string, finish: boolean): Promise<ExitCode> {
    const found = await readKeys(this.place, domain);
    const waiting = waitingKeys(found);
    if (waiting.length > 0) return await this.#start(found, waiting);
    if (finish) {
      say(`no key of ${found.domain} waits`);
      return EXIT.ok;
    }
    const algorithms = kindsInUse(found);
    const free = await freeSelectors(this.place, found, algorithms);
    const bitsOf = (algorithm: DkimAlgorithm) =>
      Math.max(RSA_BITS, ...found.keys.map((key) => bitsInUse(key, algorithm)));
    await this.make(
      found,
      algorithms.map((algorithm) => (
        { algorithm, bits: bitsOf(algorithm), selector: free(algorithm) }
      )),
    );
    return EXIT.ok;
  }

  async #start(found: DkimFolder, waiting: readonly DomainKeyOnDisk[]): Promise<ExitCode> {
    const ready: DomainKeyOnDisk[] = [];
    let worst: ExitCode = EXIT.ok;
    for (const key of waiting) {
      const finding = this.#resolver === null ? null : await this.#look(found.domain, key);
      if (finding === null || finding.status === "ok") {
        ready.push(key);
        continue;
      }
      warn(`${key.selector} of ${found.domain} does not sign yet: ${WHY_NOT[finding.status]}`);
      if (!this.#json) console.log(formatFinding(finding, isColourful("stdout")));
      if (worst !== EXIT.dataError) {
        worst = finding.status === "different" ? EXIT.dataError : EXIT.temporary;
      }
    }
    if (ready.length > 0) {
      await startKeys(this.place, found, ready);
      for (const { selector } of ready) say(`${selector} of ${found.domain} signs from now on`);
      if (!this.#json) say("");
    }
    if (ready.length > 0 || this.#json) await this.list(found.domain);
    return worst;
  }

  /** What DNS says of a key that is whole. */
  async #look(domain: string, key: DomainKeyOnDisk): Promise<DnsFinding | null> {
    const { found, selector } = key;
    if (found.status !== "key") return null;
    const record = dkimRecord(domain, { selector, key: found.key });
    return await checkDkim({ resolver: this.#resolver! }, record, found.key);
  }
}

/** Why a key that waits does not sign. */
const WHY_NOT: Readonly<Record<DnsStatus, string>> = {
  ok: "",
  missing: "its record is not in DNS",
  optional: "its record is not in DNS",
  different: "its record in DNS is not as it must be",
  unknown: "DNS does not tell whether its record is there",
};

/** Of those that sign; both where none does, or one cannot. */
function kindsInUse(found: DkimFolder): DkimAlgorithm[] {
  const kinds: readonly DkimAlgorithm[] = ["rsa", "ed25519"];
  if (found.keys.some(({ state, found }) => state === "signs" && found.status !== "key")) {
    return [...kinds];
  }
  const inUse = kinds.filter((kind) =>
    found.keys.some(({ state, found }) =>
      state === "signs" && found.status === "key" && found.key.kind === kind
    )
  );
  return inUse.length > 0 ? inUse : [...kinds];
}

function bitsInUse({ state, found }: DomainKeyOnDisk, algorithm: DkimAlgorithm): number {
  return state === "signs" && found.status === "key" && found.key.kind === algorithm
    ? found.bits
    : 0;
}
