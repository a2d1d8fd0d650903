/**
 * CRLF line ends to the LF of files on disk, so that whoever turns LF back into CRLF (Dovecot, Courier)
 * gives the octets that came, one for one. That reader puts a CR before each LF that has none; hence a
 * CRLF that follows another CR keeps its own, and only a bare LF, which no such reader can give back,
 * comes out as CRLF. Pure; nothing fails.
 *
 * @module
 */

const CR = 0x0d;
const LF = 0x0a;

/** One message on its way to LF line ends, chunk by chunk. */
export class UnixLineEncoder {
  /** The last octet read, and the one before it. */
  #last = 0;
  #before = 0;
  #virtualSize = 0;

  /** Octets a reader with CRLF line ends will see. */
  get virtualSize(): number {
    return this.#virtualSize;
  }

  /**
   * Writes `from` into `into` beginning at `at`, where there must be room for one octet more than `from`
   * has. Gives how many were written. A CR at the end is held back until what follows is known.
   */
  encodeInto(from: Uint8Array, into: Uint8Array, at: number): number {
    let to = at;
    let bare = 0;
    let last = this.#last;
    let before = this.#before;
    if (last === CR) into[to++] = CR;
    for (let i = 0; i < from.length; i++) {
      const octet = from[i] as number;
      if (octet === LF) {
        if (last !== CR) bare++;
        else if (before !== CR) to--;
      }
      into[to++] = octet;
      before = last;
      last = octet;
    }
    if (last === CR) to--;
    this.#last = last;
    this.#before = before;
    this.#virtualSize += from.length + bare;
    return to - at;
  }

  /** Writes what is still held back, at most one octet; gives how many were written. */
  end(into: Uint8Array, at: number): number {
    if (this.#last !== CR) return 0;
    this.#last = 0;
    into[at] = CR;
    return 1;
  }
}
