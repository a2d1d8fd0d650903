/**
 * Limits against abuse as an operator has them: a configuration, the program, and a client of this machine that is a
 * stranger, since nobody is exempt.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { testAuthority } from "../support/certificates.ts";
import { Client, permissionTest, type Program, run } from "./program.ts";
import { ANY_PORT, PASSWORD, Site } from "./site.ts";

const MAIL = "From: alice@example.test\r\nSubject: Hello\r\n\r\nHello.";
const ALICE = "alice@example.test";
const STRANGER = "a@a.test";

type Abuse = NonNullable<ConfigInput["abuse"]>;

/** Everybody is a stranger, and DNS is not asked. */
function strict(abuse: Abuse, more: Partial<ConfigInput> = {}): Partial<ConfigInput> {
  return { relay: { enabled: false }, abuse: { exempt: [], ...abuse }, ...more };
}

/** A connection that has said EHLO. */
async function visit(port: number): Promise<Client> {
  const client = await Client.connect(port);
  await client.say("EHLO test", 250);
  return client;
}

/** What a connection is told in place of a greeting. */
async function refusal(port: number): Promise<string> {
  return await new Response((await Deno.connect({ hostname: "127.0.0.1", port })).readable).text();
}

/** The same, once each of the workers has heard of it. */
async function laterRefusal(port: number): Promise<string> {
  for (;;) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const buffer = new Uint8Array(1024);
    const text = new TextDecoder().decode(
      buffer.subarray(0, await connection.read(buffer) ?? 0),
    );
    if (!text.startsWith("220")) return text;
  }
}

/** Whether alice can log in by this. */
async function logIn(port: number, password: string, code: number): Promise<Client> {
  const client = await visit(port);
  await client.startTls(testAuthority);
  await client.say("EHLO test", 250);
  await client.say(`AUTH PLAIN ${btoa(`\0${ALICE}\0${password}`)}`, code);
  return client;
}

async function stop(program: Program): Promise<string> {
  program.signal("SIGTERM");
  const { code, stdout, stderr } = await program.ended();
  assertEquals(code, 0, stderr);
  return stdout;
}

Deno.test("attack: whoever connects too often is told 421, by all workers together, also after a restart", async () => {
  await using site = await Site.make();
  const config = strict({ rates: { connections: { client: "5/1h" } } }, { workers: 2 });
  {
    const { program, ports: [port = 0] } = await site.start(config);
    await using _ = program;
    for (let count = 0; count < 5; count++) (await Client.connect(port))[Symbol.dispose]();
    assertMatch(
      await refusal(port),
      /^421 4\.7\.0 .*too many connections from 127\.0\.0\.1: try again in 12 min\r\n$/,
    );
    const log = await stop(program);
    assertStringIncludes(log, '"policy":"connection-rates"');
  }
  const { program, ports: [port = 0] } = await site.start(config);
  await using _ = program;
  assertMatch(await refusal(port), /^421 4\.7\.0 /);
});

Deno.test("attack: who guesses passwords is banned, also after a restart, until its operator ends it", async () => {
  await using site = await Site.make();
  const config = strict(
    { bans: { logins: "3/1h" }, loginBackoff: { first: "0s", client: "4/1h" } },
    {
      listeners: [{ role: "submission", address: ANY_PORT }],
      tls: site.certificates("mx"),
      workers: 2,
    },
  );
  {
    const { program, ports: [port = 0] } = await site.start(config);
    await using _ = program;
    for (let count = 0; count < 3; count++) {
      (await logIn(port, `guess${count}`, 535))[Symbol.dispose]();
    }
    (await logIn(port, "guess", 421))[Symbol.dispose]();
    assertMatch(
      await laterRefusal(port),
      /^421 4\.7\.0 .*banned \(too many failed logins\): .* 15 min\r/,
    );
    assertMatch(await stop(program), /"type":"client\.banned","client":"127\.0\.0\.1"/);
  }
  const { program, ports: [port = 0] } = await site.start(config);
  await using _ = program;
  assertMatch(await refusal(port), /^421 4\.7\.0 /);
  const listed = await site.run(["bans", "list"]);
  assertMatch(listed.stdout, /^127\.0\.0\.1 {2}1[45] min {2}too many failed logins\n$/);
  assertEquals((await site.run(["bans", "remove", "127.0.0.1"])).code, 0);
  using client = await logIn(port, PASSWORD, 235);
  await client.send(ALICE, ALICE, MAIL);
});

Deno.test("attack: a harvest of addresses is answered slower and slower, and then not at all", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start(strict({
    bans: { recipients: "4/1h" },
    tarpit: { after: 1, first: "40ms", longest: "80ms" },
  }));
  await using _ = program;
  using client = await visit(port);
  await client.say(`MAIL FROM:<${STRANGER}>`, 250);
  const begun = performance.now();
  for (let count = 0; count < 4; count++) await client.say(`RCPT TO:<n${count}@example.test>`, 550);
  // 40, 80 and 80 ms: no sooner, however slow this machine is.
  assert(performance.now() - begun >= 195, "the answers did not wait");
  assertMatch(
    await client.say("RCPT TO:<n5@example.test>", 421),
    /banned \(too many unknown recipients\)/,
  );
});

