/**
 * Messages to deliver and mailboxes to look into, for the tests of the Maildir agent.
 *
 * @module
 */

import { decode, encode } from "../../../src/bytes.ts";
import type { Mailbox, Quota } from "../../../src/directory/directory.ts";
import { maildirDelivery, type MaildirOptions } from "../../../src/delivery/maildir/maildir.ts";
import type {
  LocalDelivery,
  LocalRecipient,
  MessageSource,
} from "../../../src/queue/local_delivery.ts";
import type { FileKind, Files } from "../../../src/runtime/files.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";

/** The folder all mailboxes of these tests are in. */
export const ROOT = "/srv/mail";

/** Where the mail of {@link recipient} goes. */
export const ALICE = `${ROOT}/example.org/alice`;

/** The agent on a machine. */
export function agent(runtime: Runtime, options: Partial<MaildirOptions> = {}): LocalDelivery {
  const { files, clock } = runtime;
  return maildirDelivery({ files, clock, root: ROOT, hostname: "mx.example.org", ...options });
}

/** A message; the body comes in chunks of `chunk` octets from one array that is used again. */
export function source(body = "Hello.\r\n", chunk = 1000): MessageSource {
  const octets = encode(body);
  return {
    head: encode("Subject: test\r\n"),
    bodySize: octets.length,
    async *openBody() {
      const shared = new Uint8Array(chunk);
      for (let at = 0; at < octets.length; at += chunk) {
        const part = octets.subarray(at, at + chunk);
        shared.set(part);
        yield shared.subarray(0, part.length);
        shared.fill(0x3f);
      }
    },
  };
}

/** What the file of {@link source} holds. */
export function stored(body = "Hello.\r\n", user = "alice"): string {
  return `Return-Path: <sender@example.net>\nDelivered-To: ${user}@example.org\nSubject: test\n\n` +
    body.replaceAll("\r\n", "\n");
}

/** A recipient at example.org. */
export function recipient(messageId = "m1", user = "alice", quota?: Quota): LocalRecipient {
  return {
    mailbox: mailbox(user, quota),
    address: { local: user, domain: "example.org" },
    sender: { local: "sender", domain: "example.net" },
    messageId,
  };
}

/** A mailbox at example.org. */
export function mailbox(user = "alice", quota?: Quota): Mailbox {
  return { domain: "example.org", user, ...(quota && { quota }) };
}

/** Delivers to the end. */
export async function deliver(
  delivery: LocalDelivery,
  to: LocalRecipient,
  message = source(),
): Promise<void> {
  await (await delivery.prepare(message, to)).publish();
}

/** The names in a folder, sorted; none where it is missing. */
export async function names(files: Files, folder: string): Promise<string[]> {
  return (await list(files, folder)).map(({ name }) => name);
}

/** All files below a folder, with their text. */
export async function tree(files: Files, folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { name, kind } of await list(files, folder)) {
    const path = `${folder}/${name}`;
    if (kind === "directory") Object.assign(found, await tree(files, path));
    else found[path] = decode(await files.readFile(path));
  }
  return found;
}

async function list(files: Files, folder: string): Promise<{ name: string; kind: FileKind }[]> {
  if ((await files.stat(folder))?.kind !== "directory") return [];
  const entries = [];
  for await (const entry of files.list(folder)) entries.push(entry);
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}
