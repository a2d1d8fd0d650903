/**
 * A message as a program of this machine hands it in: its lines made whole, its head completed, its recipients
 * read out of it.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { encode } from "../bytes.ts";
import { formatDate } from "../message/date.ts";
import { HEAD_LIMIT, HeadCollector } from "../message/head_collector.ts";
import {
  fieldValue,
  findField,
  findFields,
  makeField,
  parseFields,
  type RawField,
  removeFields,
} from "../message/header.ts";
import { parseRecipientAddresses, rewriteAddresses } from "../message/mailbox_list.ts";
import { cursorOver } from "../smtp/cursor.ts";
import { NewlineNormalizer } from "../smtp/newline_normalizer.ts";
import { CommandError, EXIT } from "./exit.ts";
import { atHome, type Home } from "./home.ts";
import { DotEnd } from "./message_end.ts";

/** A message whose head was read. */
export interface MessageInput {
  readonly fields: readonly RawField[];
  /** The body, from after the empty line; to be read once. A piece is valid until the next. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Reads the head of a message; its lines may end with LF or CRLF, and a first line of an mbox file is dropped.
 *
 * @throws {CommandError} where it is too large.
 */
export async function readMessage(
  input: AsyncIterable<Uint8Array>,
  options: { readonly ignoreDots: boolean },
): Promise<MessageInput> {
  const pieces = normalize(withoutMboxLine(options.ignoreDots ? input : untilDot(input)));
  const head = new HeadCollector();
  let rest: Uint8Array | null = null;
  while (rest === null) {
    const { done, value } = await pieces.next();
    if (done) {
      rest = head.end();
      break;
    }
    rest = head.write(value);
    if (head.state === "too-large") {
      const limit = `${HEAD_LIMIT / 1024} KiB`;
      throw new CommandError(
        EXIT.dataError,
        `the message's header section is larger than ${limit}`,
      );
    }
  }
  const first = rest;
  const body = (async function* () {
    if (first.length > 0) yield first;
    yield* pieces;
  })();
  return { fields: parseFields(head.head), body };
}

/** Who a message is from, where it does not say so itself. */
export interface Author {
  readonly address: Address;
  readonly fullName: string;
}

/** What a head is completed with. */
export interface HeadCompletion {
  readonly author: Author;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly home: Home;
  /** The address of the user, where that is not root. */
  readonly user: Address | null;
}

/**
 * The head with what a program may leave out: Date and From (RFC 6409 §8), and the domain of names of this machine.
 * Bcc goes no further.
 */
export function completeHead(fields: readonly RawField[], completion: HeadCompletion): RawField[] {
  const { author, now } = completion;
  const added: RawField[] = [];
  if (findField(fields, "Date") === null) added.push(makeField("Date", formatDate(now)));
  if (findField(fields, "From") === null) added.push(makeField("From", formatAuthor(author)));
  const kept = removeFields(removeFields(fields, "Bcc"), "Resent-Bcc");
  return [...added, ...kept.map((field) => qualifyField(field, completion))];
}

/** Fields with addresses (RFC 5322 §3.6.2, 3.6.3), also with Resent- before their names. */
const ADDRESS_FIELD = /^(?:Resent-)?(?:(From|Sender)|Reply-To|To|Cc)$/i;

function qualifyField(field: RawField, { home, user }: HeadCompletion): RawField {
  const isOf = ADDRESS_FIELD.exec(field.name);
  if (isOf === null) return field;
  const value = fieldValue(field);
  const namesAuthor = isOf[1] !== undefined;
  const qualified = rewriteAddresses(value, (local, domain) => {
    // cron writes "From: root (Cron Daemon)" whosever job it was.
    if (namesAuthor && domain === null && local === "root" && user !== null) return user;
    if (domain === null) return { local, domain: home.hostname };
    const address = atHome({ local, domain }, home);
    return address.domain === domain ? null : address;
  });
  return qualified === value ? field : makeField(field.name, qualified);
}

/** `Ann B. <ann@example.org>`, quoted or encoded (RFC 2047) where the name wants it. */
export function formatAuthor({ address, fullName }: Author): string {
  const path = `<${formatAddress(address)}>`;
  // deno-lint-ignore no-control-regex
  const name = fullName.replace(/[\x00-\x1f\x7f]+/g, " ").trim().toWellFormed();
  if (name === "") return formatAddress(address);
  if (/^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+$/.test(name)) return `${name} ${path}`;
  if (/^[ -~]+$/.test(name)) return `"${name.replace(/["\\]/g, "\\$&")}" ${path}`;
  // An encoded word has at most 75 characters (RFC 2047 §2): 11 of UTF-8 fit, whatever they are.
  const words = name.match(/.{1,11}/gsu)!.map((part) => `=?UTF-8?B?${encode(part).toBase64()}?=`);
  return `${words.join(" ")} ${path}`;
}

/**
 * The recipients that a head names: in To, Cc and Bcc, or where it was resent in the Resent- fields.
 *
 * @throws {CommandError} for a field that cannot be read.
 */
export function recipientsInHead(fields: readonly RawField[], home: Home): Address[] {
  const resent = RECIPIENT_FIELDS.some((name) => findField(fields, `Resent-${name}`) !== null);
  return RECIPIENT_FIELDS.flatMap((name) => {
    const field = resent ? `Resent-${name}` : name;
    return findFields(fields, field).flatMap((one) =>
      readRecipients(fieldValue(one), home, `the ${field} field`)
    );
  });
}

const RECIPIENT_FIELDS = ["To", "Cc", "Bcc"];

/**
 * Addresses of a list; a name without a domain is one of ours.
 *
 * @throws {CommandError} where they cannot be read.
 */
export function readRecipients(text: string, home: Home, where: string): Address[] {
  const addresses = parseRecipientAddresses(text, home.hostname);
  if (addresses !== null) return addresses.map((address) => atHome(address, home));
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  throw new CommandError(
    EXIT.dataError,
    `${where} cannot be read as mail addresses: ${JSON.stringify(shown)}`,
  );
}

async function* untilDot(input: AsyncIterable<Uint8Array>) {
  const dot = new DotEnd();
  for await (const chunk of input) {
    yield dot.write(chunk);
    if (dot.ended) return;
  }
  yield dot.end();
}

/** A first line `From …` is of an mbox file and no field. */
async function* withoutMboxLine(input: AsyncIterable<Uint8Array>) {
  let start: Uint8Array | null = new Uint8Array();
  for await (const chunk of input) {
    if (start === null) {
      yield chunk;
      continue;
    }
    const joined: Uint8Array = new Uint8Array(start.length + chunk.length);
    joined.set(start);
    joined.set(chunk, start.length);
    start = joined;
    if (start.length < 1000 && !start.includes(0x0a)) continue;
    yield dropMboxLine(start);
    start = null;
  }
  if (start !== null) yield dropMboxLine(start);
}

function dropMboxLine(start: Uint8Array): Uint8Array {
  const isMbox = /^>?From /.test(new TextDecoder("latin1").decode(start.subarray(0, 6)));
  if (!isMbox) return start;
  const end = start.indexOf(0x0a);
  return end === -1 ? start : start.subarray(end + 1);
}

async function* normalize(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const newlines = new NewlineNormalizer();
  for await (const chunk of input) {
    const cursor = cursorOver(chunk);
    for (let piece; (piece = newlines.next(cursor)) !== null;) yield piece;
  }
  const last = newlines.finish();
  if (last.length > 0) yield last;
}
