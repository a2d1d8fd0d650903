import { assertEquals } from "@std/assert";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { startMta } from "../../src/mta.ts";
import { ClientCounts } from "../../src/server/client_counts.ts";
import { mxCertificate } from "../support/certificates.ts";
import { DIRECTORY, SmtpPeer } from "../support/memory_station.ts";

const at = (hostname: string) => ({ transport: "tcp", hostname, port: 40_000 }) as const;

Deno.test("ClientCounts lets a client in so often, and again when it has left", () => {
  const counts = new ClientCounts();
  const client = counts.enter(at("192.0.2.1"), 2);
  assertEquals([client, counts.enter(at("::ffff:192.0.2.1"), 2)], ["192.0.2.1", "192.0.2.1"]);
  assertEquals(counts.enter(at("192.0.2.1"), 2), null);
  assertEquals(counts.enter(at("192.0.2.2"), 2), "192.0.2.2");
  counts.leave("192.0.2.1");
  assertEquals(counts.enter(at("192.0.2.1"), 2), "192.0.2.1");
});

Deno.test("ClientCounts counts a /64 of IPv6 as one, and this machine not at all", () => {
  const counts = new ClientCounts();
  assertEquals(counts.enter(at("2001:db8::1"), 1), "2001:db8::/64");
  assertEquals(counts.enter(at("2001:db8::2"), 1), null);
  for (let i = 0; i < 3; i++) {
    for (const remote of [at("127.0.0.1"), at("::1"), { transport: "unix", path: "" } as const]) {
      assertEquals(counts.enter(remote, 1), "");
      counts.leave("");
    }
  }
  assertEquals(counts.size, 1);
});

Deno.test("attack: a client has not as many connections on each port as it may have in all", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  const ports = [25, 587];
  const mta = await startMta({
    runtime,
    hostname: "mx.example.test",
    directory: DIRECTORY,
    delivery: { maildirRoot: "/mail" },
    certificates: [mxCertificate],
    listeners: ports.map((port, index) => ({
      role: index === 0 ? "mx" : "submission",
      address: { transport: "tcp", hostname: "0.0.0.0", port },
      connectionsPerClient: 3,
    })),
  });
  const connect = async (client: typeof runtime, port: number) => {
    const to = { transport: "tcp", hostname: "192.0.2.25", port } as const;
    return new SmtpPeer(await clock.runUntil(client.network.connect(to)), runtime);
  };
  const crowd = memoryRuntime({ address: "198.51.100.7", beside: runtime });
  const other = memoryRuntime({ address: "198.51.100.8", beside: runtime });
  const inside = [await connect(crowd, 25), await connect(crowd, 587), await connect(crowd, 25)];
  for (const peer of inside) await peer.expect(220);
  for (const port of ports) await (await connect(crowd, port)).expect(421, "4.7.0");
  for (const port of ports) await (await connect(other, port)).expect(220);
  await inside[1]!.say("QUIT", 221);
  await clock.settle();
  await (await connect(crowd, 25)).expect(220);
  await clock.runUntil(mta.stop({ grace: 1000 }));
});
