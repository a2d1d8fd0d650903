/**
 * Changes to a users file that leave every other line as it was, comments and all: what
 * `yizhan user` does.
 *
 * The new text is parsed before it is written; what would not parse is refused, but where that mends a part of
 * what is wrong already, such as an alias for a user who is not there yet. It goes to `PATH.new`,
 * is synced, renamed over the file, and the folder is synced: after a crash there is the old file or
 * the new one. `PATH.new` is also the lock: two edits at once cannot lose one another. A running server
 * sees the new file within two seconds.
 *
 * A file that is made has mode 0600 and belongs to whoever made it, so run that as the server's user. A
 * file that is changed keeps its owner, group and mode; where that is not allowed the edit is refused,
 * since the server may no longer be able to read what comes out of it.
 *
 * What fails: {@link UsersFileError} for what people can mend, with lines for them to read; errors of
 * the disk as `Files` throws them.
 *
 * @module
 */

import { type Address, formatAddress, mailboxKey } from "../address.ts";
import { encode } from "../bytes.ts";
import type { Files } from "../runtime/files.ts";
import type { Random } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import { formatBase64 } from "../smtp/sasl/base64.ts";
import type { Quota } from "./directory.ts";
import { formatVerifier, makeVerifier, passwordProblem } from "./password.ts";
import type { SendAs } from "./directory_table.ts";
import { parseUsersFile, splitWords, USERS_HEADER, type UsersFile } from "./users_file.ts";
import {
  decodeUsers,
  describeProblems,
  parseUsersText,
  readUsersFile,
  readUsersOctets,
  UsersFileError,
  type UsersText,
} from "./users_read.ts";

/** Where a users file is, and the means to change it. */
export interface UsersFileAccess {
  readonly files: Files;
  readonly random: Random;
  readonly path: string;
}

/** A user to add. */
export interface NewUser {
  readonly address: Address;
  /** `null`: gets mail but cannot log in. */
  readonly password: string | null;
  readonly quota?: Quota;
  readonly sendAs?: readonly SendAs[];
}

/** A user, as a list shows it. */
export interface ListedUser {
  readonly address: Address;
  readonly canLogIn: boolean;
  readonly quota?: Quota;
  readonly sendAs: readonly SendAs[];
}

/**
 * Adds a user; makes the file where there is none. The user must not exist yet.
 *
 * @returns what is wrong with the file yet, a line each: where aliases lead to several that nobody has, they can be
 * made one after the other.
 */
export async function addUser(
  access: UsersFileAccess,
  user: NewUser,
): Promise<readonly string[]> {
  const { address, password } = user;
  const verifier = password === null ? "-" : await hash(password, access.random);
  const words = ["user", formatAddress(address), verifier, ...formatOptions(user)];
  return await edit(access, (text, file) => {
    if (text === "") {
      const secret = formatBase64(access.random.bytes(32));
      text = `${USERS_HEADER}\nsecret ${secret}\n`;
    }
    if (file?.table.users.has(mailboxKey(address))) {
      throw existsAlready(access, address);
    }
    const lines = splitLines(text);
    return [...lines, words.join(" ") + (lines[0]!.endsWith("\r") ? "\r" : "")];
  });
}

/**
 * Whether a user could be added, before a password is asked for; gives the file as it is, `null` where there is none.
 *
 * @throws {UsersFileError} as {@link addUser}.
 */
export async function tryAddUser(
  access: UsersFileAccess,
  address: Address,
): Promise<UsersFile | null> {
  const { files, path } = access;
  if (await files.stat(path) === null) return null;
  const { text, file } = await readAsItIs(files, path);
  if (file.table.users.has(mailboxKey(address))) throw existsAlready(access, address);
  const line = `user ${formatAddress(address)} -`;
  demandBetter(file, parseUsersText([...splitLines(text), line].join("\n"), path), path);
  return file;
}

