/**
 * What a server and a filter agree on before anything else: the version, what the filter may change, which steps it
 * wants to hear of and which it answers, and which macros it wants (mfdef.h and mfapi.h of libmilter). Pure.
 *
 * @module
 */

import { decode } from "../../bytes.ts";
import { COMMANDS, formatPacket, type MilterPacket } from "./packet.ts";

/** The version we speak; a filter may speak an older one. */
export const VERSION = 6;
/** The oldest that has anything to do with what we speak. */
const OLDEST_VERSION = 2;

/** What a filter may do to a message (SMFIF_). */
export const ACTIONS = {
  addHeaders: 0x01,
  changeBody: 0x02,
  addRecipients: 0x04,
  deleteRecipients: 0x08,
  changeHeaders: 0x10,
  quarantine: 0x20,
  changeSender: 0x40,
  addRecipientsWithParameters: 0x80,
  chooseMacros: 0x100,
} as const;

/** What a filter does not want to hear, does not answer, and what else it may ask for (SMFIP_). */
export const STEPS = {
  noConnect: 0x1,
  noHello: 0x2,
  noMail: 0x4,
  noRecipient: 0x8,
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeaders: 0x40,
  silentHeader: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  /** It may say that it has seen enough of the body. */
  skip: 0x400,
  /** It wants to hear of recipients that were refused. */
  refusedRecipients: 0x800,
  silentConnect: 0x1000,
  silentHello: 0x2000,
  silentMail: 0x4000,
  silentRecipient: 0x8000,
  silentData: 0x1_0000,
  silentUnknown: 0x2_0000,
  silentEndOfHeaders: 0x4_0000,
  silentBody: 0x8_0000,
  /** Values of header fields go both ways with the white space behind the colon. */
  leadingSpace: 0x10_0000,
} as const;

const ALL_ACTIONS = Object.values(ACTIONS).reduce((all, flag) => all | flag, 0);
const ALL_STEPS = Object.values(STEPS).reduce((all, flag) => all | flag, 0);

/** Where macros are sent, by the number a filter names it by (SMFIM_). */
export const MACRO_STAGES = [
  "connect",
  "hello",
  "mail",
  "recipient",
  "data",
  "endOfMessage",
  "endOfHeaders",
] as const;

/** See {@link MACRO_STAGES}. */
export type MacroStage = typeof MACRO_STAGES[number];

/** What was agreed on. */
export interface Negotiated {
  /** The version the filter speaks, 2 to 6. */
  readonly version: number;
  /** {@link STEPS}, those that we offer. */
  readonly steps: number;
  /** The macros it wants at a stage, as it wrote them; what is not named gets the usual ones. */
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>;
}

/** What we offer. */
export function formatNegotiation(): Uint8Array {
  const offer = new DataView(new ArrayBuffer(12));
  offer.setUint32(0, VERSION);
  offer.setUint32(4, ALL_ACTIONS);
  offer.setUint32(8, ALL_STEPS);
  return formatPacket(COMMANDS.negotiate, new Uint8Array(offer.buffer));
}

/**
 * What a filter made of the offer; a text that says what is wrong with it. What it says it will change is not held
 * against what it changes: sendmail takes both, and so filters exist that do not say all.
 */
export function parseNegotiation({ kind, data }: MilterPacket): Negotiated | string {
  if (kind !== COMMANDS.negotiate) return `${JSON.stringify(kind)} in place of a negotiation`;
  if (data.length < 12) return "a negotiation that is too short";
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const version = view.getUint32(0);
  if (version < OLDEST_VERSION || version > VERSION) return `version ${version} of the protocol`;
  const macros = parseMacroLists(data, 12);
  if (macros === null) return "a list of macros that cannot be read";
  return { version, steps: view.getUint32(8) & ALL_STEPS, macros };
}

function parseMacroLists(data: Uint8Array, from: number): Negotiated["macros"] | null {
  const lists = new Map<MacroStage, readonly string[]>();
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let at = from; at < data.length;) {
    const end = data.indexOf(0, at + 4);
    if (at + 4 > data.length || end === -1) return null;
    const stage = MACRO_STAGES[view.getUint32(at)];
    if (stage === undefined) return null;
    const names = decode(data.subarray(at + 4, end)).split(/[ ,]+/);
    lists.set(stage, names.filter((name) => name !== ""));
    at = end + 1;
  }
  return lists;
}
