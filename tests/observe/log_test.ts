import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { MtaEvent } from "../../src/events.ts";
import { formatEventJson } from "../../src/observe/event_json.ts";
import { EventLines, formatEventLine } from "../../src/observe/log.ts";

const TIME = Date.UTC(2026, 10, 22, 21, 31, 7, 45);

const ACCEPTED: Extract<MtaEvent, { type: "message.accepted" }> = {
  time: TIME,
  type: "message.accepted",
  session: "kx3f",
  message: "kx3f.1",
  client: "192.0.2.7",
  identity: null,
  sender: "alice@a.test",
  recipients: ["bob@b.test"],
  size: 1229,
  subject: "Hello",
  tls: "TLSv1.3",
  duration: 12,
  queued: 0,
};

function line(event: MtaEvent): string | null {
  return formatEventLine(event, { colour: false });
}

function withoutTime(event: MtaEvent): string | undefined {
  return line(event)?.slice("22:31:07  ".length);
}

/** One event of every type, with `text` wherever a stranger chooses what stands there. */
function everyEvent(text: string): MtaEvent[] {
  const session = "kx3f";
  const message = "kx3f.1";
  const mail = { session, message, sender: text, recipients: [text, text] };
  const time = TIME;
  const listener = "mx";
  const client = text;
  return [
    {
      ...{ time, type: "station.reloaded", started: [text], stopped: [text], kept: 1 },
      duration: 5,
    },
    { time, type: "station.reload-failed", error: text },
    { time, type: "listener.started", listener, address: text },
    { time, type: "listener.stopped", listener, address: text },
    { time, type: "listener.trouble", listener, error: text },
    { time, type: "session.opened", session, listener, client },
    { time, type: "session.refused", listener, client, reason: text },
    {
      ...{ time, type: "session.closed", session, listener, client, reason: text },
      ...{ messages: 1, duration: 5 },
    },
    { time, type: "session.fault", session, client, kind: text, detail: text },
    { time, type: "client.banned", client: text, reason: text, duration: 1 },
    { time, type: "tls.started", session, protocol: text, cipher: text },
    { time, type: "tls.failed", session, client, error: text },
    { time, type: "auth.succeeded", session, client, identity: text, mechanism: text },
    { time, type: "auth.failed", session, client, identity: text, mechanism: text, reason: text },
    {
      time,
      type: "command.refused",
      session,
      client,
      stage: text,
      address: text,
      reply: text,
      policy: text,
    },
    { ...ACCEPTED, ...mail, client, identity: text, subject: text, tls: text },
    {
      ...{ time, type: "message.authenticated", session, message, client, from: [text, text] },
      ...{ spf: "fail", spfDomain: text, dkim: "none", signatures: [text], arc: "none" },
      ...{ dmarc: "fail", policy: "reject", disposition: "reject" },
    },
    { time, type: "message.refused", ...mail, client, size: 1, reply: text, policy: text },
    { time, type: "message.discarded", ...mail, policy: text, reason: text },
    { time, type: "delivery.done", session, message, recipient: text, destination: text },
    { time, type: "delivery.failed", session, message, recipient: text, reply: text, error: text },
    { time, type: "message.done", message, delivered: 1, failed: 2, duration: 3 },
    { time, type: "policy.failed", session, policy: text, stage: text, error: text },
    { time, type: "internal.error", where: text, error: text, session },
  ];
}

const AUTHENTICATED: Extract<MtaEvent, { type: "message.authenticated" }> = {
  ...{ time: TIME, type: "message.authenticated", session: "kx3f", message: "kx3f.1" },
  ...{ client: "192.0.2.7", from: ["author.test"], spf: "fail", spfDomain: "a.test" },
  ...{ dkim: "none", signatures: [], arc: "none", dmarc: "fail", policy: "quarantine" },
  disposition: "junk",
};

