/**
 * The steps of a session over a link to a filter: each with its macros, its command where the filter wants it, and its
 * answer where it gives one; and all of a message's content in one go.
 *
 * What fails: a filter that answers what is no answer there, or wants more changes than a message can bear; that is
 * thrown. What its answers mean for the session is for the caller to hold.
 *
 * @module
 */

import type { BodySource } from "../../queue/body_store.ts";
import type { BodyDraft, MessageView, SessionView } from "../policy.ts";
import type { ClientName } from "./client_name.ts";
import { bodyPackets, headerPackets } from "./commands.ts";
import type { SmallEdit } from "./edits.ts";
import type { MilterLink } from "./link.ts";
import { formatMacros, knownMacros, type MacroFacts, macrosOf } from "./macros.ts";
import { type MacroStage, STEPS } from "./negotiation.ts";
import { type Outcome, outcomeOf, type Step } from "./outcome.ts";
import { COMMANDS, formatPacket } from "./packet.ts";
import { isEdit, type MilterReply } from "./reply.ts";

/** A step that the filter may leave out. */
export type OptionalStep = Exclude<Step, "endOfMessage">;

/** What came of a message's content. */
export interface ContentOutcome {
  readonly outcome: Outcome;
  /** Whether the filter has seen it to its end: for it the message is over. */
  readonly whole: boolean;
  /** What it wants changed. */
  readonly edits: readonly SmallEdit[];
  /** Another body; `null`: there was no room for it. Absent: it wants none. */
  readonly body?: BodySource | null;
}

/** How each step is switched off, or goes without an answer; by STEPS. */
const FLAGS: Readonly<Record<OptionalStep, readonly [off: number, mute: number]>> = {
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
/** Changes to one message, pieces of a body not counted. */
const MAX_EDITS = 2000;
/** Octets of them all: as many as a whole head may have. They are in memory until the message has ended. */
const MAX_EDITS_SIZE = 256 * 1024;
/** Octets that another body may have more than twice the body. */
const BODY_SLACK = 1024 * 1024;
/** Times that a filter may say that it is at work, for an answer: many times a second for as long as it may last. */
const MAX_PROGRESS = 10_000;

const ON: Outcome = { ends: "nothing" };

/** One filter, and what it is told of one session. */
export class MilterDialogue {
  /** The way to the filter. */
  readonly link: MilterLink;
  readonly #clientName: ClientName;
  readonly #hostname: string;
  /** The macros it asked for, where it did. */
  readonly #macros: ReadonlyMap<MacroStage, readonly string[]>;

  /** Over a link on which nothing was said yet. @param hostname our name. */
  constructor(link: MilterLink, hostname: string, clientName: ClientName) {
    this.link = link;
    this.#clientName = clientName;
    this.#hostname = hostname;
    const { macros } = link.negotiated;
    this.#macros = new Map(Array.from(macros, ([stage, names]) => [stage, knownMacros(names)]));
  }

  /** One step. @param packet its command. @param facts for its macros. */
  async step(
    step: OptionalStep,
    packet: Uint8Array,
    view: SessionView,
    facts: Partial<MacroFacts> = {},
  ): Promise<Outcome> {
    const { link } = this;
    const [off, mute] = FLAGS[step];
    // Macros hold from their stage on, so also a filter that skips the stage wants them.
    if (step !== "header" && step !== "body") {
      this.#sendMacros(step, String.fromCharCode(packet[4]!), view, facts);
    }
    if (link.wants(off)) return ON;
    link.demandSilence();
    link.send(packet);
    if (!link.wants(mute)) return conclude(step, await this.#answer());
    await link.relieve();
    return ON;
  }

  /** A message's content, up to the filter's last word of it. */
  async content(message: MessageView): Promise<ContentOutcome> {
    for await (const outcome of this.#parts(message)) {
      if (outcome.ends !== "nothing") return { outcome, whole: false, edits: [] };
    }
    return await this.#lastWord(message);
  }

  async *#parts(message: MessageView): AsyncGenerator<Outcome> {
    const { link } = this;
    const step = (name: OptionalStep, packet: Uint8Array) =>
      this.step(name, packet, message.session, { id: message.id });
    if (link.negotiated.version >= DATA_VERSION) {
      yield await step("data", formatPacket(COMMANDS.data));
    }
    if (!link.wants(STEPS.noHeaders)) {
      for (const packet of headerPackets(message.fields, link.wants(STEPS.leadingSpace))) {
        const outcome = await step("header", packet);
        yield outcome;
        if (outcome.ends === "nothing" && outcome.skip) break;
      }
    }
    yield await step("endOfHeaders", formatPacket(COMMANDS.endOfHeaders));
    if (link.wants(STEPS.noBody)) return;
    for await (const packet of bodyPackets(message.openBody())) {
      const outcome = await step("body", packet);
      yield outcome;
      if (outcome.ends === "nothing" && outcome.skip) break;
    }
  }

  async #lastWord(message: MessageView): Promise<ContentOutcome> {
    const { link } = this;
    this.#sendMacros("endOfMessage", COMMANDS.endOfMessage, message.session, { id: message.id });
    link.demandSilence();
    link.send(formatPacket(COMMANDS.endOfMessage));
    const edits: SmallEdit[] = [];
    let draft: BodyDraft | null = null;
    for (let [count, size, bodySize] = [0, 0, 0];;) {
      const answer = await this.#answer();
      if (!isEdit(answer)) {
        const outcome = conclude("endOfMessage", answer);
        return { outcome, whole: true, edits, ...(draft && { body: await draft.finish() }) };
      }
      if (answer.reply === "replace-body") {
        const { octets } = answer;
        draft ??= message.draftBody();
        await draft.write(octets);
        bodySize += octets.length;
        if (octets.length === 0) count++;
      } else {
        edits.push(answer);
        size += editSize(answer);
        count++;
      }
      const tooMuch = count > MAX_EDITS || size > MAX_EDITS_SIZE;
      if (tooMuch || bodySize > 2 * message.bodySize + BODY_SLACK) {
        throw new Error("broke the protocol: endless changes");
      }
    }
  }

  /** An answer; a filter that is at work is waited for. */
  async #answer(): Promise<MilterReply> {
    for (let times = 0; times <= MAX_PROGRESS; times++) {
      const answer = await this.link.reply();
      if (answer.reply !== "progress") return answer;
    }
    throw new Error("broke the protocol: endless progress");
  }

  #sendMacros(
    stage: MacroStage,
    command: string,
    session: SessionView,
    facts: Partial<MacroFacts>,
  ): void {
    const known = { hostname: this.#hostname, session, clientName: this.#clientName };
    const wanted = this.#macros.get(stage);
    this.link.send(formatMacros(command, macrosOf(stage, { ...known, ...facts }, wanted)));
  }
}

function conclude(step: Step, answer: MilterReply): Outcome {
  const outcome = isEdit(answer) || answer.reply === "progress" ? null : outcomeOf(step, answer);
  if (outcome !== null) return outcome;
  throw new Error(`broke the protocol: ${answer.reply} in answer to ${step}`);
}

/** What it holds in memory, about. */
function editSize(edit: SmallEdit): number {
  return "value" in edit ? edit.name.length + edit.value.length : 0;
}
