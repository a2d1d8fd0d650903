/**
 * What every {@link Network} does of TLS: STARTTLS and implicit TLS, on both sides.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { encode } from "../../src/bytes.ts";
import type { Connection, Network } from "../../src/runtime/network.ts";
import { errorCode } from "../../src/runtime/system_error.ts";
import type { TlsClientOptions, TlsPeer } from "../../src/runtime/tls.ts";
import {
  mxCertificate,
  otherCertificate,
  strayKey,
  testAuthority,
} from "../support/certificates.ts";
import { codeOf, hasSettled, readOctets, readToEnd, withPair } from "../support/connections.ts";
import { type Adapter, contractTest, type Machine } from "./adapter.ts";

const MORE_THAN_ANY_WINDOW = 64 * 1024 * 1024;

/** How a client trusts the test authority. */
function trusting(serverName: string): TlsClientOptions {
  return { serverName, verify: true, authorities: [testAuthority] };
}

/** Gives two secured ends to a test, and closes them after it. */
async function withSecuredPair(
  network: Network,
  test: (pair: { client: Connection; server: Connection }) => Promise<void>,
): Promise<void> {
  await withPair(network, async (plain) => {
    const [server, client] = await Promise.all([
      plain.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
      plain.client.startTlsClient({ serverName: "mx.example.test", verify: false }),
    ]);
    try {
      await test({ client, server });
    } finally {
      client.close();
      server.close();
    }
  });
}

/**
 * One handshake; how it ended for the client, as `"resolved"` or an errno name. What a server sees of
 * a client that refuses its certificate depends on how far that had come.
 */
async function outcome(
  network: Network,
  server: Parameters<Connection["startTlsServer"]>[0],
  options: TlsClientOptions,
): Promise<string | undefined> {
  let client: string | undefined;
  await withPair(network, async (plain) => {
    const ends = await Promise.allSettled([
      plain.client.startTlsClient(options),
      plain.server.startTlsServer(server),
    ]);
    for (const end of ends) if (end.status === "fulfilled") end.value.close();
    const [end] = ends;
    client = end.status === "fulfilled" ? "resolved" : errorCode(end.reason);
  });
  return client;
}

