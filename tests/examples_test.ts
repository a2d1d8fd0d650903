/**
 * Runs every example as the comment on top of it says, with no more permissions than it says.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createMta, mapDirectory, type Mta, type TlsCertificate } from "../mod.ts";
import { keepLocalCertificate } from "../src/cli/local_certificate.ts";
import { httpHook } from "../src/policy/http_hook/http_hook.ts";
import { denoRuntime } from "../src/runtime/deno.ts";
import { Client, Folder, Program, run, type RunOptions } from "./cli/program.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);

const SESSION = {
  id: "1",
  role: "mx",
  client: "192.0.2.7",
  hello: "a.test",
  tls: null,
  identity: null,
  trusted: false,
} as const;

/** The permissions in an example's `deno run` line, and where to run it. */
async function runOptions(name: string, folder: Folder): Promise<RunOptions> {
  const script = new URL(name, EXAMPLES).pathname;
  const text = (await Deno.readTextFile(script)).replaceAll(/\\\n \* +/g, "");
  const command = / \* {5}deno run (.*)\n/.exec(text)?.[1];
  assert(command !== undefined && command.includes(name), `${name} does not say how to run it`);
  const flags = command.split(" ").filter((word) => word.startsWith("--allow-"));
  return { script, flags, cwd: folder.path };
}

/** Starts an example that listens. */
async function start(
  name: string,
  folder: Folder,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const program = await Program.spawn(words, { ...await runOptions(name, folder), env });
  const [, port] = /:(\d+)$/.exec(await program.stdoutLine(/^Listening on /))!;
  return { program, port: Number(port) };
}

Deno.test("every example is tested here", async () => {
  const names = await Array.fromAsync(Deno.readDir(EXAMPLES), ({ name }) => name);
  assertEquals(names.toSorted(), [
    "catch_all_for_tests.ts",
    "container", // documents_test.ts
    "http_hook.ts",
    "inbound_webhook.ts",
    "monitoring", // examples_monitoring_test.ts, interop/prometheus_test.ts
    "policy.ts",
    "public_mail_server.ts",
    "relay_to_smarthost.ts",
    "send_mail.ts",
    "systemd", // documents_test.ts, interop/systemd_test.ts
  ]);
});

Deno.test("examples/catch_all_for_tests.ts catches the mail it sends", async () => {
  await using folder = await Folder.make();
  const ended = await run([], await runOptions("catch_all_for_tests.ts", folder));
  assertEquals(ended, {
    code: 0,
    stdout: "app@app.test → user@example.test: Your password\n",
    stderr: "",
  });
});

Deno.test("examples/http_hook.ts answers what is signed, and nobody else", async () => {
  await using folder = await Folder.make();
  const secret = "a secret of the test";
  const { program, port } = await start("http_hook.ts", folder, ["spam.test", "0"], {
    HOOK_SECRET: secret,
  });
  await using _ = program;
  const events: string[] = [];
  const ask = (key: string) => {
    const url = `http://127.0.0.1:${port}/`;
    const policy = httpHook({ url, secret: key, stages: ["sender", "message"] }, {
      ...denoRuntime(),
      fetch,
      emit: (fact) => void events.push(fact.type === "policy.failed" ? fact.error : fact.type),
    });
    return (domain: string) => policy.sender!(SESSION, { local: "x", domain });
  };
  const verdict = await ask(secret)("spam.test");
  assert(verdict?.action === "reject");
  assertEquals(verdict.reply.lines, ["no mail from spam.test"]);
  assertEquals(await ask(secret)("a.test"), { action: "accept" });
  assertEquals(events, []);
  assertEquals((await ask("another secret, forged")("a.test"))?.action, "defer");
  assertEquals(events, ["it answered with status 401"]);
});

