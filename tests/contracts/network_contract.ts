/**
 * What every {@link Network} does, in the clear; `tls_contract.ts` has the rest.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import type { SocketAddress } from "../../src/runtime/network.ts";
import {
  anyPort,
  codeOf,
  hasSettled,
  readOctets,
  readToEnd,
  withPair,
} from "../support/connections.ts";
import { type Adapter, contractTest, type Machine } from "./adapter.ts";

/** More than any kernel holds for one connection. */
const MORE_THAN_ANY_WINDOW = 64 * 1024 * 1024;

/** Registers the tests. */
export function networkContract(adapter: Adapter): void {
  const test = (name: string, body: (machine: Machine) => Promise<void>) =>
    contractTest(adapter, name, body);

  test("listen() tells the port it took where 0 was asked for", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    assert(listener.address.transport === "tcp");
    assertEquals(listener.address.hostname, "127.0.0.1");
    assertNotEquals(listener.address.port, 0);
    listener.close();
  });

  test("listen() shares an address among those who say so, where that can be", async ({ runtime }) => {
    const { network } = runtime;
    if (!network.canShare) return;
    const first = await network.listen(anyPort, { shared: true });
    const second = await network.listen(first.address, { shared: true });
    assertEquals(second.address, first.address);
    // Who does not say so finds the address taken.
    assertEquals(await codeOf(network.listen(first.address)), "EADDRINUSE");
    const taken = [0, 0];
    const accepting = [first, second].map(async (listener, index) => {
      for (let connection; (connection = await listener.accept()) !== null;) {
        taken[index]!++;
        connection.close();
      }
    });
    // The system draws lots: that one of them is never drawn has no chance to speak of.
    for (let count = 0; count < 64; count++) {
      const client = await network.connect(first.address);
      await client.read(new Uint8Array(1)).catch(() => null);
      client.close();
    }
    first.close();
    second.close();
    await Promise.all(accepting);
    assertEquals(taken[0]! + taken[1]!, 64);
    assert(taken.every((count) => count > 0), `all went to one: ${taken}`);
  });

  test("listen() keeps an address to itself where nothing is said", async ({ runtime }) => {
    const { network } = runtime;
    const listener = await network.listen(anyPort);
    assertEquals(await codeOf(network.listen(listener.address, { shared: true })), "EADDRINUSE");
    listener.close();
  });

  test("connect() and accept() give two ends that agree on their addresses", async ({ runtime }) => {
    await withPair(runtime.network, ({ client, server }) => {
      assertEquals(client.local, server.remote);
      assertEquals(client.remote, server.local);
      assertEquals([client.tls, server.tls], [null, null]);
      return Promise.resolve();
    });
  });

  test("write() and read() carry octets both ways", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      await client.write(encode("EHLO x\r\n"));
      assertEquals(await readOctets(server, 8), encode("EHLO x\r\n"));
      await server.write(encode("250 y\r\n"));
      assertEquals(await readOctets(client, 7), encode("250 y\r\n"));
    });
  });

  test("read() waits for octets and gives no more than fit", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      const into = new Uint8Array(2);
      const reading = server.read(into);
      assertEquals(await hasSettled(reading), false);
      await client.write(encode("abc"));
      const read = await reading;
      assert(read === 1 || read === 2);
      assertEquals(into.subarray(0, read), encode("abc").subarray(0, read));
    });
  });

  test("write() writes all of a large buffer, unchanged", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      const sent = runtime.random.bytes(3_000_000);
      const writing = client.write(sent).then(() => client.closeWrite());
      assertEquals(await readToEnd(server), sent);
      await writing;
    });
  });

  test("write() waits while the peer does not read", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client }) => {
      const writing = client.write(new Uint8Array(MORE_THAN_ANY_WINDOW));
      assertEquals(await hasSettled(writing), false);
      client.close();
      assertEquals(await codeOf(writing), "ECANCELED");
    });
  });

  test("closeWrite() ends one direction only", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      await client.write(encode("QUIT\r\n"));
      await client.closeWrite();
      assertEquals(await readToEnd(server), encode("QUIT\r\n"));
      assertEquals(await server.read(new Uint8Array(1)), null);
      await server.write(encode("221\r\n"));
      await server.closeWrite();
      assertEquals(await readToEnd(client), encode("221\r\n"));
    });
  });

  test("close() lets the peer read what was written, then the end", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      await server.write(encode("421\r\n"));
      server.close();
      assertEquals(await readToEnd(client), encode("421\r\n"));
    });
  });

  test("write() fails when the peer is gone", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      server.close();
      const writing = (async () => {
        for (;;) await client.write(new Uint8Array(65536));
      })();
      assert(["EPIPE", "ECONNRESET"].includes(await codeOf(writing) ?? ""));
    });
  });

  test("close() wakes a pending read", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client }) => {
      const reading = codeOf(client.read(new Uint8Array(1)));
      client.close();
      assertEquals(await reading, "ECANCELED");
    });
  });

  test("close() is harmless twice; what follows it fails", async ({ runtime }) => {
    await withPair(runtime.network, async ({ client, server }) => {
      client.close();
      client.close();
      assertEquals(await codeOf(client.read(new Uint8Array(1))), "EBADF");
      assertEquals(await codeOf(client.write(new Uint8Array(1))), "EBADF");
      assertEquals(await codeOf(client.closeWrite()), "EBADF");
      assertEquals(
        await codeOf(client.startTlsClient({ serverName: "x.test", verify: false })),
        "EBADF",
      );
      assertEquals(await server.read(new Uint8Array(1)), null);
    });
  });

  test("connect() fails where nobody listens", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    listener.close();
    assertEquals(await codeOf(runtime.network.connect(listener.address)), "ECONNREFUSED");
  });

  test("connect() gives up when its signal is aborted", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    const reason = new Error("too long");
    const aborted = AbortSignal.abort(reason);
    const error = await assertRejects(() =>
      runtime.network.connect(listener.address, { signal: aborted })
    );
    assertEquals(error, reason);
    listener.close();
  });

  test("connect() leaves a connection open when its signal is aborted later", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    const giveUp = new AbortController();
    const [client, server] = await Promise.all([
      runtime.network.connect(listener.address, { signal: giveUp.signal }),
      listener.accept(),
    ]);
    giveUp.abort();
    await client.write(encode("x"));
    assertEquals(await readOctets(server!, 1), encode("x"));
    client.close();
    server!.close();
    listener.close();
  });

  test("listen() fails on an address in use", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    assertEquals(await codeOf(runtime.network.listen(listener.address)), "EADDRINUSE");
    listener.close();
    (await runtime.network.listen(listener.address)).close();
  });

  test("accept() gives null once closed, pending or not", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    const accepting = listener.accept();
    listener.close();
    listener.close();
    assertEquals(await accepting, null);
    assertEquals(await listener.accept(), null);
  });

  test("accept() gives every connection once", async ({ runtime }) => {
    const listener = await runtime.network.listen(anyPort);
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => runtime.network.connect(listener.address)),
    );
    const servers = [];
    for (const _ of clients) servers.push((await listener.accept())!);
    assertEquals(
      new Set(servers.map((server) => JSON.stringify(server.remote))),
      new Set(clients.map((client) => JSON.stringify(client.local))),
    );
    for (const connection of [...clients, ...servers]) connection.close();
    listener.close();
  });

  test("a unix socket carries octets and frees its path", async ({ runtime, folder }) => {
    const { network } = runtime;
    const address: SocketAddress = { transport: "unix", path: `${folder}/lmtp.sock` };
    for (const octets of [encode("first"), encode("second")]) {
      const listener = await network.listen(address);
      assertEquals(listener.address, address);
      const [client, server] = await Promise.all([network.connect(address), listener.accept()]);
      assertEquals(client.remote, address);
      assertEquals(server!.local, address);
      await client.write(octets);
      assertEquals(await readOctets(server!, octets.length), octets);
      client.close();
      server!.close();
      listener.close();
    }
    assert((await codeOf(network.connect(address)))?.match(/^(ENOENT|ECONNREFUSED)$/));
  });

  test("listen() leaves a unix socket that somebody answers alone", async ({ runtime, folder }) => {
    const address: SocketAddress = { transport: "unix", path: `${folder}/owner.sock` };
    const listener = await runtime.network.listen(address);
    assertEquals(await codeOf(runtime.network.listen(address)), "EADDRINUSE");
    const client = await runtime.network.connect(address);
    client.close();
    listener.close();
  });
}