/** Takes a user out that no alias and no catch-all leads to. The mailbox and its mail stay. */
export async function removeUser(access: UsersFileAccess, address: Address): Promise<void> {
  await edit(access, (text, file) => {
    return withoutLine(access, text, file, lineOf(access, file, address), address);
  });
}

/** The lines but one. @throws {UsersFileError} where others lead to what it is about. */
function withoutLine(
  access: UsersFileAccess,
  text: string,
  file: UsersFile | null,
  index: number,
  address: Address,
): string[] {
  const lines = splitLines(text);
  const { problems } = parseUsersFile(lines.with(index, "").join("\n"));
  if (file?.problems.length === 0 && problems.length > 0) {
    const name = formatAddress(address);
    throw new UsersFileError(
      problems.map(({ line }) => `${access.path}:${line}: leads to ${name}; change that first`),
    );
  }
  return lines.toSpliced(index, 1);
}

/** Gives a user another password. */
export async function setPassword(
  access: UsersFileAccess,
  address: Address,
  password: string,
): Promise<void> {
  const verifier = await hash(password, access.random);
  await edit(access, (text, file) => {
    const lines = splitLines(text);
    const index = lineOf(access, file, address);
    const line = lines[index]!;
    const old = splitWords(line)![2]!;
    const after = line.slice(old.at + old.text.length);
    return lines.with(index, line.slice(0, old.at) + verifier + after);
  });
}

/** What came of {@link setAlias}. */
export interface AliasChange {
  /** The file as it was. */
  readonly before: UsersFile;
  /** What is wrong with the file yet, a line each, as of {@link addUser}. */
  readonly left: readonly string[];
}

/** Makes an alias, or lets it lead elsewhere. What is a user is refused, and targets of ours that nobody has are. */
export async function setAlias(
  access: UsersFileAccess,
  address: Address,
  targets: readonly Address[],
): Promise<AliasChange> {
  let before: UsersFile | null = null;
  const left = await edit(access, (text, file) => {
    if (file === null) throw new UsersFileError([`${access.path}: does not exist`]);
    before = file;
    if (file.table.users.has(mailboxKey(address))) {
      throw problem(access, address, "is a user of it; an alias needs an address of its own");
    }
    const lines = splitLines(text);
    const line = ["alias", ...[address, ...targets].map(formatAddress)].join(" ") +
      (lines[0]?.endsWith("\r") ? "\r" : "");
    const at = file.aliasLines.get(mailboxKey(address));
    return at === undefined ? [...lines, line] : lines.with(at - 1, line);
  });
  return { before: before!, left };
}

/** Takes an alias out that no other leads to. */
export async function removeAlias(access: UsersFileAccess, address: Address): Promise<void> {
  await edit(access, (text, file) => {
    const at = file?.aliasLines.get(mailboxKey(address));
    if (at === undefined) throw problem(access, address, "is no alias of it");
    return withoutLine(access, text, file, at - 1, address);
  });
}

/** An alias, as a list shows it. */
export interface ListedAlias {
  /** As it is compared: in lower case. */
  readonly alias: string;
  readonly targets: readonly Address[];
}

/** The aliases of a file, in its order. */
export async function listAliases(access: UsersFileAccess): Promise<ListedAlias[]> {
  const { file } = await readUsersFile(access.files, access.path);
  return [...file.table.aliases].map(([alias, targets]) => ({ alias, targets }));
}

/** The users of a file, in its order. */
export async function listUsers(access: UsersFileAccess): Promise<ListedUser[]> {
  const { file } = await readUsersFile(access.files, access.path);
  return [...file.table.users.values()].map(({ address, verifier, quota, sendAs }) => {
    const listed = { address, canLogIn: verifier !== null, sendAs };
    return quota === undefined ? listed : { ...listed, quota };
  });
}

/**
 * Reads, changes and writes under the lock. The change gets "" and `null` where there is no file. A file that is
 * wrong is changed only where that mends some of it; gives what is wrong yet.
 */
