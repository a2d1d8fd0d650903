/**
 * What docs/security.md says that `serve` needs for a part of its configuration: it asks for just that, works with it,
 * says what is missing with one permission less; and what code in such a server cannot do.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { ROOT } from "../support/documents.ts";
import { mxCertificate } from "../support/certificates.ts";
import { Client, permissionTest, Program, run } from "./program.ts";
import { LESS_SAYS, lessByOne, Place, readPermissions } from "./sandboxed_place.ts";

const ROWS = await readPermissions("where it has");
const STRICT = "relay.enabled: false";
const RELAYING = (await readPermissions("command")).find(({ subjects }) =>
  subjects.includes("serve")
)!;

type Part = Partial<ConfigInput>;
const noRelay: Part = { relay: { enabled: false } };
const route = (via: object): Part => (
  { relay: { routes: [{ domains: ["away.test"], via }] } } as Part
);
const mx = { role: "mx", address: "LISTEN" } as const;

/** A part of a configuration, where paths and ports are words in capitals. */
interface Case {
  readonly config: Part;
  readonly env?: Readonly<Record<string, string>>;
  /** What a filter does with a mail, told by the code of the answer; default 250. */
  readonly code?: number;
  /** What it says once it serves. */
  readonly says?: RegExp;
  /** It sends mail on. */
  readonly relays?: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  [STRICT]: { config: noRelay },
  "monitor": { config: { ...noRelay, monitor: { address: "MONITOR" } } },
  "tls": {
    config: {
      ...noRelay,
      tls: { certificates: [{ certificate: "CERTIFICATE", key: "KEY" }] },
    },
  },
  "web": { config: { ...noRelay, web: { listeners: [{ address: "SITE", tls: false }] } } },
  // Nobody gives certificates here: that it asks is seen by what it says.
  "acme": {
    config: {
      ...noRelay,
      acme: {
        agreeToTerms: true,
        challenge: "dns-01",
        dnsHook: "PROGRAM",
        directory: "https://AUTHORITY/",
      },
    },
    says: /no certificate for mx\.example\.test: .*[Rr]efused/,
  },
  "unix listener": {
    config: { ...noRelay, listeners: [mx, { role: "lmtp", address: "unix:PEER" }] },
  },
  "unix route": { config: route({ kind: "lmtp", address: "unix:PEER" }), relays: true },
  "pipe route": { config: route({ kind: "pipe", program: "PROGRAM" }), relays: true },
  "clamav": {
    config: { ...noRelay, filters: [{ kind: "clamav", address: "FILTER" }] },
    code: 554,
  },
  // Nobody speaks its protocol here: that mail passes tells only that it does not need more.
  "milter": {
    config: { ...noRelay, filters: [{ kind: "milter", address: "FILTER", onTrouble: "accept" }] },
  },
  "clamav on a socket": {
    config: { ...noRelay, filters: [{ kind: "clamav", address: "unix:PEER" }] },
    code: 554,
  },
  "milter on a socket": {
    config: {
      ...noRelay,
      filters: [{ kind: "milter", address: "unix:PEER", onTrouble: "accept" }],
    },
  },
  "http": {
    config: {
      ...noRelay,
      filters: [{ kind: "http", url: "http://FILTER/", secret: "a secret for hooks" }],
    },
    code: 550,
  },
  "secret in a file": { config: { ...noRelay, queue: { srsSecret: { file: "SECRET" } } } },
  "environment": { config: noRelay, env: { YIZHAN_HOSTNAME: "other.example.test" } },
  "workers": { config: { ...noRelay, workers: 2 } },
};

/** Each permission by itself. */
function atoms(flags: readonly string[]): string[] {
  const all = flags.flatMap((flag) => {
    const [name, subjects] = flag.split("=");
    return (subjects ?? "").split(",").map((subject) => `${name} ${subject}`);
  });
  return [...new Set(all)].toSorted();
}

/** The flags that `serve` says it needs. */
async function flagsAsked(place: Place, env: Readonly<Record<string, string>>): Promise<string[]> {
  const words = ["serve", "--config", place.fill("CONFIG")];
  const { code, stderr } = await run(words, { flags: ["--allow-read", "--allow-env"], env });
  assertEquals(code, 77, stderr);
  assertMatch(stderr, LESS_SAYS);
  const [, flags] = /run: deno run (.*?) \S*main\.ts /.exec(stderr) ?? [];
  return flags!.split(" ");
}