Deno.test("formatEventLine() tells of mail that DMARC does not pass, and of no other", () => {
  assertEquals(
    withoutTime(AUTHENTICATED),
    "⚑ from author.test  DMARC fail, p=quarantine: junk  SPF fail for a.test, DKIM none  192.0.2.7  kx3f.1",
  );
  assertEquals(line({ ...AUTHENTICATED, dmarc: "pass", disposition: "accept" }), null);
  assertEquals(line({ ...AUTHENTICATED, dmarc: "none", disposition: "accept" }), null);
});

Deno.test("formatEventLine() shows what a reload has changed, or why it was refused", () => {
  const reload = { time: 0, type: "station.reloaded", kept: 2, duration: 3 } as const;
  assertEquals(withoutTime({ ...reload, started: [], stopped: [] }), "↻ reloaded");
  assertEquals(
    withoutTime({ ...reload, started: ["192.0.2.1:465", "[::1]:25"], stopped: ["192.0.2.1:587"] }),
    "↻ reloaded  listening on 192.0.2.1:465, [::1]:25  no more on 192.0.2.1:587",
  );
  assertEquals(
    withoutTime({ time: 0, type: "station.reload-failed", error: "TypeError: no such route" }),
    "! reload refused  no such route",
  );
});

Deno.test("formatEventLine() shows who sent what to whom, and the local time", () => {
  assertEquals(
    withoutTime(ACCEPTED),
    '✉ alice@a.test → bob@b.test  "Hello"  1.2 KB  TLSv1.3  kx3f.1',
  );
  // `toTimeString()` begins with the local HH:MM:SS (ECMA-262 §21.4.4.42).
  assertEquals(line(ACCEPTED)?.slice(0, 8), new Date(TIME).toTimeString().slice(0, 8));
});

Deno.test("formatEventLine() leaves out what is not there and names the null sender", () => {
  assertEquals(
    withoutTime({ ...ACCEPTED, tls: null, sender: "", identity: "alice" }),
    '✉ <> → bob@b.test  "Hello"  1.2 KB  as alice  kx3f.1',
  );
});

Deno.test("formatEventLine() counts recipients it has no room to name", () => {
  const recipients = ["a@b.test", "c@b.test", "d@b.test", "e@b.test", "f@b.test"];
  assertMatch(line({ ...ACCEPTED, recipients })!, /→ a@b\.test, c@b\.test, d@b\.test \+2 {2}/);
});

Deno.test("formatEventLine() says why mail was refused, and by which policy", () => {
  assertEquals(
    withoutTime({
      time: TIME,
      type: "command.refused",
      session: "s",
      client: "192.0.2.7",
      stage: "recipient",
      address: "bob@b.test",
      reply: "550 5.1.1 no such user",
      policy: "recipients",
    }),
    "✗ recipient bob@b.test  550 5.1.1 no such user  by recipients  192.0.2.7",
  );
  assertEquals(
    withoutTime({
      time: TIME,
      type: "message.refused",
      session: "s",
      message: "s.1",
      client: "192.0.2.7",
      sender: "alice@a.test",
      recipients: ["bob@b.test"],
      size: 9,
      reply: "550 5.5.2 bare LF",
    }),
    "✗ alice@a.test → bob@b.test  550 5.5.2 bare LF  192.0.2.7  s.1",
  );
});

Deno.test("formatEventLine() shows the folder a mail lies in when it is told the root", () => {
  const event: MtaEvent = {
    time: TIME,
    type: "delivery.done",
    session: "s",
    message: "s.1",
    recipient: "bob@b.test",
    destination: "maildir:b.test/bob",
  };
  assertEquals(withoutTime(event), "↳ bob@b.test  maildir:b.test/bob  s.1");
  const shown = formatEventLine(event, { colour: false, maildirRoot: "data/mail" });
  assertMatch(shown!, /↳ bob@b\.test {2}data\/mail\/b\.test\/bob\/new {2}s\.1$/);
});

const delivery = (user: string, message = "kx3f.1"): MtaEvent => ({
  time: TIME,
  type: "delivery.done",
  session: "kx3f",
  message,
  recipient: `${user}@b.test`,
  destination: `maildir:b.test/${user}`,
});

