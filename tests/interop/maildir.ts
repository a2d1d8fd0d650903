/**
 * Reading a Maildir as the tests want it, and telling the trace we add from the mail that was sent.
 * Files have LF line ends, as is the custom of Maildirs; what was sent has CRLF.
 *
 * @module
 */

import { assertEquals, AssertionError } from "@std/assert";
import { until } from "./daemon.ts";
import { assertSameOctets } from "./support.ts";

/** One mail in a Maildir. */
export interface StoredMail {
  readonly path: string;
  readonly name: string;
  readonly folder: "new" | "cur";
  /** The octets of the file. */
  readonly file: Uint8Array;
  /** The same with CRLF line ends, as on the wire. */
  readonly octets: Uint8Array;
}

/** All mail of a Maildir, oldest first by name; none where the folder is missing. */
export async function readMaildir(maildir: string): Promise<StoredMail[]> {
  const mails: StoredMail[] = [];
  for (const folder of ["new", "cur"] as const) {
    for (const name of await listNames(`${maildir}/${folder}`)) {
      const path = `${maildir}/${folder}/${name}`;
      const file = await Deno.readFile(path);
      mails.push({ path, name, folder, file, octets: withCrlf(file) });
    }
  }
  return mails.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The only mail of a Maildir. Fails when there is none or more, or something is left in `tmp`. */
export async function readOnlyMail(maildir: string): Promise<StoredMail> {
  const mails = await readMaildir(maildir);
  assertEquals(await listNames(`${maildir}/tmp`), [], `left in ${maildir}/tmp`);
  const [mail] = mails;
  if (mails.length === 1 && mail !== undefined) return mail;
  throw new AssertionError(`${mails.length} mails instead of one in ${maildir}`);
}

/** The mail of a Maildir, once there are `count`. */
export async function untilMail(
  maildir: string,
  count = 1,
  log?: () => string | Promise<string>,
): Promise<StoredMail[]> {
  return await until(`${count} mails in ${maildir}`, async () => {
    const mails = await readMaildir(maildir);
    return mails.length >= count ? mails : null;
  }, log === undefined ? {} : { log });
}

async function listNames(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const CR = 0x0d;
const LF = 0x0a;

/** A file as it was on the wire. */
export function withCrlf(file: Uint8Array): Uint8Array {
  const crlf = new Uint8Array(file.length * 2);
  let length = 0;
  for (const octet of file) {
    if (octet === LF && crlf[length - 1] !== CR) crlf[length++] = CR;
    crlf[length++] = octet;
  }
  return crlf.slice(0, length);
}

/** The fields a station may put on top. */
const TRACE =
  /^(return-path|x-original-to|delivered-to|received|authentication-results|received-spf):/i;

/** A stored mail as its trace, unfolded, and the octets below it. */
export interface SplitMail {
  readonly trace: readonly string[];
  readonly message: Uint8Array;
}

/** Takes the trace fields off the top of a mail with CRLF line ends. */
export function splitTrace(octets: Uint8Array): SplitMail {
  const decoder = new TextDecoder();
  const trace: string[] = [];
  let at = 0;
  while (at < octets.length) {
    const end = octets.indexOf(LF, at);
    const line = octets.subarray(at, end < 0 ? octets.length : end + 1);
    const text = decoder.decode(line);
    const folded = /^[ \t]/.test(text);
    if (!folded && !TRACE.test(text)) break;
    if (folded) trace.push(`${trace.pop()} ${text.trim()}`);
    else trace.push(text.trim());
    at += line.length;
  }
  return { trace, message: octets.subarray(at) };
}

/**
 * Fails unless the mail is what was sent, octet for octet, below the trace of final delivery: one
 * Return-Path on top, one Delivered-To, a Received (RFC 5321 §4.4); and unless its name tells its sizes
 * (`S`, the file's, and `W`, the one with CRLF line ends), which Dovecot relies on.
 *
 * @returns the trace, for more to be said about it.
 */
export function assertDelivered(stored: StoredMail, sent: Uint8Array): readonly string[] {
  const { trace, message } = splitTrace(stored.octets);
  assertSameOctets(message, sent, stored.path);
  const names = trace.map((field) => field.slice(0, field.indexOf(":")).toLowerCase());
  assertEquals(names, ["return-path", "delivered-to", "received"], stored.path);
  const sizes = stored.name.match(/,S=(\d+),W=(\d+)$/)?.slice(1).map(Number);
  assertEquals(sizes, [stored.file.length, stored.octets.length], stored.path);
  return trace;
}

/** The unfolded value of a trace field. */
export function traceField(trace: readonly string[], name: string): string {
  const field = trace.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  if (field === undefined) throw new AssertionError(`no ${name} in:\n${trace.join("\n")}`);
  return field.slice(name.length + 1).trim();
}
