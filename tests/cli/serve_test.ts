import { assert, assertEquals, assertMatch } from "@std/assert";
import { addUser } from "../../src/directory/users_edit.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { mxCertificate, otherCertificate, testAuthority } from "../support/certificates.ts";
import { Client, Folder, Program, run } from "./program.ts";

const PASSWORD = "correct horse";

/** A folder with everything a station needs, and the flags that name it. */
class Site implements AsyncDisposable {
  readonly folder: Folder;
  readonly path: string;

  private constructor(folder: Folder) {
    this.folder = folder;
    this.path = folder.path;
  }

  static async make(): Promise<Site> {
    const site = new Site(await Folder.make());
    await Deno.mkdir(`${site.path}/mail`, { mode: 0o700 });
    await Deno.writeTextFile(`${site.path}/mx.crt`, mxCertificate.certificate);
    await Deno.writeTextFile(`${site.path}/mx.key`, mxCertificate.key);
    await Deno.writeTextFile(`${site.path}/other.crt`, otherCertificate.certificate);
    await Deno.writeTextFile(`${site.path}/other.key`, otherCertificate.key);
    await site.addUser("alice");
    return site;
  }

  async addUser(name: string): Promise<void> {
    const { files, random } = denoRuntime();
    const address = { local: name, domain: "example.test" };
    await addUser({ files, random, path: `${this.path}/users` }, { address, password: PASSWORD });
  }

  /** The command line, all but the listeners. */
  words(...more: string[]): string[] {
    const { path } = this;
    const named = [
      "--hostname",
      "mx.example.test",
      "--users",
      `${path}/users`,
      "--mail",
      `${path}/mail`,
    ];
    return ["serve", ...named, ...more];
  }

