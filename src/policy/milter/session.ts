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
import { bodyPackets, formatAddressed, formatConnect, headerPackets } from "./commands.ts";
import { changesOf } from "./edits.ts";
import { FilterGone, type LinkServices, MilterLink, type MilterTimeouts } from "./link.ts";
import { formatMacros, type MacroFacts, macrosOf } from "./macros.ts";
import { type MacroStage, STEPS } from "./negotiation.ts";
import { type Outcome, outcomeOf, type Step } from "./outcome.ts";
import { COMMANDS, formatPacket } from "./packet.ts";
import type { MilterEdit, MilterReply } from "./reply.ts";

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

/** How each step is switched off, or goes without an answer; by STEPS. */
const FLAGS: Readonly<Record<Exclude<Step, "endOfMessage">, readonly [off: number, mute: number]>> =
  {
    connect: [STEPS.noConnect, STEPS.silentConnect],
    hello: [STEPS.noHello, STEPS.silentHello],
    mail: [STEPS.noMail, STEPS.silentMail],
    recipient: [STEPS.noRecipient, STEPS.silentRecipient],
    data: [STEPS.noData, STEPS.silentData],
    header: [STEPS.noHeaders, STEPS.silentHeader],
    endOfHeaders: [STEPS.noEndOfHeaders, STEPS.silentEndOfHeaders],
    body: [STEPS.noBody, STEPS.silentBody],
  };

/** The version that knows DATA. */
const DATA_VERSION = 4;
/** Changes to one message. */
const MAX_EDITS = 2000;
/** Octets that a new body may have more than twice the old one. */
const BODY_SLACK = 1024 * 1024;

const ON: Outcome = { ends: "nothing" };

/** What holds for the rest of a session or message. */
type Standing = { readonly verdict: Verdict | undefined };

/** One SMTP session, as one filter hears of it. */
export class MilterSession {
  readonly #setting: MilterSetting;
  #link: MilterLink | null = null;
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

  constructor(setting: MilterSetting) {
    this.#setting = setting;
  }

  /** A client connected. */
  connect(view: SessionView): Promise<Verdict | undefined> {
    return this.#quietly(() => this.#reach(view));
  }

