/**
 * Next stations that fail: smtp-sink told to refuse for now, for good, or to hang up at every step of the
 * dialogue, and to lack each extension. Nothing is lost, and nothing is bounced that may yet go.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { RouteOptions } from "../../src/routing/route_table.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { splitTrace } from "./maildir.ts";
import { ALICE, startRelayStation } from "./relay_station.ts";
import { SINK, type SmtpSink, startSink, type TakenMail } from "./smtp_sink.ts";
import { assertSameOctets, decodeBase64, encodeBase64, interopTest, runPython } from "./support.ts";

const UTF_8 = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"];

/** A station that sends mail for each of these domains to a port of this machine. */
function stationFor(ports: ReadonlyMap<string, number>) {
  const routes = Array.from(ports, ([domain, port]): RouteOptions => ({
    domains: [domain],
    via: { kind: "smarthost", host: "127.0.0.1", port },
  }));
  return startRelayStation({ routes });
}

/** Starts a sink for each of the faults, which stand under the domain that has them. */
async function startSinks(stack: AsyncDisposableStack, faults: Record<string, readonly string[]>) {
  const sinks = new Map<string, SmtpSink>();
  for (const [domain, args] of Object.entries(faults)) {
    sinks.set(domain, stack.use(await startSink(args)));
  }
  return sinks;
}

function portsOf(sinks: ReadonlyMap<string, SmtpSink>): Map<string, number> {
  return new Map(Array.from(sinks, ([domain, { port }]) => [domain, port]));
}

/** Faults that pass, by the domain that has them, and what the station says of them. */
const PASSING: Record<string, { args: string[]; reply: RegExp }> = {};
const STEPS = {
  greeting: "CONNECT",
  hello: "EHLO,HELO",
  mail: "MAIL",
  rcpt: "RCPT",
  data: "DATA",
  end: ".",
};
for (const [step, commands] of Object.entries(STEPS)) {
  const args = (flag: string) => [flag, commands];
  PASSING[`refused-at-${step}.test`] = { args: args("-r"), reply: /^450 4\.3\.0 Error/ };
  PASSING[`closed-at-${step}.test`] = { args: args("-q"), reply: /^4\d\d 4\.4\.\d / };
  PASSING[`421-at-${step}.test`] = { args: args("-Q"), reply: /^421 / };
}

interopTest("What fails for now at smtp-sink is tried again and arrives", SINK, async () => {
  await using stack = new AsyncDisposableStack();
  const faults = Object.entries(PASSING).map(([domain, { args }]) => [domain, args] as const);
  await using faulty = new AsyncDisposableStack();
  const sinks = await startSinks(faulty, Object.fromEntries(faults));
  const ports = portsOf(sinks);
  await using station = await stationFor(ports);
  const mail = makeMail("again", DOTS + EIGHT_BIT, UTF_8, ALICE);
  const ids = new Map<string, string>();
  for (const domain of ports.keys()) ids.set(domain, await station.send(`bob@${domain}`, mail));
  for (const [domain, id] of ids) {
    const [deferred] = await station.happened("delivery.deferred", id);
    assertMatch(deferred!.reply, PASSING[domain]!.reply, domain);
  }
  await faulty.disposeAsync();
  for (const [domain, port] of ports) {
    sinks.set(domain, stack.use(await startSink([], port)));
  }
  for (const [domain, sink] of sinks) {
    await station.happened("delivery.done", ids.get(domain)!);
    const taken = await sink.taken();
    assertEquals(taken.length, 1, domain);
    assertSameOctets(splitTrace(taken[0]!.message).message, mail, domain);
  }
  assertEquals(station.events.filter(({ type }) => type === "delivery.failed"), []);
});

// A station that the operator chose and that turns everybody away is a slip in a route: no mail is lost by it.
for (const step of ["greeting", "hello"] as const) {
  PASSING[`barred-at-${step}.test`] = { args: ["-f", STEPS[step]], reply: /^500 5\.3\.0 Error/ };
}

const LASTING: Record<string, { args: string[]; reply: RegExp }> = {
  "mail.test": { args: ["-f", "MAIL"], reply: /^500 5\.3\.0 / },
  "rcpt.test": { args: ["-f", "RCPT", "-B", "550 5.7.1 Go away"], reply: /^550 5\.7\.1 Go away$/ },
  "data.test": { args: ["-f", "DATA", "-B", "554 No"], reply: /^554 No$/ },
  "end.test": {
    args: ["-f", ".", "-B", "550-5.6.0 Bad\r\n550 5.6.0 mail"],
    reply: /^550 5\.6\.0 /,
  },
  // It answers in the middle of the message and reads no further.
  "middle.test": { args: ["-A", "0"], reply: /^550 This violates SMTP/ },
};

