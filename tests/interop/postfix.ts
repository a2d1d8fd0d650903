/**
 * Postfix, a mail server as our peer, with a configuration, a queue and a log of its own in a temporary
 * folder. It must be started by root; mail it delivers itself lies in Maildirs of `nobody`.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { type Daemon, startDaemon, until } from "./daemon.ts";
import { makeCertificate } from "./server.ts";
import {
  assertEnded,
  findTool,
  makeTemporaryFolder,
  run,
  type TemporaryFolder,
} from "./support.ts";

/** What the tests with Postfix need. */
export const POSTFIX = Deno.uid() === 0 ? ["postfix"] : ["postfix", "root"];

/** A running Postfix. */
export interface Postfix extends AsyncDisposable {
  readonly folder: TemporaryFolder;
  /** Where it takes mail by SMTP, on 127.0.0.1. */
  readonly port: number;
  /** The Maildir of an address it has a mailbox for. */
  maildir(address: string): string;
  /** What it logged. */
  log(): Promise<string>;
  /** Gives it a mail by its sendmail command. */
  sendmail(args: readonly string[], mail: Uint8Array): Promise<void>;
  /** The lines that clients said to it, where it was started with {@link LISTENING}. */
  heard(): Promise<string[]>;
  /** Resolves with what the log says, once it says that. */
  logged(pattern: RegExp): Promise<RegExpMatchArray>;
}

/** Settings with which every line of SMTP is in the log. */
export const LISTENING = ["debug_peer_list = 127.0.0.1", "debug_peer_level = 1"];

/** How it is to be. */
export interface PostfixOptions {
  /** Addresses it has mailboxes for; their domains are its own, and others in them unknown to it. */
  readonly mailboxes?: readonly string[];
  /** From domains to transports, such as `smtp:[127.0.0.1]:2525`. */
  readonly transports?: Readonly<Record<string, string>>;
  /** Where it takes mail; a port that is free by default. */
  readonly port?: number;
  /** Offers STARTTLS, with a certificate for this name and 127.0.0.1, which lies in the folder. */
  readonly tls?: string;
  /** A resolv.conf of its own: the name servers it asks, by port 53. */
  readonly resolvConf?: string;
  /** More lines of `main.cf`, which win over ours. */
  readonly settings?: readonly string[];
}