  /** It said its name. */
  hello(view: SessionView): Promise<Verdict | undefined> | Verdict | undefined {
    if (this.#session !== null) return this.#session.verdict;
    return this.#quietly(() => this.#reach(view));
  }

  /** MAIL. */
  async sender(view: SessionView, sender: Address | null): Promise<Verdict | undefined> {
    if (this.#session !== null) return this.#session.verdict;
    this.#message = null;
    const { command } = this.#setting.timeouts;
    const begin = async () => {
      this.#abort();
      await this.#begin(view, sender);
      return this.#standing?.verdict;
    };
    const fresh = this.#link === null;
    this.#ill = false;
    try {
      return await this.#talk(command, begin);
    } catch (error) {
      // It may have lost patience with a silent session, or have been restarted.
      if (fresh || !isGone(error)) throw error;
      this.#message = null;
      return await this.#talk(command, begin);
    }
  }

  /** RCPT. */
  async recipient(
    view: SessionView,
    recipient: Address,
    sender: Address | null,
  ): Promise<Verdict | undefined> {
    if (this.#standing !== null) return this.#forRecipient();
    return await this.#talk(this.#setting.timeouts.command, async () => {
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
    if (this.#standing !== null || !this.#open || this.#link === null) return;
    if (!this.#link.wants(STEPS.refusedRecipients)) return;
    await this.#talk(
      this.#setting.timeouts.command,
      () => this.#recipient(view, recipient, refusal),
    );
  }

  /** The message is whole. */
  async message(message: MessageView): Promise<Verdict | undefined> {
    if (!this.#open && this.#standing === null) await this.#envelope(message);
    const standing = this.#standing as Standing | null;
    if (standing !== null) return standing.verdict;
    return await this.#talk(this.#setting.timeouts.content, () => this.#content(message));
  }

  /** The session is over. */
  close(): void {
    this.#over = true;
    if (this.#busy) this.#link?.close();
    else this.#link?.quit();
    this.#link = null;
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
  async #quietly(reach: () => Promise<void>): Promise<Verdict | undefined> {
    if (this.#ill) return undefined;
    try {
      await this.#talk(this.#setting.timeouts.command, reach);
    } catch {
      this.#message = null;
      this.#ill = true;
    }
    return this.#session?.verdict;
  }

  /** One talk with the filter; where it fails, that is all of this link and of this message. */
  async #talk<T>(patience: number, talk: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new Error("the filter has not answered the command before");
    this.#busy = true;
    try {
      this.#link ??= await this.#connect();
      return await this.#link.within(patience, talk);
    } catch (error) {
      this.#drop();
      this.#message = { verdict: this.#setting.onTrouble };
      const where = formatSocketAddress(this.#setting.address);
      const { message } = error instanceof Error ? error : new Error(String(error));
      throw new Error(`${where}: ${message}`, { cause: error });
    } finally {
      this.#busy = false;
      if (this.#session !== null || this.#over) this.#leave();
    }
  }

  async #connect(): Promise<MilterLink> {
    const { address, services, timeouts } = this.#setting;
    const link = await MilterLink.open(address, services, timeouts.connect);
    if (!this.#over) return link;
    link.close();
    throw new Error("the session is over");
  }

  #drop(): void {
    this.#link?.close();
    this.#forget();
  }

  #leave(): void {
    this.#link?.quit();
    this.#forget();
  }

  #forget(): void {
    this.#link = null;
    this.#hello = null;
    this.#open = false;
    this.#connected = false;
  }

  /** What was begun at the filter is not gone on with. */
  #abort(): void {
    if (this.#open) this.#link?.send(formatPacket(COMMANDS.abort));
    this.#open = false;
  }

  /** As far as the client has come: connected, and perhaps greeted. */
  async #reach(view: SessionView): Promise<void> {
    if (!this.#connected) {
      this.#connected = true;
      const packet = formatConnect(await this.#nameOf(view), view);
      if ((await this.#step("connect", packet, view)).ends !== "nothing") return;
    }
    // After STARTTLS the same name is said again, and macros tell of TLS.
    if (view.hello === null || (view.hello === this.#hello && view.tls === this.#tls)) return;
    this.#hello = view.hello;
    this.#tls = view.tls;
    this.#abort();
    await this.#step("hello", formatPacket(COMMANDS.hello, view.hello), view);
  }

  async #nameOf(view: SessionView): Promise<string> {
    const { resolver, clock } = this.#setting.services;
    if (view.client === "unix") {
      this.#clientName = { name: "localhost", ptr: "localhost", resolve: "OK" };
    }
    this.#clientName ??= await findClientName(view.client, resolver, clock);
    return this.#clientName.name;
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
    await this.#talk(this.#setting.timeouts.command, async () => {
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
  async #content(message: MessageView): Promise<Verdict | undefined> {
    const { session, id } = message;
    const link = this.#link!;
    const step = async (name: Exclude<Step, "endOfMessage">, packet: Uint8Array) =>
      await this.#step(name, packet, session, { id });
    if (link.negotiated.version >= DATA_VERSION) {
      await step("data", formatPacket(COMMANDS.data));
    }
    if (this.#standing === null && !link.wants(STEPS.noHeaders)) {
      for (const packet of headerPackets(message.fields, link.wants(STEPS.leadingSpace))) {
        const outcome = await step("header", packet);
        if (outcome.ends !== "nothing" || outcome.skip) break;
      }
    }
    if (this.#standing === null) await step("endOfHeaders", formatPacket(COMMANDS.endOfHeaders));
    if (this.#standing === null && !link.wants(STEPS.noBody)) {
      for await (const packet of bodyPackets(message.openBody())) {
        const outcome = await step("body", packet);
        if (outcome.ends !== "nothing" || outcome.skip) break;
      }
    }
    return this.#standing === null ? await this.#lastWord(message) : this.#standing.verdict;
  }

  async #lastWord(message: MessageView): Promise<Verdict | undefined> {
    const link = this.#link!;
    this.#sendMacros("endOfMessage", COMMANDS.endOfMessage, message.session, { id: message.id });
    link.demandSilence();
    link.send(formatPacket(COMMANDS.endOfMessage));
    const edits: MilterEdit[] = [];
    const limit = 2 * message.bodySize + BODY_SLACK;
    let bodySize = 0;
    for (;;) {
      const answer = await link.reply(limit);
      if (answer.reply === "progress") continue;
      if (isEdit(answer)) {
        if (edits.push(answer) > MAX_EDITS) throw new Error("broke the protocol: endless changes");
        if (answer.reply !== "replace-body") continue;
        bodySize += answer.octets.length;
        if (bodySize > limit) throw new Error(`wants a body of more than ${limit} octets`);
        continue;
      }
      const outcome = outcomeOf("endOfMessage", answer);
      if (outcome === null) throw new Error(`broke the protocol: ${answer.reply} at the end`);
      this.#open = false;
      if (outcome.ends === "session") this.#session = outcome;
      const verdict = outcome.ends === "nothing" ? undefined : outcome.verdict;
      if (verdict !== undefined || edits.length === 0) return verdict;
      const spaced = link.wants(STEPS.leadingSpace);
      return { action: "annotate", changes: changesOf(edits, message.fields, spaced) };
    }
  }

  /** One step: its macros, its command where it is wanted, and its answer where there is one. */
  async #step(
    step: Exclude<Step, "endOfMessage">,
    packet: Uint8Array,
    view: SessionView,
    facts: Partial<MacroFacts> = {},
  ): Promise<Outcome> {
    const link = this.#link!;
    const [off, mute] = FLAGS[step];
    // Macros hold from their stage on, so also a filter that skips the stage wants them.
    if (step !== "header" && step !== "body") {
      this.#sendMacros(step, String.fromCharCode(packet[4]!), view, facts);
    }
    if (link.wants(off)) return ON;
    link.demandSilence();
    link.send(packet);
    if (link.wants(mute)) {
      await link.relieve();
      return ON;
    }
    return this.#conclude(step, await this.#answer(link));
  }

  async #answer(link: MilterLink): Promise<MilterReply> {
    for (;;) {
      const answer = await link.reply();
      if (answer.reply !== "progress") return answer;
    }
  }

  #conclude(step: Step, answer: MilterReply): Outcome {
    const outcome = isEdit(answer) || answer.reply === "progress" ? null : outcomeOf(step, answer);
    if (outcome === null) {
      throw new Error(`broke the protocol: ${answer.reply} in answer to ${step}`);
    }
    if (outcome.ends === "session") this.#session = outcome;
    if (outcome.ends === "message") this.#message = outcome;
    return outcome;
  }

  #sendMacros(
    stage: MacroStage,
    command: string,
    session: SessionView,
    facts: Partial<MacroFacts>,
  ): void {
    const link = this.#link!;
    const { hostname } = this.#setting;
    const clientName = this.#clientName!;
    const wanted = link.negotiated.macros.get(stage);
    const macros = macrosOf(stage, { hostname, session, clientName, ...facts }, wanted);
    link.send(formatMacros(command, macros));
  }
}

/** Whether the filter closed the connection. */
function isGone(error: unknown): boolean {
  const { cause } = error as { cause?: unknown };
  return cause instanceof FilterGone || ["ECONNRESET", "EPIPE"].includes(errorCode(cause) ?? "");
}

function isEdit(reply: MilterReply): reply is MilterEdit {
  return EDITS.has(reply.reply);
}

const EDITS: ReadonlySet<string> = new Set<MilterEdit["reply"]>([
  ...["add-header", "insert-header", "change-header", "replace-body", "quarantine"] as const,
  ...["add-recipient", "delete-recipient", "change-sender"] as const,
]);
