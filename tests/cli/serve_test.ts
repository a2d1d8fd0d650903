import { assert, assertEquals, assertMatch } from "@std/assert";
import { otherCertificate, testAuthority } from "../support/certificates.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { Client, permissionTest, Program, run } from "./program.ts";
import { ANY_PORT, PASSWORD, Site } from "./site.ts";

const MAIL = "From: alice@example.test\r\nSubject: Hello\r\n\r\nHello.";

Deno.test("yizhan serve takes mail for its users from other servers, and for nobody else", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({
    domains: ["more.test"],
    limits: { messageSize: "100K" },
  });
  await using _ = program;
  using client = await Client.connect(port);
  const offered = await client.say("EHLO test", 250);
  assertMatch(offered, /^250-mx\.example\.test .*[^]*SIZE 102400\r\n/);
  assertEquals(/STARTTLS|AUTH/.test(offered), false, offered);
  await client.send("a@a.test", "alice@example.test", MAIL);
  await client.say("MAIL FROM:<a@a.test>", 250);
  assertMatch(await client.say("RCPT TO:<nobody@example.test>", 550), /5\.1\.1/);
  assertMatch(await client.say("RCPT TO:<nobody@more.test>", 550), /5\.1\.1/);
  assertMatch(await client.say("RCPT TO:<somebody@elsewhere.test>", 550), /5\.7\.1/);
  const lying = await Array.fromAsync(Deno.readDir(`${site.path}/mail/example.test/alice/new`));
  assertEquals(lying.length, 1);
});

Deno.test("yizhan serve takes submissions after TLS and AUTH", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({
    listeners: [{ role: "submission", address: ANY_PORT }],
    tls: site.certificates("mx"),
  });
  await using _ = program;
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.say("MAIL FROM:<alice@example.test>", 530);
  await client.startTls(testAuthority);
  assertMatch(await client.say("EHLO test", 250), /AUTH SCRAM-SHA-256 PLAIN LOGIN/);
  await client.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wrong")}`, 535);
  await client.say(`AUTH PLAIN ${btoa(`\0alice@example.test\0${PASSWORD}`)}`, 235);
  await client.send("alice@example.test", "alice@example.test", MAIL);
});

Deno.test("yizhan serve delivers what comes by LMTP over a unix socket", async () => {
  await using site = await Site.make();
  const path = `${site.path}/lmtp.sock`;
  const { program } = await site.start({
    listeners: [{ role: "lmtp", address: `unix:${path}` }],
  });
  await using _ = program;
  const connection = await Deno.connect({ transport: "unix", path });
  using client = await Client.over(connection);
  await client.say("LHLO test", 250);
  await client.send("a@a.test", "alice@example.test", MAIL);
});

Deno.test("yizhan serve takes new certificates and users on SIGHUP, and keeps the old for wrong ones", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({ tls: site.certificates("mx") });
  await using _ = program;
  /** Whether STARTTLS gives a certificate that our authority signed for the name. */
  const trusted = async (name: string): Promise<boolean> => {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    return await client.startTls(testAuthority, name).then(() => true, () => false);
  };
  assertEquals(await trusted("mx.example.test"), true);
  assertEquals(await trusted("a.other.test"), false);

  await Deno.writeTextFile(`${site.path}/mx.key`, otherCertificate.key);
  program.signal("SIGHUP");
  assertMatch(
    await program.stderrLine(/mx\.key/),
    /^yizhan: \S+yizhan\.yaml:\d+:\d+: tls\.certificates\[0\]\.key: .*does not belong to the certificate/,
  );
  await program.stderrLine(/^warning: the configuration in force stays as it was$/);
  await Deno.writeTextFile(`${site.path}/mx.crt`, otherCertificate.certificate);
  await Deno.writeTextFile(`${site.path}/users`, "nonsense\n");
  program.signal("SIGHUP");
  assertMatch(await program.stderrLine(/users/), /^yizhan: \S+\/users:1: /);
  await program.stderrLine(/^warning: the configuration in force stays as it was$/);
  assertEquals(await trusted("mx.example.test"), true);

  await Deno.remove(`${site.path}/users`);
  await site.addUser("bob");
  program.signal("SIGHUP");
  await program.stderrLine(/^reloaded$/);
  assertEquals(await trusted("mx.example.test"), false);
  assertEquals(await trusted("a.other.test"), true);
  using client = await Client.connect(port);
  await client.say("EHLO test", 250);
  await client.say("MAIL FROM:<a@a.test>", 250);
  await client.say("RCPT TO:<bob@example.test>", 250);
  await client.say("RCPT TO:<alice@example.test>", 550);
});

Deno.test("yizhan serve chooses among several certificates by the name the client asks for", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await site.start({
    tls: site.certificates("mx", "other"),
  });
  await using _ = program;
  for (const name of ["mx.example.test", "a.other.test"]) {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    await client.startTls(testAuthority, name);
    await client.say("EHLO test", 250);
  }
});

