/**
 * What an HTTP hook answers, as JSON, read strictly: an answer that has a slip in it is no answer, since to guess
 * what was meant could lose mail or let it pass.
 *
 * Total: what is wrong is a value, with words for the log of whoever wrote the hook.
 *
 * @module
 */

import { type Address, parseAddress } from "../../address.ts";
import { makeField } from "../../message/header.ts";
import { reply } from "../../smtp/reply.ts";
import type { Change, Verdict } from "../policy.ts";
import type { HookStage } from "./hook_request.ts";

/** Changes one answer may want. */
export const MAX_CHANGES = 100;
/** Characters of a text that is said or kept. */
const MAX_TEXT = 400;
/** Characters of a header field. */
const MAX_VALUE = 8000;

/** Something that does not fit. */
class Slip extends Error {}

type Json = Readonly<Record<string, unknown>>;

/** Reads an answer. `wrong` says what is the matter with it. */
export function parseHookVerdict(
  stage: HookStage,
  text: string,
): Verdict | { readonly wrong: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { wrong: "it is no JSON" };
  }
  try {
    return verdictOf(stage, demandObject(value, "the answer"));
  } catch (error) {
    if (error instanceof Slip) return { wrong: error.message };
    throw error;
  }
}

function verdictOf(stage: HookStage, answer: Json): Verdict {
  switch (answer.action) {
    case "accept":
      only(answer, "action");
      return { action: "accept" };
    case "reject":
    case "defer":
      only(answer, "action", "code", "enhanced", "text");
      return refusalOf(answer.action, answer);
    case "discard":
      only(answer, "action", "reason");
      return { action: "discard", reason: textOf(answer, "reason") };
    case "annotate":
      only(answer, "action", "changes");
      return { action: "annotate", changes: changesOf(stage, answer.changes) };
    default:
      throw new Slip(`unknown action: ${show(answer.action)}`);
  }
}

const USUAL = {
  reject: { code: 550, enhanced: "5.7.1", text: "not accepted" },
  defer: { code: 451, enhanced: "4.7.1", text: "not accepted now: try again later" },
} as const;

function refusalOf(action: "reject" | "defer", answer: Json): Verdict {
  const usual = USUAL[action];
  const { code = usual.code, enhanced = usual.enhanced } = answer;
  const first = usual.enhanced[0]!;
  if (typeof code !== "number" || !new RegExp(`^${first}[0-5]\\d$`).test(`${code}`)) {
    throw new Slip(`code of ${action}: wanted ${first}00 to ${first}59, found ${show(code)}`);
  }
  if (
    typeof enhanced !== "string" || !/^[45]\.\d{1,3}\.\d{1,3}$/.test(enhanced) ||
    enhanced[0] !== first
  ) {
    throw new Slip(
      `enhanced of ${action}: wanted such as ${usual.enhanced}, found ${show(enhanced)}`,
    );
  }
  const text = answer.text === undefined ? usual.text : textOf(answer, "text");
  return { action, reply: reply(code, enhanced, text) };
}

function changesOf(stage: HookStage, changes: unknown): Change[] {
  if (!["sender", "recipient", "message"].includes(stage)) {
    throw new Slip(`there is nothing to annotate at ${stage}`);
  }
  if (!Array.isArray(changes)) throw new Slip("changes: wanted a list");
  if (changes.length > MAX_CHANGES) throw new Slip(`changes: more than ${MAX_CHANGES}`);
  return changes.map((each) => {
    const change = changeOf(demandObject(each, "a change"));
    if (stage !== "message" && !change.change.endsWith("-field")) {
      throw new Slip(`${change.change} can be wanted at message only`);
    }
    return change;
  });
}

function changeOf(given: Json): Change {
  const { change } = given;
  switch (change) {
    case "add-field":
      only(given, "change", "name", "value");
      return { change, ...fieldOf(given) };
    case "insert-field":
      only(given, "change", "index", "name", "value");
      return { change, index: countOf(given, "index", 0), ...fieldOf(given) };
    case "replace-field": {
      only(given, "change", "name", "occurrence", "value");
      const occurrence = countOf(given, "occurrence", 1);
      return given.value === null
        ? { change, name: nameOf(given), occurrence, value: null }
        : { change, occurrence, ...fieldOf(given) };
    }
    case "remove-field":
      only(given, "change", "name");
      return { change, name: nameOf(given) };
    case "replace-sender":
      only(given, "change", "sender");
      return { change, sender: given.sender === null ? null : addressOf(given, "sender") };
    case "add-recipient":
    case "remove-recipient":
      only(given, "change", "recipient");
      return { change, recipient: addressOf(given, "recipient") };
    case "replace-body":
      only(given, "change", "body");
      return { change, body: bodyOf(given) };
    case "quarantine":
      only(given, "change", "reason");
      return { change, reason: textOf(given, "reason") };
    default:
      throw new Slip(`unknown change: ${show(change)}`);
  }
}

function fieldOf(given: Json): { readonly name: string; readonly value: string } {
  return { name: nameOf(given), value: textOf(given, "value", MAX_VALUE) };
}

function nameOf(given: Json): string {
  const name = textOf(given, "name");
  try {
    makeField(name, "");
    return name;
  } catch {
    throw new Slip(`name: no header field can be called ${show(name)}`);
  }
}

function addressOf(given: Json, key: string): Address {
  const address = parseAddress(textOf(given, key), { smtputf8: true });
  if (address === null) throw new Slip(`${key}: no address: ${show(given[key])}`);
  return address;
}

/** In base64; its lines must end in CRLF, as those of every body here do: another server would read bare ones otherwise. */
function bodyOf(given: Json): Uint8Array {
  const { body } = given;
  if (typeof body !== "string") throw new Slip("body: wanted text in base64");
  let octets: Uint8Array;
  try {
    octets = Uint8Array.fromBase64(body);
  } catch {
    throw new Slip("body: no base64");
  }
  for (let at = 0; at < octets.length; at++) {
    const isPair = octets[at] === 0x0d && octets[at + 1] === 0x0a;
    if (isPair) at++;
    else if (octets[at] === 0x0d || octets[at] === 0x0a) {
      throw new Slip("body: its lines must end in CRLF");
    }
  }
  if (octets.length > 0 && octets.at(-1) !== 0x0a) throw new Slip("body: its last line has no end");
  return octets;
}

function textOf(given: Json, key: string, limit = MAX_TEXT): string {
  const text = given[key];
  if (typeof text !== "string") throw new Slip(`${key}: wanted text, found ${show(text)}`);
  if (text.length > limit) throw new Slip(`${key}: longer than ${limit} characters`);
  return text;
}

function countOf(given: Json, key: string, least: number): number {
  const count = given[key];
  if (Number.isSafeInteger(count) && count as number >= least) return count as number;
  throw new Slip(`${key}: wanted a whole number, ${least} or more; found ${show(count)}`);
}

function demandObject(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new Slip(`${what}: wanted an object`);
}

/** Who writes a key that is none of ours believes that it does something. */
function only(given: Json, ...keys: readonly string[]): void {
  const other = Object.keys(given).find((key) => !keys.includes(key));
  if (other !== undefined) throw new Slip(`unknown key: ${show(other)}`);
}

/** For a log: short, and with nothing in it that a terminal obeys. */
function show(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 60).replace(/[^\x20-\x7e]/g, "?");
}