/** Two that are asked about mail: one finds a virus in all of it, one refuses it. */
function startFilter(kind: string, path: string) {
  if (kind === "http") {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => Response.json({ action: "reject", text: "no" }),
    );
    return { port: server.addr.port, stop: () => server.shutdown() };
  }
  const listener = kind.endsWith(" on a socket")
    ? Deno.listen({ transport: "unix", path })
    : Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      if (kind.startsWith("milter")) {
        connection.close();
        continue;
      }
      const buffer = new Uint8Array(65_536);
      for (let length; (length = await connection.read(buffer).catch(() => null)) !== null;) {
        // A piece of no octets ends a message.
        if (buffer.subarray(length - 4, length).some((octet) => octet !== 0)) continue;
        await connection.write(new TextEncoder().encode("stream: Test.Virus FOUND\0"))
          .catch(() => {});
      }
      connection.close();
    }
  })();
  const { addr } = listener;
  return {
    port: addr.transport === "tcp" ? addr.port : 0,
    stop: async () => {
      listener.close();
      await serving.catch(() => {});
    },
  };
}

async function prepare(name: string, { config }: Case) {
  const place = await Place.make();
  const filter = startFilter(name, place.fill("PEER"));
  const path = place.fill("FOLDER");
  const [a, b] = crypto.getRandomValues(new Uint8Array(2));
  place.name({
    // An address of this machine's own that no other test has: there a port is free that is known beforehand.
    LISTEN: `127.42.${a}.${(b! % 254) + 1}:2525`,
    FILTER: `127.0.0.1:${filter.port}`,
    MONITOR: "127.0.0.2:0",
    SITE: "127.0.0.3:0",
    AUTHORITY: "127.0.0.4:4443",
    PROGRAM: `${path}/program`,
    CERTIFICATE: `${path}/crt`,
    KEY: `${path}/key`,
    SECRET: `${path}/secret`,
    SOURCES: `${ROOT}src`,
    DENO_JSON: `${ROOT}deno.json`,
  });
  await Deno.writeTextFile(`${path}/crt`, mxCertificate.certificate);
  await Deno.writeTextFile(`${path}/key`, mxCertificate.key, { mode: 0o600 });
  await Deno.writeTextFile(`${path}/secret`, "a secret for return paths\n", { mode: 0o600 });
  await Deno.writeTextFile(`${path}/program`, `#!/bin/sh\ncat >${path}/piped\n`, { mode: 0o700 });
  await place.configure(JSON.parse(place.fill(JSON.stringify({ listeners: [mx], ...config }))));
  return {
    place,
    async [Symbol.asyncDispose]() {
      await filter.stop();
      await place[Symbol.asyncDispose]();
    },
  };
}

async function listening(program: Program): Promise<void> {
  await program.stderrLine(/ mx on /);
}

Deno.test("docs/security.md has the permissions that parts of a configuration need", () => {
  const named = ROWS.flatMap(({ subjects }) => subjects);
  assertEquals(named.toSorted(), Object.keys(CASES).toSorted());
});

for (const { subjects, flags } of ROWS) {
  for (const name of subjects) {
    const example = CASES[name]!;
    const { env = {}, code: answer = 250, relays = false } = example;
    permissionTest(
      `yizhan serve asks for what it needs where it has ${name}, and works with it`,
      async () => {
        await using prepared = await prepare(name, example);
        const { place } = prepared;
        const asked = await flagsAsked(place, env);
        const base = relays ? RELAYING : ROWS.find(({ subjects }) => subjects.includes(STRICT))!;
        const more = flags.map((flag) => place.fill(flag));
        const documented = [...base.flags.map((flag) => place.fill(flag)), ...more];
        assertEquals(atoms(asked), atoms(documented));
        const words = ["serve", "--config", place.fill("CONFIG")];
        for (const [without, left] of lessByOne(asked)) {
          // What one relaying server or another needs is told by the table of commands.
          const isOwn = atoms(more).includes(without);
          if (
            !isOwn || without.startsWith("--unstable") || without.startsWith("--allow-env")
          ) continue;
          const { code, stderr } = await run(words, { flags: left, env });
          assert([66, 77, 78].includes(code), `${code} without ${without}: ${stderr}`);
          assertMatch(stderr, LESS_SAYS);
        }
        await using program = await Program.spawn(words, { flags: asked, env });
        await listening(program);
        if (example.says !== undefined) await program.stderrLine(example.says);
        const [hostname, port] = place.fill("LISTEN").split(":");
        using client = await Client.over(await Deno.connect({ hostname, port: Number(port) }));
        await client.say("EHLO client.example", 250);
        await client.send(
          "a@elsewhere.test",
          "alice@example.test",
          "Subject: hi\r\n\r\nHello.",
          answer,
        );
        await client.say("QUIT", 221);
        program.signal("SIGTERM");
        const { code, stdout, stderr } = await program.ended();
        assertEquals(code, 0, stderr);
        assert(
          !/NotCapable|not given that permission|Requires \S+ access/.test(stdout + stderr),
          stdout,
        );
        if (answer === 550) assert(!stdout.includes("policy.failed"), stdout);
      },
    );
  }
}

