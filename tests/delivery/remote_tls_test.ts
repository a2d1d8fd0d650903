import { assert, assertEquals, assertMatch } from "@std/assert";
import { reply } from "../../src/smtp/reply.ts";
import { mxCertificate, testAuthority as authority } from "../support/certificates.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";
import { CLOSE, SILENCE } from "./scripted_peer.ts";

const VERIFIED = { tls: "verified", authorities: [authority] } as const;
const CREDENTIALS = { user: "alice", password: "wonderland" };
const RELAYED = ["0 relayed 250 2.0.0 taken"];

Deno.test("remoteTransport(): opportunistic TLS takes any certificate", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ tls: world.tls });
  const [outcome] = await world.relayed();
  assertEquals([outcome!.status, outcome!.tls], ["relayed", "TLSv1.3"]);
  assertEquals(peer.messages[0]!.tls, true);
  assertEquals(peer.said("EHLO").length, 2);
});

Deno.test("remoteTransport(): TLS is not asked for where the route has none", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ tls: world.tls });
  await world.relay({}, mxRoute({ tls: "none" }));
  assertEquals([peer.messages[0]!.tls, peer.said("STARTTLS").length], [false, 0]);
});

Deno.test("remoteTransport(): opportunistic TLS that fails goes on in clear, over a fresh connection where it must", async () => {
  const refused = { on: (line: string) => line === "STARTTLS" ? "454 4.7.0 no" : undefined };
  const broken = {
    on: (line: string) => line === "STARTTLS" ? "220 go on\r\n220 or not" : undefined,
  };
  const gone = { on: (line: string) => line === "STARTTLS" ? CLOSE : undefined };
  for (const [behaviour, connections] of [[refused, 1], [broken, 2], [gone, 2]] as const) {
    await using world = new RelayWorld();
    const extensions = ["PIPELINING", "STARTTLS"];
    const peer = await world.peer({ ...behaviour, extensions });
    assertEquals(await world.relay(), RELAYED);
    assertEquals([peer.connections, peer.messages[0]!.tls], [connections, false]);
    if (connections === 2) {
      assertMatch(world.troubles.at(-1)!, /TLS .* failed: .*: goes on in clear/);
    }
  }
});

Deno.test("remoteTransport(): a handshake that stalls is given up after a minute, and the mail goes in clear", async () => {
  await using world = new RelayWorld();
  let first = true;
  const peer = await world.peer({
    extensions: ["STARTTLS"],
    on: (line) => {
      if (line !== "STARTTLS") return undefined;
      first = false;
      return "220 go on";
    },
  });
  world.own.network.wires.conditions = () =>
    first ? { fault: { after: 110, kind: "silence" } } : {};
  const start = world.own.clock.now();
  assertEquals(await world.relay(), RELAYED);
  assertEquals(peer.messages[0]!.tls, false);
  const waited = world.own.clock.now() - start;
  assert(waited >= 60_000 && waited < 63_000, `${waited}`);
});

Deno.test("remoteTransport(): a promise of TLS is kept: the mail waits rather than go in clear", async () => {
  const offers = ["PIPELINING", "STARTTLS"];
  const cases = [
    [{ extensions: ["PIPELINING"] }, /^0 deferred 451 4\.7\.4 .*not offered/],
    [
      {
        extensions: offers,
        on: (line: string) => line === "STARTTLS" ? "454 4.7.0 no" : undefined,
      },
      /^0 deferred 451 4\.7\.4 .*454 no/,
    ],
    [
      {
        extensions: offers,
        on: (line: string) => line === "STARTTLS" ? "220 go\r\nxx" : undefined,
      },
      /^0 deferred 451 4\.7\.5 /,
    ],
  ] as const;
  for (const [behaviour, expected] of cases) {
    for (
      const route of [mxRoute({ tls: "required" }), smarthostRoute({ credentials: CREDENTIALS })]
    ) {
      await using world = new RelayWorld();
      const peer = await world.peer(behaviour);
      const host = route.kind === "mx" ? { ...route, domain: "[192.0.2.25]" } : route;
      assertMatch((await world.relay({}, host))[0]!, expected);
      assertEquals([peer.messages.length, peer.said("MAIL").length], [0, 0]);
      assertEquals(peer.said("AUTH").length, 0);
    }
  }
});

Deno.test("remoteTransport(): required TLS takes any certificate, verified TLS only one of the name and a known authority", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ tls: world.tls });
  assertEquals(await world.relay({}, mxRoute({ tls: "required" })), RELAYED);
  assertEquals(await world.relay({}, smarthostRoute(VERIFIED)), RELAYED);
  assertMatch(
    (await world.relay({}, smarthostRoute({ tls: "verified" })))[0]!,
    /^0 deferred 451 4\.7\.5 .*authority/,
  );
  // mx1.example.org is not what the certificate is for.
  world.own.resolver.set("example.org", { mx: ["10 mx1.example.org"] });
  assertMatch(
    (await world.relay({}, mxRoute(VERIFIED)))[0]!,
    /^0 deferred 451 4\.7\.5 .*not for mx1/,
  );
  assertEquals(peer.messages.length, 2);
});

Deno.test("remoteTransport(): a connection to port 465 is TLS from the first octet, and never clear", async () => {
  await using world = new RelayWorld();
  const peer = await world.peer({ tls: world.tls, implicit: true });
  assertEquals(await world.relay({}, smarthostRoute({ implicitTls: true })), RELAYED);
  assertEquals([peer.messages[0]!.tls, peer.said("STARTTLS").length], [true, 0]);

  await using plain = new RelayWorld();
  const clear = await plain.peer();
  assertMatch(
    (await plain.relay({}, smarthostRoute({ implicitTls: true })))[0]!,
    /^0 deferred 451 4\.7\.5/,
  );
  assertEquals(clear.connections, 1);
});

