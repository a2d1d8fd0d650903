/**
 * Dovecot on a port of its own, serving the mail a server under test delivered: any user of any domain
 * with one password, mail under `mail/DOMAIN/USER`.
 *
 * Dovecot refuses to serve mail as root. Where the tests run as root (a container, a build machine) it
 * serves as `nobody`, and {@link Dovecot.imap} hands the mail over to that user first: the files' owner
 * changes, not a byte or a name of them, and root goes on delivering among them.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { decodeBase64, findTool, makeTemporaryFolder, run, runPython } from "./support.ts";

/** The password of every user. */
export const PASSWORD = "imap";

/** What it does beside IMAP. */
export interface DovecotOptions {
  /** Checks passwords for others by these mechanisms, on the socket {@link Dovecot.auth}. */
  readonly mechanisms?: readonly string[];
  /**
   * Takes mail by LMTP for these users and nobody else, on {@link Dovecot.lmtp} and
   * {@link Dovecot.lmtpPort}; and how much each may have, such as `10M`.
   */
  readonly lmtp?: Readonly<Record<string, string>>;
}

/** A running Dovecot. */
export interface Dovecot extends AsyncDisposable {
  /** The path of its authentication socket. */
  readonly auth: string;
  /** The path of its LMTP socket. */
  readonly lmtp: string;
  /** Where it takes LMTP on 127.0.0.1. */
  readonly lmtpPort: number;
  /** Runs commands of `peers/imap_client.py` as a user and gives what each answered. */
  imap(user: string, commands: readonly (readonly string[])[]): Promise<unknown[]>;
  /** What it logged: a complaint about our files stands here. */
  log(): Promise<string>;
}

/** Starts Dovecot on the mail under `mailRoot`, with a quota of `quota` (such as `10M`) for everybody. */
export async function startDovecot(
  mailRoot: string,
  quota: string,
  options: DovecotOptions = {},
): Promise<Dovecot> {
  const folder = await makeTemporaryFolder();
  const root = Deno.uid() === 0;
  const port = findFreePort();
  // Its login processes run as another user and must reach their sockets.
  await Deno.chmod(folder.path, 0o755);
  const settings = { folder: folder.path, mailRoot, quota, port, owner: await findOwner(root) };
  const lmtpPort = findFreePort();
  let configuration = formatConfiguration(settings, options.lmtp !== undefined);
  if (options.mechanisms !== undefined) {
    configuration += formatAuth(settings, options.mechanisms);
  }
  if (options.lmtp !== undefined) {
    configuration += formatLmtp(settings, lmtpPort);
    const users = Object.entries(options.lmtp).map((user) => formatUser(settings, ...user));
    await folder.write("users", users.join(""), 0o644);
  }
  const file = await folder.write("dovecot.conf", configuration, 0o644);
  const child = new Deno.Command(findTool("dovecot"), {
    args: ["-F", "-c", file],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const log = () => Deno.readTextFile(`${folder.path}/dovecot.log`).catch(() => "");
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
    await folder[Symbol.asyncDispose]();
  };
  try {
    await untilReady(port, child, log);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    auth: `${folder.path}/auth.sock`,
    lmtp: `${folder.path}/lmtp.sock`,
    lmtpPort,
    log,
    [Symbol.asyncDispose]: stop,
    async imap(user, commands) {
      if (root) await handOver(mailRoot, settings.owner);
      const request = { port, user, password: PASSWORD, commands };
      return await runPython<unknown[]>("imap_client.py", request);
    },
  };
}

/** Who serves the mail, and who the helpers of Dovecot run as. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** Users and group of the processes that touch no mail. */
  readonly internal: string;
  readonly login: string;
  readonly group: string;
}

async function findOwner(root: boolean): Promise<Owner> {
  if (root) {
    const nobody = { uid: 65534, gid: 65534 };
    return { ...nobody, internal: "dovecot", login: "dovenull", group: "dovecot" };
  }
  const [user = "", group = ""] = await Promise.all(
    ["-un", "-gn"].map(async (flag) => (await run("id", [flag])).text.trim()),
  );
  const ids = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  return { ...ids, internal: user, login: user, group };
}

