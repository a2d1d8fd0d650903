/**
 * The response to one HTTP/1.1 request, octet by octet (RFC 9112). Bounded in all that a server controls, and strict:
 * what can be read in two ways is a fault.
 *
 * A body must say how long it is, by Content-Length or in chunks. One that only the end of the connection ends is a
 * fault: who can cut a connection could cut `max_age: 604800` down to `max_age: 6`.
 *
 * @module
 */

import { concat } from "../../bytes.ts";

/** A whole response. */
export interface HttpResponse {
  /** Such as 200. */
  readonly status: number;
  /** By their names in lower case; of several of one name, all with commas between them (RFC 9110 §5.3). */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Octets of a head, of all interim responses (1xx) together, and of the size line of a chunk. */
const HEAD_LIMIT = 16 * 1024;
const LINE_LIMIT = 1024;

const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
/** The extensions of a chunk (RFC 9112 §7.1.1) say nothing to us. */
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

/** Where in a response it is. */
type State =
  | { readonly at: "head" | "chunk-size" | "chunk-end" | "trailer" | "done" }
  | { readonly at: "body" | "chunk"; left: number };

/** Reads one response. After a fault, or when it is {@link done}, nothing more is to be given. */
export class HttpResponseDecoder {
  readonly #limit: number;
  /** Of a line or a head that is not whole yet. */
  #pending: Uint8Array = new Uint8Array(0);
  #state: State = { at: "head" };
  #headers: ReadonlyMap<string, string> = new Map();
  #status = 0;
  /** Octets of heads and trailers so far. */
  #headSize = 0;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  /** @param limit octets of a body. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The response, once it is whole. */
  get done(): HttpResponse | null {
    if (this.#state.at !== "done") return null;
    return { status: this.#status, headers: this.#headers, body: concat(this.#parts) };
  }

  /** Takes octets (and copies them); gives what is wrong with them, in words. */
  receive(octets: Uint8Array): string | null {
    for (let rest = octets; rest.length > 0 && this.#state.at !== "done";) {
      const state = this.#state;
      if (state.at === "body" || state.at === "chunk") {
        const part = rest.slice(0, state.left);
        rest = rest.subarray(part.length);
        state.left -= part.length;
        const fault = this.#take(part);
        if (fault !== null) return fault;
        if (state.left === 0) this.#state = { at: state.at === "body" ? "done" : "chunk-end" };
        continue;
      }
      const newline = rest.indexOf(0x0a);
      const part = newline === -1 ? rest : rest.subarray(0, newline + 1);
      rest = rest.subarray(part.length);
      this.#pending = concat([this.#pending, part]);
      const fault = newline === -1 ? this.#checkSize() : this.#line();
      if (fault !== null) return fault;
    }
    return null;
  }

  #take(part: Uint8Array): string | null {
    this.#size += part.length;
    if (this.#size > this.#limit) return `the body is larger than ${this.#limit} octets`;
    this.#parts.push(part);
    return null;
  }

  #checkSize(): string | null {
    const inHead = this.#state.at === "head" || this.#state.at === "trailer";
    const size = this.#pending.length + (inHead ? this.#headSize : 0);
    if (size <= (inHead ? HEAD_LIMIT : LINE_LIMIT)) return null;
    return inHead ? `the head is larger than ${HEAD_LIMIT} octets` : "a size of a chunk has no end";
  }

  /** A line has come whole: of a head all of them are kept until the empty one. */
  #line(): string | null {
    const fault = this.#checkSize();
    if (fault !== null) return fault;
    const { at } = this.#state;
    const text = LATIN1.decode(this.#pending);
    if (at === "head") {
      if (!/(?:^|\n)\r?\n$/.test(text)) return null;
      this.#headSize += this.#pending.length;
      this.#pending = new Uint8Array(0);
      return this.#head(text);
    }
    const length = this.#pending.length;
    this.#pending = new Uint8Array(0);
    const line = text.replace(/\r?\n$/, "");
    switch (at) {
      case "chunk-size":
        return this.#chunkSize(line);
      case "chunk-end":
        this.#state = { at: "chunk-size" };
        return line === "" ? null : "a chunk is longer than its size";
      default: // trailers say nothing to us
        this.#headSize += length;
        if (line === "") this.#state = { at: "done" };
        return null;
    }
  }

  #head(text: string): string | null {
    const [start = "", ...fields] = text.replace(/\r?\n\r?\n$/, "").split(/\r?\n/);
    const status = STATUS_LINE.exec(start);
    if (status === null) return "it is no response of HTTP/1.1";
    const headers = new Map<string, string>();
    for (const field of fields) {
      const [, name, value = ""] = HEADER.exec(field) ?? [];
      if (name === undefined) return "its head has a line that is no field";
      const key = name.toLowerCase();
      const before = headers.get(key);
      const given = value.trim();
      headers.set(key, before === undefined ? given : `${before}, ${given}`);
    }
    this.#status = Number(status[1]);
    if (this.#status < 200) return null; // an interim response: the next head is the one
    this.#headers = headers;
    return this.#frame(headers);
  }

  /** How long the body is (RFC 9112 §6.3). */
  #frame(headers: ReadonlyMap<string, string>): string | null {
    const coding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    if (this.#status === 204 || this.#status === 304) {
      this.#state = { at: "done" };
    } else if (coding !== undefined) {
      if (length !== undefined || coding.toLowerCase() !== "chunked") {
        return "its transfer encoding is not chunked alone";
      }
      this.#state = { at: "chunk-size" };
    } else if (length !== undefined) {
      if (!/^\d{1,12}$/.test(length)) return "its content length is no number";
      const left = Number(length);
      if (left > this.#limit) return `the body is larger than ${this.#limit} octets`;
      this.#state = left === 0 ? { at: "done" } : { at: "body", left };
    } else {
      return "it does not say how long it is";
    }
    return null;
  }

  #chunkSize(line: string): string | null {
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) return "a chunk has no size";
    const left = parseInt(size, 16);
    if (this.#size + left > this.#limit) return `the body is larger than ${this.#limit} octets`;
    this.#state = left === 0 ? { at: "trailer" } : { at: "chunk", left };
    return null;
  }
}

/** Its media type without parameters, in lower case, such as `text/plain`; `""` where it does not say. */
export function mediaTypeOf({ headers }: Pick<HttpResponse, "headers">): string {
  return (headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
}

const LATIN1 = new TextDecoder("latin1");
