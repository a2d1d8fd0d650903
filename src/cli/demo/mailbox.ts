/**
 * Looks into a Maildir, as its reader would.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { errorCode } from "../../runtime/system_error.ts";

/** A mail that lies there. */
export interface StoredMail {
  /** The header section, with LF line ends. */
  readonly head: string;
  /** The body, with LF line ends. */
  readonly body: string;
}

/** All new mail of a mailbox, oldest first. */
export async function readNewMail(folder: string): Promise<StoredMail[]> {
  const names: string[] = [];
  try {
    for (const entry of await readdir(`${folder}/new`, { withFileTypes: true })) {
      if (entry.isFile()) names.push(entry.name);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  names.sort();
  return await Promise.all(names.map(async (name) => {
    const text = await readFile(`${folder}/new/${name}`, "utf8");
    const end = text.indexOf("\n\n");
    return { head: text.slice(0, end + 1), body: text.slice(end + 2) };
  }));
}

/**
 * SHA-256 of a body, in hexadecimal, whatever its line ends are: SMTP has CRLF, a Maildir LF.
 *
 * @example
 * ```ts
 * import { hashBody } from "./mailbox.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hashBody("a\r\nb\r\n"), hashBody("a\nb\n"));
 * ```
 */
export function hashBody(body: string): string {
  return createHash("sha256").update(body.replaceAll("\r\n", "\n")).digest("hex");
}

/** The value of a header field, unfolded; `null` where there is none. */
export function fieldOf(head: string, name: string): string | null {
  const field = new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, "im").exec(head);
  return field?.[1]?.replaceAll(/\n[ \t]+/g, " ") ?? null;
}

/** The first part of a multipart body, its head not counted: of a notice, the part for people. */
export function firstPart({ head, body }: StoredMail): string {
  const boundary = /boundary="?([^";\s]+)"?/i.exec(fieldOf(head, "content-type") ?? "")?.[1];
  if (boundary === undefined) return body;
  const part = body.split(`--${boundary}`)[1] ?? "";
  return part.slice(part.indexOf("\n\n") + 2).trimEnd();
}
