/**
 * Events of a message where it comes in: whether it was taken, and what was found out of it. Types only.
 *
 * @module
 */

/** What becomes of a message where it comes in. */
export type MessageFact =
  /** A message is safe, and who brought it was told so: a client, or a program (`client` is `unix` then). */
  | {
    readonly type: "message.accepted";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    readonly identity: string | null;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly size: number;
    /** Decoded, and cut after 200 characters. */
    readonly subject: string;
    /** What TLS the session uses, such as `TLSv1.3`. */
    readonly tls: string | null;
    /** Since MAIL. */
    readonly duration: number;
    /**
     * How many messages of the queue it became, each of which ends in `message.done`: 0 or 1, and over LMTP one
     * for each recipient that goes on, whose ids are `MESSAGE.0`, `MESSAGE.1`, …
     */
    readonly queued: number;
  }
  /** Who sent a stranger's message was checked (SPF, DKIM, ARC, DMARC), and what is to become of it was decided. */
  | {
    readonly type: "message.authenticated";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    /** The domains of its authors (From), mostly one; none where it names nobody. */
    readonly from: readonly string[];
    /** Of SPF, in the words of RFC 8601: `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`, `permerror`. */
    readonly spf: string;
    /** The domain SPF was asked about: of MAIL, or of HELO for mail without a sender. */
    readonly spfDomain: string;
    /** Of DKIM: `pass` where a signature is valid, else what the uppermost came to. */
    readonly dkim: string;
    /** Each signature that was looked at, as `DOMAIN/SELECTOR: RESULT`. */
    readonly signatures: readonly string[];
    /** Of ARC: `none`, `pass`, `fail`; `temperror` where DNS failed, which is `fail` in Authentication-Results. */
    readonly arc: string;
    /** Of DMARC; of several authors the worst. */
    readonly dmarc: string;
    /** What the author's domain asks for mail that fails: `none`, `quarantine` or `reject`; `null` where it has no policy. */
    readonly policy: string | null;
    /** What was decided: `accept`, `junk`, `reject` or `defer`. */
    readonly disposition: string;
  }
  /** A message was refused at its end; nothing of it is kept. */
  | {
    readonly type: "message.refused";
    readonly session: string;
    readonly message: string;
    readonly client: string;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly size: number;
    readonly reply: string;
    readonly policy?: string;
  }
  /** A policy dropped a message, or its copies for some, as if it had been taken. */
  | {
    readonly type: "message.discarded";
    readonly session: string;
    readonly message: string;
    readonly sender: string;
    readonly recipients: readonly string[];
    readonly policy: string;
    readonly reason: string;
  };
