/**
 * The hook over real HTTP: a server of Deno's as it should be, and one on bare sockets that should not be.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { httpHook, type HttpHookOptions } from "../../../src/policy/http_hook/http_hook.ts";
import { verifyHook } from "../../../src/policy/http_hook/signature.ts";
import type { SessionView } from "../../../src/policy/policy.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const SESSION: SessionView = {
  id: "1",
  role: "mx",
  client: "192.0.2.7",
  hello: null,
  tls: null,
  identity: null,
  trusted: false,
};

/** What the policy says at `connect`, and what went wrong. */
async function ask(port: number, options: Partial<HttpHookOptions> = {}) {
  const heard: string[] = [];
  const policy = httpHook({
    url: `http://127.0.0.1:${port}/mail`,
    secret: SECRET,
    stages: ["connect"],
    ...options,
  }, {
    ...denoRuntime(),
    fetch,
    emit: (fact) => void (fact.type === "policy.failed" && heard.push(fact.error)),
  });
  const verdict = await policy.connect!(SESSION) ?? undefined;
  return { verdict, heard };
}

Deno.test("httpHook() asks a real server, which checks the signature and answers", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body = new Uint8Array(await request.arrayBuffer());
      const known = verifyHook(SECRET, (name) => request.headers.get(name), Date.now(), body);
      assertEquals([request.method, request.headers.get("content-type")], [
        "POST",
        "application/json",
      ]);
      if (!known) return new Response(null, { status: 401 });
      const { session } = JSON.parse(new TextDecoder().decode(body));
      return Response.json({ action: "reject", text: `not ${session.client}` });
    },
  );
  const { verdict, heard } = await ask(server.addr.port);
  assertEquals(verdict, {
    action: "reject",
    reply: { code: 550, enhanced: "5.7.1", lines: ["not 192.0.2.7"] },
  });
  assertEquals(heard, []);
  const other = await ask(server.addr.port, { secret: "some other secret" });
  assertEquals(other.verdict?.action, "defer");
  assertEquals(other.heard, ["it answered with status 401"]);
});

Deno.test("attack: httpHook() follows a real server nowhere", async () => {
  let asked = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    asked++;
    return url.endsWith("/mail")
      ? new Response(null, { status: 307, headers: { location: "/elsewhere" } })
      : Response.json({ action: "accept" });
  });
  const { verdict, heard } = await ask(server.addr.port);
  assertEquals([verdict?.action, asked], ["defer", 1]);
  assert(heard[0]!.includes("a redirect"), heard[0]);
});

Deno.test("attack: httpHook() does not fill the memory with what a server has compressed", async () => {
  const zeros = new Uint8Array(50 * 1024 * 1024);
  const stream = new Blob([zeros]).stream().pipeThrough(new CompressionStream("gzip"));
  const small = await new Response(stream).bytes();
  const headers = { "content-encoding": "gzip" };
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(small, { headers }),
  );
  const { heard } = await ask(server.addr.port);
  assertEquals(heard, ["its answer is longer than 65536 octets"]);
});

/** What a server on bare sockets may do; it is read, and then answered so. */
const HOSTILE: Record<string, (connection: Deno.Conn) => Promise<void> | void> = {
  "closes at once": (connection) => connection.close(),
  "speaks SMTP": (connection) => say(connection, "220 mx.example ESMTP\r\n"),
  "promises more than it sends": (connection) =>
    say(connection, 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"action":"accept"}'),
  "sends chunks that are none": (connection) =>
    say(connection, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
  "has header fields without end": async (connection) => {
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n"));
    const field = new TextEncoder().encode(`x: ${"y".repeat(60_000)}\r\n`);
    try {
      for (;;) await connection.write(field);
    } catch { /* we were left */ }
    connection.close();
  },
};

async function say(connection: Deno.Conn, text: string): Promise<void> {
  await connection.write(new TextEncoder().encode(text));
  connection.close();
}

for (const [name, behave] of Object.entries(HOSTILE)) {
  Deno.test(`attack: httpHook() defers where a server ${name}`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const served = (async () => {
      for await (const connection of listener) {
        await connection.read(new Uint8Array(4096));
        await Promise.resolve(behave(connection)).catch(() => {});
      }
    })();
    const { verdict, heard } = await ask((listener.addr as Deno.NetAddr).port);
    assertEquals([verdict?.action, heard.length], ["defer", 1]);
    listener.close();
    await served.catch(() => {});
  });
}
