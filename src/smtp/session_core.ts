/**
 * What all modes of a server session share: what is known, the octets still to read, replies and events
 * on their way out, and how much more the client may do wrong. A mode talks to the client and to the
 * driver only through here; it does not know the session, and no mode knows another.
 *
 * It leaves to the session: what waits for an answer, and which mode reads.
 *
 * @module
 */

import { type Cursor, cursorOver } from "./cursor.ts";
import { Patience } from "./patience.ts";
import { describeReply, type Reply, reply } from "./reply.ts";
import { ReplyQueue } from "./reply_queue.ts";
import type { FaultKind, ServerEvent } from "./server_event.ts";
import { type MutableState, newState, type VerbResult } from "./server_state.ts";
import type { SessionSettings } from "./session_settings.ts";
import { type SessionTap, showReply } from "./session_tap.ts";

/** The common ground of one session's modes. */
export class SessionCore {
  /** What is offered, and how much the client may do. */
  readonly settings: SessionSettings;
  /** What the session knows; modes write it. */
  readonly state: MutableState;
  /** Replies not yet written. */
  readonly replies: ReplyQueue;
  /** What the driver has not yet been told. */
  readonly events: ServerEvent[] = [{ type: "connect" }];
  /** The octets received: each mode reads on where the last one stopped. */
  cursor: Cursor = NOTHING;
  /** Who may listen in. */
  readonly tap: SessionTap | null;
  readonly #patience: Patience;
  #closed = false;

  /** The client has just connected. */
  constructor(
    settings: SessionSettings,
    client: { readonly secure?: boolean; readonly trusted?: boolean },
    tap: SessionTap | null,
  ) {
    this.settings = settings;
    this.tap = tap;
    this.state = newState(settings, client);
    this.replies = new ReplyQueue(settings.extensions.enhancedStatusCodes);
    this.#patience = new Patience(settings.limits);
  }

  /** Whether the session is over: nothing is read any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Octets that came and were not yet looked at. */
  get unread(): number {
    return this.cursor.end - this.cursor.at;
  }

  /** A reply that counts for nothing. */
  put(given: Reply): void {
    if (this.tap?.heard) {
      this.tap.reply(showReply(given), this.settings.extensions.enhancedStatusCodes);
    }
    this.replies.put(given);
  }

  /** A reply that counts when it refuses. */
  say(given: Reply): void {
    this.put(given);
    if (given.code < 400 || this.#closed || !this.#patience.error()) return;
    this.fault("too-many-errors", "commands refused");
    this.close(reply(421, "4.7.0", "too many errors"));
  }

  /** What the driver is to hear, be it a question or a fact. */
  tell(event: ServerEvent): void {
    this.events.push(event);
  }

  /** Tells what the client did wrong; the reply is the caller's to make. */
  fault(kind: FaultKind, detail: string): void {
    // What was refused the reply says.
    if (this.tap?.heard && kind !== "refused" && kind !== "syntax") {
      this.tap.note(`${kind}: ${detail}`);
    }
    this.tell({ type: "fault", kind, detail });
  }

  /** What a verb made of a command. */
  result(result: VerbResult): void {
    if ("ask" in result) return this.tell(result.ask);
    if (result.reply.code >= 400) this.fault("refused", describeReply(result.reply));
    this.say(result.reply);
  }

  /** The same for a command that brings no mail forward: only so many of them. */
  idleResult(result: VerbResult): void {
    if (this.#patience.idleCommand()) {
      this.fault("too-many-commands", "without mail");
      return this.close(reply(421, "4.7.0", "too many commands"));
    }
    this.result(result);
  }

  /** A recipient is refused: these have a count of their own, against dictionary attacks. */
  refuseRecipient(refusal: Reply): void {
    if (this.state.transaction === null) return this.say(refusal);
    this.state.transaction.refused++;
    if (this.#patience.refusedRecipient()) {
      this.fault("too-many-errors", "recipients refused");
      return this.close(reply(421, "4.7.0", "too many unknown recipients"));
    }
    this.put(refusal);
  }

  /** A login is refused: only so many guesses, but what is our own trouble (4xx) is none. */
  refuseLogin(refusal: Reply): void {
    if (refusal.code >= 500 && this.#patience.failedLogin()) {
      this.fault("too-many-errors", "logins failed");
      this.put(refusal);
      return this.close(reply(421, "4.7.0", "too many failed logins"));
    }
    this.say(refusal);
  }

  /** The last reply. What the client has sent beyond is dropped. */
  close(last: Reply, clean = false): void {
    this.put(last);
    this.#closed = true;
    this.dropUnread();
    this.tell({ type: "quit", clean });
  }

  /** Looks at nothing of what came. */
  dropUnread(): void {
    this.cursor.at = this.cursor.end;
  }
}

const NOTHING = cursorOver(new Uint8Array(0));
