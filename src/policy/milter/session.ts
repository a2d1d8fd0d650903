/**
 * What one filter hears of one SMTP session, and what it answers: a link that is opened when it is first needed, the
 * steps in the order that libmilter wants them, and what holds once the filter has said its last word of a session,
 * a message or a recipient.
 *
 * What fails: the filter. That is thrown, the link is closed, and for the message under way the filter is out. While a
 * client only says hello nothing is thrown yet: the next MAIL tries again, with a link of its own, and tells then.
 *
 * @module
 */

import { type Address, formatAddress } from "../../address.ts";
import {
  errorCode,
  formatSocketAddress,
  type Resolver,
  type SocketAddress,
  type TlsInfo,
} from "../../runtime/runtime.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { MessageView, SessionView, Verdict } from "../policy.ts";
import { type ClientName, findClientName } from "./client_name.ts";
import { formatAddressed, formatConnect } from "./commands.ts";
import { MilterDialogue, type OptionalStep } from "./dialogue.ts";
import { changesOf } from "./edits.ts";
import { FilterGone, type LinkServices, MilterLink, type MilterTimeouts } from "./link.ts";
import { addressOf, type MacroFacts } from "./macros.ts";
import { STEPS } from "./negotiation.ts";
import type { Outcome } from "./outcome.ts";
import { COMMANDS, formatPacket } from "./packet.ts";

/** What a session with a filter is made of. */
export interface MilterSetting {
  readonly address: SocketAddress;
  /** Our name. */
  readonly hostname: string;
  readonly timeouts: MilterTimeouts;
  readonly services: LinkServices & { readonly resolver?: Resolver };
  /** What is answered for a message of which the filter failed. */
  readonly onTrouble: Verdict;
}

/** What holds for the rest of a session or message. */
type Standing = { readonly verdict: Verdict | undefined };

/** One SMTP session, as one filter hears of it. */
export class MilterSession {
  readonly #setting: MilterSetting;
  #dialogue: MilterDialogue | null = null;
  #clientName: ClientName | null = null;
  /** The name the filter knows; `null`: none. */
  #hello: string | null = null;
  /** What TLS the filter knows of. */
  #tls: TlsInfo | null = null;
  /** A message is open at the filter. */
  #open = false;
  #session: Standing | null = null;
  #message: Standing | null = null;
  /** The filter knows of the client. */
  #connected = false;
  /** It failed before MAIL, which tries again. */
  #ill = false;
  #busy = false;
  #over = false;

  /** Of a client that has just connected, or of which the filter has not heard yet. */
  constructor(setting: MilterSetting) {
    this.#setting = setting;
  }

  /** A client connected. */
  connect(view: SessionView): Promise<Verdict | undefined> {
    return this.#quietly(view);
  }

