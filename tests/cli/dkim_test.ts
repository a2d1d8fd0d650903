/**
 * `yizhan dkim`: the keys of a domain from the first to the next ones, with a name server of the test's.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { addKeys, readKeys } from "../../src/cli/dkim_steps.ts";
import { CommandError, EXIT } from "../../src/cli/exit.ts";
import { bunRuntime } from "../../src/runtime/bun.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { formatNameServer } from "../../src/runtime/resolv_conf.ts";
import { rsa4104 } from "../mailauth/dkim/large_key.ts";
import { DnsServer } from "../support/dns_server.ts";
import { Folder, run } from "./program.ts";

const CONFIG = `
hostname: mail.example.test
domains: [example.test]
listeners:
  - { role: mx, address: "0.0.0.0:25" }
queue: { retry: { lifetime: 3d }, retryDomains: { slow.example: { lifetime: 6d } } }
`;

const DAY = 86_400_000;

/** A configuration without keys, and a name server. */
class World implements AsyncDisposable {
  private constructor(readonly folder: Folder, readonly dns: DnsServer) {}

  static async make(): Promise<World> {
    const folder = await Folder.make();
    await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, CONFIG);
    return new World(folder, await DnsServer.start());
  }

  /** Runs the command; gives how it ended. */
  dkim(...words: string[]) {
    const asks = ["rotate", "list"].includes(words[0]!);
    const server = asks ? ["--name-server", formatNameServer(this.dns.server)] : [];
    return run(["dkim", ...words, ...server], { cwd: this.folder.path });
  }

  /** The keys as programs see them. */
  async keys(): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await this.dkim("list", "--json");
    assertEquals([code, stderr], [0, ""]);
    return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  /** Which keys do what. */
  async states(): Promise<Record<string, unknown>> {
    return Object.fromEntries((await this.keys()).map(({ selector, state }) => [selector, state]));
  }

  /** Publishes what is told of a key. */
  async publish(...selectors: string[]): Promise<void> {
    for (const { selector, record } of await this.keys()) {
      if (!selectors.includes(String(selector))) continue;
      const { name, value } = record as { name: string; value: string };
      this.dns.zones.set(name, { txt: [value] });
    }
  }

  async file(name: string): Promise<string> {
    return await Deno.readTextFile(`${this.folder.path}/dkim/example.test/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dns[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** What OpenSSL, by node:crypto, says the public half is: RFC 6376 §3.6.1 (SPKI), RFC 8463 §4.2 (the bare octets). */
function publicHalf(pem: string): string {
  const der = createPublicKey(createPrivateKey(pem)).export({ type: "spki", format: "der" });
  const isRsa = createPrivateKey(pem).asymmetricKeyType === "rsa";
  return (isRsa ? der : der.subarray(-32)).toString("base64");
}

Deno.test("yizhan dkim new makes keys that do not sign yet, and prints what to publish", async () => {
  await using world = await World.make();
  const made = await world.dkim("new", "Example.test.");
  assertEquals(made.code, 0, made.stderr);
  assertMatch(made.stderr, /wrote {2}dkim\/example\.test\/yizhan\.pem\n/);
  for (const name of ["yizhan", "yizhan-ed25519"]) {
    const path = `${world.folder.path}/dkim/example.test/${name}.pem`;
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    const half = publicHalf(await Deno.readTextFile(path));
    // A zone file's strings have 255 octets at most.
    const line = made.stdout.split("\n").find((line) => line.startsWith(`${name}._domainkey.`))!;
    assert(line.replaceAll('" "', "").endsWith(`p=${half}"`), line);
  }
  assertEquals(
    (await Deno.stat(`${world.folder.path}/dkim/example.test/keys`)).mode! & 0o777,
    0o600,
  );
  assertEquals(await world.states(), { "yizhan": "new", "yizhan-ed25519": "new" });
});