Deno.test("EventLines.format() gives one line for a mail, which ends in where it lies", () => {
  const lines = new EventLines({ colour: false, maildirRoot: "mail" });
  assertEquals(lines.format(delivery("bob")), null);
  assertEquals(lines.format(delivery("carol", "other.1")), null);
  assertEquals(lines.format(ACCEPTED), `${line(ACCEPTED)}  in mail/b.test/bob/new`);
  assertEquals(lines.format(ACCEPTED), line(ACCEPTED));
});

Deno.test("EventLines.format() counts the other places of a mail with many recipients", () => {
  const lines = new EventLines({ colour: false });
  for (const user of ["bob", "carol", "dave"]) lines.format(delivery(user));
  assertEquals(lines.format(ACCEPTED), `${line(ACCEPTED)}  in maildir:b.test/bob and 2 more`);
});

Deno.test("EventLines.format() forgets where a refused message was", () => {
  const lines = new EventLines({ colour: false });
  lines.format(delivery("bob"));
  const { subject: _, identity: __, tls: ___, duration: ____, ...rest } = ACCEPTED;
  const refused: MtaEvent = { ...rest, type: "message.refused", reply: "451 4.3.0 no" };
  assertEquals(lines.format(refused), line(refused));
  assertEquals(lines.format(ACCEPTED), line(ACCEPTED));
});

Deno.test("EventLines.format() holds only so many and then says them at once", () => {
  const lines = new EventLines({ colour: false });
  let at = 0;
  while (lines.format(delivery("bob", `m.${at}`)) === null && at < 100_000) at++;
  assertEquals(at, 10_000);
});

Deno.test("formatEventLine() is silent about sessions that come and go", () => {
  const silent = everyEvent("x").filter((event) => line(event) === null).map(({ type }) => type);
  assertEquals(silent, [
    "listener.started",
    "listener.stopped",
    "session.opened",
    "session.closed",
    "tls.started",
    "auth.succeeded",
    "message.done",
  ]);
});

Deno.test("formatEventLine() uses colours only when told to", () => {
  for (const event of everyEvent("x")) {
    const coloured = formatEventLine(event, { colour: true });
    // deno-lint-ignore no-control-regex
    assertEquals(coloured?.replaceAll(/\x1b\[\d+m/g, "") ?? null, line(event));
    assert(coloured === null || coloured !== line(event));
  }
});

/** Control, bidirectional and invisible characters, by code point (Unicode 15, UAX #9 and #44). */
const HARMFUL =
  // deno-lint-ignore no-control-regex
  /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\u{e0001}\u{e0020}-\u{e007f}]/u;

const hostileText = fc.string({
  unit: fc.oneof(
    fc.constantFrom("\x1b[2J", "\r\n", "\x9b", "\u202e", "\u2066", "\ufeff", "\u{e0041}", "\ud800"),
    fc.string({ unit: "binary", maxLength: 3 }),
  ),
});

Deno.test("formatEventLine() lets nothing through that drives or deceives a terminal", () => {
  fc.assert(fc.property(hostileText, (text) => {
    for (const event of everyEvent(text)) {
      const shown = line(event);
      if (shown === null) continue;
      assertEquals(HARMFUL.exec(shown), null, event.type);
      assert(shown.isWellFormed(), event.type);
    }
  }));
});

Deno.test("formatEventLine() is bounded however long the strings are", () => {
  for (const event of everyEvent("\x1b".repeat(100_000))) {
    const shown = line(event);
    assert(shown === null || shown.length < 8_000, event.type);
  }
});

Deno.test("formatEventJson() is one line that reads back as the event", () => {
  fc.assert(fc.property(hostileText, (text) => {
    for (const event of everyEvent(text.toWellFormed())) {
      const json = formatEventJson(event);
      assertEquals(HARMFUL.exec(json), null, event.type);
      const { time, ...rest } = event;
      assertEquals(JSON.parse(json), { time: new Date(time).toISOString(), ...rest });
    }
  }));
});

