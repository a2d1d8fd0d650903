import { assert, assertEquals, assertRejects } from "@std/assert";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { ConnectOptions, SocketAddress } from "../../src/runtime/network.ts";
import { NodeConnection } from "../../src/runtime/node_connection.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Adapter } from "../contracts/adapter.ts";
import { networkContract } from "../contracts/network_contract.ts";
import { tlsContract } from "../contracts/tls_contract.ts";
import { anyPort, codeOf, hasSettled } from "../support/connections.ts";

/** Deno, with every connection made from a chosen address. */
const adapter: Adapter = {
  name: "deno from an address",
  async start() {
    const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
    const runtime = denoRuntime();
    const { network } = runtime;
    const fixed = {
      listen: (address: SocketAddress) => network.listen(address),
      connect: (address: SocketAddress, options?: ConnectOptions) =>
        network.connect(address, { ...options, source: "127.0.0.1" }),
      tlsServer: network.tlsServer.bind(network),
    };
    return {
      runtime: { ...runtime, network: fixed },
      folder,
      end: () => Deno.remove(folder, { recursive: true }),
    };
  },
};

networkContract(adapter);
tlsContract(adapter);

const machines: [string, () => Runtime][] = [["deno", denoRuntime], ["memory", memoryRuntime]];

for (const [name, start] of machines) {
  Deno.test(`${name}: connect() from an address is seen so by the peer`, async () => {
    const { network } = start();
    const listener = await network.listen(anyPort);
    const [client, server] = await Promise.all([
      network.connect(listener.address, { source: "127.0.0.7" }),
      listener.accept(),
    ]);
    assert(server!.remote.transport === "tcp");
    assertEquals(server!.remote.hostname, "127.0.0.7");
    assertEquals(client.local, server!.remote);
    for (const one of [client, server!, listener]) one.close();
  });

  Deno.test(`${name}: connect() fails from an address of the other family`, async () => {
    const { network } = start();
    const listener = await network.listen(anyPort);
    const connecting = network.connect(listener.address, { source: "::1" });
    assertEquals(await codeOf(connecting), "EADDRNOTAVAIL");
    listener.close();
  });
}

Deno.test("connect() fails from an address that is another's", async () => {
  const { network } = denoRuntime();
  const listener = await network.listen(anyPort);
  // TEST-NET-1 (RFC 5737) is nobody's.
  const connecting = network.connect(listener.address, { source: "192.0.2.1" });
  assertEquals(await codeOf(connecting), "EADDRNOTAVAIL");
  listener.close();

  const first = memoryRuntime({ address: "198.51.100.1" });
  const second = memoryRuntime({ address: "198.51.100.2", beside: first });
  const other = { transport: "tcp", hostname: "198.51.100.1", port: 25 } as const;
  const options = { source: "198.51.100.1" };
  assertEquals(await codeOf(second.network.connect(other, options)), "EADDRNOTAVAIL");
});

Deno.test("connect() from an address gives up when its signal is aborted", async () => {
  const { network } = denoRuntime();
  const listener = await network.listen(anyPort);
  const giveUp = new AbortController();
  const connecting = network.connect(listener.address, {
    source: "127.0.0.1",
    signal: giveUp.signal,
  });
  const reason = new Error("too long");
  giveUp.abort(reason);
  assertEquals(await assertRejects(() => connecting), reason);
  listener.close();
});

Deno.test("a socket that is not read holds its peer up", async () => {
  const { network } = denoRuntime();
  const listener = await network.listen(anyPort);
  const [client, server] = await Promise.all([
    network.connect(listener.address, { source: "127.0.0.1" }),
    listener.accept(),
  ]);
  assert(client instanceof NodeConnection);
  await server!.write(new Uint8Array(1));
  await client.read(new Uint8Array(1));
  const writing = codeOf(server!.write(new Uint8Array(64 * 1024 * 1024)));
  assertEquals(await hasSettled(writing), false);
  client.close();
  server!.close();
  assert(["ECANCELED", "ECONNRESET", "EPIPE"].includes(await writing ?? ""));
  listener.close();
});
