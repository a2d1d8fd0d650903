/**
 * Injection, from end to end: a station in memory, its next station and its log, with a stranger's text in every
 * parameter and every reply. Whatever is taken, no mail has a field too many, no line of the log is two, and
 * the next station hears only commands that are ours.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { encode } from "../src/bytes.ts";
import type { SubmitEnvelope } from "../src/intake/submit.ts";
import { mapDirectory } from "../src/directory/map_directory.ts";
import { formatEventJson } from "../src/observe/event_json.ts";
import { formatEventLine } from "../src/observe/log.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { encodeXtext } from "../src/smtp/xtext.ts";
import { type PeerBehaviour, ScriptedPeer } from "./delivery/scripted_peer.ts";
import { isOneLine, PAYLOADS } from "./support/injection.ts";
import { MemoryStation } from "./support/memory_station.ts";

const ALICE = "alice@example.test";

/** A station that relays for its client, and what stands behind it. */
async function withStation(
  behaviour: PeerBehaviour,
  test: (station: MemoryStation, next: ScriptedPeer) => Promise<void>,
): Promise<void> {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const elsewhere = memoryRuntime({ address: "192.0.2.99", beside: runtime });
  const extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000"];
  const next = await ScriptedPeer.start(elsewhere, { extensions, ...behaviour });
  await using station = await MemoryStation.start({
    runtime,
    directory: mapDirectory({ accounts: { [ALICE]: { password: "wonderland" } } }),
    relayFrom: ["198.51.100.0/24"],
    listener: {
      newlines: "normalize",
      auth: "optional",
      authInClear: true,
      extensions: { auth: ["PLAIN"] },
    },
    queue: {
      directory: "/queue",
      retry: { usual: { first: 1000, factor: 1, longest: 1000, jitter: 0, lifetime: 5000 } },
    },
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", port: 25 } }],
  });
  await test(station, next);
  await runtime.clock.advance(60_000);
  await assertUnharmed(station, next);
}

/** What must hold of all mail, all log lines and all that the next station heard. */
async function assertUnharmed(station: MemoryStation, next: ScriptedPeer): Promise<void> {
  for (const mail of await station.mailbox("alice")) {
    const head = mail.slice(0, mail.indexOf("\r\n\r\n"));
    const own = head + (/delivery-status\r\n[^]*?\r\n--=_/.exec(mail)?.[0] ?? "");
    const lines = own.split(/[\r\n\v\f\x85\u2028\u2029]+/);
    assertEquals(lines.filter((line) => /^X-Evil|^MAIL FROM/.test(line)), [], mail);
    assert(!own.includes("\0") && !own.includes("\x1b"), mail);
  }
  for (const event of station.events) {
    assert(isOneLine(formatEventJson(event)));
    const line = formatEventLine(event, { colour: false });
    assert(line === null || isOneLine(line), line ?? "");
  }
  for (const line of next.lines) {
    assert(
      /^(?:(?:EHLO|HELO) mx\.example\.test|MAIL FROM:<|RCPT TO:<|DATA$|RSET$|QUIT$|NOOP$|\.$)/.test(
        line,
      ),
      line,
    );
    assert(!line.includes("evil@evil.test>") && isOneLine(line), line);
  }
  assert(next.messages.every(({ rcpt }) => rcpt.length === 1));
  assertEquals(station.of("internal.error"), []);
}

/** What one command may hold: line ends in it would begin the client's own next command. */
const IN_A_LINE = PAYLOADS.filter((payload) => !payload.includes("\n"));

/** Says a conversation, whatever it is answered; until the station has closed. */
async function say(station: MemoryStation, lines: readonly string[]): Promise<number> {
  const peer = await station.connect();
  let taken = 0;
  for (const line of ["", ...lines, "QUIT"]) {
    if (line !== "") await peer.send(`${line}\r\n`);
    const answer = await peer.reply();
    if (answer === null) break;
    assert(answer.split("\r\n").every(isOneLine), answer);
    if (line.endsWith("\r\n.") && answer.startsWith("250")) taken++;
  }
  peer.close();
  return taken;
}

const TEXT = "Subject: hi\r\n\r\nHello.\r\n.";