/** Registers the tests. */
export function tlsContract(adapter: Adapter): void {
  const test = (name: string, body: (network: Network, machine: Machine) => Promise<void>) =>
    contractTest(adapter, name, (machine) => body(machine.runtime.network, machine));

  test("startTls() agrees on what both sides can tell", async (network) => {
    await withSecuredPair(network, ({ client, server }) => {
      // Which of RFC 8446's suites is preferred is the adapter's.
      const { cipher = "" } = server.tls ?? {};
      assertMatch(
        cipher,
        /^TLS_(?:AES_(?:128_GCM_SHA256|256_GCM_SHA384)|CHACHA20_POLY1305_SHA256)$/,
      );
      const agreed = { protocol: "TLSv1.3", cipher, serverName: "mx.example.test" };
      assertEquals(server.tls, agreed);
      assertEquals(client.tls, agreed);
      assertEquals(client.local, server.remote);
      assertEquals(client.remote, server.local);
      return Promise.resolve();
    });
  });

  test("inspect() sees the certificates as they were sent, and what the web's authorities say", async (network) => {
    const { certificate, key } = mxCertificate;
    // The last of them has issued none of the others.
    const chain = [certificate, testAuthority, otherCertificate.certificate];
    const server = network.tlsServer({ certificates: [{ certificate: chain.join(""), key }] });
    const shown: string[][] = [];
    const codes: (string | undefined)[] = [];
    const inspect = (peer: TlsPeer) => {
      shown.push(peer.certificates.map((der) => der.toBase64()));
      codes.push(peer.check()?.code);
      return null;
    };
    const sent = chain.map((pem) => pem.replaceAll(/-----[A-Z ]+-----|\s/g, ""));
    const authorities = [testAuthority];
    const lax = { serverName: "mx.example.test", verify: false, inspect } as const;
    assertEquals(await outcome(network, server, lax), "resolved");
    assertEquals(await outcome(network, server, { ...lax, authorities }), "resolved");
    const named = { ...lax, authorities, serverName: "no.example.test" };
    assertEquals(await outcome(network, server, named), "resolved");
    for (const one of shown) assertEquals(one.slice(0, sent.length), sent);
    assertMatch(codes[0]!, /^(?:UNABLE_TO_|SELF_SIGNED_)/);
    assertEquals(codes.slice(1), [undefined, "ERR_TLS_CERT_ALTNAME_INVALID"]);
  });

  test("inspect() can refuse whom all else allows, and is not asked about others", async (network) => {
    const server = network.tlsServer({ certificates: [mxCertificate] });
    const refuse = { ...trusting("mx.example.test"), inspect: () => "not this one" };
    assertEquals(await outcome(network, server, refuse), "EPROTO");
    const broken = {
      ...refuse,
      inspect: () => {
        throw new Error("a fault");
      },
    };
    assertEquals(await outcome(network, server, broken), "EPROTO");
    let asked = false;
    const inspect = () => {
      asked = true;
      return null;
    };
    assertEquals(await outcome(network, server, { ...trusting("no.test"), inspect }), "EPROTO");
    assertEquals(asked, false);
  });

  test("startTls() sends no address as a name", async (network) => {
    await withPair(network, async (plain) => {
      const [server, client] = await Promise.all([
        plain.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
        plain.client.startTlsClient(trusting("127.0.0.1")),
      ]);
      assertEquals(server.tls?.serverName, undefined);
      assertEquals(client.tls?.serverName, undefined);
      client.close();
      server.close();
    });
  });

  test("a connection in clear becomes a secured one", async (network) => {
    await withPair(network, async (plain) => {
      await plain.client.write(encode("STARTTLS\r\n"));
      await readOctets(plain.server, 10);
      await plain.server.write(encode("220\r\n"));
      await readOctets(plain.client, 5);
      const [server, client] = await Promise.all([
        plain.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
        plain.client.startTlsClient(trusting("mx.example.test")),
      ]);
      await client.write(encode("EHLO x\r\n"));
      assertEquals(await readOctets(server, 8), encode("EHLO x\r\n"));
      await server.write(encode("250 y\r\n"));
      assertEquals(await readOctets(client, 7), encode("250 y\r\n"));
      client.close();
      server.close();
    });
  });

  test("read() gives what is there in pieces of any size", async (network) => {
    await withSecuredPair(network, async ({ client, server }) => {
      await client.write(encode("abcdef"));
      for (const letter of "abcdef") assertEquals(await readOctets(server, 1), encode(letter));
    });
  });

  test("write() carries a lot over TLS, both ways at once", async (network, { runtime }) => {
    await withSecuredPair(network, async ({ client, server }) => {
      const [up, down] = [runtime.random.bytes(2_000_000), runtime.random.bytes(1_000_001)];
      const [received, answered] = await Promise.all([
        readToEnd(server),
        readToEnd(client),
        client.write(up).then(() => client.closeWrite()),
        server.write(down).then(() => server.closeWrite()),
      ]);
      assertEquals(received, up);
      assertEquals(answered, down);
    });
  });

  test("closeWrite() ends one direction of TLS only", async (network) => {
    await withSecuredPair(network, async ({ client, server }) => {
      await client.write(encode("QUIT\r\n"));
      await client.closeWrite();
      assertEquals(await readToEnd(server), encode("QUIT\r\n"));
      assertEquals(await server.read(new Uint8Array(1)), null);
      await server.write(encode("221\r\n"));
      await server.closeWrite();
      assertEquals(await readToEnd(client), encode("221\r\n"));
    });
  });

  test("close() after write() over TLS loses nothing", async (network) => {
    await withSecuredPair(network, async ({ client, server }) => {
      await server.write(encode("421\r\n"));
      await server.closeWrite();
      server.close();
      assertEquals(await readToEnd(client), encode("421\r\n"));
    });
  });

  test("close() wakes a pending read over TLS", async (network) => {
    await withSecuredPair(network, async ({ client, server }) => {
      const reading = codeOf(server.read(new Uint8Array(1)));
      assertEquals(await hasSettled(reading), false);
      server.close();
      assertEquals(await reading, "ECANCELED");
      assertEquals(await codeOf(server.read(new Uint8Array(1))), "EBADF");
      assertEquals(await codeOf(server.write(new Uint8Array(1))), "EBADF");
      assertEquals(await codeOf(server.closeWrite()), "EBADF");
      assertEquals(await client.read(new Uint8Array(1)), null);
    });
  });

  // Whoever holds the socket can end it, whatever it has become since.
  test("close() of the connection in clear ends the secured one", async (network) => {
    await withPair(network, async (plain) => {
      const [server, client] = await Promise.all([
        plain.server.startTlsServer(network.tlsServer({ certificates: [mxCertificate] })),
        plain.client.startTlsClient(trusting("mx.example.test")),
      ]);
      const reading = codeOf(server.read(new Uint8Array(1)));
      await hasSettled(reading);
      plain.server.close();
      assertEquals(await reading, "ECANCELED");
      client.close();
      server.close();
    });
  });

  test("write() over TLS waits while the peer does not read", async (network) => {
    await withSecuredPair(network, async ({ client }) => {
      const writing = client.write(new Uint8Array(MORE_THAN_ANY_WINDOW));
      assertEquals(await hasSettled(writing), false);
      client.close();
      assertEquals(await codeOf(writing), "ECANCELED");
    });
  });

  test("write() over TLS fails when the peer is gone", async (network) => {
    await withSecuredPair(network, async ({ client, server }) => {
      server.close();
      const writing = (async () => {
        for (;;) await client.write(new Uint8Array(65536));
      })();
      assert(["EPIPE", "ECONNRESET"].includes(await codeOf(writing) ?? ""));
    });
  });

  test("startTlsServer() begins with what was received already", async (network) => {
    await withPair(network, async (plain) => {
      const securing = plain.client.startTlsClient(trusting("mx.example.test"));
      const received = await readOctets(plain.server, 7);
      const server = await plain.server.startTlsServer(
        network.tlsServer({ certificates: [mxCertificate] }),
        received,
      );
      const client = await securing;
      await client.write(encode("x"));
      assertEquals(await readOctets(server, 1), encode("x"));
      client.close();
      server.close();
    });
  });

  test("the certificate is chosen by the name, the first for others", async (network) => {
    const server = network.tlsServer({ certificates: [mxCertificate, otherCertificate] });
    for (const name of ["mx.example.test", "MX.Example.Test", "localhost", "a.other.test"]) {
      assertEquals(await outcome(network, server, trusting(name)), "resolved", name);
    }
    // A wildcard stands for one label, and for one only (RFC 6125 §6.4.3).
    for (const name of ["a.b.other.test", "other.test", "elsewhere.test"]) {
      assertEquals(await outcome(network, server, trusting(name)), "EPROTO", name);
    }
    assertEquals(
      await outcome(network, server, { serverName: "elsewhere.test", verify: false }),
      "resolved",
    );
  });

  test("verify demands a known authority", async (network) => {
    const server = network.tlsServer({ certificates: [mxCertificate] });
    assertEquals(
      await outcome(network, server, { serverName: "mx.example.test", verify: true }),
      "EPROTO",
    );
  });

  test("replace() is for later handshakes, and only with good certificates", async (network) => {
    const server = network.tlsServer({ certificates: [mxCertificate] });
    await withPair(network, async (plain) => {
      const [early, client] = await Promise.all([
        plain.server.startTlsServer(server),
        plain.client.startTlsClient(trusting("mx.example.test")),
      ]);
      server.replace([otherCertificate]);
      await client.write(encode("x"));
      assertEquals(await readOctets(early, 1), encode("x"));
      client.close();
      early.close();
    });
    assertThrows(() => server.replace([{ ...mxCertificate, key: strayKey }]), TypeError);
    assertEquals(await outcome(network, server, trusting("mx.other.test")), "resolved");
    assertEquals(await outcome(network, server, trusting("mx.example.test")), "EPROTO");
  });

  test("tlsServer() names the certificate that is wrong", (network) => {
    const make = (...certificates: typeof mxCertificate[]) => () =>
      network.tlsServer({ certificates });
    const bad = (changes: Partial<typeof mxCertificate>) => ({ ...otherCertificate, ...changes });
    assertThrows(make(), TypeError, "at least one");
    assertThrows(
      make(mxCertificate, bad({ key: strayKey })),
      TypeError,
      "certificate 2 (*.other.test): the certificate does not belong to its key",
    );
    assertThrows(make(bad({ key: "" })), TypeError, "certificate 1 (*.other.test): its key");
    assertThrows(make(bad({ certificate: "" })), TypeError, "certificate 1: there is no PEM");
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assertThrows(make(bad({ certificate: broken })), TypeError, "certificate 1: cannot be read");
    assertThrows(
      make(bad({ certificate: otherCertificate.certificate + broken })),
      TypeError,
      "certificate 1, intermediate 1: cannot be read",
    );
    return Promise.resolve();
  });

  for (const side of ["server", "client"] as const) {
    const peerOf = { server: "client", client: "server" } as const;
    const start = (network: Network, connection: Connection) =>
      side === "server"
        ? connection.startTlsServer(network.tlsServer({ certificates: [mxCertificate] }))
        : connection.startTlsClient({ serverName: "mx.example.test", verify: false });

    test(`a ${side}'s handshake fails when the peer vanishes`, async (network) => {
      await withPair(network, async (plain) => {
        const securing = start(network, plain[side]);
        plain[peerOf[side]].close();
        assertEquals(await codeOf(securing), "ECONNRESET");
        assertEquals(await codeOf(plain[side].read(new Uint8Array(1))), "EBADF");
      });
    });

    test(`a ${side}'s handshake fails when the peer is not speaking TLS`, async (network) => {
      for (
        const words of ["EHLO x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\0".repeat(100)]
      ) {
        await withPair(network, async (plain) => {
          const securing = start(network, plain[side]);
          await plain[peerOf[side]].write(encode(words));
          assertEquals(await codeOf(securing), "EPROTO");
          assertEquals(await codeOf(plain[side].read(new Uint8Array(1))), "EBADF");
        });
      }
    });

    test(`close() ends a ${side}'s handshake, whoever waits for whom`, async (network) => {
      await withPair(network, async (plain) => {
        const securing = codeOf(start(network, plain[side]));
        assertEquals(await hasSettled(securing), false);
        plain[side].close();
        assertEquals(await securing, "ECANCELED");
      });
      await withPair(network, async (plain) => {
        const securing = codeOf(start(network, plain[side]));
        plain[side].close();
        assertEquals(await securing, "ECANCELED");
      });
    });
  }

  test("close() ends a handshake after any number of octets", async (network) => {
    let firstFlight = new Uint8Array(0);
    await withPair(network, async (plain) => {
      const securing = codeOf(plain.client.startTlsClient(trusting("mx.example.test")));
      const buffer = new Uint8Array(65536);
      firstFlight = buffer.slice(0, await plain.server.read(buffer) ?? 0);
      plain.client.close();
      await securing;
    });
    const tlsServer = network.tlsServer({ certificates: [mxCertificate] });
    for (const length of [1, 5, 6, firstFlight.length - 1, firstFlight.length]) {
      await withPair(network, async (plain) => {
        const securing = codeOf(plain.server.startTlsServer(tlsServer));
        await plain.client.write(firstFlight.subarray(0, length));
        assertEquals(await hasSettled(securing), false);
        plain.server.close();
        assertEquals(await securing, "ECANCELED");
      });
    }
  });

  test("TLS cannot be started twice", async (network) => {
    await withSecuredPair(network, async ({ client, server }) => {
      const tlsServer = network.tlsServer({ certificates: [mxCertificate] });
      assertEquals(await codeOf(server.startTlsServer(tlsServer)), "EPROTO");
      assertEquals(
        await codeOf(client.startTlsClient({ serverName: "x.test", verify: false })),
        "EPROTO",
      );
    });
  });
}