/** Whatever code in the server could try. Each line of its output is what was granted. */
const PROBE = `
import { spawnSync } from "node:child_process";
const [folder, mailbox, other] = Deno.args;
const tries = {
  "a password file": () => Deno.readTextFileSync("/etc/shadow"),
  "all users' homes": () => [...Deno.readDirSync("/home")],
  "mail of another server": () => Deno.readTextFileSync(other),
  "a way around": () => Deno.readTextFileSync(mailbox + "/../../../../../some/mail"),
  "the key of a certificate": () => Deno.readTextFileSync(folder + "/some/key"),
  "the process": () => Deno.readTextFileSync("/proc/self/environ"),
  "to change users": () => Deno.writeTextFileSync(folder + "/accounts/users", "", { append: true }),
  "to change the configuration": () => Deno.writeTextFileSync(folder + "/etc/yizhan.yaml", "", { append: true }),
  "a file elsewhere": () => Deno.writeTextFileSync("/tmp/yizhan-probe-" + crypto.randomUUID(), ""),
  "a link out": () => Deno.symlinkSync("/etc/shadow", mailbox + "/link"),
  "a second name": () => Deno.linkSync("/etc/passwd", mailbox + "/link"),
  "to move mail in": () => Deno.renameSync(other, mailbox + "/moved"),
  "a shell": () => new Deno.Command("/bin/sh", { args: ["-c", "id"] }).outputSync(),
  "another program": () => { const { error } = spawnSync("/usr/bin/id"); if (error) throw error; },
  "a library": () => Deno.dlopen("libc.so.6", {}),
  "variables": () => Deno.env.toObject(),
  "to be somebody else": () => Deno.uid() === -1 || process.setuid(0),
  "the machine's name": () => Deno.hostname(),
};
for (const [what, act] of Object.entries(tries)) {
  try { act(); console.log("GRANTED", what); }
  catch (error) { if (!/NotCapable/.test(error.name + error.code + error.message) && !/Requires|requires/.test(error.message)) console.log("FAILED", what, error); }
}
await Deno.connect({ hostname: "127.0.0.1", port: 9 }).then(() => console.log("GRANTED to connect"), (error) => {
  if (error.name !== "NotCapable") console.log("FAILED to connect", error);
});
const allowed = [() => Deno.readDirSync(mailbox), () => Deno.statSync(folder + "/etc/yizhan.yaml")];
for (const act of allowed) act();
console.log("done");
`;

permissionTest(
  "attack: code in a server has no other program, no other file, no other host",
  async () => {
    await using prepared = await prepare(STRICT, CASES[STRICT]!);
    const { place } = prepared;
    const flags = await flagsAsked(place, {});
    const folder = place.fill("FOLDER").replace(/\/some$/, "");
    const mailbox = `${folder}/var/mail/example.test/alice/new`;
    await Deno.mkdir(mailbox, { recursive: true });
    await Deno.writeTextFile(`${folder}/some/mail`, "Subject: not ours\n");
    await Deno.writeTextFile(`${folder}/probe.ts`, PROBE);
    const words = [folder, mailbox, `${folder}/some/mail`];
    const { stdout, stderr } = await run(words, { flags, script: `${folder}/probe.ts` });
    assertEquals(stdout, "done\n", stderr);
  },
);

permissionTest(
  "attack: a route into one program cannot become one into another by a reload",
  async () => {
    await using prepared = await prepare("pipe route", CASES["pipe route"]!);
    const { place } = prepared;
    const flags = await flagsAsked(place, {});
    const config = ["--config", place.fill("CONFIG")];
    await using program = await Program.spawn(["serve", ...config], { flags });
    await listening(program);
    const wider: [Part, RegExp][] = [
      [route({ kind: "pipe", program: "/bin/sh" }), /permission to run \/bin\/sh/],
      [{ users: "/etc/shadow" }, /permission to read \/etc\/shadow/],
      [{ mail: { directory: "/var/mail" } }, /permission to read \/var\/mail/],
    ];
    for (const [part, words] of wider) {
      const before = await Deno.readTextFile(place.fill("CONFIG"));
      await place.configure(part);
      const { code, stderr } = await run(["reload", ...config]);
      assert(code !== 0);
      assertMatch(stderr, words);
      await Deno.writeTextFile(place.fill("CONFIG"), before);
    }
    const { code, stderr } = await run(["reload", ...config]);
    assertEquals(code, 0, stderr);
  },
);
