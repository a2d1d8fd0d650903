/**
 * Exim, a mail server as our peer, with a configuration, a queue and a log of its own in a temporary
 * folder. It must be started by root, as it reads only a configuration that belongs to root.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { startDaemon, until } from "./daemon.ts";
import { makeCertificate } from "./server.ts";
import { assertEnded, findTool, makeTemporaryFolder, run } from "./support.ts";

/** What the tests with it need. */
export const EXIM = Deno.uid() === 0 ? ["exim4"] : ["exim4", "root"];

/** A running Exim. */
export interface Exim extends AsyncDisposable {
  /** Where it takes mail by SMTP, on 127.0.0.1; it offers STARTTLS. */
  readonly port: number;
  /** The Maildir of one of its users. */
  maildir(user: string): string;
  /** What it logged. */
  log(): Promise<string>;
  /** Resolves with what the log says, once it says that. */
  logged(pattern: RegExp): Promise<RegExpMatchArray>;
}

/** How it is to be. */
export interface EximOptions {
  /** Its users, at `exim.test`. */
  readonly users: readonly string[];
  /** Ports of this machine by the domains whose mail goes there. */
  readonly relays?: Readonly<Record<string, number>>;
  /** Where it takes mail; a port that is free by default. */
  readonly port?: number;
  /** More lines of its main section. */
  readonly settings?: readonly string[];
}

/** Starts Exim. */
export async function startExim(options: EximOptions): Promise<Exim> {
  const folder = await makeTemporaryFolder();
  const { path } = folder;
  const { port = findFreePort() } = options;
  const log = () => Deno.readTextFile(`${path}/log/mainlog`).catch(() => "");
  try {
    await Deno.chmod(path, 0o755);
    const { certificate, key } = await makeCertificate(folder, ["exim.test"]);
    for (const name of ["spool", "log", "mail"]) await Deno.mkdir(`${path}/${name}`);
    const own = [`${path}/spool`, `${path}/log`, `${path}/mail`, key, certificate];
    assertEnded(await run("chown", ["Debian-exim:", ...own]));
    const settings = [`tls_certificate = ${certificate}`, `tls_privatekey = ${key}`];
    settings.push(...options.settings ?? []);
    const configuration = formatConfiguration(path, { ...options, settings });
    const file = await folder.write("exim.conf", configuration, 0o644);
    const daemon = await startDaemon("exim4", {
      args: ["-C", file, "-bdf", "-q1s", "-oX", `127.0.0.1.${port}`, "-oP", `${path}/pid`],
      port,
      log,
    });
    return {
      port,
      log,
      maildir: (user) => `${path}/mail/${user}`,
      logged: (pattern) =>
        until(`Exim logs ${pattern}`, async () => pattern.exec(await log()), { log }),
      async [Symbol.asyncDispose]() {
        await daemon.stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

function formatConfiguration(
  path: string,
  { users, relays = {}, settings = [] }: EximOptions,
): string {
  return `
exim_path = ${findTool("exim4")}
spool_directory = ${path}/spool
log_file_path = ${path}/log/%slog
primary_hostname = exim.test
keep_environment =
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege = true
host_lookup =
rfc1413_hosts =
tls_advertise_hosts = *
dsn_advertise_hosts = *
log_selector = +received_recipients
domainlist relayed = ${Object.keys(relays).join(" : ")}
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
${settings.join("\n")}
begin acl
check_rcpt:
  accept domains = +relayed
  accept domains = exim.test
         local_parts = ${users.join(" : ")}
  deny message = 5.1.1 No such user here
begin routers
${Object.entries(relays).map(formatRelay).join("")}${users.map((user) => formatUser(user)).join("")}
begin transports
out:
  driver = smtp
  allow_localhost
  tls_verify_certificates =
${users.map((user) => formatBox(user, path)).join("")}
begin retry
* * F,1h,1s
`;
}

function formatRelay([domain, port]: [string, number], index: number): string {
  return `relay${index}:
  driver = manualroute
  domains = ${domain}
  route_list = * 127.0.0.1::${port} byname
  self = send
  transport = out
`;
}

function formatUser(user: string): string {
  return `user_${user}:
  driver = accept
  domains = exim.test
  local_parts = ${user}
  transport = box_of_${user}
`;
}

function formatBox(user: string, path: string): string {
  return `box_of_${user}:
  driver = appendfile
  directory = ${path}/mail/${user}
  maildir_format
`;
}
