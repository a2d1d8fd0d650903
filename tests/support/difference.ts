/**
 * Shows in what two values differ, for the assertions in `assert.ts`.
 *
 * @module
 */

import nodeAssert from "node:assert/strict";
import { sameConstructor } from "./equal.ts";

/** A value on one line where it fits. */
export function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value, { depth: 6 });
}

/** What differs between two values that are not equal: `+` lines came, `-` lines were expected. */
export function difference(actual: unknown, expected: unknown): string {
  if (
    actual instanceof Uint8Array && expected instanceof Uint8Array &&
    sameConstructor(actual, expected)
  ) {
    return byteDifference(actual, expected);
  }
  if (typeof actual !== "object" && !(typeof actual === "string" && actual.includes("\n"))) {
    return `+ ${show(actual)}\n- ${show(expected)}`;
  }
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    if (error instanceof Error) return error.message.replace(/^.*\n/, "");
  }
  return `+ ${show(actual)}\n- ${show(expected)}`;
}

/** Octets shown before and after the first one that differs. */
const CONTEXT = 60;

function byteDifference(actual: Uint8Array, expected: Uint8Array): string {
  const shorter = Math.min(actual.length, expected.length);
  let at = 0;
  while (at < shorter && actual[at] === expected[at]) at++;
  const from = Math.max(0, at - CONTEXT);
  return `${actual.length} octets, expected ${expected.length}; the first difference is at octet ${at}\n` +
    `+ ${showBytes(actual, from, at)}\n- ${showBytes(expected, from, at)}`;
}

function showBytes(bytes: Uint8Array, from: number, at: number): string {
  const to = Math.min(bytes.length, at + CONTEXT);
  let text = "";
  for (const octet of bytes.subarray(from, to)) text += showOctet(octet);
  return `${from > 0 ? "…" : ""}"${text}"${to < bytes.length ? "…" : ""}`;
}

function showOctet(octet: number): string {
  if (octet === 13) return "\\r";
  if (octet === 10) return "\\n";
  if (octet >= 32 && octet < 127) return String.fromCharCode(octet);
  return `\\x${octet.toString(16).padStart(2, "0")}`;
}