Deno.test("formatEventJson() writes the same fields in the same order however they came", () => {
  const json = formatEventJson(ACCEPTED);
  assertEquals(Object.keys(JSON.parse(json)), [
    "time",
    "type",
    "session",
    "message",
    "client",
    "identity",
    "sender",
    "duration",
    "queued",
    "recipients",
    "size",
    "subject",
    "tls",
  ]);
  const reversed = Object.fromEntries(Object.entries(ACCEPTED).toReversed()) as typeof ACCEPTED;
  assertEquals(formatEventJson(reversed), json);
  assertMatch(json, /^\{"time":"2026-11-22T21:31:07\.045Z","type":"message\.accepted"/);
});

Deno.test("formatEventJson() writes every event in one order, however it came", () => {
  const first = ["type", "session", "message", "listener", "client", "identity", "sender"];
  fc.assert(fc.property(hostileText, fc.integer({ min: -3000, max: 3000 }), (text, moment) => {
    for (const event of everyEvent(`${text},"time":1`)) {
      const time = TIME + moment;
      const expected = formatEventJson({ ...event, time });
      assert(expected.startsWith(`{"time":"${new Date(time).toISOString()}","type":"`));
      const { time: _, ...facts } = event;
      const rest = Object.keys(facts).filter((name) => !first.includes(name)).toSorted();
      const named = first.filter((name) => name in facts);
      assertEquals(Object.keys(JSON.parse(expected)), ["time", ...named, ...rest]);
      assertEquals(formatEventJson({ ...facts, time }), expected);
    }
  }));
});

Deno.test("formatEventJson() writes times to the millisecond, and none that are no times", () => {
  const at = (time: number) =>
    JSON.parse(formatEventJson({ type: "station.reload-failed", error: "x", time })).time;
  for (const time of [0, -1, 1, 999, 1000, 1009, 1099, 1999.9, -1.5, 8.64e15, -8.64e15, TIME]) {
    assertEquals(at(time), new Date(time).toISOString());
  }
  for (const time of [NaN, Infinity, 8.64e15 + 1]) assertEquals(at(time), null);
});

Deno.test("formatEventLine() says what the machine said without the name of an error class", () => {
  const error = "SystemError: TLS handshake failed: received fatal alert: UnknownCA";
  const line = formatEventLine(
    { time: 0, type: "tls.failed", session: "s", client: "192.0.2.7", error },
    { colour: false },
  );
  assertMatch(line!, /! 192\.0\.2\.7 {2}TLS: handshake failed: received fatal alert: UnknownCA$/);
});

Deno.test("formatEventJson() writes the next attempt as it writes the time", () => {
  const line = formatEventJson({
    time: 0,
    type: "delivery.deferred",
    message: "m",
    recipient: "bob@example.org",
    reply: "450 later",
    attempts: 1,
    next: 360_000,
  });
  assertEquals(JSON.parse(line).next, "1970-01-01T00:06:00.000Z");
});

Deno.test("EventLines.format() tells the date above the first line of another day", () => {
  const lines = new EventLines({ colour: false });
  const at = (...local: [number, number, number, number, number, number]) => ({
    ...{ time: new Date(...local).getTime(), type: "queue.changed", message: "kx3f.1" } as const,
    action: "held" as const,
  });
  const said = [
    at(2026, 10, 22, 9, 0, 0),
    at(2026, 10, 22, 23, 59, 59),
    at(2026, 10, 23, 0, 0, 1),
    at(2026, 10, 23, 12, 0, 0),
    at(2026, 11, 1, 0, 0, 0),
  ].map((event) => lines.format(event));
  const of = (time: string) => `${time}  ⚑ kx3f.1  held`;
  assertEquals(said, [
    of("09:00:00"),
    of("23:59:59"),
    `— 2026-11-23 —\n${of("00:00:01")}`,
    of("12:00:00"),
    `— 2026-12-01 —\n${of("00:00:00")}`,
  ]);
});