Deno.test("greylisting puts off first mail and takes it when it comes again, by the other worker too", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start(
    strict({ greylisting: { enabled: true, delay: "1s" } }, { workers: 2 }),
  );
  await using _ = program;
  {
    using client = await visit(port);
    await client.say(`MAIL FROM:<${STRANGER}>`, 250);
    assertMatch(await client.say(`RCPT TO:<${ALICE}>`, 451), /4\.7\.1 greylisted/);
  }
  // The delay, from the answer on: it was first seen before.
  await new Promise((resume) => setTimeout(resume, 1050));
  for (let count = 0; count < 4; count++) {
    using client = await visit(port);
    await client.send(STRANGER, ALICE, MAIL);
  }
  using other = await visit(port);
  await other.say("MAIL FROM:<another@a.test>", 250);
  await other.say(`RCPT TO:<${ALICE}>`, 451);
});

Deno.test("attack: a stolen password sends no more than its account may, also after a restart, and it is told", async () => {
  await using site = await Site.make();
  await site.addUser("bob");
  const config = strict({ accounts: { recipientsDaily: "2/1d" } }, {
    listeners: [{ role: "submission", address: ANY_PORT }],
    tls: site.certificates("mx"),
  });
  {
    const { program, ports: [port = 0] } = await site.start(config);
    await using _ = program;
    using client = await logIn(port, PASSWORD, 235);
    await client.send(ALICE, ALICE, MAIL);
    await client.send(ALICE, "bob@example.test", MAIL);
    await client.say(`MAIL FROM:<${ALICE}>`, 250);
    assertMatch(
      await client.say("RCPT TO:<bob@example.test>", 450),
      /4\.7\.1 this account has reached its limit of recipients, daily: try again in 12 h/,
    );
    client[Symbol.dispose]();
    const log = await stop(program);
    assertMatch(log, /"type":"account\.limited".*"identity":"alice@example\.test".*"count":2/);
  }
  const { program, ports: [port = 0] } = await site.start(config);
  await using _ = program;
  using client = await logIn(port, PASSWORD, 235);
  await client.say(`MAIL FROM:<${ALICE}>`, 250);
  await client.say("RCPT TO:<bob@example.test>", 450);
});

Deno.test("yizhan reload switches limits on and off, in all workers", async () => {
  await using site = await Site.make();
  const workers = { workers: 2 };
  const { program, ports: [port = 0] } = await site.start(
    strict({ rates: { enabled: false } }, workers),
  );
  await using _ = program;
  const reload = async (abuse: Abuse) => {
    await site.configure(strict(abuse, workers));
    const { code, stderr } = await site.run(["reload"]);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /abuse\.\S+ has changed\n/);
  };
  for (let count = 0; count < 4; count++) (await Client.connect(port))[Symbol.dispose]();
  await reload({ rates: { connections: { client: "1/1h" } } });
  (await Client.connect(port))[Symbol.dispose]();
  for (let count = 0; count < 4; count++) assertMatch(await refusal(port), /^421 /);
  await reload({ rates: { connections: { client: null } } });
  for (let count = 0; count < 4; count++) (await Client.connect(port))[Symbol.dispose]();
  await reload({ rates: { connections: { client: null } }, bans: { recipients: "1/1h" } });
  using client = await visit(port);
  await client.say(`MAIL FROM:<${STRANGER}>`, 250);
  await client.say("RCPT TO:<nobody@example.test>", 550);
  await client.say("RCPT TO:<nobody@example.test>", 421);
});

Deno.test("limits are said by the environment, and shown", async () => {
  await using site = await Site.make();
  await site.configure();
  const env = {
    YIZHAN_ABUSE__EXEMPT: '["192.0.2.0/24"]',
    YIZHAN_ABUSE__RATES__CONNECTIONS__CLIENT: "5/1m",
    YIZHAN_ABUSE__GREYLISTING__ENABLED: "true",
    YIZHAN_ABUSE__BANS__NETWORK_CLIENTS: "4",
    YIZHAN_FILTERS: '[{ kind: clamav, address: "unix:/run/clamd.ctl" }]',
  };
  const { code, stdout, stderr } = await site.run(["config", "print"], { env });
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^abuse:\n {2}exempt:\n {4}- 192\.0\.2\.0\/24\n/m);
  assertMatch(stdout, /^ {6}client: 5\/1m$/m);
  assertMatch(stdout, /^ {2}greylisting:\n {4}enabled: true$/m);
  assertMatch(stdout, /^ {4}networkClients: 4$/m);
  assertMatch(stdout, /^ {2}- kind: clamav\n {4}address: unix:\/run\/clamd\.ctl$/m);
});

permissionTest(
  "limits and filters on this machine take no permission to connect to others where nothing is relayed",
  async () => {
    await using site = await Site.make();
    const config: Partial<ConfigInput> = {
      relay: { enabled: false },
      filters: [{ kind: "milter", address: "127.0.0.1:9", onTrouble: "accept" }],
    };
    await site.configure(config);
    const { stderr } = await run(site.words, { flags: ["--allow-read", "--allow-env"] });
    const flags = stderr.trimEnd().split(" ").filter((word) => word.startsWith("--allow-"));
    assertMatch(flags[0] ?? "", /^--allow-net=127\.0\.0\.1:0,127\.0\.0\.1:9,unix:/);
    const { program, ports: [port = 0] } = await site.start(config, { flags });
    await using _ = program;
    using client = await visit(port);
    await client.send(STRANGER, ALICE, MAIL);
    client[Symbol.dispose]();
    assertMatch(await stop(program), /"type":"policy\.failed".*"policy":"milter"/);
  },
);
