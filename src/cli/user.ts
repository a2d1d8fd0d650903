/**
 * `yizhan user`: who lives here. It edits the users file, line by line and never halfway; a running
 * server sees the change by itself.
 *
 * @module
 */

import { type Address, domainKey, formatAddress, mailboxKey, parseAddress } from "../address.ts";
import { parseSendAs, type SendAs } from "../directory/directory_table.ts";
import {
  addUser,
  formatSendAs,
  formatSize,
  listAliases,
  type ListedAlias,
  type ListedUser,
  listUsers,
  removeAlias,
  removeUser,
  setAlias,
  setPassword,
  tryAddUser,
  type UsersFileAccess,
} from "../directory/users_edit.ts";
import type { UsersFile } from "../directory/users_file.ts";
import { readUsersFile, UsersFileError } from "../directory/users_read.ts";
import type { Files } from "../runtime/files.ts";
import type { Command, CommandLine, Flag } from "./command.ts";
import { CONFIG_FLAG, findConfigPaths, readConfigFor } from "./config_file.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { hintNearestName } from "../config/nearest_name.ts";
import { thisRuntime } from "./machine.ts";
import { askNewPassword } from "./password.ts";
import { requirePermissions } from "./permissions.ts";
import { say, warn } from "./terminal.ts";
import { explainFailure } from "./trouble.ts";
import { readSize } from "./values.ts";

const FLAGS = {
  ...CONFIG_FLAG,
  users: { value: "FILE", help: "The users file, in place of that of the configuration" },
  "password-stdin": { help: "Take the password from standard input (add, passwd)" },
  quota: { value: "SIZE", help: "How much mail the user may have, such as 1G (add)" },
  messages: { value: "COUNT", help: "How many messages the user may have (add)" },
  "send-as": {
    value: "ADDRESS|DOMAIN",
    multiple: true,
    help: "What the user may send as beside its own address (add)",
  },
  json: { help: "Print JSON, an object a line (list)" },
} satisfies Record<string, Flag>;

/** The command. */
export const user: Command = {
  name: "user",
  usage: "add|remove|passwd|alias|unalias|list [ADDRESS] [TARGET...] [FLAGS]",
  description: [
    "add ADDRESS              a new user; asks for the password twice, without showing it",
    "passwd ADDRESS           another password",
    "remove ADDRESS           the user goes, its mail stays",
    "alias ADDRESS TARGET...  mail for the address goes to the targets, here or elsewhere, and to no other",
    "unalias ADDRESS          it is an alias no more",
    "list                     all users, then all aliases",
    "",
    "Passwords are kept as SCRAM-SHA-256 verifiers: nobody can read them back from the file. A user whom an",
    "alias or a catch-all leads to cannot be removed before that is changed.",
    "",
    "The users file is the one that the configuration names; add makes it where there is none. It is text",
    "and may be edited by hand; its first line is `# yizhan users 1`. Its lines:",
    "",
    "domain DOMAIN                  mail for it ends here; where no other line names it",
    "user ADDRESS VERIFIER OPTION…  quota=1G messages=10000 sendAs=ADDRESS|DOMAIN; `-`: no login",
    "alias ADDRESS TARGET…          mail for the address goes to the targets",
    "catch-all DOMAIN TARGET…       who gets what is for addresses that nobody has",
    "secret BASE64                  written by `user add`; leave it",
    "",
    "A running server sees a change within a second or two.",
    "",
    "Exit codes: 0 done, 64 wrong command line, 65 it makes no sense for that file, 66 no such file or",
    "configuration, 73 the file cannot be made, 77 not allowed, 130 Ctrl-C.",
  ].join("\n"),
  flags: FLAGS,
  examples: [
    "user add alice@example.org --quota 1G",
    "user passwd alice@example.org --password-stdin <secret.txt",
    "user alias sales@example.org alice@example.org bob@example.net",
    "user list --users /etc/yizhan/users --json",
  ],
  run: runUser,
};

/** The verbs, and which flags each of them takes beside `--users`. */
const VERBS: Readonly<Record<string, readonly (keyof typeof FLAGS)[]>> = {
  add: ["password-stdin", "quota", "messages", "send-as"],
  remove: [],
  passwd: ["password-stdin"],
  alias: [],
  unalias: [],
  list: ["json"],
};

/** Flags of all verbs: where the users are. */
const COMMON: readonly (keyof typeof FLAGS)[] = ["config", "users"];

