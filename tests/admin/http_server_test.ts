import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { HttpServer, type HttpServerOptions, parseRequest } from "../../src/admin/http_server.ts";
import { decode, encode } from "../../src/bytes.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection, SocketAddress } from "../../src/runtime/network.ts";
import { errorCode } from "../../src/runtime/system_error.ts";

const LOOPBACK: SocketAddress = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
const HELLO: HttpServerOptions["handler"] = (request) =>
  new Response(`${request.method} ${new URL(request.url).pathname}\n`);

/** A server on the loopback of this machine, and its URL. */
async function served(options: Partial<HttpServerOptions> = {}) {
  const { network, clock } = denoRuntime();
  const server = await HttpServer.listen({ network, clock, handler: HELLO, ...options }, LOOPBACK);
  const { port } = server.address as { port: number };
  return { server, port, url: `http://127.0.0.1:${port}` };
}

/** What a server on a virtual machine writes to a client that says this. */
async function say(words: string, options: Partial<HttpServerOptions> = {}): Promise<string> {
  const { network, clock } = memoryRuntime();
  const server = await HttpServer.listen({ network, clock, handler: HELLO, ...options }, LOOPBACK);
  const client = await clock.runUntil(network.connect(server.address));
  await clock.runUntil(client.write(encode(words)).catch(() => {}));
  const heard = await clock.runUntil(readAll(client));
  await clock.runUntil(server.close());
  client.close();
  await clock.settle();
  assertEquals(clock.sleepers, 0);
  return heard;
}

async function readAll(connection: Connection): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  try {
    for (let length; (length = await connection.read(buffer)) !== null;) {
      text += decode(buffer.slice(0, length));
    }
  } catch {
    // Closed without a word of goodbye.
  }
  return text;
}

Deno.test("HttpServer answers an HTTP client it has never seen", async () => {
  const { server, url } = await served();
  const response = await fetch(`${url}/metrics?a=b`);
  assertEquals(response.status, 200);
  assertEquals(await response.text(), "GET /metrics\n");
  const head = await fetch(`${url}/x`, { method: "HEAD" });
  assertEquals(head.headers.get("content-length"), `${"HEAD /x\n".length}`);
  assertEquals(await head.text(), "");
  await server.close();
});

Deno.test("HttpServer.close() frees the port at once, whoever is connected", async () => {
  const { server, port } = await served();
  const { network, clock } = denoRuntime();
  const idle = await network.connect({ transport: "tcp", hostname: "127.0.0.1", port });
  await server.close();
  const again = await HttpServer.listen(
    { network, clock, handler: HELLO },
    { transport: "tcp", hostname: "127.0.0.1", port },
  );
  await again.close();
  idle.close();
});

Deno.test("HttpServer.listen() says that an address is taken", async () => {
  const { server } = await served();
  const { network, clock } = denoRuntime();
  const error = await assertRejects(() =>
    HttpServer.listen({ network, clock, handler: HELLO }, server.address)
  );
  assertEquals(errorCode(error), "EADDRINUSE");
  await server.close();
});