/** Each of them is the lines of a conversation, with a stranger's text in one place. */
const PLACES: Readonly<Record<string, (evil: string) => readonly string[]>> = {
  "HELO": (evil) => [`HELO a${evil}`, `MAIL FROM:<a@b.test>`, `RCPT TO:<${ALICE}>`, "DATA", TEXT],
  "EHLO": (evil) => [`EHLO a${evil}`, `MAIL FROM:<a@b.test>`, `RCPT TO:<${ALICE}>`, "DATA", TEXT],
  "the sender's local part": (evil) => mail(`<a${evil}@b.test> SMTPUTF8`, `<${ALICE}>`),
  "the sender's local part, quoted": (evil) => mail(`<"a${evil}"@b.test> SMTPUTF8`, `<${ALICE}>`),
  "the sender's local part, escaped": (evil) =>
    mail(`<"a\\${evil}"@b.test> SMTPUTF8`, `<${ALICE}>`),
  "the sender's domain": (evil) => mail(`<a@b${evil}.test> SMTPUTF8`, `<${ALICE}>`),
  "the sender's literal": (evil) => mail(`<a@[192.0.2.1${evil}]> SMTPUTF8`, `<${ALICE}>`),
  "a source route": (evil) => mail(`<@a${evil}.test:a@b.test> SMTPUTF8`, `<${ALICE}>`),
  "SIZE": (evil) => mail(`<a@b.test> SIZE=1${evil}`, `<${ALICE}>`),
  "BODY": (evil) => mail(`<a@b.test> BODY=8BITMIME${evil}`, `<${ALICE}>`),
  "AUTH": (evil) => mail(`<${ALICE}> AUTH=a${evil}@b.test`, "<bob@b.test>"),
  "AUTH, in xtext": (evil) =>
    mail(`<${ALICE}> AUTH=${encodeXtext(`a${evil}@b.test`)}`, "<bob@b.test>"),
  "RET": (evil) => mail(`<${ALICE}> RET=HDRS${evil}`, "<bob@b.test>"),
  "ENVID": (evil) => mail(`<${ALICE}> ENVID=a${evil}`, "<bob@b.test>"),
  "ENVID, in xtext": (evil) => mail(`<${ALICE}> ENVID=${encodeXtext(`a${evil}`)}`, "<bob@b.test>"),
  "a parameter nobody knows": (evil) => mail(`<${ALICE}> X${evil}=1`, "<bob@b.test>"),
  "the recipient's local part": (evil) => mail(`<${ALICE}> SMTPUTF8`, `<a${evil}@b.test>`),
  "the recipient's local part, quoted": (evil) =>
    mail(`<${ALICE}> SMTPUTF8`, `<"a${evil}"@b.test>`),
  "the recipient's local part, escaped": (evil) =>
    mail(`<${ALICE}> SMTPUTF8`, `<"a\\${evil}"@b.test>`),
  "the recipient's domain": (evil) => mail(`<${ALICE}> SMTPUTF8`, `<a@b${evil}.test>`),
  "the recipient's tag": (evil) => mail(`<a@b.test> SMTPUTF8`, `<alice+${evil}@example.test>`),
  "NOTIFY": (evil) => mail(`<${ALICE}>`, `<bob@b.test> NOTIFY=FAILURE${evil}`),
  "ORCPT": (evil) => mail(`<${ALICE}>`, `<bob@b.test> ORCPT=rfc822;a${evil}@b.test`),
  "ORCPT, its type": (evil) => mail(`<${ALICE}>`, `<bob@b.test> ORCPT=rfc822${evil};a@b.test`),
  "ORCPT, in xtext": (evil) =>
    mail(`<${ALICE}>`, `<bob@b.test> ORCPT=rfc822;${encodeXtext(`a${evil}@b.test`)}`),
  "ORCPT, in UTF-8": (evil) =>
    mail(
      `<${ALICE}> SMTPUTF8`,
      `<bob@b.test> ORCPT=utf-8;a${
        [...evil].map((c) => `\\x{${c.codePointAt(0)!.toString(16).padStart(2, "0")}}`).join("")
      }`,
    ),
  "a login": (evil) => [
    "EHLO c.test",
    `AUTH PLAIN ${encode(`\0${ALICE}${evil}\0wonderland`).toBase64()}`,
    `AUTH PLAIN ${encode(`\0${ALICE}\0wonderland${evil}`).toBase64()}`,
    `AUTH PLAIN ${encode(`evil${evil}\0${ALICE}\0wonderland`).toBase64()}`,
  ],
  "VRFY, EXPN, HELP and ETRN": (evil) => [
    "EHLO c.test",
    ...["VRFY", "EXPN", "HELP", "ETRN", "NOOP", "XYZZY"].map((verb) => `${verb} a${evil}`),
  ],
  "a verb": (evil) => ["EHLO c.test", `MAIL${evil}`, `X${evil}`],
  "the subject": (evil) => subject(`a${evil}`),
  "the subject, encoded": (evil) => subject(`=?utf-8?B?${encode(`a${evil}`).toBase64()}?=`),
  "the Message-ID": (evil) => [
    ...mail(`<${ALICE}>`, "<bob@b.test>").slice(0, -1),
    `Message-ID: <a${evil}@b.test>\r\n\r\nHello.\r\n.`,
  ],
};

function mail(from: string, to: string): string[] {
  return ["EHLO c.test", `MAIL FROM:${from}`, `RCPT TO:${to}`, "DATA", TEXT];
}

function subject(value: string): string[] {
  return [
    ...mail(`<${ALICE}>`, "<bob@b.test>").slice(0, -1),
    `Subject: ${value}\r\n\r\nHello.\r\n.`,
  ];
}