async function runUser(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const verb = readVerb(line);
  const path = line.value("users") ?? (await findConfigPaths(line)).users;
  const { files, random } = thisRuntime();
  const access = { files, random, path };
  try {
    if (verb === "list") {
      demandOperands(line, 1);
      requirePermissions({ read: [path], write: [], listen: [], sys: [] }, words);
      await demandFile(files, path);
      await list(access, line.has("json"));
      return EXIT.ok;
    }
    refuseCatchAll(line);
    const address = readAddress(line, verb === "alias");
    const folder = path.replace(/[^/]*$/, "") || ".";
    const read = [path, `${path}.new`, folder];
    requirePermissions({ read, write: [path, `${path}.new`], listen: [], sys: [] }, words);
    await demandFolder(files, folder);
    if (verb !== "add") await demandFile(files, path);
    await edit(verb, access, address, line);
    return EXIT.ok;
  } catch (error) {
    throw explainEdit(verb, error) ?? explainFailure(path, error) ?? error;
  }
}

/** The problems are of the file as it would be: a line that they name may not be there. */
function explainEdit(verb: string, error: unknown): CommandError | null {
  if (!(error instanceof UsersFileError) || verb !== "alias") return null;
  if (!error.problems.some((one) => /:\d+: /.test(one))) return null;
  const text = [...error.problems, "nothing was changed"].join("\n");
  return new CommandError(EXIT.dataError, text, { cause: error });
}

async function list(access: UsersFileAccess, json: boolean): Promise<void> {
  const users = await listUsers(access);
  const aliases = await listAliases(access);
  for (const one of users) console.log(json ? formatUserJson(one) : describeUser(one));
  for (const one of aliases) console.log(json ? formatAliasJson(one) : describeAlias(one));
  if (users.length === 0 && !json) say(`${access.path} has no users yet: yizhan user add ADDRESS`);
}

async function edit(
  verb: string,
  access: UsersFileAccess,
  address: Address,
  line: CommandLine,
): Promise<void> {
  const name = formatAddress(address);
  if (verb === "remove") {
    await removeUser(access, address);
    return say(`${name} is removed; its mail is where it was`);
  }
  if (verb === "unalias") {
    await removeAlias(access, address);
    return say(`${name} is an alias no more`);
  }
  if (verb === "alias") return await editAlias(access, address, line);
  const rights = line.values("send-as").map(readSendAs);
  const quota = readQuota(line);
  if (verb === "passwd") {
    await demandUser(access, address);
    await setPassword(access, address, await askNewPassword(name, line.has("password-stdin")));
    return say(`${name} has another password`);
  }
  const file = await tryAddUser(access, address);
  const newDomain = await isNewDomain(line, file, address);
  const password = await askNewPassword(name, line.has("password-stdin"));
  const left = await addUser(access, { address, password, sendAs: rights, ...quota });
  say(`${name} is added to ${access.path}`);
  sayMore(address, newDomain, left);
}

async function editAlias(
  access: UsersFileAccess,
  address: Address,
  line: CommandLine,
): Promise<void> {
  const [, , ...texts] = line.operands;
  if (texts.length === 0) throw new UsageError("user alias wants an address to lead to");
  const { before, left } = await setAlias(access, address, texts.map(parseOperand));
  const replaced = before.table.aliases.get(mailboxKey(address));
  const was = replaced === undefined ? "" : ` (was ${replaced.map(formatAddress).join(", ")})`;
  say(`mail for ${formatAddress(address)} goes to ${texts.join(", ")}${was}`);
  sayMore(address, await isNewDomain(line, before, address), left);
}

/** What an operator has to know beside what was done. */
function sayMore({ domain }: Address, isNew: boolean, left: readonly string[]): void {
  if (isNew) {
    say(`${domain} is new: mail for it ends here from now on. Its DNS records: yizhan dns`);
  }
  if (left.length > 0) warn(`the file is not in force before this is mended:\n${left.join("\n")}`);
}

function readVerb(line: CommandLine): string {
  const [verb] = line.operands;
  const verbs = Object.keys(VERBS);
  if (verb === undefined) throw new UsageError(`user wants one of ${verbs.join(", ")}`);
  if (!Object.hasOwn(VERBS, verb)) {
    const hint = hintNearestName(verb, verbs);
    throw new UsageError(`user has no ${verb}, only ${verbs.join(", ")}${hint}`);
  }
  for (const flag of Object.keys(FLAGS) as (keyof typeof FLAGS)[]) {
    if (!COMMON.includes(flag) && line.has(flag) && !VERBS[verb]!.includes(flag)) {
      throw new UsageError(`user ${verb} takes no --${flag}`);
    }
  }
  return verb;
}