  /** The flags for a certificate. */
  certificate(name: string): string[] {
    return ["--certificate", `${this.path}/${name}.crt`, "--key", `${this.path}/${name}.key`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

const LISTEN = "127.0.0.1:0";
const MAIL = "From: alice@example.test\r\nSubject: Hello\r\n\r\nHello.";

Deno.test("yizhan serve takes mail for its users from other servers, and for nobody else", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await Program.start(
    site.words("--mx", LISTEN, "--domain", "more.test", "--max-size", "10K"),
  );
  await using _ = program;
  using client = await Client.connect(port);
  const offered = await client.say("EHLO test", 250);
  assertMatch(offered, /^250-mx\.example\.test .*[^]*SIZE 10240\r\n/);
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
  const { program, ports: [port = 0] } = await Program.start(
    site.words("--submission", LISTEN, ...site.certificate("mx")),
  );
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
  // The socket has no port to wait for; the mx listener starts after it.
  const { program } = await Program.start(site.words("--lmtp", `unix:${path}`, "--mx", LISTEN));
  await using _ = program;
  await program.stderrLine(/lmtp on unix:/);
  const connection = await Deno.connect({ transport: "unix", path });
  using client = await Client.over(connection);
  await client.say("LHLO test", 250);
  await client.send("a@a.test", "alice@example.test", MAIL);
});

Deno.test("yizhan serve takes new certificates and users on SIGHUP, and keeps the old for wrong ones", async () => {
  await using site = await Site.make();
  const { program, ports: [port = 0] } = await Program.start(
    site.words("--mx", LISTEN, ...site.certificate("mx")),
  );
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
  await Deno.writeTextFile(`${site.path}/users`, "nonsense\n");
  program.signal("SIGHUP");
  assertMatch(
    await program.stderrLine(/the users stay as they were/),
    /^warning: the users stay as they were: .*users:1: /,
  );
  assertMatch(
    await program.stderrLine(/the certificates stay as they were/),
    /^warning: the certificates stay as they were: key .*mx\.key .*does not belong to the certificate: give the key/,
  );
  assertEquals(await trusted("mx.example.test"), true);

  await Deno.writeTextFile(`${site.path}/mx.crt`, otherCertificate.certificate);
  await Deno.remove(`${site.path}/users`);
  await site.addUser("bob");
  program.signal("SIGHUP");
  await program.stderrLine(/^users reloaded$/);
  await program.stderrLine(/^certificates reloaded$/);
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
  const { program, ports: [port = 0] } = await Program.start(
    site.words("--mx", LISTEN, ...site.certificate("mx"), ...site.certificate("other")),
  );
  await using _ = program;
  for (const name of ["mx.example.test", "a.other.test"]) {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    await client.startTls(testAuthority, name);
    await client.say("EHLO test", 250);
  }
});

/** What is wrong with a site: how it is made so, flags, exit code, and the one line that is said. */
const WRONG: readonly {
  readonly what: string;
  spoil(path: string): void | Promise<void>;
  readonly flags?: (site: Site) => string[];
  readonly code: number;
  readonly says: RegExp;
}[] = [
  {
    what: "a users file that is not there",
    spoil: (path) => Deno.remove(`${path}/users`),
    code: 66,
    says:
      /^yizhan: users file .*\/users does not exist; make it with: yizhan user add --users .*\n$/,
  },
  {
    what: "a mail folder that is not there",
    spoil: (path) => Deno.remove(`${path}/mail`),
    code: 66,
    says: /^yizhan: mail folder .*\/mail does not exist; make it.*: mkdir -m 700 .*\n$/,
  },
  {
    what: "a mail folder that is a file",
    spoil: async (path) => {
      await Deno.remove(`${path}/mail`);
      await Deno.writeTextFile(`${path}/mail`, "");
    },
    code: 66,
    says: /^yizhan: --mail .*\/mail is not a folder; give .*\n$/,
  },
  {
    what: "a folder for large mail that is below a file",
    spoil: () => {},
    flags: ({ path }) => ["--temporary", `${path}/users/x`],
    code: 66,
    says: /^yizhan: --temporary .*\/users\/x: a part of the path is not a folder\n$/,
  },
  {
    what: "a folder for large mail that cannot be made",
    spoil: () => {},
    // Nobody makes folders there, root neither.
    flags: () => ["--temporary", "/proc/self/nowhere"],
    code: 73,
    says: /^yizhan: --temporary \/proc\/self\/nowhere cannot be made: .*; give a folder .*\n$/,
  },
  {
    what: "a broken users file",
    spoil: (path) => Deno.writeTextFile(`${path}/users`, "# yizhan users 1\nuser alice\n"),
    code: 65,
    says: /^yizhan: .*\/users:2: .*\n$/,
  },
  {
    what: "a certificate that is not there",
    spoil: (path) => Deno.remove(`${path}/mx.crt`),
    flags: (site) => site.certificate("mx"),
    code: 66,
    says: /^yizhan: cannot read .*\/mx\.crt: it does not exist\n$/,
  },
  {
    what: "a certificate that is none",
    spoil: (path) => Deno.writeTextFile(`${path}/mx.crt`, "hello\n"),
    flags: (site) => site.certificate("mx"),
    code: 65,
    says: /^yizhan: certificate .*\/mx\.crt holds no CERTIFICATE in PEM form\n$/,
  },
  {
    what: "a key of another certificate",
    spoil: (path) => Deno.writeTextFile(`${path}/mx.key`, otherCertificate.key),
    flags: (site) => site.certificate("mx"),
    code: 65,
    says:
      /^yizhan: key .*\/mx\.key \(of .*\/mx\.crt\) does not belong to the certificate: give the key it was made with; of a pair, these print the same: openssl x509 -noout -pubkey -in \S+\/mx\.crt; openssl pkey -pubout -in \S+\/mx\.key\n$/,
  },
  {
    what: "an address this machine does not have",
    spoil: () => {},
    // TEST-NET-1, nobody's (RFC 5737).
    flags: () => ["--mx", "192.0.2.1:0"],
    code: 69,
    says: /^yizhan: cannot listen on 192\.0\.2\.1:0: .*; this machine has no such address.*\n$/,
  },
];

for (const { what, spoil, flags, code, says } of WRONG) {
  Deno.test(`yizhan serve says in one line that there is ${what}`, async () => {
    await using site = await Site.make();
    await spoil(site.path);
    const ended = await run(site.words("--mx", LISTEN, ...flags?.(site) ?? []));
    assertEquals(ended.code, code, ended.stderr);
    assertMatch(ended.stderr, says);
    assertEquals(ended.stderr.split("\n").length, 2, ended.stderr);
  });
}

Deno.test("yizhan serve says in one line which port is in use, and lets go of the others", async () => {
  await using site = await Site.make();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const { code, stderr } = await run(site.words("--mx", LISTEN, "--lmtp", `127.0.0.1:${port}`));
  assertEquals(code, 69);
  assertMatch(stderr, /^yizhan: cannot listen on 127\.0\.0\.1:\d+: Address already in use.*\n$/);
  assert(stderr.includes(`127.0.0.1:${port}:`), stderr);
});

Deno.test("yizhan serve runs by the command it prints, with a unix socket by a relative path too", async () => {
  await using site = await Site.make();
  const words = site.words("--lmtp", "unix:lmtp.sock");
  const cwd = await Deno.realPath(site.path);
  const { code, stderr } = await run(words, { flags: [], cwd });
  assertEquals(code, 77);
  assertMatch(stderr, /permission to connect to other hosts; run: deno run --allow-net /);
  const flags = stderr.split(" ").filter((word) => word.startsWith("--allow-"));
  const program = await Program.spawn(words, { flags, cwd });
  await using _ = program;
  await program.stderrLine(/lmtp on unix:/);
});

Deno.test("yizhan serve asks for what it takes to connect to the unix socket of a route", async () => {
  await using site = await Site.make();
  const routes = [
    "--route",
    "a.example=lmtp:unix:/run/a",
    "--route",
    "b.example=hold:lmtp:unix:/run/b",
  ];
  const words = site.words("--mx", LISTEN, ...routes);
  const { stderr } = await run(words, { flags: [] });
  assertMatch(stderr, / --allow-read=\S+,\/run\/a,\/run\/b --allow-write=\S+,\/run\/a,\/run\/b /);
});

Deno.test("yizhan serve says that a path for a socket is taken, and by what path", async () => {
  await using site = await Site.make();
  const path = `${site.path}/file`;
  await Deno.writeTextFile(path, "mine");
  const { code, stderr } = await run(site.words("--lmtp", `unix:${path}`));
  assertEquals(code, 69);
  assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
  assert(stderr.includes(`${path} is there already`) && !stderr.includes("port"), stderr);
  assertEquals(await Deno.readTextFile(path), "mine");
});
