/**
 * A decision about mail, as plain objects: each stage of a session asks the policies in order, and a
 * policy answers with a {@link Verdict}. A policy never writes a reply, touches a socket or edits a
 * message itself.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { RawField } from "../message/header.ts";
import type { MailParameters } from "../smtp/parameters.ts";
import type { Reply } from "../smtp/reply.ts";
import type { BodySource } from "../queue/body_store.ts";
import type { Envelope } from "../queue/entry.ts";
import type { TlsInfo } from "../runtime/tls.ts";
import type { Soon } from "../soon.ts";

/** What a policy decides. `undefined` from a policy means accept. */
export type Verdict =
  /** Goes on to the next policy. */
  | { readonly action: "accept" }
  /** 5xx: never. */
  | { readonly action: "reject"; readonly reply: Reply }
  /** 4xx: not now. */
  | { readonly action: "defer"; readonly reply: Reply }
  /** Says 250 and drops the message (or, at `recipient`, this copy). */
  | { readonly action: "discard"; readonly reason: string }
  /** Goes on, with changes to the message (stages `sender`, `recipient` and `message`). */
  | { readonly action: "annotate"; readonly changes: readonly Change[] };

/**
 * A change to a message's head, which any of the three stages may want. A value is folded as is usual; where
 * `verbatim` is set it stands octet for octet behind the colon, white space and folding included, as long as that
 * makes one field (RFC 6376 §3.4.1: a signature may cover them).
 */
export type HeadChange =
  /** A field put at the top of the head. */
  | {
    readonly change: "add-field";
    readonly name: string;
    readonly value: string;
    readonly verbatim?: boolean;
  }
  /** A field put before the one that stands at `index` (0: on top); past the last: at the end. */
  | {
    readonly change: "insert-field";
    readonly index: number;
    readonly name: string;
    readonly value: string;
    readonly verbatim?: boolean;
  }
  /** The field of this name that is the `occurrence`th (1: the uppermost) gets another value; `null`: is taken out. */
  | {
    readonly change: "replace-field";
    readonly name: string;
    readonly occurrence: number;
    readonly value: string | null;
    readonly verbatim?: boolean;
  }
  /** All fields of this name taken out. */
  | { readonly change: "remove-field"; readonly name: string };

/** A change to a whole message; only the stage `message` can want those that are not of the head. */
export type Change =
  | HeadChange
  /** Another reverse-path; `null` for none. */
  | { readonly change: "replace-sender"; readonly sender: Address | null }
  /** Somebody else gets it too; where that leads is found as for RCPT, and an address that leads nowhere fails. */
  | { readonly change: "add-recipient"; readonly recipient: Address }
  /** Does not get it after all. The client is not told. */
  | { readonly change: "remove-recipient"; readonly recipient: Address }
  /** Another body, in lines that end in CRLF: what a {@link BodyDraft} gave, or octets where they are few. */
  | { readonly change: "replace-body"; readonly body: Uint8Array | BodySource }
  /** It is taken, and held in the queue until an operator lets it go; without a queue it is put off. */
  | { readonly change: "quarantine"; readonly reason: string }
  /** It is taken, and its copies in mailboxes here lie in the folder Junk. What goes on from here is as it would be. */
  | { readonly change: "junk"; readonly reason: string };

/** What a client was refused. */
export interface Refusal {
  /** What it wanted; `auth` for a login that failed, whoever said so. */
  readonly stage: "connect" | "hello" | "auth" | "sender" | "recipient" | "message";
  /** What it is told. */
  readonly reply: Reply;
  /** The address it was about: of MAIL (`null` for `<>`) or RCPT. */
  readonly address?: Address | null;
  /** The name it wanted to log in with; a stranger's word. */
  readonly name?: string;
  /** The policy that refused, where it was one. */
  readonly policy?: string;
}

/** What is known of the session when a policy is asked. It grows from stage to stage. */
export interface SessionView {
  /** The id in the log. */
  readonly id: string;
  /** The listener's role. */
  readonly role: string;
  /** The client's address, `"unix"` for a unix socket. */
  readonly client: string;
  /** The client's TCP port, where it has one. */
  readonly port?: number;
  /** HELO or EHLO name; `null` before. */
  readonly hello: string | null;
  /** What TLS agreed on, `null` in the clear. */
  readonly tls: TlsInfo | null;
  /** The authenticated account, or `null`. */
  readonly identity: string | null;
  /** The SASL mechanism by which it logged in. */
  readonly mechanism?: string;
  /** In a network that may relay without logging in, or the program itself. */
  readonly trusted: boolean;
}

