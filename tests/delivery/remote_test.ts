import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ConnectOptions } from "../../src/runtime/network.ts";
import { jobFor } from "./support.ts";
import { CLOSE, type PeerBehaviour, SILENCE } from "./scripted_peer.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";

/** Says this to lines that begin so, the first time or each time. */
function when(start: string, answer: string | typeof CLOSE | typeof SILENCE): PeerBehaviour {
  return { on: (line) => line.startsWith(start) ? answer : undefined };
}

Deno.test("remoteTransport() relays a message, and says who took it", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const [outcome] = await world.relayed();
  assertEquals(outcome, {
    recipient: 0,
    status: "relayed",
    reply: { code: 250, enhanced: "2.0.0", lines: ["taken"] },
    host: "mx1.example.org [192.0.2.25]:25",
  });
  assertEquals(peer.messages, [{
    mail: "<alice@example.com>",
    rcpt: ["<bob@example.org>"],
    text: "Subject: hi\r\n\r\nHello.\r\n",
    tls: false,
  }]);
  assertEquals(peer.lines[0], "EHLO mail.example.net");
});

Deno.test("remoteTransport() sends MAIL, RCPT and DATA at once, and a small message in one write", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const to = ["a@example.org", "b@example.org", "c@example.org"];
  await world.relay({ to, body: "x\r\n".repeat(3000), pieces: 9 });
  assertEquals(peer.messages.length, 1);
  assertEquals(peer.reads, 3); // EHLO, the group, the message
});

Deno.test("remoteTransport() goes on to the next host when one is out of order", async () => {
  const cases: readonly PeerBehaviour[] = [
    { greeting: "421 4.3.2 too busy" },
    { greeting: "450 4.3.2 not now" },
    { greeting: "554 5.7.1 go away" },
    { greeting: "521 no mail here" },
    { greeting: CLOSE },
    { greeting: SILENCE },
    { greeting: "hello, who is there?" },
    when("EHLO", "421 4.3.2 too busy"),
    when("EHLO", "450 4.3.2 not now"),
    when("EHLO", CLOSE),
    when("MAIL", "451 4.3.0 not now"),
    when("MAIL", "421 4.3.0 not now"),
    when("MAIL", CLOSE),
    when("RCPT", CLOSE),
    when("DATA", CLOSE),
    { on: (line) => /^(EHLO|HELO)/.test(line) ? "550 5.5.1 who?" : undefined },
  ];
  for (const behaviour of cases) {
    await using world = new RelayWorld();
    await world.peer(behaviour);
    const backup = await world.peer({}, "192.0.2.26");
    assertEquals(await world.relay(), ["0 relayed 250 2.0.0 taken"]);
    assertEquals(backup.messages.length, 1);
  }
});

Deno.test("remoteTransport() goes on to the next host where nobody listens or answers", async () => {
  for (const connect of ["refuse", "ignore"] as const) {
    await using world = new RelayWorld();
    world.own.network.wires.conditions = (_, to) =>
      to.transport === "tcp" && to.hostname === "192.0.2.25" ? { connect } : {};
    const start = world.own.clock.now();
    await world.peer();
    await world.peer({}, "192.0.2.26");
    assertEquals(await world.relay(), ["0 relayed 250 2.0.0 taken"]);
    const waited = world.own.clock.now() - start;
    if (connect === "ignore") assert(waited >= 30_000 && waited <= 32_000, `${waited}`);
  }
});

Deno.test("remoteTransport() says that a destination is out of reach", async () => {
  await using world = new RelayWorld();
  const [outcome] = await world.relayed();
  assertEquals([outcome!.status, outcome!.unreachable], ["deferred", true]);
  assertEquals(outcome!.host, undefined);
  assertMatch(
    outcome!.reply.lines[0]!,
    /^cannot connect to mx2\.example\.org \[192\.0\.2\.26\]:25: /,
  );

  await using busy = new RelayWorld();
  await busy.peer({ greeting: "421 4.3.2 too busy" });
  await busy.peer({ greeting: "554 5.7.1 blocked" }, "192.0.2.26");
  const [turnedAway] = await busy.relayed();
  assertEquals([turnedAway!.status, turnedAway!.unreachable], ["deferred", true]);
  assertEquals(turnedAway!.host, "mx2.example.org [192.0.2.26]:25");
  assertEquals(turnedAway!.reply.code, 554);
});

