/**
 * A server that root starts, beside the kernel: it has port 25, and in every thread it is somebody else. Needs root.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { addUser } from "../../src/directory/users_edit.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { writeConfig } from "../support/config.ts";
import { until } from "./daemon.ts";
import { installForAll } from "./shared_program.ts";
import { interopTest, makeTemporaryFolder, run, type TemporaryFolder } from "./support.ts";

const NEEDS = Deno.uid() === 0 ? ["setpriv"] : ["root", "setpriv"];
/** A user that every Debian has. */
const USER = { name: "www-data", uid: 33, gid: 33 };

/** An address of this machine's own that no other test has: port 25 is free there. */
function ownAddress(): string {
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  return `127.${a! | 1}.${b}.${c! | 1}`;
}

/** A folder with a configuration that `user` may read, and the program. */
async function prepare(config: Partial<ConfigInput> = {}) {
  const folder = await makeTemporaryFolder();
  await Deno.chmod(folder.path, 0o755);
  // Without it Deno's threads cannot share a port.
  const command = (await installForAll()).replace(" -A ", " --unstable-net -A ");
  const host = ownAddress();
  const { files, random } = denoRuntime();
  const address = { local: "alice", domain: "example.test" };
  await addUser({ files, random, path: `${folder.path}/users` }, { address, password: "secret" });
  await Deno.chmod(`${folder.path}/users`, 0o644);
  const whole: ConfigInput = {
    hostname: "mx.example.test",
    data: "data",
    user: USER.name,
    listeners: [{ role: "mx", address: `${host}:25` }],
    relay: { nameServers: ["127.0.0.1:1"] },
    ...config,
  };
  const file = await writeConfig(folder.path, whole);
  await Deno.chmod(file, 0o644);
  return { folder, command, host, file, whole };
}

