/**
 * Where a message on standard input ends: at the end of the input, or at a line that is a dot alone, as
 * sendmail has always had it. The dot is not a part of the message, and other dots stay as they are.
 *
 * @module
 */

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/** Finds the dot, however the input is cut into pieces. */
export class DotEnd {
  /** The dot was seen: what follows is no part of the message. */
  ended = false;
  /** What a line has so far, while it may yet be a dot alone: nothing, `.` or `.` CR. */
  #held: number[] = [];
  /** In the middle of a line that is none. */
  #inLine = false;

  /** What of a piece belongs to the message; a held dot may come out with a later piece. */
  write(chunk: Uint8Array): Uint8Array {
    const out = new Uint8Array(this.#held.length + chunk.length);
    let length = 0;
    const pass = (octets: ArrayLike<number>) => {
      out.set(octets, length);
      length += octets.length;
    };
    for (let at = 0; at < chunk.length && !this.ended;) {
      if (this.#inLine) {
        const end = chunk.indexOf(LF, at) + 1;
        this.#inLine = end === 0;
        pass(chunk.subarray(at, end || chunk.length));
        at = end || chunk.length;
        continue;
      }
      this.#held.push(chunk[at++]!);
      if (this.#mayBeDot(this.#held)) continue;
      this.ended = this.#isDot(this.#held);
      if (!this.ended) pass(this.#held);
      this.#inLine = this.#held.at(-1) !== LF;
      this.#held = [];
    }
    return out.subarray(0, length);
  }

  /** The input is over: what was held back, but for a dot alone. */
  end(): Uint8Array {
    const held = this.#held;
    this.#held = [];
    return held.length === 1 ? new Uint8Array() : Uint8Array.from(held);
  }

  #isDot(line: readonly number[]): boolean {
    return line[0] === DOT && line.at(-1) === LF &&
      (line.length === 2 || line.length === 3 && line[1] === CR);
  }

  #mayBeDot([first, second, third]: readonly number[]): boolean {
    return first === DOT && (second === undefined || second === CR && third === undefined);
  }
}