Deno.test("remoteTransport() fails what every host refuses for good, and nothing else", async () => {
  const refused = { greeting: "521 5.3.2 no mail here" };
  await using world = new RelayWorld();
  await world.peer(refused);
  await world.peer(refused, "192.0.2.26");
  assertEquals(await world.relay(), ["0 failed 521 5.3.2 no mail here"]);

  await using other = new RelayWorld();
  await other.peer({ greeting: "421 4.3.2 busy" });
  await other.peer(refused, "192.0.2.26");
  assertEquals(await other.relay(), ["0 deferred 421 4.3.2 busy"]);
});

Deno.test("remoteTransport() lets the answers to MAIL, RCPT, DATA and the message decide", async () => {
  const cases: readonly [PeerBehaviour, string][] = [
    [when("MAIL", "550 5.7.1 not you"), "0 failed 550 5.7.1 not you"],
    [when("RCPT", "550 5.1.1 nobody"), "0 failed 550 5.1.1 nobody"],
    [when("RCPT", "450 4.2.1 greylisted"), "0 deferred 450 4.2.1 greylisted"],
    [when("RCPT", "421 4.3.2 stopping"), "0 deferred 421 4.3.2 stopping"],
    [when("DATA", "554 5.7.1 no"), "0 failed 554 5.7.1 no"],
    [when("DATA", "451 4.3.0 no"), "0 deferred 451 4.3.0 no"],
    [when(".", "554 5.7.1 spam"), "0 failed 554 5.7.1 spam"],
    [when(".", "451 4.3.0 disk"), "0 deferred 451 4.3.0 disk"],
    [when(".", "421 4.3.0 stopping"), "0 deferred 421 4.3.0 stopping"],
  ];
  for (const [behaviour, expected] of cases) {
    await using world = new RelayWorld();
    await world.peer(behaviour);
    const backup = await world.peer({}, "192.0.2.26");
    assertEquals(await world.relay(), [expected]);
    assertEquals(backup.connections, 0);
  }
});

Deno.test("remoteTransport() tells recipients apart", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({
    on: (line) =>
      line.includes("<b@")
        ? "550 5.1.1 nobody"
        : line.includes("<c@")
        ? "452 4.2.2 full"
        : undefined,
  });
  const to = ["a@example.org", "b@example.org", "c@example.org", "d@example.org"];
  const outcomes = await world.relay({ to });
  assertEquals(outcomes.sort(), [
    "0 relayed 250 2.0.0 taken",
    "1 failed 550 5.1.1 nobody",
    "2 deferred 452 4.2.2 full",
    "3 relayed 250 2.0.0 taken",
  ]);
  assertEquals(peer.messages[0]!.rcpt, ["<a@example.org>", "<d@example.org>"]);
});

Deno.test("remoteTransport() defers those without an answer at 421 in the middle of a group", async () => {
  await using world = new RelayWorld();
  await world.peer({
    on: (line) =>
      line.includes("<a@")
        ? "550 5.1.1 nobody"
        : line.includes("<c@")
        ? "421 4.3.2 enough"
        : undefined,
  });
  const to = ["a@example.org", "b@example.org", "c@example.org", "d@example.org"];
  assertEquals((await world.relay({ to })).sort(), [
    "0 failed 550 5.1.1 nobody",
    "1 deferred 421 4.3.2 enough",
    "2 deferred 421 4.3.2 enough",
    "3 deferred 421 4.3.2 enough",
  ]);
});

Deno.test("remoteTransport() sends the rest in another transaction when a peer has had enough", async () => {
  const to = Array.from({ length: 5 }, (_, index) => `r${index}@example.org`);
  const relayed = to.map((_, index) => `${index} relayed 250 2.0.0 taken`);

  await using strict = new RelayWorld();
  let taken = 0;
  const one = await strict.peer({
    on: (line) => {
      if (line.startsWith("MAIL")) taken = 0;
      return line.startsWith("RCPT") && ++taken > 1 ? "452 4.5.3 too many recipients" : undefined;
    },
  });
  assertEquals((await strict.relay({ to })).sort(), relayed);
  assertEquals(one.messages.map(({ rcpt }) => rcpt.length), [1, 1, 1, 1, 1]);
  assertEquals(one.connections, 1);

  await using limits = new RelayWorld();
  const extensions = ["PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2"];
  const two = await limits.peer({ extensions });
  assertEquals((await limits.relay({ to })).sort(), relayed);
  assertEquals(two.messages.map(({ rcpt }) => rcpt.length), [2, 2, 1]);
  assertEquals(two.connections, 2);
});

