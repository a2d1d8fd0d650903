/**
 * From an empty folder to a mail server that is used, watched, changed under load and stopped: all by the
 * program's own commands, as a newcomer gives them. With `TEST_COMMAND` the same by another build, of which it
 * is shown that Deno has no part in it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findFreePort } from "../support/free_port.ts";
import { until } from "./daemon.ts";
import { readMaildir, untilMail } from "./maildir.ts";
import { BUILD, COMMAND, Newcomer } from "./newcomer.ts";
import { interopTest, run, runPython } from "./support.ts";

const CAROL = "carol@example.test";
const CLIENTS = 20;

/** What a person may well change before the first start: the ports of `--local`, and here who is asked for names. */
async function choosePorts(file: string): Promise<{ mx: number; submission: number }> {
  const text = await Deno.readTextFile(file);
  const [mx, submission, submissions] = [findFreePort(), findFreePort(), findFreePort()];
  const changed = text.replace(":2525", `:${mx}`).replace(":2587", `:${submission}`)
    .replace(":2465", `:${submissions}`);
  const nobody = `relay:\n  nameServers: ["127.0.0.1:${findFreePort()}"]\n`;
  await Deno.writeTextFile(file, changed + nobody);
  return { mx, submission };
}

interopTest("a newcomer has a mail server in an empty folder, and changes it under load", [
  "python3",
], async () => {
  await using newcomer = await Newcomer.arrive();
  const { path } = newcomer;
  const made = JSON.parse(
    await newcomer.do("init", "--local", "--yes", "--domain", "example.test", "--json"),
  );
  assertEquals(made.user, "postmaster@example.test");
  const config = `${path}/yizhan.yaml`;
  const { mx, submission } = await choosePorts(config);
  assertMatch(await newcomer.do("check"), /^ok +configuration +yizhan\.yaml is right$/m);

  await using server = await newcomer.serve(3);
  assertMatch(await newcomer.do("check"), /^ok +server +Yizhan \S+ runs as process \d+$/m);

  // The first mail, by both names of the command; and one to where no name server leads.
  const send = async (words: readonly string[], mail: string) => {
    const { code, stderr } = await newcomer.run(words, mail);
    assertEquals([code, stderr], [0, ""], words.join(" "));
  };
  await send(["send", made.user], "Subject: first\n\nHello.\n");
  const named = ["--config", "yizhan.yaml", "-i", "-t"];
  await send(["sendmail", ...named], `To: ${made.user}\nSubject: second\n\n.\nHello.\n`);
  await send(["send", "bob@far.example"], "Subject: far\n\nHello.\n");
  const mailbox = `${path}/data/mail/example.test/postmaster`;
  const first = await untilMail(mailbox, 2);
  const subjects = first.map(({ octets }) => /^Subject: (.*?)\r?$/m.exec(decode(octets))?.[1]);
  assertEquals(subjects.toSorted(), ["first", "second"]);
  const waiting = await until("the far mail", async () => {
    const listed = await newcomer.do("queue", "list", "--json");
    const [entry] = listed.trim().split("\n").filter((line) => line !== "").map((line) =>
      JSON.parse(line)
    );
    return entry?.attempts > 0 ? entry : null;
  });
  assertEquals([waiting.recipients, waiting.state], [["bob@far.example"], "waiting"]);
  assertStringIncludes(await newcomer.do("queue", "show", waiting.id), "Subject: far");
  await newcomer.do("queue", "remove", waiting.id);
  assertEquals(await newcomer.do("queue", "list", "--json"), "");

  // Another user, who is known without a restart.
  const password = "correct horse";
  const added = await newcomer.run(["user", "add", CAROL, "--password-stdin"], `${password}\n`);
  assertEquals(added.code, 0, added.stderr);
  assertStringIncludes(await newcomer.do("user", "list"), CAROL);
  await newcomer.do("reload");

  // Twenty clients, and the configuration changes.
  const stop = `${path}/stop`;
  const load = runPython<{ sent: number[]; errors: string[] }>("steady_clients.py", {
    ...{ mx, submission, clients: CLIENTS, stop, to: CAROL, user: CAROL, password },
  });
  const carols = `${path}/data/mail/example.test/carol`;
  const arrived = async () => (await readMaildir(carols).catch(() => [])).length;
  const text = await Deno.readTextFile(config);
  const changes = ["limits: { messageSize: 1M }\n", "addresses: [192.0.2.1]\n", ""];
  try {
    await until("the load", async () => await arrived() > CLIENTS);
    for (const change of changes) {
      const changed = change.startsWith("addresses") ? text.replace("addresses: []\n", "") : text;
      await Deno.writeTextFile(config, changed + change);
      const { code, stderr } = await newcomer.run(["reload"]);
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /reloaded\n$/);
      const before = await arrived();
      await until("more mail", async () => await arrived() > before + CLIENTS);
    }
    // What cannot be used changes nothing.
    await Deno.writeTextFile(config, `${text}listenrs: []\n`);
    const refused = await newcomer.run(["reload"]);
    assertEquals(refused.code, 78);
    assertMatch(refused.stderr, /yizhan\.yaml:\d+:1: listenrs: .*did you mean listeners\?/);
    await Deno.writeTextFile(config, text);
  } finally {
    await Deno.writeTextFile(stop, "");
  }
  const { sent, errors } = await load;
  assertEquals(errors, []);
  assert(sent.every((count) => count > 0), `${sent}`);
  assertEquals(await arrived(), sent.reduce((sum, count) => sum + count));

  const status = JSON.parse(await newcomer.do("status", "--json"));
  assertEquals(status.listeners.map(({ name }: { name: string }) => name), [
    "mx",
    "submission",
    "submissions",
  ]);
  const spoken = await newcomer.follow(
    ["trace", "--listener", "mx"],
    () => greet(mx),
    (lines) => lines.some((line) => line.includes("EHLO newcomer.test")),
  );
  assertMatch(spoken.join("\n"), /220 mail\.example\.test/);

  assertEquals(await server.stop(), 0);
  const types = new Set(server.events.map(({ type }) => type));
  assert(types.has("station.reloaded"), `${[...types]}`);
  const bad = server.events.filter(({ type }) =>
    /^(?:internal|session\.fault|queue\.damaged|queue\.trouble)/.test(type)
  );
  assertEquals(bad, []);
  const down = await newcomer.run(["status"]);
  assertEquals(down.code, 69);
  assertMatch(down.stderr, /no server listens .*start it \(yizhan serve\)/);

  // With the server down mail is left for it all the same.
  await send(["send", made.user], "Subject: third\n\nHello.\n");
  await using _again = await newcomer.serve(3);
  await untilMail(mailbox, 3);
});

