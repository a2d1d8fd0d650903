/**
 * Filters as an operator has them: a configuration, the program with several threads, and a program that is asked.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { verifyHook } from "../../mod.ts";
import { Client } from "./program.ts";
import { Site } from "./site.ts";

const MAIL = "From: a@a.test\r\nSubject: Hello\r\n\r\nHello.";
const ALICE = "alice@example.test";
const SECRET = "a secret of the test";

Deno.test("a hook is asked by all threads, signed by the secret in its file, until a reload takes it away", async () => {
  await using site = await Site.make();
  await Deno.writeTextFile(`${site.path}/hook-secret`, `${SECRET}\n`, { mode: 0o600 });
  const askers = new Set<string>();
  await using hook = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body = await request.bytes();
      if (!verifyHook(SECRET, (name) => request.headers.get(name), Date.now(), body)) {
        return new Response(null, { status: 401 });
      }
      const { session } = JSON.parse(new TextDecoder().decode(body));
      askers.add(/w1\./.test(session.id) ? "second" : "first");
      return Response.json({ action: "reject", text: "says the hook" });
    },
  );
  const config: Partial<ConfigInput> = {
    workers: 2,
    relay: { enabled: false },
    filters: [{
      kind: "http",
      url: `http://127.0.0.1:${hook.addr.port}/`,
      secret: { file: "hook-secret" },
      stages: ["sender"],
    }],
  };
  const { program, ports: [port = 0] } = await site.start(config);
  await using _ = program;
  // The system draws lots who gets a connection.
  for (let count = 0; count < 64 && askers.size < 2; count++) {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    assertMatch(await client.say("MAIL FROM:<a@a.test>", 550), /says the hook/);
  }
  assertEquals(askers.size, 2);
  await site.configure({ ...config, filters: [] });
  const { code, stderr } = await site.run(["reload"]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^\S*filters has changed$/m);
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", ALICE, MAIL);
});

Deno.test("a filter that is not there is told of, by serve, status, check and in the log, and mail is put off", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({
    relay: { enabled: false },
    filters: [{ kind: "milter", name: "rspamd", address: `unix:${site.path}/rspamd.sock` }],
  });
  await using _ = program;
  const trouble =
    "the filter rspamd at unix:\\S+ cannot be asked: .*; all mail is put off \\(451\\) " +
    "until it does \\(onTrouble: defer\\)";
  const warning = new RegExp(
    `^warning: ${trouble}: start it, or set another address or onTrouble`,
    "m",
  );
  await program.stderrLine(warning);
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.say("MAIL FROM:<a@a.test>", 451);
  const event = JSON.parse(await program.stdoutLine(/"policy\.failed"/));
  assertEquals([event.policy, event.stage], ["rspamd", "sender"]);
  assert(event.error.includes("rspamd.sock"), event.error);
  const check = await site.run(["check"]);
  assertEquals(check.code, 78);
  assertMatch(
    check.stdout,
    new RegExp(`^error {4}filters +${trouble}, says the running server\\n +start it, or `, "m"),
  );
  const reload = await site.run(["reload"]);
  assertEquals(reload.code, 0);
  assertMatch(reload.stderr, warning);
});

Deno.test("check takes the running server's word for a filter, and calls no filter an error that lets mail pass", async () => {
  await using site = await Site.make();
  await using hook = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json({ action: "accept" }),
  );
  const { program } = await site.start({
    filters: [
      { kind: "http", url: `http://127.0.0.1:${hook.addr.port}/`, secret: "a secret of the test" },
      { kind: "clamav", address: `unix:${site.path}/clamd.sock`, onTrouble: "accept" },
    ],
  });
  await using _ = program;
  const { stdout } = await site.run(["check"]);
  assertMatch(stdout, /^ok {7}filters +the filter http at http:\S+ answers the running server$/m);
  assertMatch(
    stdout,
    /^warning {2}filters +the filter clamav at unix:\S+ cannot be asked: .*, says the running server$/m,
  );
});
