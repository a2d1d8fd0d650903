import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Client } from "./program.ts";
import { ANY_PORT, Site } from "./site.ts";

/** Asks a monitor on a unix socket; its whole response as text. */
async function ask(path: string, page: string, more = ""): Promise<string> {
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode(`GET ${page} HTTP/1.1\r\n${more}\r\n`));
  let text = "";
  for await (const chunk of connection.readable.pipeThrough(new TextDecoderStream())) text += chunk;
  return text;
}

Deno.test("yizhan serve tells how it is, and that it stops while sessions finish", async () => {
  await using site = await Site.make();
  const socket = `${site.path}/monitor.sock`;
  const { program, ports: [port = 0] } = await site.start({
    monitor: { address: `unix:${socket}` },
    tls: site.certificates("mx"),
  });
  await using _ = program;
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "alice@example.test", "Subject: Hello\r\n\r\nHello.");
  const metrics = await ask(socket, "/metrics", "Accept: application/openmetrics-text\r\n");
  assertMatch(metrics, /^HTTP\/1\.1 200 [^]*application\/openmetrics-text; version=1\.0\.0/);
  assertMatch(metrics, /^yizhan_messages_total\{outcome="accepted"\} 1$/m);
  assertMatch(metrics, /^yizhan_sessions_open\{listener="mx"\} 1$/m);
  assertMatch(metrics, /^yizhan_listeners 1$/m);
  assertMatch(
    metrics,
    /^yizhan_certificate_expiry_timestamp_seconds\{certificate="[^"]*mx\.crt"\} \d+/m,
  );
  assertMatch(metrics, /^yizhan_disk_free_bytes\{folder="queue"\} \d+$/m);
  assertMatch(metrics, /^process_resident_memory_bytes \d+$/m);
  assertMatch(await ask(socket, "/readyz"), /^HTTP\/1\.1 200 /);

  await client.say("MAIL FROM:<a@a.test>", 250);
  await client.say("RCPT TO:<alice@example.test>", 250);
  await client.say("DATA", 354);
  program.signal("SIGTERM");
  await program.stderrLine(/^stopping/);
  const stopping = await ask(socket, "/readyz");
  assertMatch(stopping, /^HTTP\/1\.1 503 [^]*"the station is stopping"/);
  assertMatch(await ask(socket, "/healthz"), /^HTTP\/1\.1 200 /);
  await client.say("Subject: Last\r\n\r\nLast.\r\n.", 250);
  client[Symbol.dispose]();
  assertEquals((await program.ended()).code, 0);
});

Deno.test("yizhan reload moves the monitor, and leaves it where the new address cannot be had", async () => {
  await using site = await Site.make();
  const at = (name: string) => ({ monitor: { address: `unix:${site.path}/${name}` } });
  const { program } = await site.start({
    ...at("first.sock"),
    listeners: [{ role: "mx", address: ANY_PORT }],
  });
  await using _ = program;
  await site.configure(at("second.sock"));
  const moved = await site.run(["reload"]);
  assertEquals(moved.code, 0, moved.stderr);
  assertMatch(await ask(`${site.path}/second.sock`, "/healthz"), /^HTTP\/1\.1 200 /);
  await assertRejects(() => ask(`${site.path}/first.sock`, "/healthz"));
  await site.configure(at("no/such/folder.sock"));
  const refused = await site.run(["reload"]);
  assertEquals(refused.code !== 0, true);
  const metrics = await ask(`${site.path}/second.sock`, "/metrics");
  assertMatch(metrics, /^yizhan_configuration_current 0$/m);

  // The address of the monitor could be had, that of a listener could not.
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${(taken.addr as Deno.NetAddr).port}`;
  await site.configure({ ...at("third.sock"), listeners: [{ role: "mx", address }] });
  assertEquals((await site.run(["reload"])).code !== 0, true);
  await assertRejects(() => ask(`${site.path}/third.sock`, "/healthz"));
  assertMatch(await ask(`${site.path}/second.sock`, "/healthz"), /^HTTP\/1\.1 200 /);
  const status = await site.run(["status"]);
  assertMatch(status.stdout, /^ {2}monitor +unix:\S+\/second\.sock$/m);
});