Deno.test("remoteTransport() gives up when every recipient is one too many", async () => {
  await using world = new RelayWorld();
  await world.peer(when("RCPT", "452 4.5.3 too many"));
  const to = ["a@example.org", "b@example.org"];
  assertEquals(await world.relay({ to }), [
    "0 deferred 452 4.5.3 too many",
    "1 deferred 452 4.5.3 too many",
  ]);
});

Deno.test("remoteTransport() speaks to stations that know no EHLO", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({
    on: (line) => line.startsWith("EHLO") ? "502 5.5.1 unknown command" : undefined,
  });
  assertEquals(await world.relay({ entry: { body: "8BITMIME" } }), ["0 relayed 250 2.0.0 taken"]);
  assertEquals(peer.lines.slice(0, 3), [
    "EHLO mail.example.net",
    "HELO mail.example.net",
    "MAIL FROM:<alice@example.com>",
  ]);
});

Deno.test("remoteTransport() defers and tells of it when the reply to the message is lost", async () => {
  for (const answer of [CLOSE, SILENCE] as const) {
    await using world = new RelayWorld();
    await world.peer(when(".", answer));
    const backup = await world.peer({}, "192.0.2.26");
    const start = world.own.clock.now();
    const [outcome] = await world.relay();
    assertMatch(outcome!, /^0 deferred 451 4\.4\.2 .*whole message was sent.*may have arrived/);
    assertEquals(world.troubles.length, 1);
    assertEquals(backup.connections, 0);
    const waited = world.own.clock.now() - start;
    if (answer === SILENCE) assert(waited >= 600_000 && waited < 605_000, `${waited}`);
  }
});

Deno.test("remoteTransport() ends at once when it is aborted, whatever it is waiting for", async () => {
  const cases: readonly PeerBehaviour[] = [
    { greeting: SILENCE },
    when("EHLO", SILENCE),
    when("MAIL", SILENCE),
    when("DATA", SILENCE),
    when(".", SILENCE),
  ];
  for (const behaviour of cases) {
    await using world = new RelayWorld();
    await world.peer(behaviour);
    const abort = new AbortController();
    const { clock } = world.own;
    const delivering = world.remote.deliver(jobFor(mxRoute()), abort.signal);
    await clock.settle();
    abort.abort();
    const [outcome] = await clock.runUntil(delivering, 0);
    assertEquals(outcome!.status, "deferred");
    assertEquals(outcome!.unreachable ?? false, false);
    assertMatch(outcome!.reply.lines[0]!, /interrupted/);
  }
});

Deno.test("remoteTransport() says what DNS says", async () => {
  await using world = new RelayWorld();
  assertMatch(
    (await world.relay({}, mxRoute({ domain: "nowhere.example" })))[0]!,
    /^0 failed 550 5\.1\.2 /,
  );
  world.own.resolver.failures.set("ill.example", "servfail");
  assertMatch(
    (await world.relay({}, mxRoute({ domain: "ill.example" })))[0]!,
    /^0 deferred 451 4\.4\.3 /,
  );
});

Deno.test("remoteTransport() defers a message that cannot be read, and takes no host for guilty", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  const job = jobFor(mxRoute());
  const gone = { ...job, open: () => Promise.reject(new Error("ENOENT")) };
  assertMatch((await world.deliver(gone))[0]!.reply.lines[0]!, /cannot be read/);

  const source = await job.open();
  // deno-lint-ignore require-yield
  const torn = async function* () {
    await Promise.resolve();
    throw new Error("EIO");
  };
  const short = { ...source, bodySize: source.bodySize + 1 };
  for (const broken of [{ ...source, openBody: torn }, short]) {
    const [outcome] = await world.deliver({ ...job, open: () => Promise.resolve(broken) });
    assertEquals(outcome!.status, "deferred");
    assertMatch(outcome!.reply.lines[0]!, /cannot be read/);
  }
  assertEquals(peer.messages.length, 0);
});

