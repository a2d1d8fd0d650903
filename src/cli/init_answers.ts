/**
 * What `yizhan init` must be told: from flags, or asked on the terminal, each answer checked at once by the same
 * rules as the configuration.
 *
 * @module
 */

import { asciiDomain } from "../admin/dns_records.ts";
import { domainKey, formatAddress, parseAddress } from "../address.ts";
import * as fields from "../config/fields.ts";
import { canonicalIp, classifyIp } from "../net_address.ts";
import type { Random } from "../runtime/runtime.ts";
import { askLine } from "./ask_line.ts";
import type { CommandLine } from "./command.ts";
import { UsageError } from "./exit.ts";
import { askNewPassword } from "./password.ts";
import { isTerminal, say } from "./terminal.ts";

/** Where a listener is. */
interface ListenAt {
  readonly host: string;
  readonly port: number;
}

type Listening = Readonly<Record<"mx" | "submission" | "submissions", ListenAt>>;

/** The ports that everybody knows, on all addresses. */
export const LISTEN_OPEN: Listening = {
  mx: { host: "[::]", port: 25 },
  submission: { host: "[::]", port: 587 },
  submissions: { host: "[::]", port: 465 },
};

/** Ports that anybody may take, for this machine alone. */
export const LISTEN_LOCAL: Listening = {
  mx: { host: "127.0.0.1", port: 2525 },
  submission: { host: "127.0.0.1", port: 2587 },
  submissions: { host: "127.0.0.1", port: 2465 },
};

/** All that must be known. */
export interface InitAnswers {
  /** In lower case; may have letters of all alphabets. */
  readonly domain: string;
  readonly hostname: string;
  /** Canonical; empty where they are not known yet. */
  readonly addresses: readonly string[];
  /** An address of the domain. */
  readonly user: string;
  /** `made`: by us, so it must be shown. */
  readonly password: { readonly text: string; readonly made: boolean };
  readonly local: boolean;
  /** The folder of all that the server keeps, as `data` names it; absent: as is the default. */
  readonly data?: string;
}

/** A question, of which the flag is the answer where it is given. */
interface Question<T> {
  readonly flag: string;
  readonly text: string;
  /** Taken where nothing is said. */
  readonly proposed: string | null;
  /** What is said where nothing is typed, and nothing proposed. */
  readonly wanted?: string;
  /** Throws {@link UsageError} with what was wanted. */
  readonly read: (text: string) => T;
}

/**
 * Finds all answers.
 *
 * @throws {UsageError} for a flag that is wrong, or lacking where nobody can be asked.
 * @throws {CommandError} as {@link askNewPassword} and {@link askLine}.
 */
export async function findAnswers(line: CommandLine, random: Random): Promise<InitAnswers> {
  const asking = !line.has("yes") && !line.has("password-stdin");
  if (asking && !isTerminal("stdin")) {
    const missing = line.has("domain") ? "" : "--domain, and ";
    throw new UsageError(
      `standard input is not a terminal to ask on: give ${missing}--yes or --password-stdin`,
    );
  }
  const find = <T>(question: Question<T>) => answer(line, asking, question);
  const domain = await find({
    flag: "domain",
    text: "The domain of your addresses, such as example.org",
    proposed: null,
    wanted: "a domain is wanted, such as example.org",
    read: readDomain,
  });
  const hostname = await find({
    flag: "hostname",
    text: "This machine's name in DNS",
    proposed: `mail.${asciiDomain(domain)}`,
    read: (text) => asciiDomain(readField(fields.hostname, text)),
  });
  const addresses = await find({
    flag: "address",
    text: "Its addresses in DNS, blanks between (Enter: not known yet)",
    proposed: "",
    read: (text) => text.split(/[\s,]+/).filter((word) => word !== "").map(readIp),
  });
  const user = await find({
    flag: "user",
    text: "The first user",
    proposed: `postmaster@${domain}`,
    read: (text) => readUser(text, domain),
  });
  const password = line.has("yes") && !line.has("password-stdin")
    ? { text: makePassword(random), made: true }
    : { text: await askNewPassword(user, line.has("password-stdin")), made: false };
  return {
    domain,
    hostname,
    addresses: [...new Set(addresses)],
    user,
    password,
    local: line.has("local"),
    ...(line.has("data") && { data: readPath("data", line.value("data")!) }),
  };
}

async function answer<T>(line: CommandLine, asking: boolean, question: Question<T>): Promise<T> {
  const { flag, text, proposed, read } = question;
  if (line.has(flag)) {
    try {
      return read(line.values(flag).join(" "));
    } catch (error) {
      if (error instanceof UsageError) throw new UsageError(`--${flag} ${error.message}`);
      throw error;
    }
  }
  if (!asking) {
    if (proposed !== null) return read(proposed);
    throw new UsageError(`--${flag} is missing: ${text}`);
  }
  for (;;) {
    const hint = proposed === null || proposed === "" ? "" : ` [${proposed}]`;
    const typed = (await askLine(`${text}${hint}: `)).trim();
    try {
      return read(typed === "" && proposed !== null ? proposed : typed);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      say(`  ${typed === "" && question.wanted !== undefined ? question.wanted : error.message}`);
    }
  }
}

/** A field of the configuration: what it refuses, it says why. */
function readField(
  field: {
    safeParse(value: string): { success: boolean; error?: { issues: { message: string }[] } };
  },
  text: string,
): string {
  const { success, error } = field.safeParse(text);
  if (success) return text.toLowerCase();
  throw new UsageError(`${text}: ${error?.issues[0]?.message}`);
}

function readDomain(text: string): string {
  const domain = domainKey(readField(fields.domain, text.replace(/^@|\.$/g, "")));
  if (domain.includes(".")) return domain;
  throw new UsageError(`${text}: wanted a domain with a dot, such as example.org`);
}

function readIp(text: string): string {
  const ip = canonicalIp(text);
  if (classifyIp(ip) === "unicast") return ip;
  throw new UsageError(
    `${text}: wanted an IP address that others can reach, such as 192.0.2.25 or 2001:db8::25`,
  );
}

function readPath(flag: string, text: string): string {
  const path = text.replace(/(?<=.)\/+$/, "");
  if (fields.path.safeParse(path).success) return path;
  throw new UsageError(`--${flag} ${JSON.stringify(text)}: wanted the path of a folder`);
}

/** `alice` is `alice@DOMAIN`. */
function readUser(text: string, domain: string): string {
  const address = parseAddress(text.includes("@") ? text : `${text}@${domain}`, { smtputf8: true });
  if (address === null) {
    throw new UsageError(`${text}: wanted a mail address, such as alice@${domain}`);
  }
  if (domainKey(address.domain) !== domain) {
    throw new UsageError(
      `${text}: wanted an address of ${domain}; others come with yizhan user add`,
    );
  }
  return formatAddress(address);
}

/** 80 bits, in letters and digits that are not taken for one another. */
function makePassword(random: Random): string {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  const letters = Array.from(random.bytes(16), (octet) => alphabet[octet & 31]).join("");
  return letters.match(/.{4}/g)!.join("-");
}
