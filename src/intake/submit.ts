/**
 * Mail from a program in the same process: `mta.submit()`. It goes the same way as mail from a socket (the
 * same policies, the same completion of the head, the same promise at the end), only that the program is
 * trusted to send to anybody.
 *
 * What fails: a recipient or message that is refused is told with its reply; a body that throws while it is
 * read aborts the message, and the error goes through.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../address.ts";
import { encode } from "../bytes.ts";
import type { LocalUser } from "../message/received.ts";
import type { DsnNotify, MailParameters, OriginalRecipient } from "../smtp/parameters.ts";
import { cursorOver } from "../smtp/cursor.ts";
import { NewlineNormalizer } from "../smtp/newline_normalizer.ts";
import { describeReply, type Reply } from "../smtp/reply.ts";
import { IntakeSession } from "./intake.ts";
import type { IntakeServices } from "./services.ts";

/** From whom, to whom. */
export interface SubmitEnvelope {
  /** The reverse-path, where notices go; `null` for none. */
  readonly sender: string | null;
  /** The forward-paths, at least one; with what their sender wants to hear of them (RFC 3461). */
  readonly recipients: readonly (
    | string
    | {
      readonly address: string;
      readonly notify?: readonly DsnNotify[];
      /** The address that the sender first wrote (RFC 3461 §4.2). */
      readonly originalRecipient?: OriginalRecipient;
    }
  )[];
  /** The message must only travel over TLS (RFC 8689). Default `false`. */
  readonly requireTls?: boolean;
  /** What a failure notice shall hold (RFC 3461 §4.3). */
  readonly dsnReturn?: "FULL" | "HDRS";
  /** The sender's own mark of the envelope, in printable ASCII (RFC 3461 §4.4). */
  readonly dsnEnvelopeId?: string;
}

/**
 * A whole message, header section and body. Line ends may be LF. What a submission may lack (Date,
 * Message-ID) is added, Bcc is taken out (RFC 6409 §8).
 */
export type SubmitMessage = string | Uint8Array | AsyncIterable<Uint8Array>;

/** What a program may say of a message beside its envelope. */
export interface SubmitOptions {
  /**
   * Names the message for all time: letters, digits, `.`, `_` and `-`, no dot in front, at most 80. Submitted again
   * under its name, as after a crash, it is the same message, and while the first is in the queue, or unread in
   * its mailbox, there will be no second. Default one that nobody has had.
   */
  readonly id?: string;
  /**
   * With `id`: when it was handed in, in milliseconds since the epoch; the same each time, or a copy in a mailbox
   * is not recognised. Default now.
   */
  readonly handedIn?: number;
  /** The user of this machine it comes from, for Received and for whoever looks at the queue. */
  readonly user?: LocalUser;
  /**
   * Nobody is there to hear of a recipient that cannot be taken now: the whole message is refused with 4xx then, to
   * be tried again, but for mailboxes without room, which wait in the queue. Default `false`.
   */
  readonly unattended?: boolean;
  /**
   * Whether the header section has characters beyond ASCII (RFC 6532). Default: it is looked at, but where it comes
   * as a stream it is taken to have none.
   */
  readonly smtputf8?: boolean;
}

/** A message that was taken. */
export interface Submitted {
  /** Its id in the log and the queue. */
  readonly id: string;
  /** Recipients that were refused, and why; the others will get it, or their sender a notice. */
  readonly refused: readonly { readonly recipient: string; readonly reply: Reply }[];
}

/** A message that was not taken for anybody. */
export class SubmitError extends Error {
  /** 4xx: may be tried again. 5xx: never. */
  readonly reply: Reply;
  /** Where it was the recipients: each of them, with its own reply. */
  readonly refused: Submitted["refused"];

  /**
   * A refusal.
   *
   * @param what was refused. @param reply why. @param refused the recipients, where it was they.
   */
  constructor(what: string, reply: Reply, refused: Submitted["refused"] = []) {
    super(`${what}: ${describeReply(reply)}`);
    this.name = "SubmitError";
    this.reply = reply;
    this.refused = refused;
  }
}

/**
 * Takes a message; resolves when it is durable.
 *
 * @param newId makes ids that are unique for all time, for the log.
 * @throws {TypeError} for an address or an id that is none. {@link SubmitError} when it is refused.
 */
export async function submitMessage(
  services: IntakeServices,
  newId: () => string,
  envelope: SubmitEnvelope,
  message: SubmitMessage,
  options: SubmitOptions = {},
): Promise<Submitted> {
  const { id = newId(), user, unattended = false } = options;
  if (!ID.test(id)) throw new TypeError(`id: "${id}" is none`);
  const { sender, recipients, parameters } = readEnvelope(
    envelope,
    options.smtputf8 ?? hasUtf8Head(message),
  );
  const intake = new IntakeSession(services, {
    id,
    role: "submit",
    client: "unix",
    lmtp: false,
    submission: true,
    trusted: true,
    unattended,
    ...(user && { user }),
    ...(options.id !== undefined && { handedIn: options.handedIn ?? services.clock.now() }),
  });
  intake.verb = "EHLO";
  try {
    const opened = await intake.sender(sender, parameters);
    if (opened.code >= 400) throw new SubmitError(`sender ${envelope.sender ?? "<>"}`, opened);
    const refused: { recipient: string; reply: Reply }[] = [];
    for (const { address, ...parameters } of recipients) {
      const answer = await intake.recipient(address, parameters);
      if (answer.code < 400) continue;
      const recipient = formatAddress(address);
      if (unattended && answer.code < 500) throw new SubmitError(recipient, answer);
      refused.push({ recipient, reply: answer });
    }
    if (refused.length === recipients.length) {
      throw new SubmitError(refused[0]!.recipient, refused[0]!.reply, refused);
    }
    const taken = await feed(intake, message);
    if (taken.code >= 400) throw new SubmitError("message", taken);
    return { id: `${id}.1`, refused };
  } finally {
    await intake.abort();
    intake.close();
  }
}