Deno.test("HttpServer listens on a unix socket", async () => {
  const folder = await Deno.makeTempDir();
  const { network, clock } = denoRuntime();
  const path = `${folder}/monitor.sock`;
  const server = await HttpServer.listen({ network, clock, handler: HELLO }, {
    transport: "unix",
    path,
  });
  const client = await network.connect({ transport: "unix", path });
  await client.write(encode("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
  assertMatch(await readAll(client), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/healthz\n$/);
  client.close();
  await server.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("HttpServer says that it closes, and closes", async () => {
  assertEquals(
    await say("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n"),
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain;charset=UTF-8\r\ncontent-length: 7\r\n" +
      "connection: close\r\n\r\nGET /a\n",
  );
});

// RFC 9112 §3: a request line that is none is 400, RFC 6585 §5: a head too large is 431, RFC 9110 §15.6.6.
for (
  const [status, what, words] of [
    [400, "no HTTP at all", "EHLO mail.example.org\r\n\r\n"],
    [400, "a folded field (RFC 9112 §5.2)", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"],
    [400, "space before a colon (RFC 9112 §5.1)", "GET / HTTP/1.1\r\nA : b\r\n\r\n"],
    [400, "a NUL in a field (RFC 9110 §5.5)", "GET / HTTP/1.1\r\nA: \0\r\n\r\n"],
    [400, "two hosts (RFC 9112 §3.2)", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"],
    [400, "a method that tunnels", "CONNECT / HTTP/1.1\r\n\r\n"],
    [431, "a head of 9 KB", `GET / HTTP/1.1\r\nA: ${"b".repeat(9000)}\r\n\r\n`],
    [505, "HTTP/2", "PRI / HTTP/2.0\r\n\r\n"],
  ] as const
) {
  Deno.test(`HttpServer answers ${status} to ${what}`, async () => {
    assertEquals((await say(words)).slice(0, 13), `HTTP/1.1 ${status} `);
  });
}

Deno.test("HttpServer gives up on a client that never ends its request", async () => {
  assertEquals(await say("GET / HTTP/1.1\r\nA: "), "");
});

Deno.test("HttpServer closes what is more than it may have open", async () => {
  const { network, clock } = memoryRuntime();
  const options = { network, clock, handler: HELLO, connections: 1 };
  const server = await HttpServer.listen(options, LOOPBACK);
  const first = await clock.runUntil(network.connect(server.address));
  const second = await clock.runUntil(network.connect(server.address));
  assertEquals(await clock.runUntil(readAll(second)), "");
  await clock.runUntil(first.write(encode("GET / HTTP/1.1\r\n\r\n")));
  assertEquals((await clock.runUntil(readAll(first))).slice(0, 15), "HTTP/1.1 200 OK");
  await clock.runUntil(server.close());
});

Deno.test("HttpServer closes what a client has open beyond its share, and serves others", async () => {
  const near = memoryRuntime({ address: "192.0.2.25" });
  const { network, clock } = near;
  const options = { network, clock, handler: HELLO, connections: 8, connectionsPerClient: 2 };
  const server = await HttpServer.listen(options, { ...LOOPBACK, hostname: "192.0.2.25" });
  const [greedy, other] = ["198.51.100.1", "198.51.100.2"].map((address) =>
    memoryRuntime({ beside: near, address }).network
  );
  const ask = async (connection: Connection) => {
    await clock.runUntil(connection.write(encode("GET / HTTP/1.1\r\n\r\n")).catch(() => {}));
    return (await clock.runUntil(readAll(connection))).slice(9, 12);
  };
  const connect = (from = greedy!) => clock.runUntil(from.connect(server.address));
  const [first, , third] = [await connect(), await connect(), await connect()];
  assertEquals(await ask(third!), "");
  assertEquals(await ask(await connect(other)), "200");
  assertEquals(await ask(first!), "200");
  first!.close();
  await clock.settle();
  assertEquals(await ask(await connect()), "200");
  await clock.runUntil(server.close());
});

Deno.test("HttpServer answers 500 where its handler throws, and tells of it", async () => {
  const faults: unknown[] = [];
  const handler = () => Promise.reject(new Error("broken"));
  const heard = await say("GET / HTTP/1.1\r\n\r\n", {
    handler,
    onFault: (error) => faults.push(error),
  });
  assertEquals(heard.slice(0, 12), "HTTP/1.1 500");
  assertEquals(faults.map(String), ["Error: broken"]);
});

Deno.test("parseRequest() makes a request or a status of anything", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (head) => {
    const parsed = parseRequest(`GET ${head}`);
    if (typeof parsed === "number") assertEquals([400, 505].includes(parsed), true);
    else assertEquals(new URL(parsed.url).origin, "http://localhost");
  }));
  for (const target of ["//evil.example/metrics", "/\\evil.example", "/@evil.example:1/"]) {
    const parsed = parseRequest(`GET ${target} HTTP/1.1`) as Request;
    assertEquals(new URL(parsed.url).origin, "http://localhost");
  }
});

/** Says what it was sent. */
const ECHO: HttpServerOptions["handler"] = async (request) => new Response(await request.text());

Deno.test("HttpServer reads a body that is small enough, in as many pieces as it comes", async () => {
  const { server, url } = await served({ handler: ECHO, bodyLimit: 20_000 });
  for (const body of ["a=b", "x".repeat(20_000)]) {
    const response = await fetch(url, { method: "POST", body });
    assertEquals(await response.text(), body);
  }
  const large = await fetch(url, { method: "POST", body: "x".repeat(20_001) });
  assertEquals([large.status, await large.text()], [413, "Content Too Large\n"]);
  await server.close();
});

for (
  const [what, fields, status] of [
    ["a body without a length (RFC 9112 §6.3)", "Transfer-Encoding: chunked", 411],
    ["two lengths", "Content-Length: 1\r\nContent-Length: 2", 400],
    ["a length that is no number", "Content-Length: -1", 400],
    ["a length that is more than it reads", "Content-Length: 101", 413],
  ] as const
) {
  Deno.test(`HttpServer that reads bodies answers ${status} to ${what}`, async () => {
    const words = `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\nx`;
    const heard = await say(words, { handler: ECHO, bodyLimit: 100 });
    assertMatch(heard, new RegExp(`^HTTP/1.1 ${status} `));
  });
}

Deno.test("HttpServer closes a connection that cannot be secured", async () => {
  const heard = await say("GET / HTTP/1.1\r\n\r\n", {
    secure: () => Promise.reject(new Error("no TLS")),
  });
  assertEquals(heard, "");
});
