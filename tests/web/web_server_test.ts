/**
 * The site's sockets: moved by a reload, or left as they were; and over which of them what is told.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { type Connection, formatSocketAddress } from "../../src/runtime/network.ts";
import { type WebListener, WebServer } from "../../src/web/web_server.ts";
import { findFreePort } from "../support/free_port.ts";
import { mxCertificate, testAuthority } from "../support/certificates.ts";

const { network, clock } = denoRuntime();

function makeServer(): WebServer {
  return new WebServer({
    ...{ network, clock },
    site: () => ({
      isOurs: (domain) => domain === "example.org",
      service: (domain) => ({ domain, incoming: [], outgoing: [] }),
      stsPolicy: () => "version: STSv1\r\n",
      challenge: (token) => token === "token" ? "answer" : null,
    }),
    proof: () => null,
    proves: () => false,
    onFault: (error) => {
      throw error;
    },
  });
}

function listener(port: number, tls = false): WebListener {
  return { address: { transport: "tcp", hostname: "127.0.0.1", port }, tls };
}

async function ask(connection: Connection, host: string, path: string): Promise<string> {
  await connection.write(encode(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
  const buffer = new Uint8Array(4096);
  let heard = "";
  for (let length; (length = await connection.read(buffer)) !== null;) {
    heard += decode(buffer.slice(0, length));
  }
  connection.close();
  return heard;
}

Deno.test("WebServer tells over TLS and in clear what belongs there", async () => {
  const server = makeServer();
  server.replaceCertificates([mxCertificate]);
  await (await server.prepare([listener(findFreePort(), true), listener(findFreePort())])).adopt();
  const [secure, inClear] = server.addresses;
  const policy = "/.well-known/mta-sts.txt";
  const plain = await network.connect(secure!);
  const over = await plain.startTlsClient({
    serverName: "mx.example.test",
    verify: true,
    authorities: [testAuthority],
  });
  assertStringIncludes(await ask(over, "mta-sts.example.org", policy), "STSv1");
  const told = await ask(await network.connect(inClear!), "mta-sts.example.org", policy);
  assertStringIncludes(told, `location: https://mta-sts.example.org${policy}`);
  const proof = "/.well-known/acme-challenge/token";
  assertStringIncludes(await ask(await network.connect(inClear!), "any", proof), "answer");
  await server.stop();
});

Deno.test("WebServer listens elsewhere once that is adopted, and nowhere else when it is discarded", async () => {
  const server = makeServer();
  const [a, b, c] = [findFreePort(), findFreePort(), findFreePort()];
  const places = () => server.addresses.map(formatSocketAddress);
  await (await server.prepare([listener(a), listener(b)])).adopt();
  const dropped = await server.prepare([listener(b), listener(c)]);
  await dropped.discard();
  assertEquals(places(), [`127.0.0.1:${a}`, `127.0.0.1:${b}`]);
  await assertRejects(() => network.connect(listener(c).address));
  await (await server.prepare([listener(b), listener(c)])).adopt();
  assertEquals(places(), [`127.0.0.1:${b}`, `127.0.0.1:${c}`]);
  await assertRejects(() => network.connect(listener(a).address));
  const taken = await network.listen(listener(a).address);
  await assertRejects(() => server.prepare([listener(a)]));
  assertEquals(places(), [`127.0.0.1:${b}`, `127.0.0.1:${c}`]);
  taken.close();
  await server.stop();
  assertEquals(places(), []);
});
