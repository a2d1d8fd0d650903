import { connect as connectTls } from "node:tls";
import { assert, assertEquals } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Connection } from "../../src/runtime/network.ts";
import { mxCertificate, otherCertificate, testAuthority } from "../support/certificates.ts";
import {
  anyPort,
  codeOf,
  hasSettled,
  readOctets,
  readToEnd,
  withPair,
} from "../support/connections.ts";

const { network, random } = denoRuntime();

Deno.test("startTlsServer() does not mix up handshakes that run at once", async () => {
  const tlsServer = network.tlsServer({ certificates: [mxCertificate, otherCertificate] });
  const listener = await network.listen(anyPort);
  const serving = (async () => {
    const tasks = [];
    for (let i = 0; i < 40; i++) {
      const plain = (await listener.accept())!;
      tasks.push((async () => {
        const port = plain.remote.transport === "tcp" ? plain.remote.port : 0;
        const server = await plain.startTlsServer(tlsServer);
        await server.write(encode(`${port} ${server.tls?.serverName}\n`));
        await server.closeWrite();
        await readToEnd(server);
        server.close();
      })());
    }
    await Promise.all(tasks);
  })();
  await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    const plain = await network.connect(listener.address);
    const port = plain.local.transport === "tcp" ? plain.local.port : 0;
    const serverName = i % 2 === 0 ? "mx.example.test" : `host${i}.other.test`;
    const client = await plain.startTlsClient({
      serverName,
      verify: true,
      authorities: [testAuthority],
    });
    assertEquals(await readToEnd(client), encode(`${port} ${serverName}\n`));
    await client.closeWrite();
    client.close();
  }));
  await serving;
  listener.close();
});

Deno.test("startTlsServer() works again after failed handshakes", async () => {
  const tlsServer = network.tlsServer({ certificates: [mxCertificate] });
  for (let i = 0; i < 3; i++) {
    await withPair(network, async ({ client, server }) => {
      await client.write(encode("GET / HTTP/1.1\r\n\r\n"));
      assertEquals(await codeOf(server.startTlsServer(tlsServer)), "EPROTO");
    });
    await withPair(network, async (plain) => {
      const [server, client] = await Promise.all([
        plain.server.startTlsServer(tlsServer),
        plain.client.startTlsClient({ serverName: "mx.example.test", verify: false }),
      ]);
      await client.write(encode("x"));
      assertEquals(await readOctets(server, 1), encode("x"));
      client.close();
      server.close();
    });
  }
});

Deno.test("startTlsServer() tells a client it refuses by an alert", async () => {
  await withPair(network, async ({ client, server }) => {
    const securing = codeOf(
      server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
    );
    await client.write(encode("EHLO x\r\n"));
    // RFC 8446 §6: type alert (21), legacy version, two octets: fatal (2), handshake_failure (40).
    assertEquals(await readToEnd(client), Uint8Array.of(21, 3, 3, 0, 2, 2, 40));
    assertEquals(await securing, "EPROTO");
  });
});

Deno.test("startTlsServer() speaks TLS 1.2 with those who know no better", async () => {
  const listener = await network.listen(anyPort);
  assert(listener.address.transport === "tcp");
  const client = connectTls({
    port: listener.address.port,
    host: "127.0.0.1",
    servername: "mx.example.test",
    ca: testAuthority,
    maxVersion: "TLSv1.2",
  });
  client.on("error", () => {});
  const plain = (await listener.accept())!;
  const server = await plain.startTlsServer(network.tlsServer({ certificates: [mxCertificate] }));
  assertEquals(server.tls?.protocol, "TLSv1.2");
  // The names of RFC 5289, not OpenSSL's.
  assert(server.tls?.cipher.startsWith("TLS_ECDHE_ECDSA_WITH_AES_"), server.tls?.cipher);
  const closed = new Promise((resolve) => client.once("close", resolve));
  client.destroy();
  await closed;
  server.close();
  listener.close();
});

/** Passes octets on, as `change` makes them, until either side ends. */
async function relay(
  from: Connection,
  to: Connection,
  change: (octets: Uint8Array) => Uint8Array,
): Promise<void> {
  try {
    const buffer = new Uint8Array(65536);
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) break;
      await to.write(change(buffer.slice(0, length)));
    }
    await to.closeWrite();
  } catch {
    // The ends tell how it went.
  }
}

