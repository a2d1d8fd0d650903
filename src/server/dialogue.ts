/**
 * What the events of a session mean: questions for intake, whose answers go back to the session, and facts to note.
 * It leaves to the connection ({@link DialogueHost}) how an answer is waited for, and when octets are read and written.
 *
 * @module
 */

import type { IntakeSession } from "../intake/intake.ts";
import type { Clock } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../smtp/server_event.ts";
import type { ServerSession } from "../smtp/server_session.ts";
import { type Soon, whenKnown } from "../soon.ts";
import type { SessionTime } from "./session_time.ts";

/** What a dialogue wants of the connection that carries it. */
export interface DialogueHost {
  /** An answer of ours; while it is awaited the client's time does not run. */
  soon<T>(answer: Soon<T>): Soon<T>;
  /** Before the greeting: gives the session what has come already. */
  takeEarlyTalk(): Promise<void>;
  /** The session is over: by QUIT, or because we have had enough. */
  quit(clean: boolean): void;
}

/** The dialogue of one session. */
export class Dialogue {
  readonly #session: ServerSession;
  readonly #intake: IntakeSession;
  readonly #time: SessionTime;
  readonly #clock: Clock;
  readonly #host: DialogueHost;

  /** Between a session and its intake. */
  constructor(
    session: ServerSession,
    intake: IntakeSession,
    time: SessionTime,
    clock: Clock,
    host: DialogueHost,
  ) {
    this.#session = session;
    this.#intake = intake;
    this.#time = time;
    this.#clock = clock;
    this.#host = host;
  }

  /** Does what an event asks for; gives what has to be waited for before the next. */
  handle(event: ServerEvent): Soon<void> {
    switch (event.type) {
      case "connect":
        return this.#connect();
      case "hello":
        return this.#answer(this.#intake.greet(event.verb, event.name), HELLO_OK);
      case "auth":
      case "scram":
      case "authenticated":
        return whenKnown(
          this.#host.soon(this.#intake.login(event)),
          (given) => this.#session.answer(given),
        );
      case "auth-failed":
        return this.#intake.loginFailed(event.mechanism, event.name, event.reason);
      case "sender":
        return this.#answer(this.#intake.sender(event.sender, event.parameters));
      case "recipient":
        return this.#answer(this.#intake.recipient(event.recipient, event.parameters));
      case "body":
        return whenKnown(this.#intake.begin(), (started) => this.#begun(started));
      case "chunk":
        return this.#chunk(event.bytes);
      case "end":
        this.#time.messageEnds(this.#clock.now());
        return whenKnown(
          this.#host.soon(this.#intake.end()),
          (replies) => this.#session.answer(replyOrReplies(replies, this.#intake)),
        );
      case "abort":
        return this.#intake.abort(event.refusal);
      case "verify":
        return this.#answer(this.#intake.verify(event.argument));
      case "expand":
        return this.#answer(this.#intake.expand(event.argument));
      case "etrn":
        return this.#answer(this.#intake.etrn(event.domain));
      case "fault":
        return this.#intake.fault(event.kind, event.detail);
      case "quit":
        return this.#host.quit(event.clean);
      case "starttls":
        return;
    }
  }

  async #connect(): Promise<void> {
    const { hostname, banner } = this.#session.state.settings;
    const refusal = await this.#host.soon(this.#intake.connect());
    // Whoever is sent away at once need not be watched.
    if (refusal?.code !== 421) await this.#host.takeEarlyTalk();
    this.#session.answer({ reply: refusal ?? reply(220, undefined, `${hostname} ${banner}`) });
  }

  #begun(started: Reply): void {
    if (started.code === 354) this.#time.messageBegins(this.#clock.now());
    this.#session.answer({ reply: started });
  }

  #chunk(bytes: Uint8Array): Soon<void> {
    return whenKnown(this.#host.soon(this.#intake.chunk(bytes)), (refusal) => {
      if (refusal === null) return;
      return whenKnown(this.#intake.abort(refusal), () => this.#session.refuse(refusal));
    });
  }

  #answer(given: Soon<Reply | null>, otherwise?: Reply): Soon<void> {
    return whenKnown(
      this.#host.soon(given),
      (known) => this.#session.answer({ reply: known ?? otherwise! }),
    );
  }
}

function replyOrReplies(replies: Reply[], intake: IntakeSession): ServerAnswer {
  return intake.origin.lmtp ? { replies } : { reply: replies[0]! };
}

const HELLO_OK = reply(250, undefined, "OK");
