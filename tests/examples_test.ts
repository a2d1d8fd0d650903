/**
 * Runs every example as the comment on top of it says, with no more permissions than it says.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Client, Folder, Program, run, type RunOptions } from "./cli/program.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);

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
async function start(name: string, folder: Folder, words: readonly string[]) {
  const program = await Program.spawn(words, await runOptions(name, folder));
  const [, port] = /:(\d+)$/.exec(await program.stdoutLine(/^Listening on /))!;
  return { program, port: Number(port) };
}

Deno.test("every example is tested here", async () => {
  const names = await Array.fromAsync(Deno.readDir(EXAMPLES), ({ name }) => name);
  assertEquals(names.toSorted(), ["catch_all_for_tests.ts", "inbound_webhook.ts", "policy.ts"]);
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

for (const [name, ...words] of [["policy.ts"], ["inbound_webhook.ts", "http://127.0.0.1/mail"]]) {
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
