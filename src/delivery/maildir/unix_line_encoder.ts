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
  /** The last octet read is a CR that is not written yet. */
  #held = false;
  /** The last octet written is a CR; only while another is held. */
  #afterCr = false;
  #virtualSize = 0;

  /** Octets a reader with CRLF line ends will see. */
  get virtualSize(): number {
    return this.#virtualSize;
  }

  /**
   * Writes `from` into `into` beginning at `at`, where there must be room for one octet more than `from`
   * has. Gives how many were written.
   */
  encodeInto(from: Uint8Array, into: Uint8Array, at: number): number {
    let to = at;
    let bare = 0;
    let held = this.#held;
    let afterCr = this.#afterCr;
    for (let i = 0; i < from.length; i++) {
      const octet = from[i] as number;
      if (octet === LF) {
        if (held && afterCr) into[to++] = CR;
        else if (!held) bare++;
        into[to++] = LF;
        held = afterCr = false;
      } else {
        if (held) {
          into[to++] = CR;
          afterCr = true;
        }
        held = octet === CR;
        if (!held) {
          into[to++] = octet;
          afterCr = false;
        }
      }
    }
    this.#held = held;
    this.#afterCr = afterCr;
    this.#virtualSize += from.length + bare;
    return to - at;
  }

  /** Writes what is still held, at most one octet; gives how many were written. */
  end(into: Uint8Array, at: number): number {
    if (!this.#held) return 0;
    this.#held = false;
    into[at] = CR;
    return 1;
  }
}
