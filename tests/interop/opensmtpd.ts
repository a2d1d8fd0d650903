/**
 * OpenSMTPD, a mail server as our peer: it takes mail for a few domains and hands it on to a port of this
 * machine. Its paths are compiled in, so it runs in a mount namespace where they lead into a temporary
 * folder; names it looks up in files only, as there is no DNS for it to wait for.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { startDaemon } from "./daemon.ts";
import { makeCertificate } from "./server.ts";
import { findTool, makeTemporaryFolder } from "./support.ts";

/** What the tests with it need. */
export const OPENSMTPD = Deno.uid() === 0 ? ["smtpd", "unshare"] : ["smtpd", "root"];

/** A running OpenSMTPD. */
export interface OpenSmtpd extends AsyncDisposable {
  /** Where it takes mail, on 127.0.0.1. */
  readonly port: number;
  /** What it logged. */
  log(): string;
}

/** How it is to be. */
export interface OpenSmtpdOptions {
  /** Ports of this machine by the domains whose mail goes there; mail for others is refused. */
  readonly relays: Readonly<Record<string, number>>;
  /** Whether it offers STARTTLS. */
  readonly tls?: boolean;
}

/** Its folders as it wants them, then it itself. */
const SCRIPT = `
set -e
mount --bind "$1/spool" /var/spool
mount --bind "$1/lib" /var/lib
mount --bind "$1/run" /var/run
mount --bind "$1/resolv.conf" /etc/resolv.conf
exec "$2" -d -f "$1/smtpd.conf"
`;

/** Starts OpenSMTPD. */
export async function startOpenSmtpd({ relays, tls }: OpenSmtpdOptions): Promise<OpenSmtpd> {
  const folder = await makeTemporaryFolder();
  const port = findFreePort();
  try {
    await Deno.chmod(folder.path, 0o711);
    for (const name of ["spool", "run", "lib", "lib/opensmtpd", "lib/opensmtpd/empty"]) {
      await Deno.mkdir(`${folder.path}/${name}`);
      await Deno.chmod(`${folder.path}/${name}`, 0o711);
    }
    await folder.write("resolv.conf", "lookup file\n", 0o644);
    const lines = ["smtp max-message-size 50M"];
    if (tls) {
      const { certificate, key } = await makeCertificate(folder, ["opensmtpd.test"]);
      lines.push(`pki opensmtpd.test cert "${certificate}"`, `pki opensmtpd.test key "${key}"`);
    }
    lines.push(`listen on 127.0.0.1 port ${port}${tls ? " tls pki opensmtpd.test" : ""}`);
    for (const [index, [domain, next]] of Object.entries(relays).entries()) {
      lines.push(`action "way${index}" relay host smtp://127.0.0.1:${next}`);
      lines.push(`match from any for domain "${domain}" action "way${index}"`);
    }
    await folder.write("smtpd.conf", lines.join("\n") + "\n");
    const daemon = await startDaemon("unshare", {
      args: ["--mount", "sh", "-c", SCRIPT, "sh", folder.path, findTool("smtpd")],
      port,
    });
    return {
      port,
      log: daemon.output,
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
