/**
 * What an HTTP hook is told, as JSON: the stage, the session, and as much of the mail as there is by then.
 * {@link HookRequest} is a promise to programs elsewhere: keys are added, not changed.
 *
 * Pure, but for the body of a message, which is read as far as it is wanted.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import { concat } from "../../bytes.ts";
import { fieldValue } from "../../message/header.ts";
import type { Envelope } from "../../queue/entry.ts";
import type { MessageView, SessionView } from "../policy.ts";

/** The stages at which a hook can be asked. */
export const HOOK_STAGES = ["connect", "hello", "sender", "recipient", "message"] as const;

/** One of {@link HOOK_STAGES}. */
export type HookStage = typeof HOOK_STAGES[number];

/** The whole request. */
export interface HookRequest {
  /** Of this format. */
  readonly version: 1;
  /** What is to be decided. */
  readonly stage: HookStage;
  /** Who the client is. */
  readonly session: HookSession;
  /** The address of MAIL, `null` for `<>`; from stage `sender` on. */
  readonly sender?: string | null;
  /** The address of this RCPT; at stage `recipient`. */
  readonly recipient?: string;
  /** Those accepted so far, and this one; from stage `recipient` on. */
  readonly recipients?: readonly string[];
  /** At stage `message`. */
  readonly message?: HookMessage;
}

/** A session, as a hook sees it. */
export interface HookSession {
  /** Its id in our log. */
  readonly id: string;
  /** The listener's role: `mx`, `submission`, … */
  readonly role: string;
  /** The client's address, `"unix"` for a unix socket. */
  readonly client: string;
  /** What it said in HELO or EHLO; `null` before. */
  readonly hello: string | null;
  /** What TLS agreed on, `null` in the clear. */
  readonly tls: { readonly protocol: string; readonly cipher: string } | null;
  /** The account that has logged in, or `null`. */
  readonly identity: string | null;
  /** Whether it may relay without logging in. */
  readonly trusted: boolean;
}

/** A message, as a hook sees it. */
export interface HookMessage {
  /** Its id in our log. */
  readonly id: string;
  /** The header fields from the top, unfolded; UTF-8, else read as Latin-1. */
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  /** Octets of the body. */
  readonly bodySize: number;
  /** The beginning of the body in base64; where the hook gets any. */
  readonly body?: string;
  /** Whether the body goes on after `body`. */
  readonly bodyIsCut?: boolean;
}

/** At `connect` and `hello`. */
export function sessionRequest(stage: HookStage, view: SessionView): HookRequest {
  const { id, role, client, hello, identity, trusted } = view;
  const tls = view.tls && { protocol: view.tls.protocol, cipher: view.tls.cipher };
  return { version: 1, stage, session: { id, role, client, hello, tls, identity, trusted } };
}

/** At `sender`. */
export function senderRequest(view: SessionView, sender: Address | null): HookRequest {
  return { ...sessionRequest("sender", view), sender: formatPath(sender) };
}

/** At `recipient`. */
export function recipientRequest(
  view: SessionView,
  recipient: Address,
  envelope: Envelope,
): HookRequest {
  return {
    ...sessionRequest("recipient", view),
    ...envelopeOf(envelope),
    recipient: formatAddress(recipient),
  };
}

/**
 * At `message`.
 *
 * @param bodyLimit octets of the body that go along; 0: it is left out.
 * @throws what the body throws.
 */
export async function messageRequest(view: MessageView, bodyLimit: number): Promise<HookRequest> {
  const { id, fields, bodySize, session, envelope } = view;
  const body = bodyLimit === 0 ? null : await beginningOf(view.openBody(), bodyLimit);
  return {
    ...sessionRequest("message", session),
    ...envelopeOf(envelope),
    message: {
      id,
      fields: fields.map((field) => ({ name: field.name, value: fieldValue(field) })),
      bodySize,
      ...(body && { body: body.toBase64(), bodyIsCut: body.length < bodySize }),
    },
  };
}

async function beginningOf(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let left = limit;
  for await (const chunk of body) {
    const part = chunk.slice(0, left);
    parts.push(part);
    left -= part.length;
    if (left === 0) break;
  }
  return concat(parts);
}

function envelopeOf({ sender, recipients }: Envelope) {
  return {
    sender: formatPath(sender),
    recipients: recipients.map(({ address }) => formatAddress(address)),
  };
}

function formatPath(address: Address | null): string | null {
  return address === null ? null : formatAddress(address);
}