/** A whole message, not yet accepted, with what the policies before have changed. */
export interface MessageView {
  /** Its id in the log and, where it is queued, in the queue. */
  readonly id: string;
  /** The session that brought it. */
  readonly session: SessionView;
  /** From whom, to whom. */
  readonly envelope: Envelope;
  /** The header fields, raw and in order, with ours on top; they are taken apart when they are asked for. */
  readonly fields: readonly RawField[];
  /** Whether fields named Authentication-Results are among them, without taking them apart. */
  readonly hasResults: boolean;
  /** Octets of the body. */
  readonly bodySize: number;
  /** Whether it has another body, by a policy before, than the one that observers saw. */
  readonly bodyReplaced: boolean;
  /** What every way it goes is known to carry: `7bit` where the route of a recipient says `convert-first`. */
  readonly carriage: "7bit" | "8bit";
  /** Whether it goes on to another station, for some recipient at least: forwarded, or only passed. */
  readonly goesOn: boolean;
  /** The body from its start; a chunk is valid until the next is asked for. */
  openBody(): AsyncIterable<Uint8Array>;
  /** Begins another body for it. */
  draftBody(): BodyDraft;
}

/** A notice that the station wrote. */
export type NoticeView = Pick<MessageView, "id" | "fields" | "bodySize" | "openBody">;

/**
 * Another body for a message, as a policy writes it. It lies where bodies on their way lie, in memory while all of them
 * together leave room and else in a file, so that none of any size takes the process's memory. It goes with the message.
 */
export interface BodyDraft {
  /** Adds octets, of which bare CR and LF become CRLF; they are the caller's again when this settles. Never rejects. */
  write(octets: Uint8Array): Promise<void>;
  /** It is whole: the body for a change, or `null` where there was no room for it, of which those who watch know. */
  finish(): Promise<BodySource | null>;
}

/** What sees a body as it streams in. It is awaited, so it slows the client when it is slow. */
export interface BodyObserver {
  /** A piece of the body; the view is valid until the promise settles. */
  write(chunk: Uint8Array): void | Promise<void>;
  /** The end of the body. */
  end(): PolicyAnswer;
}

/** What a hook may return. */
export type PolicyAnswer = Verdict | undefined | void | Promise<Verdict | undefined | void>;

/** A set of decisions. All hooks are optional. */
export interface Policy {
  /** For logs. */
  readonly name: string;
  /** Milliseconds a hook may take; default 30,000. */
  readonly timeout?: number;
  /** What is answered when a hook throws or takes too long; default 451 4.3.0. */
  readonly onFailure?: Verdict;
  /** A client connected. */
  connect?(session: SessionView): PolicyAnswer;
  /** EHLO, HELO or LHLO. */
  hello?(session: SessionView): PolicyAnswer;
  /** A client wants to log in with this name, a stranger's word; nothing was checked yet. */
  credentials?(session: SessionView, name: string): PolicyAnswer;
  /** A client logged in as `session.identity`. */
  auth?(session: SessionView): PolicyAnswer;
  /** MAIL. @param parameters what it said beside the sender. */
  sender?(session: SessionView, sender: Address | null, parameters?: MailParameters): PolicyAnswer;
  /** RCPT. */
  recipient?(session: SessionView, recipient: Address, envelope: Envelope): PolicyAnswer;
  /**
   * A message of this session begins: whether {@link body} is to be asked about it, for which its header fields have to
   * be taken apart. It must answer at once. Without this hook: yes.
   */
  watches?(session: SessionView): boolean;
  /** The header section is complete; the observer gets the body as it comes. */
  body?(
    session: SessionView,
    fields: readonly RawField[],
    envelope: Envelope,
  ): BodyObserver | undefined;
  /** The message is complete. */
  message?(message: MessageView): PolicyAnswer;
  /**
   * The station has written a notice to a sender (RFC 3464) and is about to queue it: gives fields to put on top, such
   * as a signature. Where it throws, the notice is made again later.
   */
  notice?(notice: NoticeView): Soon<readonly RawField[]>;
  /**
   * The client is about to be refused something, by whomever. It is awaited before the reply goes out, so a promise
   * slows the client. It cannot change the reply, but may end the session: a reply of code 421 that it gives is said
   * in place of the other (RFC 5321 §3.8), to a command and to a login.
   */
  refused?(session: SessionView, refusal: Refusal): Soon<Reply | void>;
  /**
   * The client did something wrong that nobody is asked about: `kind` and `detail` as in the event `session.fault`,
   * such as `early-talk`.
   */
  fault?(session: SessionView, kind: string, detail: string): void;
  /** The session is over. */
  close?(session: SessionView): void;
}
