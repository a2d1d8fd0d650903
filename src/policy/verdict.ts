/**
 * Makes sure that what a policy answered is a verdict, before anything is done with it: policies are
 * written by others, perhaps without a type checker.
 *
 * @module
 */

import { type Address, formatAddress, parseAddress } from "../address.ts";
import { makeField } from "../message/header.ts";
import type { Reply } from "../smtp/reply.ts";
import type { Change, Verdict } from "./policy.ts";

/** The answer as a verdict. @throws {TypeError} when it is none; the message says why. */
export function checkVerdict(answer: unknown): Verdict | undefined {
  if (answer === undefined || answer === null) return undefined;
  const verdict = answer as Verdict;
  switch (verdict.action) {
    case "accept":
      return verdict;
    case "discard":
      return { action: "discard", reason: String(verdict.reason ?? "") };
    case "reject":
    case "defer":
      return { ...verdict, reply: checkReply(verdict) };
    case "annotate":
      if (!Array.isArray(verdict.changes)) throw new TypeError("annotate without changes");
      verdict.changes.forEach(checkChange);
      return verdict;
    default:
      throw new TypeError(`no verdict: ${String((verdict as { action?: unknown }).action)}`);
  }
}

/** The reply, made to mean what the action says whatever code the policy wrote. */
function checkReply({ action, reply }: Extract<Verdict, { action: "reject" | "defer" }>): Reply {
  const { code, enhanced, lines } = reply ?? {};
  if (!Number.isInteger(code) || !Array.isArray(lines)) {
    throw new TypeError(`${action} without a reply`);
  }
  if (!lines.every((line) => typeof line === "string")) {
    throw new TypeError("reply lines must be text");
  }
  if (enhanced !== undefined && !ENHANCED.test(enhanced)) {
    throw new TypeError(`no enhanced status code: ${JSON.stringify(enhanced)}`);
  }
  if (action === "reject" && (code < 500 || code > 599)) {
    return { ...reply, code: 550, enhanced: "5.7.1" };
  }
  if (action === "defer" && (code < 400 || code > 499)) {
    return { ...reply, code: 451, enhanced: "4.7.1" };
  }
  return reply;
}

/** RFC 3463 §2. */
const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}$/;

/** Throws where it must not be: whatever is made of it later cannot fail. */
function checkChange(change: Change): void {
  switch (change.change) {
    case "add-field":
      makeField(change.name, change.value);
      return;
    case "insert-field":
      demandCount(change.index, 0);
      makeField(change.name, change.value);
      return;
    case "replace-field":
      demandCount(change.occurrence, 1);
      makeField(change.name, change.value ?? "");
      return;
    case "remove-field":
    case "quarantine":
    case "junk":
      return;
    case "replace-sender":
      if (change.sender !== null) checkAddress(change.sender);
      return;
    case "add-recipient":
    case "remove-recipient":
      return checkAddress(change.recipient);
    case "replace-body":
      if (change.body instanceof Uint8Array || isBody(change.body)) return;
      throw new TypeError("replace-body without octets");
    default:
      throw new TypeError("no change to a message");
  }
}

/** As a draft gives it; not the draft. */
function isBody(body: unknown): boolean {
  const { size, open, parts, move } = (body ?? {}) as Record<string, unknown>;
  return typeof size === "number" &&
    [open, parts, move].every((each) => typeof each === "function");
}

function demandCount(value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new TypeError(`wanted a whole number, ${least} or more`);
}

function checkAddress(address: Address): void {
  if (parseAddress(formatAddress(address), { smtputf8: true }) !== null) return;
  throw new TypeError(`no address: ${JSON.stringify(address)}`);
}
