/**
 * The story that is told: one mail that arrives, one that comes back, one that has to wait. Every chapter
 * ends in checks of what truly lies in the mailboxes.
 *
 * @module
 */

import type { Network, SocketAddress } from "../../runtime/network.ts";
import type { EventWatch } from "./event_watch.ts";
import { submitMail } from "./mail_client.ts";
import { fieldOf, firstPart, hashBody, readNewMail, type StoredMail } from "./mailbox.ts";
import type { Check, Narration } from "./narration.ts";
import { ALICE, BOB, CAROL, NOBODY } from "./stations.ts";

/** Where the story takes place. */
export interface Stage {
  readonly narration: Narration;
  /** Prints some lines. */
  readonly print: (text: string) => void;
  /** Alice's machine. */
  readonly network: Network;
  /** Where station A takes mail. */
  readonly submission: SocketAddress;
  /** Whom Alice trusts, PEM. */
  readonly authority: string;
  /** What happens in station A. */
  readonly a: EventWatch;
  /** The folder of a mailbox. */
  readonly mailbox: (address: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Tells all of it; gives what should have happened, and whether it did. */
export async function tellJourney(stage: Stage): Promise<Check[]> {
  const checks: Check[] = [];
  for (const chapter of [tellOfArrival, tellOfReturn, tellOfWaiting]) {
    const found = await chapter(stage);
    for (const check of found) stage.print(stage.narration.check(check));
    checks.push(...found);
  }
  return checks;
}

async function tellOfArrival(stage: Stage): Promise<Check[]> {
  const { narration, print, a } = stage;
  print(narration.heading("1  A letter to Bob"));
  print(narration.tell(
    "Alice hands a letter to her station A, over TLS and with her password. A has it safe in its " +
      "queue before it says 250. Then A asks DNS who takes mail for b.example, and is a client itself.",
  ));
  const body = letter("Dear Bob,", [
    "the courier rides from station to station: 驿站.",
    ".This line begins with a dot, and still does when it arrives.",
  ]);
  await submit(stage, BOB, "A letter", body);
  const done = await a.wait(
    "delivery.done",
    (event) => event.recipient === BOB,
    "A handed it to B",
  );
  const [mail] = await readNewMail(stage.mailbox(BOB));
  return [
    {
      what: `A handed the letter to ${done.destination}`,
      ok: done.destination.startsWith("smtp:"),
    },
    {
      what: mail === undefined
        ? "the letter lies in Bob's Maildir"
        : `it lies in Bob's Maildir, SHA-256 ${
          hashBody(mail.body).slice(0, 16)
        }…, as Alice wrote it`,
      ok: mail !== undefined && hashBody(mail.body) === hashBody(body),
    },
    {
      what: "two Received fields tell its way",
      ok: mail !== undefined && countFields(mail, "received") === 2,
    },
  ];
}

async function tellOfReturn(stage: Stage): Promise<Check[]> {
  const { narration, print, a } = stage;
  print(narration.heading("2  A letter to nobody"));
  print(narration.tell(
    "Alice mistypes the address. A cannot know; B does, and refuses it. Now it is for A to tell Alice: " +
      "a notice that a person can read, with a part for programs, comes back to her.",
  ));
  await submit(stage, NOBODY, "A letter astray", letter("Dear Nobody,", ["is there anybody?"]));
  const failed = await a.wait("delivery.failed", (one) => one.recipient === NOBODY, "B refused it");
  await a.wait("delivery.done", (one) => one.recipient === ALICE.address, "Alice got a notice");
  const [notice] = await readNewMail(stage.mailbox(ALICE.address));
  if (notice !== undefined) {
    print(narration.tell("What Alice reads:"));
    print(
      narration.quote(`Subject: ${fieldOf(notice.head, "subject") ?? ""}\n\n${firstPart(notice)}`),
    );
  }
  return [
    { what: `B refused it: ${failed.reply}`, ok: failed.reply.startsWith("550 5.1.1") },
    {
      what:
        "the notice lies in Alice's Maildir, and names the recipient to programs too (RFC 3464)",
      ok: notice !== undefined && isNoticeAbout(notice, NOBODY),
    },
    {
      what: "it has the null sender, so that no notice is ever sent about it",
      ok: notice !== undefined && fieldOf(notice.head, "return-path") === "<>",
    },
  ];
}

async function tellOfWaiting(stage: Stage): Promise<Check[]> {
  const { narration, print, a } = stage;
  print(narration.heading("3  A letter that has to wait"));
  print(narration.tell(
    "Carol's mailbox is guarded by greylisting: who comes for the first time is told to come back. A keeps " +
      "the letter and tries again, after a moment here, after minutes and then hours in earnest.",
  ));
  const body = letter("Dear Carol,", ["good things come to those who wait."]);
  await submit(stage, CAROL, "A letter that waits", body);
  const deferred = await a.wait(
    "delivery.deferred",
    (one) => one.recipient === CAROL,
    "B put it off",
  );
  await a.wait(
    "delivery.done",
    (one) => one.recipient === CAROL,
    "B took it at the second attempt",
  );
  const [mail] = await readNewMail(stage.mailbox(CAROL));
  return [
    { what: `B put it off: ${deferred.reply}`, ok: deferred.reply.startsWith("451") },
    {
      what: "the second attempt brought it into Carol's Maildir, as Alice wrote it",
      ok: mail !== undefined && hashBody(mail.body) === hashBody(body),
    },
  ];
}

async function submit(
  { network, submission, authority, now }: Stage,
  recipient: string,
  subject: string,
  body: string,
): Promise<void> {
  const head = [
    `Date: ${new Date(now()).toUTCString().replace("GMT", "+0000")}`,
    `From: Alice <${ALICE.address}>`,
    `To: <${recipient}>`,
    `Subject: ${subject}`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
  ].join("\r\n");
  await submitMail({
    network,
    server: submission,
    serverName: "mx.a.example",
    authority,
    user: ALICE.address,
    password: ALICE.password,
    sender: ALICE.address,
    recipient,
    message: `${head}\r\n\r\n${body}`,
  });
}

function letter(greeting: string, lines: readonly string[]): string {
  return [greeting, "", ...lines, "", "Yours, Alice", ""].join("\r\n");
}

function countFields({ head }: StoredMail, name: string): number {
  return head.match(new RegExp(`^${name}:`, "gim"))?.length ?? 0;
}

function isNoticeAbout({ head, body }: StoredMail, recipient: string): boolean {
  const type = fieldOf(head, "content-type") ?? "";
  return /^multipart\/report;.*report-type="?delivery-status/i.test(type) &&
    body.includes(`Final-Recipient: rfc822; ${recipient}`) && /^Action: failed$/m.test(body);
}