Deno.test("yizhan dkim new makes no second pair while the first waits for its records, but with --another", async () => {
  await using world = await World.make();
  assertEquals((await world.dkim("new", "example.test")).code, 0);
  const list = await world.file("keys");
  const again = await world.dkim("new", "example.test");
  assertEquals([again.code, again.stdout], [65, ""]);
  assertMatch(
    again.stderr,
    /new keys of example\.test wait for their records already \(yizhan, made 20\d\d-\d\d-\d\d; yizhan-ed25519, /,
  );
  assertMatch(again.stderr, /yizhan dkim rotate example\.test .*; --another makes more\n$/);
  assertEquals(await world.file("keys"), list);

  // Keys that sign are no reason against new ones, and one of the other kind is none either.
  assertEquals((await world.dkim("rotate", "example.test", "--now")).code, 0);
  const kind = ["new", "example.test", "--algorithm"];
  assertEquals((await world.dkim(...kind, "rsa", "--selector", "r")).code, 0);
  assertEquals((await world.dkim(...kind, "ed25519", "--selector", "e")).code, 0);
  assertEquals((await world.dkim(...kind, "ed25519", "--selector", "f")).code, 65);
  assertEquals((await world.dkim(...kind, "ed25519", "--selector", "f", "--another")).code, 0);
  assertEquals(await world.states(), {
    "f": "new",
    "e": "new",
    "r": "new",
    "yizhan": "signs",
    "yizhan-ed25519": "signs",
  });
});

Deno.test("yizhan dkim new leaves it to another command that makes keys of the domain (75)", async () => {
  await using world = await World.make();
  const folder = `${world.folder.path}/dkim/example.test`;
  await Deno.mkdir(folder, { recursive: true });
  // The line of a key is there before its file is.
  const since = (age: number) =>
    new Date(Math.trunc((Date.now() - age) / 1000) * 1000).toISOString().replace(".000", "");
  await Deno.writeTextFile(`${folder}/keys`, `# yizhan dkim keys 1\nyizhan new ${since(0)}\n`);
  const busy = await world.dkim("new", "example.test");
  assertEquals(busy.code, 75);
  assertMatch(busy.stderr, /another command makes keys of example\.test, or was stopped just now/);
  // What the power has ended long ago is in nobody's way.
  await Deno.writeTextFile(`${folder}/keys`, `# yizhan dkim keys 1\nyizhan new ${since(DAY)}\n`);
  assertEquals((await world.dkim("new", "example.test")).code, 0);
});

Deno.test("yizhan dkim rotate lets keys sign once their records are in DNS, and not before", async () => {
  await using world = await World.make();
  await world.dkim("new", "example.test");
  const early = await world.dkim("rotate", "example.test");
  assertEquals(early.code, 75);
  assertMatch(early.stderr, /yizhan of example\.test does not sign yet: its record is not in DNS/);
  assertEquals(await world.states(), { "yizhan": "new", "yizhan-ed25519": "new" });

  // One of them is there: it signs, the other one goes on waiting.
  await world.publish("yizhan");
  const half = await world.dkim("rotate", "example.test", "--finish", "--json");
  assertEquals(half.code, 75);
  const told = half.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(told.map(({ selector, state, dns }) => [selector, state, dns]), [
    ["yizhan", "signs", "ok"],
    ["yizhan-ed25519", "new", "missing"],
  ]);
  assertEquals(await world.states(), { "yizhan": "signs", "yizhan-ed25519": "new" });

  // A record that is wrong is to be mended, not waited for.
  world.dns.zones.set("yizhan-ed25519._domainkey.example.test", {
    txt: ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
  });
  const wrong = await world.dkim("rotate", "--finish");
  assertEquals(wrong.code, 65);
  assertMatch(wrong.stdout, /it has another key than ours/);
  assertMatch(wrong.stderr, /its record in DNS is not as it must be/);

  await world.publish("yizhan-ed25519");
  assertEquals((await world.dkim("rotate", "--finish")).code, 0);
  assertEquals(await world.states(), { "yizhan": "signs", "yizhan-ed25519": "signs" });
  const done = await world.dkim("rotate", "--finish");
  assertEquals(done.code, 0);
  assertMatch(done.stderr, /no key of example\.test waits/);
});

Deno.test("yizhan dkim rotate --finish ends as what is worst of all domains says", async () => {
  await using world = await World.make();
  const domains = ["a.test", "b.test", "c.test"];
  for (const domain of domains) {
    await world.dkim("new", domain, "--algorithm", "ed25519", "--selector", "s");
  }
  assertEquals((await world.dkim("rotate", "--finish")).code, 75);
  // The last one is done, the first one waits.
  assertEquals((await world.dkim("rotate", "c.test", "--now")).code, 0);
  assertEquals((await world.dkim("rotate", "--finish")).code, 75);
  // What is wrong is worse than what is not there yet, and is not forgotten over what comes behind it.
  world.dns.zones.set("s._domainkey.a.test", { txt: ["v=DKIM1; p="] });
  assertEquals((await world.dkim("rotate", "--finish")).code, 65);

  // A list that cannot be read stops nobody else's keys.
  await Deno.writeTextFile(`${world.folder.path}/dkim/a.test/keys`, "damaged");
  const key = (await world.dkim("list", "b.test", "--json")).stdout;
  const { record } = JSON.parse(key);
  world.dns.zones.set(record.name, { txt: [record.value] });
  const rest = await world.dkim("rotate", "--finish");
  assertEquals(rest.code, 65);
  assertMatch(rest.stderr, /a\.test\/keys does not begin with/);
  assertMatch(rest.stderr, /s of b\.test signs from now on/);
  const listed = await world.dkim("list");
  assertEquals(listed.code, 65);
  assertMatch(listed.stderr, /a\.test\/keys does not begin with/);
  assertMatch(listed.stdout, /b\.test\n {2}s +Ed25519 +signs since/);
});

Deno.test("yizhan dkim rotate puts new keys in place of the old ones, whose records stay", async () => {
  await using world = await World.make();
  // The first keys, as yizhan dns --make-key makes them, sign at once.
  await run(["dns", "--make-key", "--records"], { cwd: world.folder.path });
  assertEquals(await world.states(), { "yizhan": "signs", "yizhan-ed25519": "signs" });
  const begun = await world.dkim("rotate", "example.test");
  assertEquals(begun.code, 0, begun.stderr);
  const names = Object.keys(await world.states()).filter((name) => /-\d{8}(?:-|$)/.test(name));
  const [rsa = ""] = names;
  assertEquals(names, [rsa, `${rsa}-ed25519`]);
  assertMatch(rsa, /^yizhan-20\d{6}$/);

  await world.publish(...names);
  const before = Date.now();
  const finished = await world.dkim("rotate", "example.test");
  assertEquals(finished.code, 0, finished.stderr);
  const keys = await world.keys();
  const states = Object.fromEntries(keys.map(({ selector, state }) => [selector, state]));
  assertEquals(states, {
    "yizhan": "old",
    "yizhan-ed25519": "old",
    [rsa]: "signs",
    [`${rsa}-ed25519`]: "signs",
  });
  // As long as mail may wait for the slowest domain, and a week.
  const until = Date.parse(String(keys.find(({ selector }) => selector === "yizhan")!.until));
  assert(until >= before + 13 * DAY && until < Date.now() + 13 * DAY + 2000, String(until));
  const listed = await world.dkim("list", "--dns");
  assertMatch(
    listed.stdout,
    /yizhan {20}RSA 2048 {2}signed until \S+; leave its record in DNS until /,
  );
  assertMatch(listed.stdout, new RegExp(`${rsa} +RSA 2048 +signs since `));
  assertMatch(listed.stdout, /DNS: it has our key/);
  assertMatch(listed.stdout, /DNS: there is no such name/);

  // A key that signs, or whose mail may be on its way, does not go by mistake.
  const signing = await world.dkim("remove", "example.test", rsa);
  assertEquals([signing.code, /signs/.test(signing.stderr)], [65, true]);
  const wanted = await world.dkim("remove", "example.test", "yizhan");
  assertEquals([wanted.code, /on its way until/.test(wanted.stderr)], [65, true]);
  assertEquals((await world.dkim("remove", "example.test", "yizhan", "--now")).code, 0);
  assertEquals(Object.keys(await world.states()).includes("yizhan"), false);
  assertEquals((await world.dkim("remove", "example.test", "nobody")).code, 66);
});

Deno.test("yizhan dkim rotate puts new keys in place of one that is lost or damaged", async () => {
  await using world = await World.make();
  await run(["dns", "--make-key", "--records"], { cwd: world.folder.path });
  for (const damage of ["", null]) {
    const path = `${world.folder.path}/dkim/example.test`;
    const [rsa] = (await world.keys()).filter(({ algorithm, state }) =>
      algorithm === "rsa" && state === "signs"
    );
    if (damage === null) await Deno.remove(`${path}/${rsa!.selector}.pem`);
    else await Deno.writeTextFile(`${path}/${rsa!.selector}.pem`, damage);
    assertEquals((await world.dkim("rotate", "example.test")).code, 0);
    assertEquals((await world.dkim("rotate", "example.test", "--now")).code, 0);
    const keys = await world.keys();
    assertEquals(keys.find(({ selector }) => selector === rsa!.selector)?.state, "old");
    const signing = keys.filter(({ state }) => state === "signs");
    assertEquals(signing.map(({ algorithm }) => algorithm), ["rsa", "ed25519"]);
  }
});

Deno.test("of two yizhan dkim at once one gives up, and no key is lost", async () => {
  await using world = await World.make();
  const path = `${world.folder.path}/dkim/example.test`;
  assertEquals((await world.dkim("new", "example.test", "--selector", "first")).code, 0);
  // What another one is just writing.
  await Deno.writeTextFile(`${path}/keys.new`, "half of a li");
  const busy = await world.dkim("new", "example.test", "--selector", "second", "--another");
  assertEquals(busy.code, 75);
  assertMatch(busy.stderr, /another command is at work.*try again in a minute/);
  assertEquals(await world.file("keys.new"), "half of a li");
  assertEquals(Object.keys(await world.states()), ["first", "first-ed25519"]);
  // What the power has ended long ago is in nobody's way.
  await Deno.utime(`${path}/keys.new`, 1, 1);
  const second = await world.dkim("new", "example.test", "--selector", "second", "--another");
  assertEquals(second.code, 0);

  const words = (name: string) =>
    ["new", "example.test", "--algorithm", "ed25519", "--selector", name, "--another"] as const;
  const names = ["a", "b", "c", "d"];
  const codes = await Promise.all(
    names.map(async (name) => (await world.dkim(...words(name))).code),
  );
  assert(codes.every((code) => code === 0 || code === 75), codes.join());
  const made = names.filter((_, index) => codes[index] === 0);
  assert(made.length > 0);
  const states = await world.states();
  assertEquals(names.filter((name) => name in states), made);
});

Deno.test("addKeys() changes no list that somebody else has changed since it was read", async () => {
  await using folder = await Folder.make();
  const { files } = denoRuntime();
  const place = { files, folder: `${folder.path}/dkim`, selector: "yizhan", now: 0, lifetime: 0 };
  const key = { algorithm: "ed25519", bits: 0 } as const;
  const before = await readKeys(place, "example.test");
  await addKeys(place, before, [{ ...key, selector: "a" }]);
  const error = await assertRejects(
    () => addKeys(place, before, [{ ...key, selector: "b" }]),
    CommandError,
    "have been changed meanwhile",
  );
  assertEquals(error.exitCode, EXIT.temporary);
  const { keys } = await readKeys(place, "example.test");
  assertEquals(keys.map(({ selector }) => selector), ["a"]);
  const left = await Array.fromAsync(Deno.readDir(`${place.folder}/example.test`));
  assertEquals(left.map(({ name }) => name).sort(), ["a.pem", "keys"]);
});

for (const [name, { files }] of [["Deno", denoRuntime()], ["Node", bunRuntime()]] as const) {
  Deno.test(`a key is nobody else's to read at any moment, whatever folder it is put in (${name})`, async () => {
    await using folder = await Folder.make();
    const keys = `${folder.path}/dkim`;
    await Deno.mkdir(`${keys}/example.test`, { recursive: true });
    await Deno.chmod(`${keys}/example.test`, 0o755);
    let looks = 0;
    const look = () => {
      for (const { name } of Deno.readDirSync(`${keys}/example.test`)) {
        looks++;
        assertEquals(Deno.statSync(`${keys}/example.test/${name}`).mode! & 0o777, 0o600, name);
      }
    };
    const watched = new Proxy(files, {
      get(target, name: keyof typeof files) {
        return (...given: unknown[]) => {
          look();
          return Reflect.apply(target[name], target, given);
        };
      },
    });
    const place = { files: watched, folder: keys, selector: "yizhan", now: 0, lifetime: 0 };
    const key = { algorithm: "ed25519", bits: 0, selector: "a" } as const;
    await addKeys(place, await readKeys(place, "example.test"), [key]);
    look();
    assert(looks > 5);
  });
}

Deno.test("yizhan dkim list tells when a record may go, and remove then needs no --now", async () => {
  await using world = await World.make();
  await run(["dns", "--make-key", "--records"], { cwd: world.folder.path });
  await Deno.writeTextFile(
    `${world.folder.path}/dkim/example.test/keys`,
    [
      "# yizhan dkim keys 1",
      "# by hand",
      "yizhan-ed25519  signs  2025-01-01T00:00:00Z",
      "yizhan old 2025-01-01T00:00:00Z until 2025-01-20T00:00:00Z",
      "",
    ].join("\n"),
  );
  const listed = await world.dkim("list");
  assertMatch(listed.stdout, /yizhan-ed25519 +Ed25519 +signs since 2025-01-01/);
  assertMatch(
    listed.stdout,
    /signed until 2025-01-01; take its record out of DNS, then yizhan dkim remove example\.test yizhan/,
  );
  // What is over need not be in DNS.
  const zone = await run(["dns", "--records"], { cwd: world.folder.path });
  assertMatch(zone.stdout, /^yizhan-ed25519\._domainkey/m);
  assertNotMatch(zone.stdout, /^yizhan\._domainkey/m);
  assertEquals((await world.dkim("remove", "example.test", "yizhan")).code, 0);
  assertEquals(await world.states(), { "yizhan-ed25519": "signs" });
});

Deno.test("yizhan dkim new never overwrites a key, and takes kind, length and name", async () => {
  await using world = await World.make();
  const words = ["new", "example.test", "--algorithm", "rsa", "--bits", "3072", "--selector", "s1"];
  assertEquals((await world.dkim(...words)).code, 0);
  const key = await world.file("s1.pem");
  assertEquals(createPrivateKey(key).asymmetricKeyDetails?.modulusLength, 3072);
  const again = await world.dkim(...words, "--another");
  assertEquals(again.code, 73);
  assertMatch(again.stderr, /s1\.pem is there already, and stays as it is; name another/);
  assertEquals(await world.file("s1.pem"), key);
  // Nor one that nothing lists.
  await Deno.writeTextFile(`${world.folder.path}/dkim/example.test/s2.pem`, "mine");
  const unlisted = await world.dkim("new", "example.test", "--selector", "s2", "--another");
  assertEquals(unlisted.code, 73);
  assertEquals(await world.file("s2.pem"), "mine");
  // Nor by a name that nobody gave.
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  await Deno.writeTextFile(
    `${world.folder.path}/dkim/example.test/yizhan-${day}-ed25519.pem`,
    "mine too",
  );
  const named = await world.dkim("new", "example.test", "--another");
  assertEquals(named.code, 0, named.stderr);
  const [, made = ""] = /wrote {2}dkim\/example\.test\/(\S+)\.pem/.exec(named.stderr) ?? [];
  assertMatch(made, /^yizhan-\d{8}(?:-2)?$/);
  assertEquals(await world.file(`yizhan-${day}-ed25519.pem`), "mine too");
  for (const selector of [made, `${made}-ed25519`]) {
    await world.dkim("remove", "example.test", selector);
  }
  // With another of its kind beside it the old one stays, since it is not of this kind.
  assertEquals((await world.dkim("rotate", "example.test", "--now")).code, 0);
  await world.dkim("new", "example.test", "--algorithm", "ed25519", "--selector", "e1");
  assertEquals((await world.dkim("rotate", "example.test", "--finish", "--now")).code, 0);
  assertEquals(await world.states(), { "e1": "signs", "s1": "signs" });
});

Deno.test("yizhan dkim tells of keys that cannot be used, and of wrong command lines", async () => {
  await using world = await World.make();
  const nothing = await world.dkim("list");
  assertEquals(nothing.code, 0);
  assertMatch(nothing.stdout, /no key: its mail is not signed; yizhan dkim new example\.test/);
  await Deno.mkdir(`${world.folder.path}/dkim/example.test`, { recursive: true });
  await Deno.writeTextFile(`${world.folder.path}/dkim/example.test/other.pem`, "no key");
  assertMatch(
    (await world.dkim("list")).stdout,
    /\n {2}dkim\.selector is yizhan, and the keys there are other\n/,
  );
  await Deno.writeTextFile(`${world.folder.path}/dkim/example.test/yizhan.pem`, "no key");
  assertMatch((await world.dkim("list")).stdout, /yizhan\.pem holds no private key in PEM form/);
  const list = `${world.folder.path}/dkim/example.test/keys`;
  for (
    const [text, reason] of [
      ["", /does not begin with # yizhan dkim keys 1/],
      ["# yizhan dkim keys 2\n", /does not begin/],
      ["# yizhan dkim keys 1\nyizhan signs\n", /line 2: wanted SELECTOR new\|signs TIME/],
      ["# yizhan dkim keys 1\n../x signs 2026-01-01T00:00:00Z\n", /line 2: .* cannot name a key/],
      ["# yizhan dkim keys 1\nx signs 2026-13-01T00:00:00Z\n", /line 2: there is no such time/],
      [
        "# yizhan dkim keys 1\n\nx new 2026-01-01T00:00:00Z\nX new 2026-01-01T00:00:00Z\n",
        /line 4: X is there twice/,
      ],
    ] as const
  ) {
    await Deno.writeTextFile(list, text);
    const { code, stderr } = await world.dkim("list");
    assertEquals(code, 65, text);
    assertMatch(stderr, reason);
  }
  for (
    const [words, reason] of [
      [["new"], /dkim new wants a domain/],
      [["rotate"], /dkim rotate wants a domain/],
      [["remove", "example.test"], /wants a domain and a selector/],
      [["new", "example.test", "s1"], /what is s1 for/],
      [["new", "example.test", "--algorithm", "dsa"], /wanted rsa or ed25519/],
      [["new", "example.test", "--bits", "1024"], /wanted 2048 to 4096/],
      [["new", "example.test", "--selector", "../x"], /wanted letters, digits, dots and dashes/],
      [["new", "example.test", "--selector", "x".repeat(56)], /dashes, 50 at most/],
      [["list", "--now"], /dkim list takes no --now/],
      [["rotate", "example.test", "--another"], /dkim rotate takes no --another/],
      [["lst"], /dkim has no lst, only .*list/],
    ] as const
  ) {
    const { code, stderr } = await run(["dkim", ...words], { cwd: world.folder.path });
    assertEquals(code, 64, words.join(" "));
    assertMatch(stderr, reason);
  }
});

Deno.test("yizhan check says which mail is signed, and what is to be done about keys", async () => {
  await using world = await World.make();
  const check = async () => {
    const { stdout } = await run(["check", "--json"], { cwd: world.folder.path });
    const { findings } = JSON.parse(stdout) as {
      readonly findings: readonly { check: string; level: string; message: string }[];
    };
    return findings.filter(({ check }) => check === "dkim")
      .map(({ level, message }) => `${level}: ${message}`);
  };
  assertEquals(await check(), [
    "warning: mail from example.test is not signed: no DKIM key signs",
  ]);
  await world.dkim("new", "example.test");
  const [waits] = await check();
  assertMatch(
    waits!,
    /^warning: the DKIM key yizhan of example\.test waits for its record since 20/,
  );
  await world.dkim("rotate", "example.test", "--now");
  assertEquals(await check(), [
    "ok: mail from example.test is signed: yizhan (RSA 2048), yizhan-ed25519 (Ed25519)",
  ]);
  const path = `${world.folder.path}/dkim/example.test/yizhan.pem`;
  await Deno.remove(path);
  assertEquals(await check(), ["error: dkim/example.test/yizhan.pem does not exist"]);
  // What the server would not take is no key here either.
  await Deno.writeTextFile(path, rsa4104);
  assertEquals(await check(), [
    "error: dkim/example.test/yizhan.pem holds an RSA key of 4104 bits, which not everybody can " +
    "check; make one of 2048",
  ]);
});