interface Settings {
  readonly folder: string;
  readonly mailRoot: string;
  readonly quota: string;
  readonly port: number;
  readonly owner: Owner;
}

function formatConfiguration(
  { folder, mailRoot, quota, port, owner }: Settings,
  listed: boolean,
): string {
  const userdb = listed
    ? `driver = passwd-file\n  args = username_format=%u ${folder}/users`
    : `driver = static\n  args = uid=${owner.uid} gid=${owner.gid} home=${mailRoot}/%d/%n`;
  return `
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = ${folder}/dovecot.log
protocols = imap${listed ? " lmtp" : ""}
ssl = no
disable_plaintext_auth = no
default_internal_user = ${owner.internal}
default_internal_group = ${owner.group}
default_login_user = ${owner.login}
first_valid_uid = ${owner.uid}
first_valid_gid = ${owner.gid}
mail_location = maildir:${mailRoot}/%d/%n
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=${quota}
}
passdb {
  driver = static
  args = password=${PASSWORD}
}
userdb {
  ${userdb}
}
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`;
}

function formatAuth({ folder }: Settings, mechanisms: readonly string[]): string {
  return `
auth_mechanisms = ${mechanisms.join(" ").toLowerCase()}
auth_failure_delay = 0 secs
service auth {
  unix_listener ${folder}/auth.sock {
    mode = 0666
  }
}
`;
}

/** Over quota is for good here, so that a test need not wait. */
function formatLmtp({ folder }: Settings, port: number): string {
  return `
quota_full_tempfail = no
lmtp_rcpt_check_quota = yes
protocol lmtp {
  postmaster_address = postmaster@example.test
  info_log_path = ${folder}/dovecot.log
}
service lmtp {
  unix_listener ${folder}/lmtp.sock {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
`;
}

/** A line of the passwd file: user, password, ids, home, quota. */
function formatUser({ mailRoot, owner }: Settings, user: string, quota: string): string {
  const at = user.lastIndexOf("@");
  const home = `${mailRoot}/${user.slice(at + 1)}/${user.slice(0, at)}`;
  const more = `userdb_quota_rule=*:storage=${quota}`;
  return `${user}::${owner.uid}:${owner.gid}::${home}::${more}\n`;
}

/** Resolves when the port greets as IMAP does. */
async function untilReady(
  port: number,
  child: Deno.ChildProcess,
  log: () => Promise<string>,
): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  for (let attempt = 0; attempt < 300 && !ended; attempt++) {
    const greeting = await readGreeting(port);
    if (greeting.startsWith("* OK")) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Dovecot did not start; its log:\n${await log()}`);
}

async function readGreeting(port: number): Promise<string> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const buffer = new Uint8Array(1024);
    const length = await connection.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, length ?? 0));
  } catch {
    return "";
  }
}

/** Gives all mail to the user who serves it, and lets him reach it. */
async function handOver(mailRoot: string, owner: Owner): Promise<void> {
  const parent = mailRoot.slice(0, mailRoot.lastIndexOf("/"));
  await Deno.chmod(parent, 0o755);
  await run("chown", ["-R", `${owner.uid}:${owner.gid}`, mailRoot]);
}

/** The octets of the literal in the answer to a FETCH of one body. */
export function literalOf(answer: unknown): Uint8Array {
  const [part] = answer as [[{ octets: string }, { octets: string }]];
  return decodeBase64(part[1].octets);
}

/** What a command answered outside literals, as text. */
export function textOf(answer: unknown): string {
  if (Array.isArray(answer)) return answer.map(textOf).join("\n");
  if (typeof answer !== "object" || answer === null) return String(answer);
  const { octets } = answer as { octets: string };
  return new TextDecoder().decode(decodeBase64(octets));
}