/** Starts it as root does, without supplementary groups; `output` is all it has said. */
function serve(folder: TemporaryFolder, command: string, file: string, ...before: string[]) {
  const child = new Deno.Command("sh", {
    args: ["-c", `exec ${before.join(" ")} ${command} serve --config ${file}`],
    cwd: folder.path,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  let ended = false;
  const read = [child.stdout, child.stderr].map(async (stream) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  });
  const status = child.status.finally(() => ended = true);
  return {
    pid: child.pid,
    output: () => text,
    said: (what: RegExp) =>
      until(`the server says ${what}`, () => what.exec(text), {
        log: () => text,
        ended: () => ended,
      }),
    async end(): Promise<number> {
      const { code } = await status;
      await Promise.all(read);
      return code;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGTERM");
      await status;
      await Promise.all(read);
    },
  };
}

const CLEARED = ["setpriv", "--clear-groups"];

/** What the kernel says of every thread of a process. */
async function threadsOf(pid: number): Promise<Record<string, string>[]> {
  const threads: Record<string, string>[] = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/status`).catch(() => null);
    if (text === null) continue; // it has ended
    threads.push(Object.fromEntries(text.split("\n").map((line) => line.split(/:\s*/, 2))));
  }
  return threads;
}

async function assertDropped(pid: number): Promise<void> {
  const threads = await threadsOf(pid);
  assert(threads.length > 1);
  const { uid, gid } = USER;
  for (const { Name, Uid, Gid, Groups, CapEff, CapPrm } of threads) {
    assertEquals(Uid, Array(4).fill(uid).join("\t"), Name);
    assertEquals(Gid, Array(4).fill(gid).join("\t"), Name);
    assertEquals(Groups!.trim().replace(`${gid}`, ""), "", Name);
    assertEquals([CapEff, CapPrm], ["0".repeat(16), "0".repeat(16)], Name);
  }
}

async function sendMail(host: string, port: number): Promise<void> {
  const words = ["--server", host, "--port", `${port}`, "--to", "alice@example.test"];
  const ran = await run("swaks", [...words, "--from", "b@sender.test", "--body", "Hello."]);
  assertEquals(ran.code, 0, ran.text);
}

interopTest("a server that root starts has port 25 and is somebody else in every thread", [
  ...NEEDS,
  "swaks",
], async () => {
  const { folder, command, host, file, whole } = await prepare();
  await using _ = folder;
  await using server = serve(folder, command, file, ...CLEARED);
  await server.said(/mx on 127\.[\d.]+:25/);
  await assertDropped(server.pid);
  await sendMail(host, 25);
  const mails = `${folder.path}/data/mail/example.test/alice/new`;
  const [mail] = await Array.fromAsync(Deno.readDir(mails));
  for (const path of ["data", "data/mail", "data/queue", "data/queue/control.sock"]) {
    assertEquals((await Deno.lstat(`${folder.path}/${path}`)).uid, USER.uid, path);
  }
  assertEquals((await Deno.stat(`${mails}/${mail!.name}`)).uid, USER.uid);
  assertEquals((await Deno.stat(folder.path)).uid, 0);

  // The port it has, it keeps; another low one it cannot have any more.
  const again = () => Deno.kill(server.pid, "SIGHUP");
  await writeConfig(folder.path, { ...whole, limits: { recipients: 200 } });
  again();
  await server.said(/limits\.recipients has changed[^]*reloaded/);
  await sendMail(host, 25);
  const more = { role: "mx", address: `${ownAddress()}:587` } as const;
  await writeConfig(folder.path, { ...whole, listeners: [...whole.listeners, more] });
  again();
  await server.said(/root was given up at the start; a new port below 1024 takes a restart/);
  await sendMail(host, 25);
});

interopTest("a server with several threads gives root up in all of them", [
  ...NEEDS,
  "swaks",
], async () => {
  const host = ownAddress();
  const { folder, command, file } = await prepare({
    workers: 3,
    listeners: [{ role: "mx", address: `${host}:2525` }],
  });
  await using _ = folder;
  await using server = serve(folder, command, file, ...CLEARED);
  await server.said(/mx on 127\.[\d.]+:2525/);
  assert(!server.output().includes("warning:"), server.output());
  await assertDropped(server.pid);
  await sendMail(host, 2525);
});

interopTest("a server that could not give root up whole does not serve", NEEDS, async () => {
  const cases: [Partial<ConfigInput>, string[], RegExp][] = [
    [{ user: "nobody-is-called-so" }, CLEARED, /this machine has no user nobody-is-called-so/],
    [{ user: "root" }, CLEARED, /user: root is who it is not to be/],
    [{ group: "root" }, CLEARED, /has root's group/],
    [{ workers: 2 }, CLEARED, /with workers: 2 root is given up before they listen/],
    [{}, ["setpriv", "--reuid=34", "--clear-groups"], /only root can become www-data/],
  ];
  // Bun can clear the groups itself.
  if ((Deno.env.get("TEST_COMMAND") ?? "") === "") {
    const groups = ["setpriv", "--groups", "0,8"];
    cases.push([{}, groups, /the groups 0, 8 of who started this would stay/]);
  }
  for (const [config, before, words] of cases) {
    const { folder, command, file, host } = await prepare(config);
    await using _ = folder;
    await using server = serve(folder, command, file, ...before);
    const code = await server.end();
    assert(code === 77 || code === 78, `${code}: ${server.output()}`);
    assertMatch(server.output(), words);
    Deno.listen({ hostname: host, port: 25 }).close();
  }
});

interopTest("a folder of root's is not served by somebody else, and one says what to do", [
  ...NEEDS,
], async () => {
  const { folder, command, file } = await prepare();
  await using _ = folder;
  await Deno.mkdir(`${folder.path}/data`);
  await using server = serve(folder, command, file, ...CLEARED);
  assertEquals(await server.end(), 78);
  assertMatch(server.output(), /data belongs to user 0, not to www-data: chown -R www-data/);
});

interopTest("a server of root's without a user says so", NEEDS, async () => {
  const prepared = await prepare();
  await using folder = prepared.folder;
  const { user: _, ...whole } = prepared.whole;
  const file = await writeConfig(folder.path, whole);
  await using server = serve(folder, prepared.command, file);
  await server.said(/this process is root's and stays so; give user: NAME/);
  await server.said(/mx on 127/);
});

interopTest(
  "the site of a server that root starts has ports 80 and 443, and its certificates are the user's",
  [
    ...NEEDS,
    "curl",
  ],
  async () => {
    const place = ownAddress();
    const { folder, command, file } = await prepare({
      web: {
        listeners: [{ address: `${place}:443` }, { address: `${place}:80`, tls: false }],
      },
      // Nobody is there.
      acme: { agreeToTerms: true, directory: `https://${place}:4443/` },
      domains: ["example.test"],
    });
    await using _ = folder;
    await using server = serve(folder, command, file, ...CLEARED);
    await server.said(
      /no certificate for mx\.example\.test: .*[Rr]efused.*; tried again in 15 min/,
    );
    const host = "mta-sts.example.test";
    const curl = ["--silent", "--insecure", "--location", "--connect-to", `${host}:80:${place}:80`];
    const ran = await run("curl", [
      ...[...curl, "--connect-to", `${host}:443:${place}:443`],
      `http://${host}/.well-known/mta-sts.txt`,
    ]);
    assertMatch(ran.text, /^version: STSv1\r\n/);
    const kept = `${folder.path}/data/acme`;
    for (const path of [kept, `${kept}/mx.example.test.pem`, `${kept}/failures.json`]) {
      const { uid, mode } = await Deno.stat(path);
      assertEquals([uid, mode! & 0o077], [USER.uid, 0], path);
    }
  },
);
