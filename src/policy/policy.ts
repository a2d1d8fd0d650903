/**
 * A decision about mail, as plain objects: each stage of a session asks the policies in order, and a
 * policy answers with a {@link Verdict}. A policy never writes a reply, touches a socket or edits a
 * message itself.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { RawField } from "../message/header.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Envelope } from "../queue/entry.ts";
import type { TlsInfo } from "../runtime/runtime.ts";

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

/** A change to a message's head. */
export type Change =
  /** A field put at the top of the head. */
  | { readonly change: "add-field"; readonly name: string; readonly value: string }
  /** All fields of this name taken out. */
  | { readonly change: "remove-field"; readonly name: string };

/** What is known of the session when a policy is asked. It grows from stage to stage. */
export interface SessionView {
  /** The id in the log. */
  readonly id: string;
  /** The listener's role. */
  readonly role: string;
  /** The client's address, `"unix"` for a unix socket. */
  readonly client: string;
  /** HELO or EHLO name; `null` before. */
  readonly hello: string | null;
  /** What TLS agreed on, `null` in the clear. */
  readonly tls: TlsInfo | null;
  /** The authenticated account, or `null`. */
  readonly identity: string | null;
}

/** A whole message, not yet accepted. */
export interface MessageView {
  /** The session that brought it. */
  readonly session: SessionView;
  /** From whom, to whom. */
  readonly envelope: Envelope;
  /** The header fields, raw and in order, with ours on top. */
  readonly fields: readonly RawField[];
  /** Octets of the body. */
  readonly bodySize: number;
  /** The body from its start; a chunk is valid until the next is asked for. */
  openBody(): AsyncIterable<Uint8Array>;
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
  /** A client logged in as `session.identity`. */
  auth?(session: SessionView): PolicyAnswer;
  /** MAIL. */
  sender?(session: SessionView, sender: Address | null): PolicyAnswer;
  /** RCPT. */
  recipient?(session: SessionView, recipient: Address, envelope: Envelope): PolicyAnswer;
  /** The header section is complete; the observer gets the body as it comes. */
  body?(
    session: SessionView,
    fields: readonly RawField[],
    envelope: Envelope,
  ): BodyObserver | undefined;
  /** The message is complete. */
  message?(message: MessageView): PolicyAnswer;
  /** The session is over. */
  close?(session: SessionView): void;
}
