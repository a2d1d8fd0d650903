/**
 * Reads delivery status notifications as they lie in a mailbox: a small reader of RFC 3464 and RFC 6522 that
 * knows nothing of who wrote them.
 *
 * @module
 */

/** The fields of one block, by name in lower case. */
export type Fields = Readonly<Record<string, string>>;

/** A notice. */
export interface Report {
  /** Of the mail itself. */
  readonly head: Fields;
  /** The type of each part. */
  readonly types: readonly string[];
  /** What is for people. */
  readonly text: string;
  /** RFC 3464 §2.2. */
  readonly message: Fields;
  /** RFC 3464 §2.3, one for each recipient. */
  readonly recipients: readonly Fields[];
  /** What is returned. */
  readonly original: string;
}

/** Reads a notice. @throws when a mail is none. */
export function readReport(mail: string): Report {
  const [head, body] = split(mail);
  const type = head["content-type"] ?? "";
  const boundary = /^multipart\/report;.*boundary="([^"]+)"/.exec(type)?.[1];
  if (boundary === undefined) throw new Error(`no report: ${type}\n${mail}`);
  const parts = body.split(`\r\n--${boundary}`).slice(1, -1).map((part) => split(part.slice(2)));
  const [text, status, original] = parts;
  const [message = {}, ...recipients] = status![1].trim().split(/\r\n\r\n/).map(fieldsOf);
  return {
    head,
    types: parts.map(([fields]) => (fields["content-type"] ?? "").split(";")[0]!),
    text: text![1],
    message,
    recipients,
    original: original![1],
  };
}

/** Whether a mail is a notice. */
export function isReport(mail: string): boolean {
  return /^Content-Type: multipart\/report;/im.test(mail.slice(0, mail.indexOf("\r\n\r\n")));
}

/** Each recipient of a notice in one line: address, action, status. */
export function fates({ recipients }: Report): string[] {
  return recipients.map((fields) =>
    [fields["final-recipient"]?.replace(/^\S+ /, ""), fields.action, fields.status].join(" ")
  );
}

function split(text: string): [Fields, string] {
  if (text.startsWith("\r\n")) return [{}, text.slice(2)];
  const end = text.indexOf("\r\n\r\n");
  return [fieldsOf(text.slice(0, end)), text.slice(end + 4)];
}

function fieldsOf(block: string): Fields {
  const lines = block.replace(/\r\n[ \t]+/g, " ").split("\r\n");
  return Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
}
