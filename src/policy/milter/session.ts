/**
 * What one filter hears of one SMTP session, and what it answers: a link that is opened when a message begins, the
 * steps in the order that libmilter wants them, and what holds once the filter has said its last word of a session,
 * a message or a recipient. A link that is needed elsewhere while the client says nothing is given up (`places.ts`);
 * over the next one the filter hears again what it has missed.
 *
 * What fails: the filter. That is thrown, the link is closed, and for the message under way the filter is out. The next
 * MAIL tries again, with a link of its own.
 *
 * @module
 */

import type { Address } from "../../address.ts";
import type { Envelope, EnvelopeRecipient } from "../../queue/entry.ts";
import { formatSocketAddress, type SocketAddress } from "../../runtime/network.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import { errorCode } from "../../runtime/system_error.ts";
import type { TlsInfo } from "../../runtime/tls.ts";
import {
  formatMailParameters,
  formatRcptParameters,
  type MailParameters,
} from "../../smtp/parameters.ts";
import type { Reply } from "../../smtp/reply.ts";
import { NO_ROOM } from "../no_room.ts";
import type { MessageView, SessionView, Verdict } from "../policy.ts";
import { type ClientName, findClientName } from "./client_name.ts";
import { formatAddressed, formatConnect } from "./commands.ts";
import { MilterDialogue, type OptionalStep } from "./dialogue.ts";
import { changesOf } from "./edits.ts";
import { FilterGone, type LinkServices, LONGEST, MilterLink, type MilterTimeouts } from "./link.ts";
import { addressOf, type MacroFacts } from "./macros.ts";
import { STEPS } from "./negotiation.ts";
import { type Outcome, UNDECIDED } from "./outcome.ts";
import { COMMANDS, formatPacket } from "./packet.ts";
import type { Guest, Places } from "./places.ts";

/** What a session with a filter is made of. */
export interface MilterSetting {
  readonly address: SocketAddress;
  /** Our name. */
  readonly hostname: string;
  readonly timeouts: MilterTimeouts;
  readonly services: LinkServices & { readonly resolver?: Resolver };
  /** What is answered for a message of which the filter failed. */
  readonly onTrouble: Verdict;
  /** Those of the filter: a session has one as long as it has a link. */
  readonly places: Places;
}

/** What holds for the rest of a session or message. */
type Standing = { readonly verdict: Verdict | undefined };

/** A part of a talk, of which each step may take so long. */
type Within = <T>(patience: "command" | "content", part: () => Promise<T>) => Promise<T>;

/** One SMTP session, as one filter hears of it. */
export class MilterSession implements Guest {
  readonly #setting: MilterSetting;
  #dialogue: MilterDialogue | null = null;
  #clientName: ClientName | null = null;
  /** The name the filter knows; `null`: none. */
  #hello: string | null = null;
  /** What TLS the filter knows of. */
  #tls: TlsInfo | null = null;
  /** A message is open at the filter. */
  #open = false;
  /** Of that message it has not heard of all recipients. */
  #isPart = false;
  #session: Standing | null = null;
  #message: Standing | null = null;
  /** The filter knows of the client. */
  #connected = false;
  /** What the last MAIL said beside the sender. */
  #parameters: MailParameters = {};
  #busy = false;
  #over = false;

  /** Of a client that has just connected, or of which the filter has not heard yet. */
  constructor(setting: MilterSetting) {
    this.#setting = setting;
  }

