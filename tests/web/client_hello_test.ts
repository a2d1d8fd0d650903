/**
 * The first flight of a TLS client: of openssl's own, cut anywhere, and malformed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { connect } from "node:tls";
import { Duplex } from "node:stream";
import { readClientHello } from "../../src/web/client_hello.ts";

/** What the runtime's own TLS says first. */
async function firstFlight(servername: string, protocols: string[]): Promise<Uint8Array> {
  const said = Promise.withResolvers<Uint8Array>();
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      said.resolve(new Uint8Array(chunk));
      done();
    },
  });
  const socket = connect({ socket: wire, servername, ALPNProtocols: protocols });
  socket.on("error", () => {});
  const flight = await said.promise;
  socket.destroy();
  wire.destroy();
  return flight;
}

Deno.test("readClientHello() finds the name and the protocols of a real client", async () => {
  const flight = await firstFlight("mx.example.test", ["acme-tls/1", "h2"]);
  assertEquals(readClientHello(flight), {
    serverName: "mx.example.test",
    protocols: ["acme-tls/1", "h2"],
  });
});

Deno.test("readClientHello() wants more of every beginning of it", async () => {
  const flight = await firstFlight("a.test", ["acme-tls/1"]);
  for (let end = 0; end < flight.length; end++) {
    assertEquals(readClientHello(flight.subarray(0, end)), "more", `${end}`);
  }
});

Deno.test("readClientHello() never throws, whatever it is given", async () => {
  const flight = await firstFlight("a.test", ["acme-tls/1"]);
  fc.assert(fc.property(fc.nat(flight.length - 1), fc.nat(255), (at, octet) => {
    const changed = flight.with(at, octet);
    const read = readClientHello(changed);
    assert(read === null || read === "more" || Array.isArray(read.protocols));
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    readClientHello(octets);
    readClientHello(Uint8Array.of(22, 3, 1, 0, octets.length, ...octets));
  }));
});
