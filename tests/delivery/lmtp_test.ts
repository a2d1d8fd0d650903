import { assertEquals, assertMatch } from "@std/assert";
import type { LmtpRoute } from "../../src/routing/route.ts";
import type { SocketAddress } from "../../src/runtime/network.ts";
import { RelayWorld } from "./relay_world.ts";
import { CLOSE, type PeerBehaviour, ScriptedPeer } from "./scripted_peer.ts";
import { jobFor, told } from "./support.ts";

const TO = ["a@example.org", "b@example.org", "c@example.org"];
const UNIX: SocketAddress = { transport: "unix", path: "/run/lmtp" };
const TCP: SocketAddress = { transport: "tcp", hostname: "192.0.2.30", port: 24 };

/** A world with an LMTP server in it. */
async function server(behaviour: PeerBehaviour = {}, address = TCP) {
  const world = new RelayWorld();
  const machine = address.transport === "unix" ? world.own : world.machine("192.0.2.30");
  const peer = await ScriptedPeer.start(machine, { lmtp: true, ...behaviour }, address);
  const route: LmtpRoute = { kind: "lmtp", address, connections: 10 };
  return { world, peer, route };
}

Deno.test("lmtpTransport() delivers over TCP and unix sockets, with one answer for each recipient", async () => {
  for (const address of [TCP, UNIX]) {
    const answers = ["250 2.1.5 Ok", "550 5.2.2 full", "451 4.3.0 later"];
    const { world, peer, route } = await server(
      { on: (line) => line === "." ? answers.shift() : undefined },
      address,
    );
    await using _ = world;
    const outcomes = await world.deliver(jobFor(route, { to: TO }));
    assertEquals(told(outcomes), [
      "0 delivered 250 2.1.5 Ok",
      "1 failed 550 5.2.2 full",
      "2 deferred 451 4.3.0 later",
    ]);
    assertEquals(outcomes[0]!.host, address === UNIX ? "unix:/run/lmtp" : "192.0.2.30:24");
    assertEquals(peer.lines[0], "LHLO mail.example.net");
    assertEquals(peer.messages[0]!.rcpt, ["<a@example.org>"]);
  }
});

Deno.test("lmtpTransport() keeps the connection for the next message", async () => {
  const { world, peer, route } = await server();
  await using _ = world;
  for (let i = 0; i < 3; i++) await world.deliver(jobFor(route));
  assertEquals([peer.connections, peer.messages.length], [1, 3]);
});

Deno.test("lmtpTransport() defers those whose answer is lost", async () => {
  const answers = ["250 2.1.5 Ok", CLOSE] as const;
  let asked = 0;
  const { world, route } = await server({
    on: (line) => line === "." ? answers[asked++] : undefined,
  });
  await using _ = world;
  const outcomes = told(await world.deliver(jobFor(route, { to: TO })));
  assertEquals(outcomes[0], "0 delivered 250 2.1.5 Ok");
  assertMatch(outcomes[1]!, /^1 deferred 451 4\.4\.2 .*may have arrived/);
  assertMatch(outcomes[2]!, /^2 deferred 451 4\.4\.2 .*may have arrived/);
  assertEquals(world.troubles.length, 1);
});

Deno.test("lmtpTransport() defers while nobody listens", async () => {
  const { world, route } = await server();
  await using _ = world;
  const address = { transport: "unix", path: "/run/nobody" } as const;
  const [outcome] = await world.deliver(jobFor({ ...route, address }));
  assertEquals([outcome!.status, outcome!.unreachable], ["deferred", true]);
  assertMatch(outcome!.reply.lines[0]!, /^cannot connect to unix:\/run\/nobody: /);
});

Deno.test("lmtpTransport() delivers mail with REQUIRETLS: the road ends here", async () => {
  const { world, route } = await server({}, UNIX);
  await using _ = world;
  const [outcome] = await world.deliver(jobFor(route, { entry: { requireTls: true } }));
  assertEquals(outcome!.status, "delivered");
});

Deno.test("lmtpTransport() fails nobody when it is led to a port of SMTP", async () => {
  const { world, route } = await server({
    on: (line) => line.startsWith("LHLO") ? "500 5.5.1 unknown command" : undefined,
  });
  await using _ = world;
  assertEquals(told(await world.deliver(jobFor(route))), [
    "0 deferred 500 5.5.1 unknown command",
  ]);
});

Deno.test("lmtpTransport() leaves it to no server to tell of success, which is told here", async () => {
  const cases = [
    [["SUCCESS", "FAILURE"], "FAILURE"],
    [["SUCCESS"], "NEVER"],
    [["NEVER"], "NEVER"],
  ] as const;
  for (const [notify, said] of cases) {
    const { world, peer, route } = await server({ extensions: ["DSN"] });
    await using _ = world;
    const [outcome] = await world.deliver(jobFor(route, { recipient: { notify } }));
    assertEquals([outcome!.status, outcome!.dsnHandedOn], ["delivered", undefined]);
    assertEquals(peer.messages[0]!.rcpt, [`<bob@example.org> NOTIFY=${said}`]);
  }
});