Deno.test("remoteTransport(): what is injected behind the reply to STARTTLS is dropped and told", async () => {
  await using world = new RelayWorld();
  // The reply to STARTTLS and, in the same packet, one to the EHLO that will be said over TLS.
  const peer = await world.peer({
    extensions: ["STARTTLS"],
    on: (line) =>
      line === "STARTTLS" ? "220 go on\r\n250-evil.example\r\n250 AUTH PLAIN" : undefined,
  });
  assertEquals(await world.relay(), RELAYED);
  assertMatch(world.troubles.join("\n"), /injects/);
  assertEquals(peer.messages[0]!.tls, false);
});

Deno.test("remoteTransport(): credentials are said over verified TLS, or where the route says so over any", async () => {
  const auth = { extensions: ["PIPELINING", "AUTH PLAIN LOGIN"] };
  await using world = new RelayWorld();
  const peer = await world.peer({ ...auth, tls: world.tls, on: acceptAuth });
  const credentials = { ...CREDENTIALS, allowUnverified: true };
  assertEquals(
    await world.relay({}, smarthostRoute({ ...VERIFIED, credentials: CREDENTIALS })),
    RELAYED,
  );
  assertEquals(peer.said("AUTH"), ["AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ="]);
  assertMatch(
    (await world.relay({}, smarthostRoute({ tls: "none", credentials: CREDENTIALS })))[0]!,
    /^0 deferred 451 4\.7\.5/,
  );
  assertEquals(peer.said("AUTH").length, 1);
  assertEquals(await world.relay({}, smarthostRoute({ tls: "none", credentials })), RELAYED);
  assertEquals(peer.said("AUTH").length, 2);
  assertEquals(peer.messages.map(({ tls }) => tls), [true, true]);
});

Deno.test("remoteTransport(): a login refused puts all mail off, and no mail is sent without it", async () => {
  for (const answer of ["535 5.7.8 wrong password", "454 4.7.0 not now"]) {
    await using world = new RelayWorld();
    const peer = await world.peer({
      extensions: ["AUTH PLAIN"],
      tls: world.tls,
      on: (line) => line.startsWith("AUTH") ? answer : undefined,
    });
    const route = smarthostRoute({ ...VERIFIED, credentials: CREDENTIALS });
    const [outcome] = await world.relayed({}, route);
    assertEquals([outcome!.status, outcome!.unreachable], ["deferred", true]);
    assertEquals(
      outcome!.reply,
      reply(Number(answer.slice(0, 3)), answer.slice(4, 9), answer.slice(10)),
    );
    assertEquals(peer.said("MAIL").length, 0);
  }
  await using none = new RelayWorld();
  const peer = await none.peer({ tls: none.tls });
  const route = smarthostRoute({ ...VERIFIED, credentials: CREDENTIALS });
  assertMatch((await none.relay({}, route))[0]!, /^0 deferred/);
  assertEquals(peer.said("MAIL").length, 0);
});

Deno.test("remoteTransport(): REQUIRETLS needs a valid certificate and a peer that offers it", async () => {
  const entry = { requireTls: true };
  await using world = new RelayWorld();
  const { network } = world.own;
  const tls = network.tlsServer({ certificates: [mxCertificate] });
  const peer = await world.peer({ tls, extensions: ["PIPELINING", "REQUIRETLS"] });
  const route = smarthostRoute({ tls: "none", authorities: [authority] });
  assertEquals(await world.relay({ entry }, route), RELAYED);
  assertEquals(peer.messages[0]!.mail, "<alice@example.com> REQUIRETLS");
  assertEquals(peer.messages[0]!.tls, true);

  await using lax = new RelayWorld();
  const other = await lax.peer({ tls: lax.tls });
  assertMatch((await lax.relay({ entry }, route))[0]!, /^0 failed 550 5\.7\.30 /);
  assertEquals(other.said("MAIL").length, 0);
});

Deno.test("remoteTransport(): a stall in TLS is a time-out like any other", async () => {
  await using world = new RelayWorld();
  await world.peer({ tls: world.tls, on: (line) => line.startsWith("MAIL") ? SILENCE : undefined });
  const start = world.own.clock.now();
  world.own.resolver.set("example.org", { mx: ["10 mx1.example.org"] });
  assertMatch((await world.relay())[0]!, /^0 deferred 451 4\.4\.2 .*silent/);
  const waited = world.own.clock.now() - start;
  assert(waited >= 300_000 && waited < 305_000, `${waited}`);
});

function acceptAuth(line: string): string | undefined {
  return line.startsWith("AUTH") ? "235 2.7.0 welcome" : undefined;
}

Deno.test("remoteTransport(): a key that cannot be derived puts the mail off and leaves nothing open", async () => {
  await using world = new RelayWorld({ derive: () => Promise.reject(new Error("no memory")) });
  const peer = await world.peer({
    tls: world.tls,
    extensions: ["AUTH SCRAM-SHA-256"],
    on: (line) => line.startsWith("AUTH") ? `334 ${btoa("r=noncexx,s=QUFB,i=4096")}` : undefined,
  });
  const credentials = { user: "alice", password: "wonderland", allowUnverified: true };
  assertMatch(
    (await world.relay({}, smarthostRoute({ credentials })))[0]!,
    /^0 deferred 451 4\.3\.0 cannot log in to mx\.example\.test .*: no memory$/,
  );
  await world.own.clock.settle();
  assertEquals(peer.open, 0);
});