/** Fit for a file name, with what is put behind it. */
const ID = /^[\w-][\w.-]{0,79}$/;

function readEnvelope(envelope: SubmitEnvelope, utf8Head: boolean) {
  const recipients = envelope.recipients.map((recipient) => {
    if (typeof recipient === "string") return { address: readAddress("recipient", recipient) };
    const { address, notify, originalRecipient } = recipient;
    checkNotify(address, notify);
    checkOriginal(address, originalRecipient);
    return {
      address: readAddress("recipient", address),
      ...(notify && { notify }),
      ...(originalRecipient && { originalRecipient }),
    };
  });
  if (recipients.length === 0) throw new TypeError("recipients: at least one is needed");
  checkEnvelopeId(envelope.dsnEnvelopeId);
  const sender = envelope.sender === null ? null : readAddress("sender", envelope.sender);
  const addresses = [sender, ...recipients.map(({ address }) => address)];
  const international = addresses.some((address) => address !== null && !isAscii(address));
  const { requireTls, dsnReturn, dsnEnvelopeId } = envelope;
  const parameters: MailParameters = {
    body: "8BITMIME",
    ...((international || utf8Head) && { smtputf8: true }),
    ...(requireTls && { requireTls }),
    ...(dsnReturn && { dsnReturn }),
    ...(dsnEnvelopeId !== undefined && { dsnEnvelopeId }),
  };
  return { sender, recipients, parameters };
}

/** RFC 3461 §4.1: NEVER alone, or some of the others; an empty list would read as "never" and mean nothing. */
function checkNotify(address: string, notify: readonly DsnNotify[] | undefined): void {
  if (notify === undefined) return;
  const sound = notify.length > 0 && (!notify.includes("NEVER") || notify.length === 1);
  if (!sound) {
    throw new TypeError(`recipient ${address}: notify is "NEVER" alone, or some of the rest`);
  }
}

/** RFC 3461 §4.2. It will stand in RCPT and in a field of a notice: nothing in it may end a line. */
function checkOriginal(address: string, original: OriginalRecipient | undefined): void {
  if (original === undefined) return;
  const sound = /^[\w-]{1,40}$/.test(original.type) &&
    /^[^\p{Cc}\p{Zl}\p{Zp}]{1,500}$/u.test(original.address);
  if (!sound) throw new TypeError(`recipient ${address}: originalRecipient is no type and address`);
}

/** RFC 3461 §4.4. */
function checkEnvelopeId(id: string | undefined): void {
  if (id === undefined || /^[ -~]{1,100}$/.test(id)) return;
  throw new TypeError("dsnEnvelopeId: 1 to 100 characters of printable ASCII are needed");
}

/** Whether the header section has characters beyond ASCII (RFC 6532); of a stream that is not known before. */
function hasUtf8Head(message: SubmitMessage): boolean {
  if (typeof message === "string") {
    const head = /^[^]*?\r?\n\r?\n/.exec(message)?.[0] ?? message;
    return /[\u0080-\uffff]/.test(head);
  }
  if (!(message instanceof Uint8Array)) return false;
  for (const [at, octet] of message.entries()) {
    if (octet > 127) return true;
    if (
      octet === 0x0a &&
      (message[at + 1] === 0x0a || message[at + 2] === 0x0a && message[at + 1] === 0x0d)
    ) return false;
  }
  return false;
}

function readAddress(what: string, text: string): Address {
  const address = parseAddress(text, { smtputf8: true });
  if (address === null) throw new TypeError(`${what}: "${text}" is not a mail address`);
  return address;
}

function isAscii(address: Address): boolean {
  return !/[\u0080-\uffff]/.test(address.local + address.domain);
}

/** The message through the same door as one from a socket; gives the reply to its end. */
async function feed(intake: IntakeSession, message: SubmitMessage): Promise<Reply> {
  const started = await intake.begin();
  if (started.code !== 354) return started;
  const newlines = new NewlineNormalizer();
  for await (const part of partsOf(message)) {
    const cursor = cursorOver(part);
    for (let piece; (piece = newlines.next(cursor)) !== null;) {
      const refusal = await intake.chunk(piece);
      if (refusal !== null) return refusal;
    }
  }
  const refusal = await intake.chunk(newlines.finish());
  if (refusal !== null) return refusal;
  return (await intake.end())[0]!;
}

function partsOf(message: SubmitMessage): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof message === "string") return [encode(message)];
  return message instanceof Uint8Array ? [message] : message;
}
