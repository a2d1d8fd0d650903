/**
 * A conversation with a listener that nobody has: the session, intake and policies of the server, without a
 * socket and without a client. What it answers is what the server would answer at this moment.
 *
 * It ends after RCPT: no message is begun, so nothing is stored and nobody is told. Whose name and password
 * are needed is let in without one.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { decode, encode } from "../bytes.ts";
import { IntakeSession } from "../intake/intake.ts";
import type { IntakeServices } from "../intake/services.ts";
import type { ConnectionSettings } from "../server/smtp_connection.ts";
import { formatPath } from "../smtp/path.ts";
import { reply } from "../smtp/reply.ts";
import type { ServerEvent } from "../smtp/server_event.ts";
import { ServerSession } from "../smtp/server_session.ts";

/** Who comes, and with what. */
export interface Visit {
  /** The IP address it comes from, or `unix`. */
  readonly client: string;
  /** Whose name it logs in with, where that is offered; `null` for nobody's. */
  readonly login: string | null;
  /** The reverse-path; `null` for `<>`. */
  readonly sender: Address | null;
  readonly recipient: Address;
  /** Whether it says REQUIRETLS (RFC 8689). */
  readonly requireTls: boolean;
}

/** One command and its answer. */
export interface Exchanged {
  /** The command, without its line end; `connect` for the greeting. */
  readonly command: string;
  /** The code of the reply. */
  readonly code: number;
  /** All lines of the reply, codes and all, with LF between them. */
  readonly reply: string;
}

/** What was said. The last is RCPT, or the command that was refused before. */
export type Conversation = readonly Exchanged[];

/**
 * Plays it.
 *
 * @param services of the station; their directory must let in whoever shall log in, with any password, by PLAIN.
 */
export async function rehearse(
  services: IntakeServices,
  settings: ConnectionSettings,
  visit: Visit,
): Promise<Conversation> {
  const stage = new Stage(services, settings, visit);
  try {
    await stage.open();
    for (const command of commandsOf(settings, visit)) {
      if (!stage.goesOn) break;
      await stage.say(command);
    }
    return stage.said;
  } finally {
    stage.close();
  }
}

/** What a client would say. */
function commandsOf(
  { session: { protocol, extensions }, implicitTls }: ConnectionSettings,
  { login, sender, recipient, requireTls }: Visit,
): string[] {
  const hello = `${protocol === "lmtp" ? "LHLO" : "EHLO"} client.invalid`;
  const startTls = extensions.startTls && !implicitTls;
  const credentials = encode(`\0${login}\0password`).toBase64();
  // RFC 6531 §3.4: what is not ASCII is announced.
  // deno-lint-ignore no-control-regex
  const utf8 = /[^\x00-\x7f]/.test(formatPath(sender) + formatPath(recipient));
  const parameters = `${utf8 ? " SMTPUTF8" : ""}${requireTls ? " REQUIRETLS" : ""}`;
  return [
    hello,
    ...(startTls ? ["STARTTLS", hello] : []),
    ...(login !== null && extensions.auth.length > 0 ? [`AUTH PLAIN ${credentials}`] : []),
    `MAIL FROM:${formatPath(sender)}${parameters}`,
    `RCPT TO:${formatPath(recipient)}`,
  ];
}

/** A session and its intake, and what was said so far. */
class Stage {
  readonly said: Exchanged[] = [];
  readonly #session: ServerSession;
  readonly #intake: IntakeSession;
  readonly #greeting: string;
  readonly #implicitTls: boolean;

  constructor(services: IntakeServices, settings: ConnectionSettings, { client }: Visit) {
    const { session, role, implicitTls } = settings;
    // The mechanism that needs one line only.
    const auth = session.extensions.auth.length > 0 ? ["PLAIN" as const] : [];
    this.#greeting = `${session.hostname} ${session.banner}`;
    this.#implicitTls = implicitTls;
    this.#session = new ServerSession(
      { ...session, extensions: { ...session.extensions, auth } },
      { secure: implicitTls, nonce: () => "rehearsal" },
    );
    this.#intake = new IntakeSession(services, {
      id: "rehearsal",
      role,
      client,
      lmtp: session.protocol === "lmtp",
      submission: role === "submission" || role === "submissions",
    });
  }

  /** Whether the last command was taken. */
  get goesOn(): boolean {
    const last = this.said.at(-1);
    return last !== undefined && last.code < 400 && this.#session.waiting === "bytes";
  }

  /** Tells the policies that it is over: they may hold something for the session. */
  close(): void {
    this.#intake.close();
  }

  async open(): Promise<void> {
    if (this.#implicitTls) this.#intake.secured(TLS);
    await this.#settle("connect");
  }

  async say(command: string): Promise<void> {
    this.#session.receive(encode(`${command}\r\n`));
    await this.#settle(command);
    if (this.#session.waiting !== "tls") return;
    this.#intake.secured(TLS);
    this.#session.tlsStarted();
  }

  /** Until there is nothing to answer any more. */
  async #settle(command: string): Promise<void> {
    for (let event; (event = this.#session.next()) !== null;) await this.#answer(event);
    const text = decode(this.#session.take()).trimEnd().replaceAll("\r\n", "\n");
    // No password was said, so none is shown.
    const shown = command.replace(/^AUTH PLAIN .*/, "AUTH PLAIN");
    this.said.push({ command: shown, code: Number(text.slice(0, 3)), reply: text });
  }

  async #answer(event: ServerEvent): Promise<void> {
    const session = this.#session;
    const intake = this.#intake;
    switch (event.type) {
      case "connect": {
        const refusal = await intake.connect();
        return session.answer({ reply: refusal ?? reply(220, undefined, this.#greeting) });
      }
      case "hello": {
        const refusal = await intake.greet(event.verb, event.name);
        return session.answer({ reply: refusal ?? reply(250, undefined, "OK") });
      }
      case "auth":
        return session.answer(await intake.login(event));
      case "sender":
        return session.answer({ reply: await intake.sender(event.sender, event.parameters) });
      case "recipient":
        return session.answer({
          reply: await intake.recipient(event.recipient, event.parameters),
        });
      default:
        return;
    }
  }
}

/** As a client of these days would agree on. */
const TLS = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
