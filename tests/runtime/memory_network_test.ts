import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection } from "../../src/runtime/network.ts";
import { codeOf, readOctets, readToEnd } from "../support/connections.ts";

const SERVER = { transport: "tcp", hostname: "192.0.2.25", port: 25 } as const;

/** Two machines on the same wires. */
function twoMachines(seed = 1): { server: MemoryRuntime; client: MemoryRuntime } {
  const server = memoryRuntime({ seed, address: SERVER.hostname });
  return { server, client: memoryRuntime({ address: "198.51.100.7", beside: server }) };
}

/** A link between them. */
async function connect(
  { server, client }: { server: MemoryRuntime; client: MemoryRuntime },
): Promise<{ here: Connection; there: Connection }> {
  const listener = await server.network.listen(SERVER);
  const [here, there] = await server.clock.runUntil(
    Promise.all([client.network.connect(SERVER), listener.accept()]),
  );
  listener.close();
  return { here, there: there! };
}

Deno.test("machines have addresses of their own, and loopback to themselves", async () => {
  const { server, client } = twoMachines();
  const any = await server.network.listen({ ...SERVER, hostname: "0.0.0.0" });
  const connection = await client.network.connect(SERVER);
  assert(connection.local.transport === "tcp");
  assertEquals(connection.local.hostname, "198.51.100.7");
  const accepted = (await any.accept())!;
  assertEquals(accepted.remote, connection.local);
  assertEquals(accepted.local, SERVER);
  const loopback = { ...SERVER, hostname: "127.0.0.1" };
  (await server.network.connect(loopback)).close();
  assertEquals(await codeOf(client.network.connect(loopback)), "ECONNREFUSED");
  assertEquals(await codeOf(client.network.listen(SERVER)), "EADDRNOTAVAIL");
  assertThrows(() => memoryRuntime({ address: SERVER.hostname, beside: server }));
});

Deno.test("delay holds octets, ends and connects back, and keeps their order", async () => {
  const machines = twoMachines();
  const { clock } = machines.server;
  const delays = [10, 10, 50, 5, 5];
  machines.server.network.wires.conditions = () => ({ delay: () => delays.shift() ?? 1 });
  const start = clock.now();
  const { here, there } = await connect(machines);
  assertEquals(clock.now() - start, 20);
  await here.write(encode("first "));
  await here.write(encode("second"));
  await here.closeWrite();
  assertEquals(await clock.runUntil(readToEnd(there)), encode("first second"));
  assertEquals(clock.now() - start, 70);
});

Deno.test("split decides how much one read gives", async () => {
  const machines = twoMachines();
  machines.server.network.wires.conditions = () => ({ split: () => 2 });
  const { here, there } = await connect(machines);
  await here.write(encode("abcde"));
  const sizes = [];
  for (let read = 0; read < 5;) {
    const length = (await there.read(new Uint8Array(100)))!;
    sizes.push(length);
    read += length;
  }
  assertEquals(sizes, [2, 2, 1]);
});

Deno.test("window bounds what is under way", async () => {
  const machines = twoMachines();
  machines.server.network.wires.conditions = () => ({ window: 4 });
  const { here, there } = await connect(machines);
  let written = false;
  const writing = here.write(encode("abcdefgh")).then(() => written = true);
  await machines.server.clock.settle();
  const [link] = machines.server.network.wires.links;
  assertEquals([link!.carried, written], [4, false]);
  assertEquals(await readOctets(there, 8), encode("abcdefgh"));
  await writing;
});

Deno.test("reset() fails both ends, pending calls too", async () => {
  const machines = twoMachines();
  const { here, there } = await connect(machines);
  await here.write(encode("lost"));
  const reading = codeOf(here.read(new Uint8Array(1)));
  const writing = codeOf(there.write(new Uint8Array(1_000_000)));
  const [link] = machines.server.network.wires.links;
  assertEquals([link!.client, link!.server], [here.local, SERVER]);
  link!.reset();
  assertEquals([await reading, await writing], ["ECONNRESET", "ECONNRESET"]);
  assertEquals(await codeOf(there.read(new Uint8Array(1))), "ECONNRESET");
  here.close();
  there.close();
  assertEquals(machines.server.network.wires.links, []);
});