async function edit(
  { files, path }: UsersFileAccess,
  change: (text: string, file: UsersFile | null) => string[],
): Promise<readonly string[]> {
  let left: readonly string[] = [];
  const draft = `${path}.new`;
  if ((await files.stat(path))?.kind === "link") {
    throw new UsersFileError([`${path}: is a link; name the file it leads to`]);
  }
  const handle = await files.open(draft, { write: true, createNew: true, mode: 0o600 }).catch(
    (error) => {
      if (errorCode(error) !== "EEXIST") throw error;
      const advice = "another edit is under way; if there is none, remove that file";
      throw new UsersFileError([`${draft}: exists: ${advice}`]);
    },
  );
  try {
    try {
      const current = await files.stat(path) === null ? null : await readAsItIs(files, path);
      // Before the sync: a crash must not bring back a file its server cannot read.
      if (current !== null) await keepAccess(files, path, draft);
      const lines = change(current?.text ?? "", current?.file ?? null);
      const text = lines.map((line) => `${line}\n`).join("");
      left = demandBetter(current?.file ?? null, parseUsersText(text, path), path);
      await handle.write(encode(text));
      await handle.sync();
    } finally {
      handle.close();
    }
    await files.rename(draft, path);
  } catch (error) {
    await files.remove(draft).catch(() => {});
    throw error;
  }
  await files.syncDirectory(folderOf(path));
  return left;
}

async function readAsItIs(files: Files, path: string): Promise<UsersText> {
  const text = decodeUsers(await readUsersOctets(files, path), path);
  return { text, file: parseUsersText(text, path) };
}

/** Nothing is wrong, or less than before; gives that. Else it is told as it is in the file. */
function demandBetter(old: UsersFile | null, next: UsersFile, path: string): readonly string[] {
  if (next.problems.length === 0) return [];
  const before = old?.problems.length ?? 0;
  const { problems } = describeProblems(before > 0 ? old! : next, path);
  if (next.problems.length >= before) throw new UsersFileError(problems);
  return describeProblems(next, path).problems;
}

async function keepAccess(files: Files, path: string, draft: string): Promise<void> {
  try {
    await files.copyAccess(path, draft);
  } catch (error) {
    if (errorCode(error) !== "EPERM") throw error;
    const advice = "run this as the user it belongs to, or as root";
    throw new UsersFileError([`${path}: its owner or group is not yours to keep; ${advice}`]);
  }
}

/** The index of a user's line. */
function lineOf(access: UsersFileAccess, file: UsersFile | null, address: Address): number {
  const line = file?.lines.get(mailboxKey(address));
  if (line === undefined) throw problem(access, address, "is no user of it");
  return line - 1;
}

function existsAlready(access: UsersFileAccess, address: Address): UsersFileError {
  return problem(access, address, "exists already; passwd changes its password");
}

function problem({ path }: UsersFileAccess, address: Address, what: string): UsersFileError {
  return new UsersFileError([`${path}: ${formatAddress(address)} ${what}`]);
}

async function hash(password: string, random: Random): Promise<string> {
  const trouble = passwordProblem(password);
  if (trouble !== null) throw new UsersFileError([trouble]);
  return formatVerifier(await makeVerifier(password, random));
}

function formatOptions({ quota, sendAs = [] }: NewUser): string[] {
  const words: string[] = [];
  if (quota?.bytes !== undefined) words.push(`quota=${formatSize(quota.bytes)}`);
  if (quota?.messages !== undefined) words.push(`messages=${quota.messages}`);
  for (const right of sendAs) words.push(`sendAs=${formatSendAs(right)}`);
  return words;
}

/** As a users file has it: `sales@example.org` or `example.org`. */
export function formatSendAs(right: SendAs): string {
  return "address" in right ? formatAddress(right.address) : right.domain;
}

/** Octets as `parseSize` reads them, in the largest unit that divides them: `1G`. */
export function formatSize(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (unit < 4 && value >= 1024 && value % 1024 === 0) [value, unit] = [value / 1024, unit + 1];
  return `${value}${["", "K", "M", "G", "T"][unit]}`;
}

/** The lines of a text, those that end in CRLF with their CR. */
function splitLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}