  /** It said its name. */
  hello(view: SessionView): Promise<Verdict | undefined> | Verdict | undefined {
    if (this.#session !== null) return this.#session.verdict;
    return this.#quietly(view);
  }

  /** MAIL. */
  async sender(view: SessionView, sender: Address | null): Promise<Verdict | undefined> {
    if (this.#session !== null) return this.#session.verdict;
    this.#message = null;
    const begin = async () => {
      this.#abort();
      await this.#begin(view, sender);
      return this.#standing?.verdict;
    };
    const fresh = this.#dialogue === null;
    this.#ill = false;
    try {
      return await this.#talk(view, begin);
    } catch (error) {
      // It may have lost patience with a silent session, or have been restarted.
      if (fresh || !isGone(error)) throw error;
      this.#message = null;
      return await this.#talk(view, begin);
    }
  }

  /** RCPT. */
  async recipient(
    view: SessionView,
    recipient: Address,
    sender: Address | null,
  ): Promise<Verdict | undefined> {
    if (this.#standing !== null) return this.#forRecipient();
    return await this.#talk(view, async () => {
      // Not open where a policy before wants the whole message dropped.
      if (!this.#open) await this.#begin(view, sender);
      if (this.#standing !== null) return this.#forRecipient();
      const outcome = await this.#recipient(view, recipient);
      if (outcome.ends === "recipient") return outcome.verdict;
      return this.#standing === null ? undefined : this.#forRecipient();
    });
  }

  /** RCPT was refused by somebody else; some filters want to know (SMFIP_RCPT_REJ). It stays refused. */
  async refusedRecipient(view: SessionView, recipient: Address, refusal: Reply): Promise<void> {
    if (this.#standing !== null || !this.#open) return;
    if (!this.#dialogue?.link.wants(STEPS.refusedRecipients)) return;
    await this.#talk(view, () => this.#recipient(view, recipient, refusal));
  }

  /** The message is whole. */
  async message(message: MessageView): Promise<Verdict | undefined> {
    try {
      if (!this.#open && this.#standing === null) await this.#envelope(message);
      const standing = this.#standing as Standing | null;
      if (standing !== null) return standing.verdict;
      const { session } = message;
      return await this.#talk(session, (dialogue) => this.#content(dialogue, message), "content");
    } finally {
      this.#abort();
      this.#message = null;
    }
  }

  /** The session is over. */
  close(): void {
    this.#over = true;
    if (this.#busy) this.#dialogue?.link.close();
    else this.#leave();
  }

  get #standing(): Standing | null {
    return this.#session ?? this.#message;
  }

  /** A discard is of the whole message: it is said at its end. */
  #forRecipient(): Verdict | undefined {
    const verdict = this.#standing?.verdict;
    return verdict?.action === "discard" ? undefined : verdict;
  }

  /** Does its part; where it fails nothing is known, and nothing said. */
  async #quietly(view: SessionView): Promise<Verdict | undefined> {
    if (this.#ill) return undefined;
    try {
      await this.#talk(view, () => this.#reach(view));
    } catch {
      this.#message = null;
      this.#ill = true;
    }
    return this.#session?.verdict;
  }

  /** One talk with the filter; where it fails, that is all of this link and of this message. */
  async #talk<T>(
    view: SessionView,
    talk: (dialogue: MilterDialogue) => Promise<T>,
    patience: "command" | "content" = "command",
  ): Promise<T> {
    if (this.#busy) throw new Error("the filter has not answered the command before");
    this.#busy = true;
    try {
      const dialogue = this.#dialogue ??= await this.#connect(view);
      const { timeouts } = this.#setting;
      return await dialogue.link.within(timeouts[patience], () => talk(dialogue));
    } catch (error) {
      this.#forget();
      this.#message = { verdict: this.#setting.onTrouble };
      const where = formatSocketAddress(this.#setting.address);
      const { message } = error instanceof Error ? error : new Error(String(error));
      throw new Error(`${where}: ${message}`, { cause: error });
    } finally {
      this.#busy = false;
      if (this.#session !== null || this.#over) this.#leave();
    }
  }

  async #connect(view: SessionView): Promise<MilterDialogue> {
    const { address, hostname, services, timeouts } = this.#setting;
    const clientName = this.#clientName ??= await nameOf(view, services);
    const link = await MilterLink.open(address, services, timeouts.connect);
    if (!this.#over) return new MilterDialogue(link, hostname, clientName);
    link.close();
    throw new Error("the session is over");
  }

  #leave(): void {
    this.#dialogue?.link.quit();
    this.#forget();
  }

  /** The link is closed, and whatever the filter knew is gone. */
  #forget(): void {
    this.#dialogue?.link.close();
    this.#dialogue = null;
    this.#hello = null;
    this.#open = false;
    this.#connected = false;
  }

  /** What was begun at the filter is not gone on with. */
  #abort(): void {
    if (this.#open) this.#dialogue?.link.send(formatPacket(COMMANDS.abort));
    this.#open = false;
  }

  /** As far as the client has come: connected, and perhaps greeted. */
  async #reach(view: SessionView): Promise<void> {
    if (!this.#connected) {
      this.#connected = true;
      const packet = formatConnect(this.#clientName!.name, view);
      if ((await this.#step("connect", packet, view)).ends !== "nothing") return;
    }
    // After STARTTLS the same name is said again, and macros tell of TLS.
    if (view.hello === null || (view.hello === this.#hello && view.tls === this.#tls)) return;
    this.#hello = view.hello;
    this.#tls = view.tls;
    this.#abort();
    await this.#step("hello", formatPacket(COMMANDS.hello, view.hello), view);
  }

  /** A message begins; `#standing` says whether it goes on. */
  async #begin(view: SessionView, sender: Address | null): Promise<void> {
    await this.#reach(view);
    if (this.#session !== null) return;
    this.#open = true;
    const path = sender === null ? "<>" : `<${formatAddress(sender)}>`;
    await this.#step("mail", formatAddressed(COMMANDS.mail, path), view, { sender });
  }

  /** All of an envelope of which the filter has not heard. */
  async #envelope({ session, envelope }: MessageView): Promise<void> {
    await this.#talk(session, async () => {
      await this.#begin(session, envelope.sender);
      for (const { address } of envelope.recipients) {
        if (this.#standing === null) await this.#recipient(session, address);
      }
    });
  }

  #recipient(view: SessionView, recipient: Address, refusal?: Reply): Promise<Outcome> {
    const packet = formatAddressed(COMMANDS.recipient, `<${formatAddress(recipient)}>`);
    return this.#step("recipient", packet, view, { recipient, ...(refusal && { refusal }) });
  }

  /** All of the content, and the last word. */
  async #content(
    dialogue: MilterDialogue,
    message: MessageView,
  ): Promise<Verdict | undefined> {
    const { outcome, whole, edits } = await dialogue.content(message);
    if (whole) this.#open = false;
    this.#hold(outcome);
    if (outcome.ends !== "nothing" && outcome.verdict !== undefined) return outcome.verdict;
    if (edits.length === 0) return undefined;
    const spaced = dialogue.link.wants(STEPS.leadingSpace);
    return { action: "annotate", changes: changesOf(edits, message.fields, spaced) };
  }

  async #step(
    step: OptionalStep,
    packet: Uint8Array,
    view: SessionView,
    facts?: Partial<MacroFacts>,
  ): Promise<Outcome> {
    return this.#hold(await this.#dialogue!.step(step, packet, view, facts));
  }

  /** Keeps in mind what holds from now on. */
  #hold(outcome: Outcome): Outcome {
    if (outcome.ends === "session") this.#session = outcome;
    if (outcome.ends === "message") this.#message = outcome;
    return outcome;
  }
}

/** Programs of this machine come from this machine. */
async function nameOf(
  view: SessionView,
  { resolver, clock }: MilterSetting["services"],
): Promise<ClientName> {
  if (view.client === "unix") return { name: "localhost", ptr: "localhost", resolve: "OK" };
  return await findClientName(addressOf(view), resolver, clock);
}

/** Whether the filter closed the connection. */
function isGone(error: unknown): boolean {
  const { cause } = error as { cause?: unknown };
  return cause instanceof FilterGone || ["ECONNRESET", "EPIPE"].includes(errorCode(cause) ?? "");
}