Deno.test("examples/policy.ts refuses mail by the sender's domain and marks the rest", async () => {
  await using folder = await Folder.make();
  const { program, port } = await start("policy.ts", folder, ["0"]);
  await using _ = program;
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  assertMatch(await client.say("MAIL FROM:<x@spam.test>", 550), /5\.7\.1 no mail from spam\.test/);
  await client.send("a@a.test", "b@b.test", "X-Checked-By: me\r\nSubject: Hi\r\n\r\nHello.");
  const mailbox = `${folder.path}/mail/b.test/b/new`;
  const [file] = await Array.fromAsync(Deno.readDir(mailbox));
  const mail = await Deno.readTextFile(`${mailbox}/${file!.name}`);
  assertEquals(mail.match(/^X-Checked-By: .*/mg), [
    "X-Checked-By: sender-domain; client=127.0.0.1",
  ]);
});

Deno.test("examples/public_mail_server.ts greylists strangers, and remembers them on the disk", async () => {
  await using folder = await Folder.make();
  // With another network exempt, this machine is a stranger.
  const { program, port } = await start("public_mail_server.ts", folder, ["", "0", "192.0.2.0/24"]);
  await using _ = program;
  {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    await client.say("MAIL FROM:<a@a.test>", 250);
    assertMatch(await client.say("RCPT TO:<alice@example.org>", 451), /4\.7\.1 greylisted/);
  }
  program.signal("SIGINT");
  assertEquals((await program.ended()).code, 0);
  const files = await Array.fromAsync(Deno.readDir(`${folder.path}/data/ledger`));
  const texts = await Promise.all(
    files.map(({ name }) => Deno.readTextFile(`${folder.path}/data/ledger/${name}`)),
  );
  assertStringIncludes(texts.join(""), "greylisting:");
  const again = await start("public_mail_server.ts", folder, ["", "0"]);
  await using __ = again.program;
  using client = await Client.connect(again.port);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "alice@example.org", "Subject: Hi\r\n\r\nHello.");
});

for (
  const [name, ...words] of [
    ["policy.ts"],
    ["public_mail_server.ts", ""],
    ["inbound_webhook.ts", "http://127.0.0.1/mail"],
    ["relay_to_smarthost.ts", "app.example.org", "127.0.0.1"],
  ]
) {
  Deno.test(`examples/${name} says in one line that its port is in use`, async () => {
    await using folder = await Folder.make();
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr as Deno.NetAddr;
    const ended = await run([...words, `${port}`], await runOptions(name!, folder));
    assertEquals(ended.code, 69);
    assertMatch(ended.stderr, /^cannot listen on 127\.0\.0\.1:\d+: Address already in use.*\n$/);
  });
}

Deno.test("examples/inbound_webhook.ts posts mail, and makes the sender keep what is not taken", async () => {
  await using folder = await Folder.make();
  const requests: { url: URL; text: string }[] = [];
  let status = 503;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      requests.push({ url: new URL(request.url), text: await request.text() });
      return new Response(null, { status });
    },
  );
  const endpoint = `http://127.0.0.1:${server.addr.port}/mail?key=1`;
  const { program, port } = await start("inbound_webhook.ts", folder, [endpoint, "0"]);
  await using _ = program;
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  const text = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n" + "Hello.\r\n".repeat(50_000) +
    "End.";
  assertMatch(await client.send("a@a.test", "b@b.test", text, 451), /4\.3\.0/);
  await program.stderrLine(/answered 503/);

  status = 204;
  await client.send("a@a.test", "b@b.test", text);
  const [refused, taken] = requests;
  assertEquals(requests.length, 2);
  assertEquals([...taken!.url.searchParams], [
    ["key", "1"],
    ["from", "a@a.test"],
    ["to", "b@b.test"],
    ["subject", "Grüße"],
  ]);
  assertStringIncludes(taken!.text, `\r\n${text}\r\n`);
  assertEquals(refused!.text.endsWith(text + "\r\n"), true);
  // No mailbox: nothing was left to deliver.
  const left = await Array.fromAsync(Deno.readDir(`${folder.path}/incoming`), ({ name }) => name);
  assertEquals(left, [".incoming"]);
});