/** Places where what decodes to a line end can be said in one line. */
const ENCODED = /xtext|encoded|login|UTF-8/;

for (const [place, lines] of Object.entries(PLACES)) {
  Deno.test(`injection: ${place}: nothing more in mail, notice, log or what is relayed`, async () => {
    // The next station refuses, so that a notice tells of everything.
    const refusing: PeerBehaviour = {
      on: (line) => line.startsWith("RCPT") ? "550 5.1.1 no such user" : undefined,
    };
    for (const behaviour of [{}, refusing]) {
      await withStation(behaviour, async (station) => {
        for (const evil of ENCODED.test(place) ? PAYLOADS : IN_A_LINE) {
          await say(station, lines(evil));
        }
        // The places are reached: with nothing evil in it, the same conversation is well.
        const taken = await say(station, lines("x"));
        if (lines("x").at(-1)!.endsWith("\r\n.")) {
          const wrong = ["SIZE", "BODY", "RET", "NOTIFY", "a parameter nobody knows"];
          assertEquals(taken, wrong.includes(place) || place.includes("literal") ? 0 : 1);
        }
      });
    }
  });
}

/** Where a hostile next station may say what it likes, by the line that is answered. */
const ANSWERED: Readonly<Record<string, (answer: (code: number) => string) => PeerBehaviour>> = {
  "the greeting": (answer) => ({ greeting: answer(554) }),
  "EHLO": (answer) => ({ on: (line) => line.startsWith("EHLO") ? answer(550) : undefined }),
  "EHLO, in a keyword": (answer) => ({
    on: (line) => line.startsWith("EHLO") ? `250-peer.test\r\n${answer(250)}` : undefined,
  }),
  "MAIL": (answer) => ({ on: (line) => line.startsWith("MAIL") ? answer(550) : undefined }),
  "RCPT": (answer) => ({ on: (line) => line.startsWith("RCPT") ? answer(550) : undefined }),
  "RCPT, for now": (answer) => ({
    on: (line) => line.startsWith("RCPT") ? answer(450) : undefined,
  }),
  "DATA": (answer) => ({ on: (line) => line === "DATA" ? answer(554) : undefined }),
  "the message": (answer) => ({ on: (line) => line === "." ? answer(554) : undefined }),
  "the message, taken": (answer) => ({ on: (line) => line === "." ? answer(250) : undefined }),
};

for (const [where, behave] of Object.entries(ANSWERED)) {
  Deno.test(`injection: a next station's answer to ${where}: nothing more in notice or log`, async () => {
    for (const evil of PAYLOADS) {
      for (const between of [" 5.1.1 no", " ", "-5.1.1 no\r\n"]) {
        const answer = (code: number) => {
          const more = between.startsWith("-") ? `${code} 5.1.1 more${evil}` : "";
          return `${code}${between}${evil}${between.startsWith("-") ? "\r\n" : ""}${more}`;
        };
        await withStation(behave(answer), async ({ mta, runtime }) => {
          const envelope: SubmitEnvelope = {
            sender: ALICE,
            recipients: [{ address: "bob@b.test", notify: ["SUCCESS", "FAILURE", "DELAY"] }],
          };
          await runtime.clock.runUntil(mta.submit(envelope, "Subject: hi\n\nHello.\n"));
        });
      }
    }
  });
}

Deno.test("injection: submit() takes addresses and marks only, whatever a program hands it", async () => {
  await withStation({}, async ({ mta, runtime }) => {
    const good = { sender: ALICE, recipients: ["bob@b.test"] };
    for (const evil of PAYLOADS.filter((payload) => !isOneLine(payload))) {
      const bob = "bob@b.test";
      const envelopes: SubmitEnvelope[] = [
        { ...good, sender: `${ALICE}${evil}` },
        { ...good, sender: `"a${evil}"@example.test` },
        { ...good, recipients: [`${bob}${evil}`] },
        { ...good, recipients: [`"b${evil}"@b.test`] },
        { ...good, dsnEnvelopeId: `a${evil}` },
        {
          ...good,
          recipients: [{ address: bob, originalRecipient: { type: `a${evil}`, address: bob } }],
        },
        {
          ...good,
          recipients: [{
            address: bob,
            originalRecipient: { type: "rfc822", address: `${bob}${evil}` },
          }],
        },
      ];
      for (const envelope of envelopes) {
        const submitted = mta.submit(envelope, "Subject: hi\n\nHello.\n");
        await assertRejects(() => runtime.clock.runUntil(submitted), TypeError);
      }
      const named = mta.submit(good, "Subject: hi\n\nHello.\n", { id: `a${evil}` });
      await assertRejects(() => runtime.clock.runUntil(named), TypeError);
      // Who a program says that its user is stands in a comment of Received.
      const user = { uid: 1000, name: `ann${evil}` };
      const toAlice = { ...good, recipients: [ALICE] };
      await runtime.clock.runUntil(mta.submit(toAlice, "Subject: hi\n\nHello.\n", { user }));
    }
  });
});