Deno.test("remoteTransport() hands DSN parameters on where the peer takes them", async () => {
  const setup = {
    recipient: {
      notify: ["SUCCESS", "FAILURE"],
      originalRecipient: { type: "rfc822", address: "b+b@example.org" },
    },
    entry: { dsnReturn: "HDRS", dsnEnvelopeId: "id 1" },
  } as const;
  await using world = new RelayWorld();
  const peer = await world.peer({ extensions: ["PIPELINING", "DSN"] });
  const [outcome] = await world.relayed(setup);
  assertEquals(outcome!.dsnHandedOn, true);
  assertEquals(peer.messages[0]!.mail, "<alice@example.com> RET=HDRS ENVID=id+201");
  assertEquals(peer.messages[0]!.rcpt, [
    "<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bb@example.org",
  ]);

  await using plain = new RelayWorld();
  const other = await plain.peer();
  assertEquals((await plain.relayed(setup))[0]!.dsnHandedOn, undefined);
  assertEquals(other.messages[0]!.rcpt, ["<bob@example.org>"]);
});

Deno.test("remoteTransport() connects to a smarthost by name or address, and to address literals", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer();
  for (
    const route of [
      smarthostRoute(),
      smarthostRoute({ host: "192.0.2.25" }),
      mxRoute({ domain: "[192.0.2.25]" }),
    ]
  ) {
    assertEquals(await world.relay({}, route), ["0 relayed 250 2.0.0 taken"]);
  }
  assertEquals(peer.messages.length, 3);
  const [outcome] = await world.relayed({}, mxRoute({ domain: "[192.0.2.25]" }));
  assertEquals(outcome!.host, "[192.0.2.25]:25");
});

Deno.test("remoteTransport() connects to loopback only where the route allows it", async () => {
  await using world = new RelayWorld();
  world.own.resolver.set("local.example", { a: ["127.0.0.1"] });
  const route = mxRoute({ domain: "local.example", port: 2525 });
  assertMatch((await world.relay({}, route))[0]!, /^0 failed 550 5\.4\.6 /);
});

Deno.test("remoteTransport() connects from the address of the family", async () => {
  const sources: (string | undefined)[] = [];
  await using world = new RelayWorld();
  const { network, resolver } = world.own;
  resolver.set("mx1.example.org", { a: ["192.0.2.25"], aaaa: ["2001:db8::25"] });
  const connect = network.connect.bind(network);
  network.connect = (address, options: ConnectOptions = {}) => {
    sources.push(options.source);
    return connect(address, options);
  };
  await world.peer();
  const source = { ipv4: "192.0.2.1", ipv6: "2001:db8::1" };
  assertEquals(await world.relay({}, mxRoute({ source })), ["0 relayed 250 2.0.0 taken"]);
  assertEquals(sources, ["2001:db8::1", "192.0.2.1"]);
});

Deno.test("remoteTransport() leaves further hosts for another time once it has waited ten minutes", async () => {
  await using world = new RelayWorld();
  const addresses = ["192.0.2.31", "192.0.2.32", "192.0.2.33", "192.0.2.34"];
  world.own.resolver.set("example.org", { mx: ["10 mx1.example.org"] });
  world.own.resolver.set("mx1.example.org", { a: addresses });
  const peers = [];
  for (const each of addresses) peers.push(await world.peer({ greeting: SILENCE }, each));
  const start = world.own.clock.now();
  const [outcome] = await world.relayed();
  assertEquals([outcome!.status, outcome!.unreachable], ["deferred", true]);
  const waited = world.own.clock.now() - start;
  assert(waited >= 600_000 && waited < 610_000, `${waited}`);
  assertEquals(peers.map(({ connections }) => connections), [1, 1, 0, 0]);
});

