/**
 * smtp-sink, which comes with Postfix: it takes mail and throws it away, or writes it down, and fails in
 * any way it is told to.
 *
 * @module
 */

import { findFreePort } from "../support/free_port.ts";
import { startDaemon, until } from "./daemon.ts";
import { withCrlf } from "./maildir.ts";
import { assertEnded, makeTemporaryFolder, run } from "./support.ts";

/** What the tests with it need: it would not run as root, and takes another user only from root. */
export const SINK = Deno.uid() === 0 ? ["smtp-sink"] : ["smtp-sink", "root"];

/** A running sink. */
export interface SmtpSink extends AsyncDisposable {
  readonly port: number;
  /** What it took, once that are so many mails. */
  taken(count?: number): Promise<TakenMail[]>;
}

/** A mail it took. */
export interface TakenMail {
  /** The lines it puts on top by their names: `X-Client-Proto`, `X-Mail-Args`, `X-Rcpt-Args`, … */
  readonly facts: ReadonlyMap<string, string>;
  /** The message as it came, with CRLF line ends. */
  readonly message: Uint8Array;
}

/** Starts one with some of its options. */
export async function startSink(
  args: readonly string[] = [],
  port: number = findFreePort(),
): Promise<SmtpSink> {
  const folder = await makeTemporaryFolder();
  try {
    await Deno.chmod(folder.path, 0o755);
    await Deno.mkdir(`${folder.path}/taken`);
    assertEnded(await run("chown", ["nobody", `${folder.path}/taken`]));
    const daemon = await startDaemon("smtp-sink", {
      args: [
        ...["-u", "nobody", "-d", `${folder.path}/taken/mail.`, ...args],
        ...[`127.0.0.1:${port}`, "64"],
      ],
      port,
    });
    return {
      port,
      taken: (count = 1) =>
        until(`smtp-sink takes ${count} mails`, async () => {
          const mails = await readTaken(`${folder.path}/taken`);
          return mails.length >= count ? mails : null;
        }),
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

async function readTaken(path: string): Promise<TakenMail[]> {
  const mails: TakenMail[] = [];
  for await (const { name } of Deno.readDir(path)) {
    const mail = parseTaken(await Deno.readFile(`${path}/${name}`));
    if (mail !== null) mails.push(mail);
  }
  return mails;
}

/** Its own lines, a Received field of three lines, the message, an empty line; `null` while it is written. */
function parseTaken(file: Uint8Array): TakenMail | null {
  const LATIN_1 = new TextDecoder("latin1");
  const text = LATIN_1.decode(file);
  const head = /^((?:X-[\w-]+: .*\n)*)Received: .*\n\t.*\n\t.*\n/.exec(text);
  if (head === null || !text.endsWith("\n\n")) return null;
  const facts = new Map<string, string>();
  for (const [, name = "", value = ""] of head[1]!.matchAll(/^(X-[\w-]+): (.*)$/gm)) {
    facts.set(name, facts.has(name) ? `${facts.get(name)}\n${value}` : value);
  }
  return { facts, message: withCrlf(file.subarray(head[0].length, file.length - 1)) };
}
