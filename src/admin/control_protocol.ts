/**
 * What is said over the control socket: one request a connection, one JSON object on one line; then lines
 * of JSON until a line `{"type":"end", …}`. A client that has seen no end has not seen everything.
 *
 *     {"yizhan":1,"do":"list","filter":{"to":"example.org"}}
 *     {"type":"entry","id":"kx3f.1", …}
 *     {"type":"end","ok":true,"shown":1}
 *
 * An error is an end that says `"ok":false`, a code for programs and words for people. Both sides bound
 * what they read.
 *
 * @module
 */

import { decodeStrict } from "../bytes.ts";

/** The version of the protocol. Fields and commands may be added to it. */
export const CONTROL_VERSION = 1;

/** Octets of a request at most. */
export const REQUEST_LIMIT = 64 * 1024;

/** Octets of a line of an answer at most. */
export const ANSWER_LINE_LIMIT = 16 * 1024 * 1024;

/** Why a request was not answered in full. */
export type ControlErrorCode =
  /** The request cannot be read, or asks for what there is not. */
  | "bad-request"
  /** The server speaks another version. */
  | "version"
  /** There is no such message. */
  | "not-found"
  /** Too many ask at once, or an attempt is under way: later. */
  | "busy"
  /** What the operator wrote is wrong: nothing has changed. */
  | "refused"
  /** The server is going down. */
  | "stopping"
  /** The machine could not, such as a full disk. */
  | "failed"
  /** The client's: nobody listens there. */
  | "unavailable"
  /** The client's: it may not connect. */
  | "forbidden"
  /** The client's: what came is no answer, or ended too early. */
  | "garbled";

/** A request that failed, for a reason a caller can act on. */
export class ControlError extends Error {
  /** For programs. */
  readonly code: ControlErrorCode;

  /** @param code for programs. @param message for people. */
  constructor(code: ControlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ControlError";
    this.code = code;
  }
}

/** A line of JSON: an object whose fields nobody has looked at. */
export type JsonObject = { readonly [field: string]: unknown };

/** A line of an answer. */
export interface ControlLine extends JsonObject {
  readonly type: string;
}

/** The last line of an answer. */
export type ControlEnd =
  | { readonly type: "end"; readonly ok: true; readonly [field: string]: unknown }
  | {
    readonly type: "end";
    readonly ok: false;
    readonly error: { readonly code: string; readonly message: string };
  };

/** Reads a line, without its line end; `null` where it is no JSON object in UTF-8. */
export function parseControlLine(line: Uint8Array): JsonObject | null {
  const text = decodeStrict(line);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as JsonObject
      : null;
  } catch {
    return null;
  }
}

/** Reads the end of an answer; `null` where the line is another one or makes no sense. */
export function parseControlEnd(line: JsonObject): ControlEnd | null {
  if (line.type !== "end") return null;
  if (line.ok === true) return { ...line, type: "end", ok: true };
  const { error } = line;
  if (line.ok !== false || typeof error !== "object" || error === null) return null;
  const { code, message } = error as JsonObject;
  if (typeof code !== "string" || typeof message !== "string") return null;
  return { type: "end", ok: false, error: { code, message } };
}