Deno.test("remoteTransport() does not blame a message for what is said to RSET before it", async () => {
  await using world = new RelayWorld();
  const nobody = (line: string) => line.includes("<nobody@") ? "550 5.1.1 nobody" : undefined;
  const peer = await world.peer({
    on: (line) => line === "RSET" ? "502 5.5.1 not implemented" : nobody(line),
  });
  assertEquals(await world.relay({ to: ["nobody@example.org"] }), ["0 failed 550 5.1.1 nobody"]);
  assertEquals(await world.relay(), ["0 relayed 250 2.0.0 taken"]);
  assertEquals(peer.connections, 2);

  // The same between two transactions of one message.
  await using limited = new RelayWorld();
  await limited.peer({
    extensions: ["LIMITS RCPTMAX=1"],
    on: (line) => line === "RSET" ? "502 5.5.1 not implemented" : nobody(line),
  });
  assertEquals(await limited.relay({ to: ["nobody@example.org", "bob@example.org"] }), [
    "0 failed 550 5.1.1 nobody",
    "1 relayed 250 2.0.0 taken",
  ]);
});

Deno.test("remoteTransport() says QUIT to a station that turns it away (RFC 5321 §3.1)", async () => {
  const cases: readonly [PeerBehaviour, number][] = [
    [{ greeting: "554 5.7.1 go away" }, 0],
    [{ on: (line) => /^(EHLO|HELO)/.test(line) ? "550 5.7.1 go away" : undefined }, 2],
  ];
  for (const [behaviour, before] of cases) {
    await using world = new RelayWorld();
    const peer = await world.peer(behaviour);
    await world.relay();
    assertEquals(peer.lines.slice(before), ["QUIT"]);
    assertEquals(peer.open, 0);
  }
});

Deno.test("remoteTransport() fails nobody while a host was not asked", async () => {
  await using slow = new RelayWorld();
  const { clock, resolver } = slow.own;
  const addresses = ["192.0.2.25", "192.0.2.27", "192.0.2.28"];
  resolver.set("mx1.example.org", { a: addresses });
  for (const address of addresses) {
    const { network } = slow.machine(address);
    const listener = await network.listen({ transport: "tcp", hostname: "0.0.0.0", port: 25 });
    listener.accept().then(async (socket) => {
      await clock.sleep(290_000);
      await socket!.write(new TextEncoder().encode("521 5.3.2 no mail here\r\n"));
      socket!.close();
    });
  }
  assertEquals(await slow.relay(), [
    "0 deferred 451 4.4.1 there was no time to ask all hosts; mx1.example.org [192.0.2.28]:25 has " +
    "said: 521 5.3.2 no mail here",
  ]);

  await using ill = new RelayWorld();
  ill.own.resolver.failures.set("mx2.example.org", "servfail");
  await ill.peer({ greeting: "521 5.3.2 no mail here" });
  assertMatch(
    (await ill.relay())[0]!,
    /^0 deferred 451 4\.4\.3 .*mx2\.example\.org.*; mx1\.example\.org .* has said: 521 5\.3\.2 no mail here$/,
  );

  // Nobody's words but ours: they say themselves whom they are about. What is kept has a bound.
  await using full = new RelayWorld();
  full.own.resolver.failures.set("mx2.example.org", "servfail");
  await full.peer({ extensions: ["SIZE 10"] });
  assertMatch(
    (await full.relay())[0]!,
    /mx2\.example\.org.*; mx1\.example\.org \[192\.0\.2\.25\]:25: the message has 23 octets/,
  );
  await using talkative = new RelayWorld();
  talkative.own.resolver.failures.set("mx2.example.org", "servfail");
  await talkative.peer({ greeting: `521-${"x".repeat(400)}\r\n521 ${"y".repeat(400)}` });
  const [outcome] = await talkative.relayed();
  assertEquals(outcome!.reply.lines.map(({ length }) => length), [500]);
});

Deno.test("remoteTransport() takes 552 for too many recipients while others are taken (RFC 5321 §4.5.3.1.10)", async () => {
  await using world = new RelayWorld();
  let taken = 0;
  const peer = await world.peer({
    on: (line) => {
      if (line.startsWith("MAIL")) taken = 0;
      if (line.includes("<full@")) return "552 mailbox full";
      return line.startsWith("RCPT") && ++taken > 2 ? "552 too many recipients" : undefined;
    },
  });
  const to = ["full@example.org", "a@example.org", "b@example.org", "c@example.org"];
  assertEquals((await world.relay({ to })).sort(), [
    "0 failed 552 mailbox full",
    "1 relayed 250 2.0.0 taken",
    "2 relayed 250 2.0.0 taken",
    "3 relayed 250 2.0.0 taken",
  ]);
  assertEquals(peer.messages.map(({ rcpt }) => rcpt.length), [2, 1]);
});