Deno.test("silence() lets nothing arrive and tells nobody", async () => {
  const machines = twoMachines();
  machines.server.network.wires.conditions = () => ({ delay: 10 });
  const { here, there } = await connect(machines);
  await here.write(encode("under way"));
  machines.server.network.wires.links[0]!.silence();
  await here.write(encode("later"));
  here.close();
  const reading = codeOf(there.read(new Uint8Array(1)));
  await machines.server.clock.advance(3_600_000);
  there.close();
  assertEquals(await reading, "ECANCELED");
});

Deno.test("fault hurts a link after so many octets", async () => {
  for (const [kind, expected] of [["reset", "ECONNRESET"], ["silence", "ECANCELED"]] as const) {
    const machines = twoMachines();
    machines.server.network.wires.conditions = () => ({ fault: { after: 10, kind } });
    const { here, there } = await connect(machines);
    await here.write(encode("123456789"));
    assertEquals(await readOctets(there, 9), encode("123456789"));
    await there.write(encode("0"));
    const reading = codeOf(here.read(new Uint8Array(1)).then(() => here.read(new Uint8Array(1))));
    await machines.server.clock.settle();
    here.close();
    assertEquals(await reading, expected);
  }
});

Deno.test("connect() can be refused, or never answered", async () => {
  const { server, client } = twoMachines();
  await server.network.listen(SERVER);
  server.network.wires.conditions = () => ({ connect: "refuse" });
  assertEquals(await codeOf(client.network.connect(SERVER)), "ECONNREFUSED");
  server.network.wires.conditions = () => ({ connect: "ignore" });
  const giveUp = new AbortController();
  const connecting = client.network.connect(SERVER, { signal: giveUp.signal })
    .catch((reason) => reason);
  await client.clock.advance(300_000);
  giveUp.abort("gave up");
  assertEquals(await connecting, "gave up");
});

Deno.test("a second read at the same time is refused, not mixed up", async () => {
  const { here, there } = await connect(twoMachines());
  const first = here.read(new Uint8Array(1));
  assertEquals(
    await codeOf(here.read(new Uint8Array(1))),
    "no code: Error: a read is pending already",
  );
  await there.write(encode("x"));
  assertEquals(await first, 1);
});

Deno.test("reboot() resets the links of a machine and cuts its old self off", async () => {
  const machines = twoMachines();
  const { here, there } = await connect(machines);
  const old = machines.server;
  const accepting = (await old.network.listen({ ...SERVER, port: 587 })).accept();
  const reading = codeOf(here.read(new Uint8Array(1)));
  const renewed = old.reboot();
  assertEquals(await reading, "ECONNRESET");
  assertEquals(await accepting, null);
  assertEquals(await codeOf(there.write(encode("x"))), "EBADF");
  assertEquals(await codeOf(old.network.listen(SERVER)), "EIO");
  assertEquals(await codeOf(old.network.connect(SERVER)), "EIO");
  assertEquals(await codeOf(old.files.stat("/")), "EIO");
  const again = await connect({ server: renewed, client: machines.client });
  await again.here.write(encode("x"));
  assertEquals(await readOctets(again.there, 1), encode("x"));
});

/** Some traffic under random conditions; what happened, with times. */
async function story(seed: number): Promise<string[]> {
  const machines = twoMachines(seed);
  const { clock, random } = machines.server;
  machines.server.network.wires.conditions = () => ({
    delay: () => random.below(100),
    split: (available) => 1 + random.below(available),
  });
  const { here, there } = await connect(machines);
  const events: string[] = [];
  const reading = (async () => {
    const into = new Uint8Array(100);
    for (;;) {
      const length = await there.read(into);
      events.push(`${clock.now()} ${length}`);
      if (length === null) return;
    }
  })();
  for (let i = 0; i < 5; i++) {
    await here.write(random.bytes(random.below(50) + 1));
    await clock.runUntil(clock.sleep(random.below(50)));
  }
  here.close();
  await clock.runUntil(reading);
  return events;
}

Deno.test("the same seed gives the same run", async () => {
  assertEquals(await story(7), await story(7));
  assertNotEquals(await story(7), await story(8));
});