interopTest("what is said on a terminal is painted by the program alone", ["python3"], async () => {
  await using newcomer = await Newcomer.arrive();
  const seen = (...words: string[]) =>
    runPython<{ screen: string; code: number }>("terminal.py", {
      command: ["env", "-u", "NO_COLOR", "-u", "FORCE_COLOR", ...COMMAND, ...words],
      cwd: newcomer.path,
      typed: [],
    });
  const ESCAPE = "\x1b";
  const made = await seen("init", "--local", "--yes", "--domain", "example.test");
  assertEquals(made.code, 0, made.screen);
  assertStringIncludes(made.screen, "wrote  yizhan.yaml");
  assert(!made.screen.includes(ESCAPE), JSON.stringify(made.screen));
  const help = await seen();
  assertStringIncludes(help.screen, "Usage: yizhan");
  assert(!help.screen.includes(ESCAPE), JSON.stringify(help.screen));
  const { screen } = await seen("no-such-command");
  assertStringIncludes(screen, `yizhan:${ESCAPE}[39m there is no command`);
});

/** Says hello to a listener. */
async function greet(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4096);
  for (const command of ["EHLO newcomer.test\r\n", "QUIT\r\n"]) {
    await connection.read(buffer);
    await connection.write(new TextEncoder().encode(command));
  }
  while (await connection.read(buffer) !== null) { /* to its end */ }
}

function decode(octets: Uint8Array): string {
  return new TextDecoder().decode(octets);
}

if (BUILD.length > 0) {
  interopTest("the binary opens and runs nothing of Deno, Node.js or Bun", ["strace"], async () => {
    await using newcomer = await Newcomer.arrive();
    const [program = ""] = BUILD;
    const traced = (...words: string[]) => {
      const options = ["-f", "-qq", "-e", "trace=%file,%process", "-o", `${newcomer.path}/trace`];
      return run("strace", [...options, program, ...words]);
    };
    for (
      const words of [["init", newcomer.path, "--local", "--yes", "--domain", "x.test"], [
        "--version",
      ]]
    ) {
      const ran = await traced(...words);
      assertEquals(ran.code, 0, ran.text);
      const calls = (await Deno.readTextFile(`${newcomer.path}/trace`)).split("\n");
      assert(calls.some((call) => call.includes("execve(")), "nothing was traced");
      const used = calls.filter((call) => {
        return /"[^"]*(?:\/deno|\/node_modules|\/node|\/bun|\.ts)"/.test(call) &&
          !call.includes(program) && !/= -1 E/.test(call);
      });
      assertEquals(used, []);
    }
  });
}