function demandOperands(line: CommandLine, count: number): void {
  const [verb] = line.operands;
  if (line.operands.length < count) throw new UsageError(`user ${verb} wants an address`);
  const extra = line.operands[count];
  if (extra !== undefined) throw new UsageError(`user ${verb}: what is ${extra} for?`);
}

/** Other mail systems have `@DOMAIN` for it among the aliases. */
function refuseCatchAll({ operands: [verb, text = "", ...targets] }: CommandLine): void {
  if (!/^(?:un)?alias$/.test(verb!) || !text.startsWith("@")) return;
  const line = ["catch-all", text.slice(1), ...targets].join(" ");
  const what = verb === "alias" ? `write it there: ${line}` : "take it out there";
  throw new UsageError(`${text}: a catch-all is a line of the users file; ${what}`);
}

/** @param more whether other operands may follow it. */
function readAddress(line: CommandLine, more: boolean): Address {
  demandOperands(line, more ? Math.max(2, line.operands.length) : 2);
  return parseOperand(line.operands[1]!);
}

function parseOperand(text: string): Address {
  const address = parseAddress(text, { smtputf8: true });
  if (address !== null) return address;
  throw new UsageError(`${text} is not an address, such as alice@example.org`);
}

function readQuota(line: CommandLine) {
  const size = line.value("quota");
  const count = line.value("messages");
  if (size === undefined && count === undefined) return {};
  if (count !== undefined && !/^[1-9]\d{0,11}$/.test(count)) {
    throw new UsageError(`--messages ${count}: wanted a number`);
  }
  const bytes = size === undefined ? {} : { bytes: readSize("--quota", size) };
  const messages = count === undefined ? {} : { messages: Number(count) };
  return { quota: { ...bytes, ...messages } };
}

function readSendAs(text: string): SendAs {
  const right = parseSendAs(text);
  if (right !== null) return right;
  throw new UsageError(`--send-as ${text}: wanted an address or a domain`);
}

/** @param folder with a slash at its end, or `.`. */
async function demandFolder(files: Files, folder: string): Promise<void> {
  const name = folder.replace(/(?<=.)\/+$/, "");
  const found = await files.stat(name, { follow: true });
  if (found?.kind === "directory") return;
  const trouble = found === null
    ? `folder ${name} does not exist; make it first: mkdir -m 700 ${name}`
    : `${name} is no folder; name a users file that lies in one`;
  throw new CommandError(EXIT.noInput, trouble);
}

async function demandFile(files: Files, path: string): Promise<void> {
  if (await files.stat(path, { follow: true }) !== null) return;
  const advice = `yizhan user add --users ${path} ADDRESS makes it`;
  throw new CommandError(EXIT.noInput, `${path} does not exist; ${advice}`);
}

/** Before the password is asked for: nobody should type it twice for nothing. */
async function demandUser(access: UsersFileAccess, address: Address): Promise<void> {
  const { table } = (await readUsersFile(access.files, access.path)).file;
  if (table.users.has(mailboxKey(address))) return;
  const what = `${access.path}: ${formatAddress(address)} is no user of it`;
  throw new CommandError(EXIT.dataError, what);
}

/** Whether nothing yet says that mail for the domain ends here; `false` where that cannot be known. */
async function isNewDomain(
  line: CommandLine,
  file: UsersFile | null,
  { domain }: Address,
): Promise<boolean> {
  if (line.has("users") || file?.table.domains.has(domainKey(domain))) return false;
  try {
    const { written } = await readConfigFor(line);
    return !written.domains.map(domainKey).includes(domainKey(domain));
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

/** One line: the address, then what is not usual about it, as the users file has it. */
function describeUser({ address, canLogIn, quota, sendAs }: ListedUser): string {
  return [
    formatAddress(address),
    ...(canLogIn ? [] : ["(cannot log in)"]),
    ...(quota?.bytes === undefined ? [] : [`quota=${formatSize(quota.bytes)}`]),
    ...(quota?.messages === undefined ? [] : [`messages=${quota.messages}`]),
    ...sendAs.map((right) => `sendAs=${formatSendAs(right)}`),
  ].join(" ");
}

function describeAlias({ alias, targets }: ListedAlias): string {
  return `${alias} -> ${targets.map(formatAddress).join(" ")}`;
}

function formatAliasJson({ alias, targets }: ListedAlias): string {
  return JSON.stringify({ alias, targets: targets.map(formatAddress) });
}

function formatUserJson({ address, canLogIn, quota, sendAs }: ListedUser): string {
  return JSON.stringify({
    address: formatAddress(address),
    canLogIn,
    ...quota && { quota },
    sendAs: sendAs.map(formatSendAs),
  });
}
