/**
 * The command line of `yizhan dkim`.
 *
 * @module
 */

import { parseDomain } from "../address.ts";
import { selectorOf } from "../admin/dkim_folder.ts";
import { isSelector } from "../admin/dkim_key_list.ts";
import { asciiDomain } from "../admin/dns_records.ts";
import { hintNearestName } from "../config/nearest_name.ts";
import { parseNameServer } from "../runtime/resolv_conf.ts";
import type { CommandLine, Flag } from "./command.ts";
import { CONFIG_FLAG } from "./config_file.ts";
import { ALGORITHMS, type DkimAlgorithm, RSA_BITS } from "./dkim_key_file.ts";
import { UsageError } from "./exit.ts";

/** Its flags. */
export const DKIM_FLAGS = {
  ...CONFIG_FLAG,
  algorithm: { value: "rsa|ed25519", help: "One key of this kind; without it one of each (new)" },
  bits: { value: "N", help: `Of an RSA key: 2048 to 4096 (new; default ${RSA_BITS})` },
  selector: {
    value: "NAME",
    help: "Its name; that of an Ed25519 key beside it has -ed25519 behind it (new)",
  },
  another: { help: "Though new keys wait for their records already (new)" },
  finish: { help: "Make no new keys: only let those sign whose records are there (rotate)" },
  now: { help: "Without asking DNS, or waiting for the day (rotate, remove)" },
  dns: { help: "Ask DNS whether each record is there (list)" },
  "name-server": {
    value: "ADDR[:PORT]",
    multiple: true,
    help: "Whom to ask (rotate, list --dns; default relay.nameServers, else /etc/resolv.conf)",
  },
  json: { help: "Print JSON, an object for each key a line" },
} satisfies Record<string, Flag>;

/** What is to be done. */
export type DkimOptions =
  | { readonly verb: "list"; readonly domain: string | null; readonly dns: boolean }
  | {
    readonly verb: "new";
    readonly domain: string;
    readonly algorithms: readonly DkimAlgorithm[];
    readonly bits: number;
    /** `exact`: of the one key; else of the RSA one. */
    readonly selector: { readonly name: string; readonly exact: boolean } | null;
    /** Though such keys wait already. */
    readonly another: boolean;
  }
  | {
    readonly verb: "rotate";
    /** `null`: all that have keys. */
    readonly domain: string | null;
    readonly finish: boolean;
    readonly now: boolean;
  }
  | {
    readonly verb: "remove";
    readonly domain: string;
    readonly selector: string;
    readonly now: boolean;
  };

/** The verbs, and which flags each of them takes beside `--config` and `--json`. */
const VERBS = {
  list: ["dns", "name-server"],
  new: ["algorithm", "bits", "selector", "another"],
  rotate: ["finish", "now", "name-server"],
  remove: ["now"],
} as const satisfies Readonly<Record<string, readonly (keyof typeof DKIM_FLAGS)[]>>;

type Verb = keyof typeof VERBS;

/** Operands of each, behind it. */
const MOST_OPERANDS: Readonly<Record<Verb, number>> = { list: 1, new: 1, rotate: 1, remove: 2 };

/** Reads it. @throws {UsageError} */
export function readDkimOptions(line: CommandLine): DkimOptions {
  const verb = readVerb(line);
  const [, text, name, extra] = line.operands;
  const surplus = [text, name, extra][MOST_OPERANDS[verb]];
  if (surplus !== undefined) throw new UsageError(`dkim ${verb}: what is ${surplus} for?`);
  for (const server of line.values("name-server")) {
    if (parseNameServer(server) !== null) continue;
    throw new UsageError(
      `--name-server ${server}: wanted an address, such as 1.1.1.1 or 127.0.0.1:53`,
    );
  }
  const domain = text === undefined ? null : readDomain(text);
  const demanded = () => domain ?? wanting(verb);
  switch (verb) {
    case "list":
      return { verb, domain, dns: line.has("dns") };
    case "new":
      return { verb, domain: demanded(), ...readNew(line) };
    case "rotate": {
      const finish = line.has("finish");
      return { verb, domain: finish ? domain : demanded(), finish, now: line.has("now") };
    }
    case "remove": {
      if (name === undefined) throw new UsageError("dkim remove wants a domain and a selector");
      return { verb, domain: demanded(), selector: name, now: line.has("now") };
    }
  }
}

function wanting(verb: Verb): never {
  throw new UsageError(`dkim ${verb} wants a domain`);
}

function readVerb(line: CommandLine): Verb {
  const [verb] = line.operands;
  const verbs = Object.keys(VERBS);
  if (verb === undefined) throw new UsageError(`dkim wants one of ${verbs.join(", ")}`);
  if (!Object.hasOwn(VERBS, verb)) {
    const hint = hintNearestName(verb, verbs);
    throw new UsageError(`dkim has no ${verb}, only ${verbs.join(", ")}${hint}`);
  }
  const taken: readonly string[] = ["config", "json", ...VERBS[verb as Verb]];
  for (const flag of Object.keys(DKIM_FLAGS)) {
    if (line.has(flag) && !taken.includes(flag)) {
      throw new UsageError(`dkim ${verb} takes no --${flag}`);
    }
  }
  return verb as Verb;
}

function readDomain(text: string): string {
  const domain = parseDomain(text.replace(/\.$/, ""), { smtputf8: true });
  if (domain !== null) return asciiDomain(domain);
  throw new UsageError(`${text} is no domain, such as example.org`);
}

function readNew(line: CommandLine) {
  const algorithm = line.value("algorithm");
  const algorithms = ALGORITHMS.filter((one) => algorithm === undefined || one === algorithm);
  if (algorithms.length === 0) {
    throw new UsageError(`--algorithm ${algorithm}: wanted ${ALGORITHMS.join(" or ")}`);
  }
  const bits = Number(line.value("bits") ?? RSA_BITS);
  // RFC 8301 §3.2: nobody need check more, and 1024 are not enough for these days.
  if (!Number.isInteger(bits) || bits < 2048 || bits > 4096 || bits % 8 !== 0) {
    throw new UsageError(`--bits ${line.value("bits")}: wanted 2048 to 4096, such as 2048 or 3072`);
  }
  if (line.has("bits") && !algorithms.includes("rsa")) {
    throw new UsageError("--bits is for RSA; a key of Ed25519 has 256");
  }
  const name = line.value("selector");
  // The names that are made of it must be names too.
  if (
    name !== undefined && !isSelector(algorithm === undefined ? selectorOf(name, "ed25519") : name)
  ) {
    throw new UsageError(`--selector ${name}: wanted letters, digits, dots and dashes, 50 at most`);
  }
  const selector = name === undefined ? null : { name, exact: algorithm !== undefined };
  return { algorithms, bits, selector, another: line.has("another") };
}