  /** MAIL. */
  async sender(
    view: SessionView,
    sender: Address | null,
    parameters: MailParameters = {},
  ): Promise<Verdict | undefined> {
    if (this.#session !== null) return this.#session.verdict;
    this.#message = null;
    this.#parameters = parameters;
    const begin = async () => {
      this.#abort();
      await this.#begin(view, sender);
      return this.#standing?.verdict;
    };
    return await this.#talk(view, (within) => within("command", begin));
  }

  /** RCPT. @param envelope what was taken before, and this recipient at its end. */
  async recipient(
    view: SessionView,
    recipient: Address,
    envelope: Envelope,
  ): Promise<Verdict | undefined> {
    if (this.#standing !== null) return this.#forRecipient();
    const [asked = { address: recipient }] = envelope.recipients.slice(-1);
    const ask = async () => {
      if (!this.#open) {
        await this.#begin(view, envelope.sender);
        this.#isPart = envelope.recipients.length > 1;
      }
      if (this.#standing !== null) return this.#forRecipient();
      const outcome = await this.#recipient(view, asked);
      if (outcome.ends === "recipient") return outcome.verdict;
      return this.#standing === null ? undefined : this.#forRecipient();
    };
    return await this.#talk(view, (within) => within("command", ask));
  }

  /** RCPT was refused by somebody else; some filters want to know (SMFIP_RCPT_REJ). It stays refused. */
  async refusedRecipient(view: SessionView, recipient: Address, refusal: Reply): Promise<void> {
    if (this.#standing !== null || !this.#open) return;
    if (!this.#dialogue?.link.wants(STEPS.refusedRecipients)) return;
    const tell = async () => {
      if (this.#open) await this.#recipient(view, { address: recipient }, refusal);
    };
    await this.#talk(view, (within) => within("command", tell));
  }

  /** The message is whole. */
  async message(message: MessageView): Promise<Verdict | undefined> {
    const { session, envelope } = message;
    try {
      if (this.#standing !== null) return this.#standing.verdict;
      return await this.#talk(session, async (within) => {
        const catchUp = () => this.#catchUp(session, envelope.sender, envelope.recipients);
        await within("command", catchUp);
        if (this.#standing !== null) return this.#standing.verdict;
        return await within("content", () => this.#content(message));
      });
    } finally {
      this.#abort();
      this.#message = null;
      this.#parameters = {};
    }
  }

  /** The session is over. */
  close(): void {
    this.#over = true;
    if (this.#busy) this.#dialogue?.link.close();
    else this.leave();
  }

  /** Its link is needed elsewhere, and no talk is under way. What the filter said holds; what it heard is told again. */
  leave(): void {
    this.#dialogue?.link.quit();
    this.#forget();
  }

  get #standing(): Standing | null {
    return this.#session ?? this.#message;
  }

  /** A discard is of the whole message: it is said at its end. */
  #forRecipient(): Verdict | undefined {
    const verdict = this.#standing?.verdict;
    return verdict?.action === "discard" ? undefined : verdict;
  }

  /** One talk with the filter; where it fails, that is all of this link and of this message. */
  async #talk<T>(view: SessionView, talk: (within: Within) => Promise<T>): Promise<T> {
    if (this.#busy) throw new Error("the filter has not answered the command before");
    this.#busy = true;
    const { places, onTrouble, address, services: { clock } } = this.#setting;
    const end = clock.now() + LONGEST;
    places.wake(this);
    const isFresh = this.#dialogue === null;
    try {
      return await this.#try(view, talk, end).catch((error) => {
        // It may have lost patience with a silent client, or have been restarted: it is told again what it has heard.
        if (isFresh || this.#over || !isGone(error)) throw error;
        this.#forget();
        return this.#try(view, talk, end);
      });
    } catch (error) {
      this.#forget();
      this.#message = { verdict: onTrouble };
      const { message } = error instanceof Error ? error : new Error(String(error));
      throw new Error(`${formatSocketAddress(address)}: ${message}`, { cause: error });
    } finally {
      this.#busy = false;
      if (this.#session !== null || this.#over) this.leave();
      else if (this.#dialogue !== null) places.rest(this);
    }
  }

  async #try<T>(
    view: SessionView,
    talk: (within: Within) => Promise<T>,
    end: number,
  ): Promise<T> {
    const { timeouts } = this.#setting;
    const { link } = this.#dialogue ??= await this.#connect(view);
    return await talk((patience, part) => link.within(timeouts[patience], part, end));
  }

  async #connect(view: SessionView): Promise<MilterDialogue> {
    const { address, hostname, services, timeouts, places } = this.#setting;
    const clientName = this.#clientName ??= await nameOf(view, services);
    await places.take(timeouts.connect);
    try {
      if (this.#over) throw new Error("the session is over");
      const link = await MilterLink.open(address, services, timeouts.connect);
      if (!this.#over) return new MilterDialogue(link, hostname, clientName);
      link.close();
      throw new Error("the session is over");
    } catch (error) {
      places.give();
      throw error;
    }
  }

  /** The link is closed, its place is free, and whatever the filter knew is gone. */
  #forget(): void {
    if (this.#dialogue === null) return;
    const { places } = this.#setting;
    this.#dialogue.link.close();
    this.#dialogue = null;
    this.#hello = null;
    this.#open = false;
    this.#connected = false;
    places.wake(this);
    places.give();
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
    this.#isPart = false;
    const packet = formatAddressed(
      COMMANDS.mail,
      sender,
      formatMailParameters(this.#parameters),
    );
    await this.#step("mail", packet, view, { sender });
  }

  /**
   * All of an envelope, where the filter has not heard of it: its link was needed elsewhere, or a policy before wants
   * the whole message dropped. Only once it is whole: told again at each RCPT, a thousand recipients would be half a
   * million commands.
   */
  async #catchUp(
    view: SessionView,
    sender: Address | null,
    recipients: readonly EnvelopeRecipient[],
  ): Promise<void> {
    if (this.#isPart) this.#abort();
    if (this.#open) return;
    await this.#begin(view, sender);
    for (const recipient of recipients) {
      if (this.#standing !== null) return;
      const { ends } = await this.#recipient(view, recipient);
      // Its client was told that it is taken: neither can that be taken back, nor the filter passed over.
      if (ends === "recipient") this.#message = { verdict: UNDECIDED };
    }
  }

  #recipient(view: SessionView, recipient: EnvelopeRecipient, refusal?: Reply): Promise<Outcome> {
    const { address } = recipient;
    const packet = formatAddressed(COMMANDS.recipient, address, formatRcptParameters(recipient));
    return this.#step("recipient", packet, view, {
      recipient: address,
      ...(refusal && { refusal }),
    });
  }

  /** All of the content, and the last word. */
  async #content(message: MessageView): Promise<Verdict | undefined> {
    const dialogue = this.#dialogue!;
    const { outcome, whole, edits, body } = await dialogue.content(message);
    if (whole) this.#open = false;
    this.#hold(outcome);
    if (outcome.ends !== "nothing" && outcome.verdict !== undefined) return outcome.verdict;
    if (body === null) return NO_ROOM;
    const changes = changesOf(edits, message.fields, dialogue.link.wants(STEPS.leadingSpace));
    if (body !== undefined) changes.push({ change: "replace-body", body });
    return changes.length === 0 ? undefined : { action: "annotate", changes };
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
  return error instanceof FilterGone || ["ECONNRESET", "EPIPE"].includes(errorCode(error) ?? "");
}