/** A station where mail for `there.test` ends; who submits it logs in as `app`. */
async function startProvider(folder: Folder, pair: TlsCertificate) {
  const directory = mapDirectory({
    accounts: {
      "app@there.test": { password: "secret", sendAs: ["here.test"] },
      "bob@there.test": {},
      "carol@there.test": {},
    },
  });
  const address = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;
  const mta: Mta = await createMta({
    hostname: "mx.there.test",
    directory,
    listeners: [{ role: "submission", address }, { role: "mx", address }],
    certificates: [pair],
    delivery: { maildirRoot: `${folder.path}/there` },
  });
  const [submission, mx] = mta.addresses.map((bound) =>
    bound.transport === "tcp" ? `127.0.0.1:${bound.port}` : ""
  );
  return {
    submission: submission!,
    mx: mx!,
    mail: (user: string) => readMails(`${folder.path}/there/there.test/${user}/new`),
    [Symbol.asyncDispose]: () => mta.stop({ grace: 0 }),
  };
}

/** None where there is no such mailbox yet. */
async function readMails(mailbox: string): Promise<string[]> {
  const files = await Array.fromAsync(Deno.readDir(mailbox), ({ name }) => name).catch(() => []);
  return await Promise.all(files.map((name) => Deno.readTextFile(`${mailbox}/${name}`)));
}

Deno.test("examples/relay_to_smarthost.ts logs in over TLS, and keeps mail until it can", async () => {
  await using folder = await Folder.make();
  const tls = `${folder.path}/tls`;
  const { pair } = await keepLocalCertificate(tls, ["localhost", "127.0.0.1"], Date.now());
  await using provider = await startProvider(folder, pair);
  const words = ["app.here.test", provider.submission, "0"];
  const login = { SMTP_USER: "app@there.test", SMTP_PASSWORD: "secret" };
  {
    // The certificate is not trusted yet: no password, no mail.
    const { program, port } = await start("relay_to_smarthost.ts", folder, words, login);
    await using _ = program;
    using client = await Client.connect(port);
    await client.say("EHLO app", 250);
    await client.send("cron@here.test", "bob@there.test", "Subject: Backup\r\n\r\nDone.");
    assertMatch(await program.stdoutLine(/ … bob@there\.test /), /4\.7\.5 .*certificate/);
    assertEquals(await provider.mail("bob"), []);
  }
  // It was killed, and starts again with the certificate among those that are trusted.
  const env = { ...login, NODE_EXTRA_CA_CERTS: `${tls}/certificate.pem` };
  const { program, port } = await start("relay_to_smarthost.ts", folder, words, env);
  await using _ = program;
  using client = await Client.connect(port);
  await client.say("EHLO app", 250);
  await client.send("cron@here.test", "carol@there.test", "Subject: Backup\r\n\r\nDone.");
  assertStringIncludes(
    await program.stdoutLine(/ ↳ carol@there\.test /),
    `smtp:[127.0.0.1]:${provider.submission.split(":")[1]}`,
  );
  const [mail] = await provider.mail("carol");
  assertMatch(mail!, /\n\tby mx\.there\.test with ESMTPSA id /);
  assertStringIncludes(mail!, "\nSubject: Backup\n");
});

Deno.test("examples/send_mail.ts sends to a server, and says what became of it", async () => {
  await using folder = await Folder.make();
  const { pair } = await keepLocalCertificate(`${folder.path}/tls`, ["localhost"], Date.now());
  await using provider = await startProvider(folder, pair);
  const options = await runOptions("send_mail.ts", folder);
  const send = (to: string) => run(["cron@here.test", to, "It works", provider.mx], options);

  const sent = await send("bob@there.test");
  assertEquals(sent.code, 0, sent.stderr);
  const host = provider.mx.replace("127.0.0.1", "[127.0.0.1]").replaceAll(/[[\].]/g, "\\$&");
  assertMatch(
    sent.stdout,
    new RegExp(`^bob@there\\.test sent: 250 2\\.0\\.0 taken as .* \\(${host}\\)\n$`),
  );
  const [mail] = await provider.mail("bob");
  assertMatch(mail!, /\nSubject: It works\n[^]*\n\nSent by a program\.\n$/);

  const refused = await send("nobody@there.test");
  assertEquals(refused.code, 69, refused.stderr);
  assertMatch(refused.stdout, /^nobody@there\.test failed: 550 5\.1\.1 no such user here \(/);
});