interopTest("What fails for good at smtp-sink comes back in notices", SINK, async () => {
  await using stack = new AsyncDisposableStack();
  const faults = Object.entries(LASTING).map(([domain, { args }]) => [domain, args] as const);
  const sinks = await startSinks(stack, Object.fromEntries(faults));
  await using station = await stationFor(portsOf(sinks));
  const mail = makeMail("never", makeLargeBody(3), [], ALICE);
  for (const [domain, { reply }] of Object.entries(LASTING)) {
    const id = await station.send(`bob@${domain}`, mail);
    const [failed] = await station.happened("delivery.failed", id);
    assertMatch(failed!.reply, reply, domain);
  }
  const notices = await station.mail(ALICE, Object.keys(LASTING).length);
  const messages = notices.map(({ octets }) => encodeBase64(octets));
  const read = await runPython<{ permanent: string[] }[]>("bounces.py", { messages });
  const failed = read.flatMap(({ permanent }) => permanent).sort();
  assertEquals(failed, Object.keys(LASTING).map((domain) => `bob@${domain}`).sort());
});

interopTest("smtp-sink takes all that it was sent, whatever it lacks", SINK, async () => {
  await using stack = new AsyncDisposableStack();
  const sinks = await startSinks(stack, {
    "nothing.test": [],
    "pipelining.test": ["-p"],
    "esmtp.test": ["-e"],
    "pix.test": ["-P"],
    "codes.test": ["-E"],
    "dsn.test": ["-N"],
  });
  await using station = await stationFor(portsOf(sinks));
  const mail = makeMail("seven bits", DOTS + LONG_LINES + makeLargeBody(1), [], ALICE);
  for (const [domain, sink] of sinks) {
    const two = [`bob@${domain}`, `carol@${domain}`];
    await station.happened("delivery.done", await station.send(two, mail), 2);
    const [taken] = await sink.taken();
    assertSameOctets(splitTrace(taken!.message).message, mail, domain);
    const old = domain === "esmtp.test" || domain === "pix.test";
    assertEquals(taken!.facts.get("X-Client-Proto"), old ? "SMTP" : "ESMTP", domain);
    assertEquals(taken!.facts.get("X-Helo-Args"), "mx.example.test", domain);
    assertEquals(taken!.facts.get("X-Rcpt-Args"), two.map((one) => `<${one}>`).join("\n"));
  }
});

/** What Python makes of a mail that was taken. */
interface Decoded {
  readonly encoding: string | null;
  readonly body: string;
  readonly longest: number;
  readonly ascii: boolean;
}

const BODIES: Record<string, string> = {
  "text that is mostly ASCII":
    "Gr\xc3\xbc\xc3\x9fe = all\r\n.\r\n..dots\r\ntrailing \r\n\r\nFrom here.\r\n"
      .repeat(30),
  "text that is mostly not": "\xe9\xa9\xbf\xe7\xab\x99\r\n".repeat(200),
  "octets of all kinds": EIGHT_BIT,
};

for (const [what, body] of Object.entries(BODIES)) {
  interopTest(`smtp-sink without 8BITMIME gets ${what} in seven bits`, SINK, async () => {
    await using stack = new AsyncDisposableStack();
    const sinks = await startSinks(stack, { "seven.test": ["-8"], "esmtp.test": ["-e"] });
    await using station = await stationFor(portsOf(sinks));
    const mail = makeMail("eight bits", body, UTF_8, ALICE);
    for (const [domain, sink] of sinks) {
      await station.happened("delivery.done", await station.send(`bob@${domain}`, mail));
      const decoded = await decode((await sink.taken())[0]!);
      assertSameOctets(decodeBase64(decoded.body), mail.slice(-body.length), domain);
      assertEquals([decoded.ascii, decoded.longest <= 78], [true, true], domain);
      assertMatch(decoded.encoding ?? "", /^(base64|quoted-printable)$/);
      assertEquals((await sink.taken())[0]!.facts.get("X-Mail-Args"), `<${ALICE}>`);
    }
  });
}

interopTest("Eight bits are bounced where the route wants no conversion", SINK, async () => {
  await using sink = await startSink(["-8"]);
  const via = {
    kind: "smarthost",
    host: "127.0.0.1",
    port: sink.port,
    eightBit: "bounce",
  } as const;
  await using station = await startRelayStation({ routes: [{ domains: ["*"], via }] });
  await station.send("bob@seven.test", makeMail("eight bits", EIGHT_BIT, UTF_8, ALICE));
  const [notice] = await station.mail(ALICE);
  assertMatch(new TextDecoder().decode(notice!.octets), /^Status: 5\.6\.[13]\r$/m);
});

function decode({ message }: TakenMail): Promise<Decoded> {
  return runPython<Decoded>("decode_mail.py", { message: encodeBase64(message) });
}