Deno.test("remoteTransport() fails nobody for 530, where TLS or a login may come to be had", async () => {
  const on = (line: string) =>
    line === "STARTTLS"
      ? "454 4.7.0 not now"
      : line.startsWith("MAIL")
      ? "530 5.7.0 Must issue a STARTTLS command first"
      : undefined;
  await using world = new RelayWorld();
  await world.peer({ extensions: ["STARTTLS"], on });
  await world.peer({ extensions: ["STARTTLS"], on }, "192.0.2.26");
  assertMatch((await world.relay())[0]!, /^0 deferred 530 5\.7\.0 /);

  await using hosts = new RelayWorld();
  hosts.own.resolver.set("example.org", { mx: ["10 mx.example.test"] });
  await hosts.peer({ tls: hosts.tls, on: (line) => line === "STARTTLS" ? undefined : on(line) });
  assertMatch((await hosts.relay())[0]!, /^0 failed 530 5\.7\.0 /);
  assertMatch((await hosts.relay({}, smarthostRoute()))[0]!, /^0 deferred 530 5\.7\.0 /);
});

Deno.test("remoteTransport() fails nobody for what a smarthost says before the first message", async () => {
  const cases: readonly PeerBehaviour[] = [
    { greeting: "521 5.3.2 no mail here" },
    { on: (line) => /^(EHLO|HELO)/.test(line) ? "550 5.7.1 who?" : undefined },
  ];
  for (const behaviour of cases) {
    await using world = new RelayWorld();
    await world.peer(behaviour);
    assertMatch((await world.relay({}, smarthostRoute()))[0]!, /^0 deferred 5[25][01] /);
  }
});

/** Says by its greeting that it is we. */
const OURSELVES: PeerBehaviour = { greeting: "220 Mail.Example.NET ESMTP" };

Deno.test("remoteTransport() asks nobody behind a host that greets with our own name, 5.4.6 (RFC 5321 §5.1)", async () => {
  await using world = new RelayWorld();
  const ourselves = await world.peer(OURSELVES);
  const next = await world.peer({}, "192.0.2.26");
  assertEquals(await world.relay(), [
    "0 failed 554 5.4.6 mail for example.org would come back: mx1.example.org [192.0.2.25]:25 is " +
    "this server (it calls itself mail.example.net)",
  ]);
  assertEquals([ourselves.said("MAIL"), ourselves.said("QUIT"), next.connections], [
    [],
    ["QUIT"],
    0,
  ]);
});

Deno.test("remoteTransport() waits for the hosts before ourselves that are out of reach", async () => {
  await using world = new RelayWorld();
  await world.peer(OURSELVES, "192.0.2.26");
  assertMatch((await world.relay())[0]!, /^0 deferred 451 4\.4\.1 cannot connect to mx1/);
  await using other = new RelayWorld();
  await other.peer(when("MAIL", "451 4.3.0 not now"));
  await other.peer(OURSELVES, "192.0.2.26");
  assertEquals(await other.relay(), ["0 deferred 451 4.3.0 not now"]);
});

Deno.test("remoteTransport() keeps mail back when a smarthost answers by our own name", async () => {
  await using world = new RelayWorld();
  const hello = "250 mail.example.net";
  const peer = await world.peer(when("EHLO", hello));
  const [outcome] = await world.relayed({}, smarthostRoute());
  assertEquals([outcome!.status, outcome!.reply.code, outcome!.unreachable], [
    "deferred",
    451,
    true,
  ]);
  assertMatch(outcome!.reply.lines[0]!, /is this server \(it calls itself mail\.example\.net\)/);
  assertEquals(peer.said("MAIL"), []);
});

Deno.test("remoteTransport() takes no host for ourselves where nothing listens", async () => {
  const own = () => ({ hostnames: [], addresses: [] });
  await using world = new RelayWorld({ own });
  await world.peer(OURSELVES, "192.0.2.25");
  assertEquals(await world.relay(), ["0 relayed 250 2.0.0 taken"]);
});
