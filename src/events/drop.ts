/**
 * Events of the drop folder, where programs of this machine leave mail. Types only.
 *
 * @module
 */

/** What becomes of mail in the drop folder. */
export type DropFact =
  /** A program of this machine left a mail (`yizhan send`, sendmail), and it was taken. */
  | {
    readonly type: "drop.taken";
    /** Its file in the drop folder. */
    readonly file: string;
    /** The user it belonged to. */
    readonly uid: number;
    /** That user's name, where it is known. */
    readonly user: string | null;
    readonly message: string;
  }
  /** A mail that a program left cannot be taken now; it stays where it is. */
  | {
    readonly type: "drop.deferred";
    readonly file: string;
    readonly uid: number;
    readonly user: string | null;
    readonly reply: string;
    /** Epoch milliseconds of the next look at it. */
    readonly next: number;
  }
  /** What lay in the drop folder is no mail, or not one that its owner may send. */
  | {
    readonly type: "drop.refused";
    readonly file: string;
    /** Absent where that could not be seen. */
    readonly uid?: number;
    readonly user: string | null;
    readonly reason: string;
    /** Where it lies now; absent: there was nothing to keep. */
    readonly kept?: string;
  }
  /** The drop folder cannot be used as it should. */
  | {
    readonly type: "drop.trouble";
    readonly where: string;
    readonly error: string;
  };