/** Starts Postfix. */
export async function startPostfix(options: PostfixOptions = {}): Promise<Postfix> {
  const folder = await makeTemporaryFolder();
  const { port = findFreePort() } = options;
  let daemon: Daemon;
  try {
    await prepare(folder, port, options);
    const [tool, ...args] = withResolvConf(options.resolvConf, [
      findTool("postfix"),
      ...["-c", `${folder.path}/etc`, "start-fg"],
    ]);
    daemon = await startDaemon(tool, {
      args,
      port,
      log: () => readLog(folder),
      pidFile: `${folder.path}/queue/pid/master.pid`,
    });
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  const log = () => readLog(folder);
  return {
    folder,
    port,
    log,
    maildir(address) {
      const at = address.lastIndexOf("@");
      return `${folder.path}/mail/${address.slice(at + 1)}/${address.slice(0, at)}`;
    },
    async sendmail(args, mail) {
      const ran = await run("sendmail", ["-C", `${folder.path}/etc`, "-i", ...args], {
        input: mail,
      });
      assertEnded(ran);
    },
    async heard() {
      const lines = (await log()).matchAll(/ < \S+\[127\.0\.0\.1\]: (.*)/g);
      return Array.from(lines, ([, line = ""]) => line);
    },
    logged: (pattern) =>
      until(`Postfix logs ${pattern}`, async () => pattern.exec(await log()), { log }),
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The words that start a program for which another file is `/etc/resolv.conf`. */
export function withResolvConf(
  path: string | undefined,
  words: readonly [string, ...string[]],
): [string, ...string[]] {
  if (path === undefined) return [...words];
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", script, path, ...words];
}

function readLog(folder: TemporaryFolder): Promise<string> {
  return Deno.readTextFile(`${folder.path}/log`).catch(() => "");
}

async function prepare(
  folder: TemporaryFolder,
  port: number,
  { mailboxes = [], transports = {}, tls, settings = [] }: PostfixOptions,
): Promise<void> {
  const { path } = folder;
  await Deno.chmod(path, 0o755);
  for (const name of ["etc", "queue", "data", "mail"]) await Deno.mkdir(`${path}/${name}`);
  assertEnded(await run("chown", ["postfix", `${path}/data`]));
  assertEnded(await run("chown", ["nobody", `${path}/mail`]));
  await prepareQueue(`${path}/queue`);
  const domains = new Set(mailboxes.map((address) => address.slice(address.lastIndexOf("@") + 1)));
  const boxes = mailboxes.map((address) => {
    const at = address.lastIndexOf("@");
    return `${address} ${address.slice(at + 1)}/${address.slice(0, at)}/\n`;
  });
  await folder.write("etc/mailboxes", boxes.join(""), 0o644);
  const ways = Object.entries(transports).map(([domain, way]) => `${domain} ${way}\n`);
  await folder.write("etc/transports", ways.join(""), 0o644);
  const lines = [...commonSettings(path), `virtual_mailbox_domains = ${[...domains].join(", ")}`];
  if (tls !== undefined) lines.push(...await tlsSettings(folder, tls));
  lines.push(...settings);
  await folder.write("etc/main.cf", withoutOverridden(lines).join("\n") + "\n", 0o644);
  await folder.write("etc/master.cf", `127.0.0.1:${port} inet n - n - - smtpd\n${SERVICES}`, 0o644);
  // It waits until what it reads has not changed for a second or two.
  const past = Date.now() / 1000 - 60;
  for (const name of ["main.cf", "master.cf", "mailboxes", "transports"]) {
    await Deno.utime(`${path}/etc/${name}`, past, past);
  }
}

async function tlsSettings(folder: TemporaryFolder, name: string) {
  const { certificate, key } = await makeCertificate(folder, [name]);
  return [
    "smtpd_tls_security_level = may",
    `smtpd_tls_chain_files = ${key}, ${certificate}`,
    "smtpd_tls_received_header = yes",
  ];
}

/** Postfix would complain of a setting that is there twice. */
function withoutOverridden(lines: readonly string[]): string[] {
  return [...new Map(lines.map((line) => [line.split("=")[0], line])).values()];
}

/** The folders of the queue, as Postfix itself makes and checks them at a start that is not quick: in seconds. */
async function prepareQueue(path: string): Promise<void> {
  const folders = QUEUE_FOLDERS.map((name) => `${path}/${name}`);
  for (const folder of folders) await Deno.mkdir(folder, { mode: 0o700 });
  assertEnded(await run("chown", ["postfix", ...folders]));
  const shared = [`${path}/maildrop`, `${path}/public`];
  assertEnded(await run("chown", ["postfix:postdrop", ...shared]));
  for (const folder of shared) await Deno.chmod(folder, 0o730);
  await Deno.mkdir(`${path}/pid`, { mode: 0o755 });
  await Deno.writeTextFile(`${path}/quick-start`, "");
}

const QUEUE_FOLDERS = [
  ...["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming"],
  ...["maildrop", "private", "public", "saved", "trace"],
];

/** `texthash` maps are text files; nothing has to be made from them. */
function commonSettings(path: string): string[] {
  return [
    "compatibility_level = 3.6",
    `queue_directory = ${path}/queue`,
    `data_directory = ${path}/data`,
    "daemon_directory = /usr/lib/postfix/sbin",
    "command_directory = /usr/sbin",
    `maillog_file = ${path}/log`,
    `maillog_file_prefixes = ${path}`,
    "mail_owner = postfix",
    "setgid_group = postdrop",
    "inet_interfaces = 127.0.0.1",
    "inet_protocols = ipv4",
    "mynetworks = 127.0.0.0/8",
    "myhostname = postfix.test",
    "mydestination =",
    "alias_maps =",
    "local_recipient_maps =",
    "append_dot_mydomain = no",
    "smtp_dns_support_level = disabled",
    "message_size_limit = 50000000",
    "mailbox_size_limit = 0",
    "virtual_mailbox_limit = 0",
    `virtual_mailbox_base = ${path}/mail`,
    `virtual_mailbox_maps = texthash:${path}/etc/mailboxes`,
    "virtual_uid_maps = static:65534",
    "virtual_gid_maps = static:65534",
    `transport_maps = texthash:${path}/etc/transports`,
    // Nothing here has to be gentle.
    "in_flow_delay = 0",
    "smtpd_error_sleep_time = 0",
    "minimal_backoff_time = 1s",
    "queue_run_delay = 1s",
  ];
}

/** As Debian has them, without chroot and what nobody here uses. */
const SERVICES = `
pickup    unix  n       -       n       1       1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
`;
