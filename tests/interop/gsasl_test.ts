/**
 * GNU SASL, the other implementation of SCRAM-SHA-256 (RFC 5802, 7677): both sides prove that they know
 * the password.
 *
 * @module
 */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { until } from "./daemon.ts";
import { type Server, startStation } from "./server.ts";
import { assertEnded, interopTest, type Ran, run } from "./support.ts";

const USER = "alice@example.test";
const PASSWORD = "correct horse battery staple";

/**
 * Logs in to the submissions listener and leaves. gsasl says STARTTLS before EHLO, which we (as Exim
 * does) refuse, so it goes through a tunnel that does TLS for it.
 */
async function gsasl(
  server: Server,
  password: string,
  mechanism?: string,
  user = USER,
): Promise<Ran> {
  const certificate = await Deno.readTextFile(`${server.folder.path}/mx.example.test.crt`);
  await using tunnel = startTunnel(server.endpoint("submissions").port, certificate);
  return await run("gsasl", [
    ...["--smtp", "--connect", tunnel.address, "--no-starttls", "--hostname", "mx.example.test"],
    ...["--authentication-id", user, "--password", password, "--verbose"],
    ...mechanism === undefined ? [] : ["--mechanism", mechanism],
  ]);
}

/** Listens in the clear and hands one connection on over TLS. */
function startTunnel(port: number, certificate: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port: own } = listener.addr as Deno.NetAddr;
  const options = { hostname: "127.0.0.1", port, caCerts: [certificate] };
  const done = (async () => {
    const near = await listener.accept();
    const far = await Deno.connectTls(options);
    const ignore = () => {};
    await Promise.all([
      near.readable.pipeTo(far.writable).catch(ignore),
      far.readable.pipeTo(near.writable).catch(ignore),
    ]);
  })().catch((error: unknown) => {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  });
  return {
    address: `127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await done;
    },
  };
}

/** How each login ended, in the server's own words: its log may come a moment after its answers. */
async function logins(server: Server): Promise<string[]> {
  await until("a login is logged", () => server.events.some(({ type }) => /^auth\./.test(type)));
  return server.events.flatMap((event) =>
    event.type === "auth.succeeded" || event.type === "auth.failed"
      ? [`${event.type} ${event.mechanism} ${event.identity}`]
      : []
  );
}

function startSubmissions(password = PASSWORD): Promise<Server> {
  return startStation({ users: { [USER]: password }, listeners: ["submissions"] });
}

interopTest("gsasl picks SCRAM-SHA-256 among what it is offered", ["gsasl"], async () => {
  await using server = await startSubmissions();
  assertEnded(await gsasl(server, PASSWORD));
  assertEquals(await logins(server), [`auth.succeeded SCRAM-SHA-256 ${USER}`]);
});

for (const mechanism of ["SCRAM-SHA-256", "PLAIN", "LOGIN"]) {
  interopTest(`gsasl logs in by ${mechanism}`, ["gsasl"], async () => {
    await using server = await startSubmissions();
    assertEnded(await gsasl(server, PASSWORD, mechanism));
    assertEquals(await logins(server), [`auth.succeeded ${mechanism} ${USER}`]);
  });

  interopTest(`gsasl is refused by ${mechanism} with a wrong password`, ["gsasl"], async () => {
    await using server = await startSubmissions();
    const ran = await gsasl(server, `${PASSWORD}r`, mechanism);
    assertNotEquals(ran.code, 0);
    assertMatch(ran.text, /535 5\.7\.8 /);
    assertEquals(await logins(server), [`auth.failed ${mechanism} ${USER}`]);
  });
}

interopTest("gsasl is refused by SCRAM-SHA-256 as nobody just as with a wrong password", [
  "gsasl",
], async () => {
  await using server = await startSubmissions();
  const known = await gsasl(server, "wrong", "SCRAM-SHA-256");
  const unknown = await gsasl(server, "wrong", "SCRAM-SHA-256", "nobody@example.test");
  const refusals = [known, unknown].map(({ text }) => text.match(/^535 .*$/m)?.[0]);
  assertMatch(refusals[0] ?? "", /^535 5\.7\.8 /);
  assertEquals(refusals[1], refusals[0]);
});

interopTest("gsasl logs in by SCRAM-SHA-256 with a password that is not ASCII", [
  "gsasl",
], async () => {
  const password = "pässwörd驿站";
  await using server = await startSubmissions(password);
  assertEnded(await gsasl(server, password, "SCRAM-SHA-256"));
  assertEquals(await logins(server), [`auth.succeeded SCRAM-SHA-256 ${USER}`]);
});
