/**
 * Who talks to a server in a soak: those who send mail as they should, and those who break off, talk nonsense,
 * dawdle, or attack.
 *
 * @module
 */

import { encode } from "../../src/bytes.ts";
import type { Ledger, SeededRandom } from "../interop/numbered_mail.ts";
import { PlainClient } from "../interop/smtp_client.ts";
import type { SoakPorts } from "./server.ts";

/** What clients need to know. */
export interface Scene {
  readonly random: SeededRandom;
  readonly ledger: Ledger;
  /** Where to. */
  readonly ports: SoakPorts;
  /** Everybody goes home when it is aborted. */
  readonly end: AbortSignal;
}

/** What happened to mails that were sent in good order. */
export interface Replies {
  taken: number;
  deferred: number;
  broken: number;
}

const MAILBOXES = ["alice", "bob", "carol", "dave"].map((name) => `${name}@example.test`);
const ELSEWHERE = ["x@remote.test", "y@remote.test", "z@elsewhere.test"];

/** Sends mail for ever, some in a session, at leisure. */
export async function honestClient(scene: Scene, pause: number, replies: Replies): Promise<void> {
  const { random, ledger, ports, end } = scene;
  while (!end.aborted) {
    try {
      using client = await PlainClient.connect(ports.mx, "::1");
      for (let left = random.between(1, 8); left > 0 && !end.aborted; left--) {
        const recipients = [...MAILBOXES, ...ELSEWHERE].filter(() => random.chance(0.25));
        if (recipients.length === 0) recipients.push(random.pick(MAILBOXES));
        const size = random.chance(0.02)
          ? random.between(300_000, 3_000_000)
          : random.between(200, 20_000);
        const { mail, message } = ledger.begin(recipients, size);
        await client.begin(recipients, random.chance(0.7));
        const reply = await client.end(message);
        mail.acknowledged = reply.startsWith("250");
        if (mail.acknowledged) replies.taken++;
        else replies.deferred++;
        await sleep(random.next() * 2 * pause);
      }
      await client.say("QUIT");
    } catch {
      // Refused for want of room, or cut off by a reload: it comes again.
      replies.broken++;
      await sleep(pause);
    }
  }
}

/** Does something wrong, again and again. */
export async function brokenClient(scene: Scene, pause: number): Promise<void> {
  const { random, ports, end } = scene;
  while (!end.aborted) {
    const { port, run } = random.pick(TRICKS);
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: ports[port] });
      try {
        await run(connection, random);
      } finally {
        connection.close();
      }
    } catch {
      // The server had enough of it.
    }
    await sleep(random.next() * 2 * pause);
  }
}

type Trick = (connection: Deno.TcpConn, random: SeededRandom) => Promise<void>;

/** Says lines and does not care what is answered. */
const saying = (...texts: readonly string[]): Trick => async (connection) => {
  const buffer = new Uint8Array(4096);
  for (const text of texts) {
    await connection.write(encode(text));
    await connection.read(buffer);
  }
};

const BEGIN = [
  "EHLO broken.test\r\n",
  "MAIL FROM:<a@broken.test>\r\n",
  "RCPT TO:<alice@example.test>\r\n",
];

const TRICKS: readonly { readonly port: "strangers" | "submission"; readonly run: Trick }[] = [
  // Comes and goes.
  { port: "strangers", run: () => Promise.resolve() },
  { port: "strangers", run: saying("") },
  // Ends in the middle of everything.
  { port: "strangers", run: saying(...BEGIN) },
  {
    port: "strangers",
    run: saying(...BEGIN, "DATA\r\n", `Subject: cut\r\n\r\n${"x".repeat(5000)}`),
  },
  { port: "strangers", run: saying(...BEGIN, "BDAT 100000 LAST\r\nonly this") },
  // Nonsense.
  {
    port: "strangers",
    run: saying("\0\0\0\0\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\xff\xfe\r\n"),
  },
  { port: "strangers", run: saying("EHLO x\r\n", `MAIL FROM:<${"a".repeat(5000)}@x.test>\r\n`) },
  { port: "strangers", run: saying(`${"NOOP\r\n".repeat(500)}`) },
  { port: "strangers", run: saying(...BEGIN, "DATA\r\n", "Subject: bare\n\nLF\n.\n", "\r\n.\r\n") },
  // Too much.
  {
    port: "strangers",
    run: saying(...BEGIN, "DATA\r\n", `${"y".repeat(76)}\r\n`.repeat(60_000), ".\r\n"),
  },
  { port: "strangers", run: saying("EHLO x\r\n", "MAIL FROM:<a@x.test> SIZE=999999999\r\n") },
  {
    port: "strangers",
    run: saying(
      ...BEGIN,
      ...Array.from({ length: 30 }, (_, i) => `RCPT TO:<no${i}@example.test>\r\n`),
    ),
  },
  // Relaying is refused, and so are guesses.
  {
    port: "submission",
    run: saying("EHLO x\r\n", "AUTH PLAIN AGFsaWNlAGd1ZXNz\r\n", "MAIL FROM:<a@x.test>\r\n"),
  },
  // A handshake that is none, and one that never ends.
  {
    port: "submission",
    run: saying("EHLO x\r\n", "STARTTLS\r\n", "no handshake at all, for certain\r\n"),
  },
  {
    port: "submission",
    run: async (connection, random) => {
      await saying("EHLO x\r\n", "STARTTLS\r\n")(connection, random);
      await sleep(random.between(0, 4000));
    },
  },
  // Talks first.
  { port: "strangers", run: saying("EHLO early.test\r\nMAIL FROM:<a@early.test>\r\n") },
  // Greylisted, and never comes again.
  {
    port: "strangers",
    run: (connection, random) =>
      saying(
        `EHLO c${random.between(0, 1e9)}.test\r\n`,
        `MAIL FROM:<s${random.between(0, 1e9)}@broken.test>\r\n`,
        "RCPT TO:<bob@example.test>\r\n",
      )(connection, random),
  },
  // Dawdles.
  {
    port: "strangers",
    run: async (connection) => {
      for (const octet of encode("EHLO slow.test\r\nNOOP\r\n")) {
        await connection.write(Uint8Array.of(octet));
        await sleep(100);
      }
    },
  },
  {
    // Asks and never listens.
    port: "strangers",
    run: async (connection) => {
      for (let i = 0; i < 20; i++) await connection.write(encode("EHLO deaf.test\r\n".repeat(100)));
      await sleep(2000);
    },
  },
];

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