/** What is wrong with a site: how it is made so, its configuration, exit code, and the one line that is said. */
const WRONG: readonly {
  readonly what: string;
  spoil(path: string): void | Promise<void>;
  readonly config?: Partial<ConfigInput>;
  readonly code: number;
  readonly says: RegExp;
}[] = [
  {
    what: "a users file that is not there",
    spoil: (path) => Deno.remove(`${path}/users`),
    code: 66,
    says: /^yizhan: .*\/users does not exist; make it with: yizhan user add .*\n$/,
  },
  {
    what: "a mail folder that is a file",
    spoil: (path) => Deno.writeTextFile(`${path}/mail`, ""),
    code: 66,
    says: /^yizhan: mail\.directory: .*\/mail is not a folder; name another\n$/,
  },
  {
    what: "a folder that is below a file",
    spoil: () => {},
    config: { queue: { directory: "users/x" } },
    code: 73,
    says:
      /^yizhan: queue\.directory: .*\/users\/x cannot be made: a part of the path is not a folder; .*\n$/,
  },
  {
    what: "a folder that cannot be made",
    spoil: () => {},
    // Nobody makes folders there, root neither.
    config: { queue: { directory: "/proc/self/nowhere" } },
    code: 73,
    says:
      /^yizhan: queue\.directory: \/proc\/self\/nowhere cannot be made: .*; give a folder .*\n$/,
  },
  {
    what: "a broken users file",
    spoil: (path) => Deno.writeTextFile(`${path}/users`, "# yizhan users 1\nuser alice\n"),
    code: 65,
    says: /^yizhan: .*\/users:2: .*\n$/,
  },
  {
    what: "a certificate that is not there",
    spoil: () => {},
    config: { tls: { certificates: [{ certificate: "no.crt", key: "mx.key" }] } },
    code: 78,
    says:
      /^yizhan: \S+yizhan\.yaml:\d+:\d+: tls\.certificates\[0\]\.certificate: .*does not exist.*\n$/,
  },
  {
    what: "an address this machine does not have",
    spoil: () => {},
    // TEST-NET-1, nobody's (RFC 5737).
    config: { listeners: [{ role: "mx", address: "192.0.2.1:0" }] },
    code: 69,
    says: /^yizhan: cannot listen on 192\.0\.2\.1:0: .*; this machine has no such address.*\n$/,
  },
];

for (const { what, spoil, config, code, says } of WRONG) {
  Deno.test(`yizhan serve says in one line that there is ${what}`, async () => {
    await using site = await Site.make();
    await site.configure(config);
    await spoil(site.path);
    const ended = await run(site.words);
    assertEquals(ended.code, code, ended.stderr);
    assertMatch(ended.stderr, says);
    assertEquals(ended.stderr.split("\n").length, 2, ended.stderr);
  });
}

Deno.test("yizhan serve says in one line which port is in use, and lets go of the others", async () => {
  await using site = await Site.make();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await site.configure({
    listeners: [
      { role: "mx", address: ANY_PORT },
      { role: "lmtp", address: `127.0.0.1:${port}` },
    ],
  });
  const { code, stderr } = await run(site.words);
  assertEquals(code, 69);
  assertMatch(stderr, /^yizhan: cannot listen on 127\.0\.0\.1:\d+: Address already in use.*\n$/);
  assert(stderr.includes(`127.0.0.1:${port}:`), stderr);
});

permissionTest(
  "yizhan serve runs by the command it prints, with a unix socket by a relative path too",
  async () => {
    await using site = await Site.make();
    await site.configure({ listeners: [{ role: "lmtp", address: "unix:lmtp.sock" }] });
    const words = ["serve"];
    const cwd = await Deno.realPath(site.path);
    const { code, stderr } = await run(words, { flags: ["--allow-read=."], cwd });
    assertEquals(code, 77);
    assertMatch(stderr, /permission to connect to other hosts; run: deno run --allow-net /);
    const flags = stderr.split(" ").filter((word) => word.startsWith("--allow-"));
    const program = await Program.spawn(words, { flags, cwd });
    await using _ = program;
    await program.stderrLine(/lmtp on unix:/);
  },
);

permissionTest(
  "yizhan serve runs by the command it prints, with its folders still to be made and no relay",
  async () => {
    await using site = await Site.make();
    const cwd = await Deno.realPath(site.path);
    await site.configure({
      data: "not/yet/there",
      listeners: [{ role: "lmtp", address: "unix:lmtp.sock" }],
      relay: { enabled: false },
    });
    const env = { YIZHAN_HOSTNAME: "variable.example.test" };
    const words = ["serve"];
    const granted = ["--allow-read", "--allow-env"];
    const { code, stderr } = await run(words, { flags: granted, cwd, env });
    assertEquals(code, 77, stderr);
    const flags = stderr.trimEnd().split(" ").filter((word) => word.startsWith("--allow-"));
    assert(flags.includes("--allow-write=not,lmtp.sock"), stderr);
    const program = await Program.spawn(words, { flags, cwd, env });
    await using _ = program;
    await program.stderrLine(/serves as variable\.example\.test$/);
    await program.stderrLine(/lmtp on unix:/);
    const socket = `${cwd}/not/yet/there/queue/control.sock`;
    const status = await run(["status", "--socket", socket]);
    assertEquals(status.code, 0, status.stderr);
  },
);

permissionTest(
  "yizhan serve asks for what it takes to connect to the unix socket of a route",
  async () => {
    await using site = await Site.make();
    await site.configure({
      relay: {
        routes: [
          { domains: ["a.example"], via: { kind: "lmtp", address: "unix:/run/a" } },
          {
            domains: ["b.example"],
            via: { kind: "hold", then: { kind: "lmtp", address: "unix:/run/b" } },
          },
        ],
      },
    });
    const { stderr } = await run(site.words, { flags: ["--allow-read"] });
    assertMatch(stderr, / --allow-read=\S+,\/run\/a,\/run\/b --allow-write=\S+,\/run\/a,\/run\/b /);
  },
);

Deno.test("yizhan serve says that a path for a socket is taken, and by what path", async () => {
  await using site = await Site.make();
  const path = `${site.path}/file`;
  await Deno.writeTextFile(path, "mine");
  await site.configure({ listeners: [{ role: "lmtp", address: `unix:${path}` }] });
  const { code, stderr } = await run(site.words);
  assertEquals(code, 69);
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
  assert(stderr.includes(`${path} is there already`) && !stderr.includes("port"), stderr);
  assertEquals(await Deno.readTextFile(path), "mine");
});