Deno.test("a handshake fails on any changed octet", async () => {
  const tlsServer = network.tlsServer({ certificates: [mxCertificate] });
  const options = { serverName: "mx.example.test", verify: true, authorities: [testAuthority] };

  /** A handshake through a relay; the octet at `flipped` of what the client sends is changed. */
  const handshake = async (flipped: number): Promise<string[]> => {
    let results: string[] = [];
    await withPair(network, (left) =>
      withPair(network, async (right) => {
        let at = 0;
        const passing = [
          relay(left.server, right.client, (octets) => {
            const index = flipped - at;
            at += octets.length;
            if (index >= 0 && index < octets.length) octets[index]! ^= 1 << random.float() * 8;
            return octets;
          }),
          relay(right.client, left.server, (octets) => octets),
        ];
        const securing = [
          left.client.startTlsClient(options),
          right.server.startTlsServer(tlsServer),
        ];
        const ends = Promise.allSettled(securing);
        // A changed length makes one side wait for more; its owner's time-out would end that.
        await Promise.race([ends, hasSettled(ends)]);
        for (const { client, server } of [left, right]) {
          client.close();
          server.close();
        }
        results = (await ends).map((end) => {
          if (end.status === "fulfilled") end.value.close();
          return end.status;
        });
        await Promise.all(passing);
      }));
    return results;
  };
  // Octets of the record's header, the hello's header, its random value, and beyond.
  for (const flipped of [0, 3, 4, 5, 7, 9, 11, 30, 45, 80]) {
    const [, server] = await handshake(flipped);
    assertEquals(server, "rejected", `octet ${flipped}`);
  }
});

Deno.test("a handshake does not depend on how its octets are split", async () => {
  await withPair(network, (left) =>
    withPair(network, async (right) => {
      const byOctet = async (from: Connection, to: Connection) => {
        const octet = new Uint8Array(1);
        while (await from.read(octet).catch(() => null) !== null) {
          await to.write(octet).catch(() => {});
        }
        await to.closeWrite().catch(() => {});
      };
      const passing = [byOctet(left.server, right.client), byOctet(right.client, left.server)];
      const [client, server] = await Promise.all([
        left.client.startTlsClient({ serverName: "mx.example.test", verify: false }),
        right.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
      ]);
      await client.write(encode("QUIT\r\n"));
      assertEquals(await readOctets(server, 6), encode("QUIT\r\n"));
      client.close();
      server.close();
      await Promise.all(passing);
    }));
});

Deno.test("a forged record ends a secured connection with EPROTO", async () => {
  await withPair(network, (left) =>
    withPair(network, async (right) => {
      let forge = false;
      const passing = [
        relay(left.server, right.client, (octets) => {
          if (forge) octets[octets.length - 1]! ^= 1;
          return octets;
        }),
        relay(right.client, left.server, (octets) => octets),
      ];
      const [client, server] = await Promise.all([
        left.client.startTlsClient({ serverName: "mx.example.test", verify: false }),
        right.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
      ]);
      forge = true;
      await client.write(encode("MAIL FROM:<>\r\n"));
      assertEquals(await codeOf(server.read(new Uint8Array(100))), "EPROTO");
      client.close();
      server.close();
      for (const { client, server } of [left, right]) {
        client.close();
        server.close();
      }
      await Promise.all(passing);
    }));
});

Deno.test("octets nobody reads stay with the peer, however many it sends", async () => {
  await withPair(network, async (plain) => {
    const [server, client] = await Promise.all([
      plain.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
      plain.client.startTlsClient({ serverName: "mx.example.test", verify: false }),
    ]);
    // The kernel's buffers take some megabytes; a TLS that reads on takes everything.
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64 * 1024 * 1024; sent += 65536) await client.write(new Uint8Array(65536));
    })();
    assertEquals(await readOctets(server, 10), new Uint8Array(10));
    let before = -1;
    for (let turns = 0; turns < 10; turns = sent === before ? turns + 1 : 0) {
      before = sent;
      await hasSettled(sending);
    }
    assert(sent < 32 * 1024 * 1024, `${sent} octets`);
    client.close();
    assert(["ECANCELED", "EBADF"].includes(await codeOf(sending) ?? ""));
    server.close();
  });
});
