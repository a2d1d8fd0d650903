import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkCertificate } from "../../src/cli/check/check_certificates.ts";
import { checkClock } from "../../src/cli/check/check_clock.ts";
import { checkPorts } from "../../src/cli/check/check_ports.ts";
import { checkPrograms } from "../../src/cli/check/check_programs.ts";
import { checkSettings } from "../../src/cli/check/check_settings.ts";
import { CONFIG_MACHINE } from "../../src/cli/config_file.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatFinding, formatSummary } from "../../src/cli/check/check_text.ts";
import type { CheckContext, CheckFinding } from "../../src/cli/check/finding.ts";
import type { MachineFacts, PathFacts } from "../../src/cli/check/machine_facts.ts";
import { mxCertificate, otherCertificate, testAuthority } from "../support/certificates.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DnsServer } from "../support/dns_server.ts";
import { Site } from "./site.ts";
import { permissionTest } from "./program.ts";

const NOW = Date.UTC(2026, 10, 23);

/** A machine on which these paths are there. */
function machine(paths: Record<string, Partial<PathFacts>>): MachineFacts {
  return {
    path: (path) => {
      const found = paths[path];
      const usual = { kind: "file", mode: 0o600, uid: 1000, modified: NOW } as const;
      return Promise.resolve(found === undefined ? null : { ...usual, ...found });
    },
    disk: () => Promise.resolve({ kind: null, bytes: 1e12, inodes: 1e9 }),
    may: () => Promise.resolve(true),
    uid: 1000,
    openFiles: () => Promise.resolve(1_000_000),
    firstFreePort: () => Promise.resolve(1024),
    anyPort: () => Promise.resolve(false),
    programFolders: [],
  };
}

function levels(findings: readonly CheckFinding[]): string[] {
  return findings.map(({ level, message }) => `${level}: ${message}`);
}

/** What `yizhan check --json` found. */
async function check(site: Site): Promise<{
  readonly code: number;
  readonly findings: readonly CheckFinding[];
  /** The messages of a check that are no praise. */
  of(check: string): string[];
}> {
  const { code, stdout, stderr } = await site.run(["check", "--json"]);
  assertEquals(stderr, "");
  const { findings, errors, warnings } = JSON.parse(stdout) as {
    findings: CheckFinding[];
    errors: number;
    warnings: number;
  };
  assertEquals(errors, findings.filter(({ level }) => level === "error").length);
  assertEquals(warnings, findings.filter(({ level }) => level === "warning").length);
  const of = (name: string) =>
    levels(findings.filter(({ check, level }) => check === name && level !== "ok"));
  return { code, findings, of };
}

async function listNames(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

/** Fails unless one of the texts matches. */
function assertSome(texts: readonly string[], pattern: RegExp): void {
  assert(texts.some((text) => pattern.test(text)), `${pattern} in\n${texts.join("\n")}`);
}

Deno.test("checkCertificate() tells what is wrong with a certificate", () => {
  const { certificate } = mxCertificate;
  const chain = `${certificate}${testAuthority}`;
  const [good, ...more] = checkCertificate(chain, NOW);
  assertEquals([good?.level, more.length], ["ok", 0]);
  assertMatch(good!.message, /^for mx\.example\.test, localhost, .* signed by Yizhan Test Root$/);
  const of = (pem: string, now = NOW) => levels(checkCertificate(pem, now));
  assertSome(of(certificate), /^warning: stands alone, without that of Yizhan Test Root/);
  assertSome(of(testAuthority), /^warning: is self-signed/);
  assertSome(
    of(`${certificate}${otherCertificate.certificate}`),
    /^warning: the chain is out of order/,
  );
  // They are valid from 2020 to 2120.
  assertSome(of(chain, Date.UTC(2019, 0, 1)), /^error: is good only from 2020-01-01 on/);
  assertSome(of(chain, Date.UTC(2121, 0, 1)), /^error: expired on 2120-01-01/);
  assertSome(of(chain, Date.UTC(2119, 11, 25)), /^warning: expires on 2120-01-01, in 7 days/);
});

Deno.test("checkClock() tells of a clock that files or this program speak against", async () => {
  const at = async (now: number) =>
    (await checkClock({
      now,
      paths: null,
      loaded: { file: "yizhan.yaml" } as never,
      facts: machine({ "yizhan.yaml": {} }),
    }))[0]!.level;
  assertEquals(await at(NOW), "ok");
  assertEquals(await at(0), "error");
  assertEquals(await at(NOW - 86_400_000), "error");
  assertEquals(await at(NOW + 20 * 365 * 86_400_000), "warning");
});

Deno.test("formatFinding() tells place, message and what to do, and nothing that a terminal obeys", () => {
  const finding = { check: "users", level: "error", message: "a\x1b[2Jb" } as const;
  assertEquals(formatFinding(finding, false), "error    users          a\\u{1b}[2Jb");
  const whole = { ...finding, message: "m", file: "f", line: 3, column: 4, key: "k", advice: "do" };
  assertEquals(
    formatFinding(whole, false),
    "error    users          f:3:4: k: m\n                        do",
  );
  assertEquals(formatSummary(0, 0, 3), "All is well (3 findings).");
  assertEquals(formatSummary(1, 2, 3), "1 error, 2 warnings; 3 well.");
});

Deno.test("yizhan check is content with a station that is set up well, and makes no file", async () => {
  await using site = await Site.make();
  await using names = await DnsServer.start();
  names.zones.set("mx.example.test", { a: ["192.0.2.1"] });
  await site.configure({
    tls: site.certificates("mx"),
    limits: { connections: 100 },
    mail: { postmaster: "alice@example.test" },
    relay: { nameServers: [`127.0.0.1:${names.server.port}`] },
  });
  await Deno.chmod(`${site.path}/users`, 0o600);
  const before = await listNames(site.path);
  const { code, findings, of } = await check(site);
  assertEquals(code, 0);
  assertSome(findings.map(({ message }) => message), /^mx\.example\.test is 192\.0\.2\.1$/);
  for (
    const name of [
      "configuration",
      "users",
      "settings",
      "ports",
      "server",
      "secrets",
      "limits",
      "names",
    ]
  ) {
    assertEquals(of(name), [], name);
  }
  assertEquals(await listNames(site.path), before);
});

Deno.test("yizhan check tells everything that is wrong in one run", async () => {
  await using site = await Site.make();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const users = await Deno.readTextFile(`${site.path}/users`);
  await Deno.writeTextFile(
    `${site.path}/users`,
    `${users}alias a@example.test b@example.test\nalias b@example.test a@example.test\n`,
  );
  await Deno.chmod(`${site.path}/users`, 0o644);
  await Deno.mkdir(`${site.path}/data`, { mode: 0o711 });
  await Deno.mkdir(`${site.path}/data/mail`);
  await Deno.chmod(`${site.path}/data/mail`, 0o755);
  await Deno.mkdir(`${site.path}/data/drop`);
  await Deno.chmod(`${site.path}/data/drop`, 0o777);
  await Deno.writeTextFile(`${site.path}/data/queue`, "a file");
  await Deno.mkdir(`${site.path}/dkim/example.test`, { recursive: true });
  await Deno.writeTextFile(`${site.path}/dkim/example.test/yizhan.pem`, "key");
  await Deno.chmod(`${site.path}/dkim/example.test/yizhan.pem`, 0o644);
  await Deno.chmod(`${site.path}/mx.key`, 0o644);
  const smarthost = { kind: "smarthost", host: "127.0.0.1" } as const;
  const credentials = { user: "us", password: "secret", allowUnverified: true };
  const file = await site.configure({
    data: "data",
    hostname: "other.invalid",
    domains: ["empty.test"],
    tls: site.certificates("mx"),
    listeners: [
      { role: "mx", address: `127.0.0.1:${port}`, extensions: { auth: ["PLAIN"] } },
      { role: "mx", name: "elsewhere", address: "203.0.113.5:2525" },
      { role: "lmtp", address: "0.0.0.0:0" },
      { role: "lmtp", name: "nowhere", address: "unix:/nowhere/lmtp.sock" },
    ],
    relay: {
      nameServers: ["127.0.0.1:9"],
      routes: [
        { domains: ["example.test"], via: smarthost },
        { domains: ["pipe.test"], via: { kind: "pipe", program: "/nowhere/program" } },
        { domains: ["lmtp.test"], via: { kind: "lmtp", address: "unix:/nowhere/sock" } },
        { domains: ["*"], via: { ...smarthost, credentials, source: { ipv4: "203.0.113.9" } } },
      ],
    },
    queue: { paused: true, retryDomains: { "example.test": { first: "1m" } } },
    monitor: { address: "0.0.0.0:0" },
    limits: { connections: 100_000_000 },
  });
  await Deno.chmod(file, 0o644);
  const { code, findings, of } = await check(site);
  assertEquals(code, 78);

  assertSome(of("configuration"), /^warning: "mx\.key" can be read by everybody/);
  assertSome(of("users"), /^error: alias a@example\.test goes in a circle: .*550 5\.1\.1/);
  assertSome(of("users"), /^warning: mail for empty\.test ends here, and nobody has an address/);
  assertSome(of("users"), /^warning: mail for postmaster of .* nobody can log in to/);
  assertSome(of("certificates"), /^warning: no certificate is for other\.invalid/);
  assertSome(of("certificates"), /^warning: stands alone/);
  const settings = findings.filter(({ check }) => check === "settings").map(({ key }) => key);
  assertEquals(settings.toSorted(), [
    "listeners[0].extensions.auth",
    "listeners[2].address",
    "monitor.address",
    "queue.paused",
    'queue.retryDomains["example.test"]',
    "relay.routes[0].domains[0]",
    "relay.routes[3].via.credentials.allowUnverified",
  ]);
  assertSome(of("ports"), /^error: 127\.0\.0\.1:\d+ \(mx\): something else listens there/);
  assertSome(of("ports"), /^error: 203\.0\.113\.5:2525 \(elsewhere\): this machine has no such/);
  assertSome(of("ports"), /^error: unix:\/nowhere\/lmtp\.sock \(nowhere\): there is no folder/);
  assertSome(of("ports"), /^error: source 203\.0\.113\.9: this machine has no such address/);
  assertSome(of("folders"), /^warning: mail\.directory: .*mode 755: others may look/);
  assertSome(of("folders"), /^error: queue\.directory: .* is not a folder/);
  assertSome(of("folders"), /^warning: drop\.directory: .*mode 777: others may remove/);
  assertSome(
    of("secrets"),
    /yizhan\.yaml \(mode 644\): everybody may read it, and passwords stand/,
  );
  assertSome(of("secrets"), /users \(mode 644\): everybody may read it/);
  assertSome(of("secrets"), /yizhan\.pem \(mode 644\): everybody may read it/);
  assertSome(of("programs"), /^error: the program \/nowhere\/program of a route is not there/);
  assertSome(of("programs"), /^warning: the LMTP socket \/nowhere\/sock is not there/);
  assertSome(of("names"), /^warning: the name server 127\.0\.0\.1:9 gives no answer/);
  assertSome(of("limits"), /^warning: \d+ files may be open at once/);
  assert(findings.filter(({ level }) => level !== "ok").every(({ message }) => message !== ""));
  assert(!JSON.stringify(findings).includes('"secret"'));
});

Deno.test("yizhan check goes on where the configuration is wrong: its problems, and what lies around", async () => {
  await using site = await Site.make();
  const file = `${site.path}/yizhan.yaml`;
  await Deno.writeTextFile(
    file,
    "hostnam: mx.example.test\nlisteners:\n  - { role: mx, address: 127.0.0.1:99999 }\nusers: users\n",
  );
  await Deno.writeTextFile(`${site.path}/users`, "# yizhan users 1\nuser nonsense\nalias x\nfoo\n");
  const { code, findings, of } = await check(site);
  assertEquals(code, 78);
  const places = findings.filter(({ check }) => check === "configuration")
    .map(({ line, column, key }) => `${line}:${column} ${key}`);
  assertEquals(places, ["1:1 hostname", "1:1 hostnam", "3:26 listeners[0].address"]);
  assertEquals(of("users").length, 3);
  assertEquals(
    findings.filter(({ check }) => check === "users").map(({ line }) => line),
    [2, 3, 4],
  );

  // A file that it names is wrong: everything else is looked at all the same.
  await site.configure({
    tls: { certificates: [{ certificate: "mx.crt", key: "other.key" }] },
    relay: { enabled: false },
    limits: { connections: 100_000_000 },
  });
  const mismatch = await check(site);
  assertSome(mismatch.of("configuration"), /^error: "other\.key" does not belong to/);
  assertSome(mismatch.of("limits"), /^warning: /);
});

Deno.test("yizhan check knows the server that runs, and that its ports are its own", async () => {
  await using site = await Site.make();
  const { program, ports } = await site.start({ limits: { connections: 100 } });
  await using _ = program;
  await site.configure({
    limits: { connections: 100 },
    relay: { enabled: false },
    listeners: [{ role: "mx", address: `127.0.0.1:${ports[0]}` }],
  });
  const { findings, of } = await check(site);
  assertEquals(of("ports"), []);
  const told = findings.map(({ message }) => message);
  assertSome(told, /^Yizhan \S+ runs as process \d+$/);
  assertSome(told, /^127\.0\.0\.1:\d+ \(mx\): the running server has it$/);
});

Deno.test("yizhan check finds a name in mail.postmaster that nobody has", async () => {
  await using site = await Site.make();
  const postmaster = async (name: string) => {
    await site.configure({ mail: { postmaster: name } });
    return (await check(site)).of("users").filter((text) => text.includes("nobody has"));
  };
  assertEquals(await postmaster("alice@example.test"), []);
  assertEquals(await postmaster("boss@elsewhere.test"), []);
  assertEquals(await postmaster("alcie@example.test"), [
    "warning: nobody has the address alcie@example.test",
  ]);
});

Deno.test("checkSettings() and checkPrograms() find reports, policies and programs that lead nowhere", async () => {
  await using site = await Site.make();
  const wrong = async (more: Parameters<Site["configure"]>[0]) => {
    const tls = site.certificates("mx");
    const file = await site.configure({ hostname: "mx.example.test", tls, ...more });
    const loaded = await loadConfig(file, CONFIG_MACHINE);
    const facts = machine({});
    const users = null;
    return [...checkSettings({ loaded, users }), ...await checkPrograms({ loaded, facts })]
      .filter(({ level }) => level !== "ok").map(({ key, message }) => `${key ?? ""}: ${message}`);
  };
  const domains = ["example.test"];
  const [postmaster, ...more] = await wrong({ mail: { postmaster: "me@elsewhere.test" } });
  assertMatch(postmaster!, /^mail\.postmaster: reports go out in the name of me@elsewhere\.test, /);
  assertEquals(more, []);
  const contact = (contact: string) => wrong({ domains, reports: { tls: { contact } } });
  assertEquals(await contact("x@sub.Example.test"), []);
  assertSome(await contact("x@myexample.test"), /^reports\.tls\.contact: reports go out /);
  const shown = (mx: string[]) =>
    wrong({ web: { listeners: [{ address: "127.0.0.1:0" }], mtaSts: { mode: "enforce", mx } } });
  for (const mx of [[], ["other.test", "mx.example.test"], ["*.example.test"]]) {
    assertEquals(await shown(mx), []);
  }
  // A wildcard stands for one label (RFC 8461 §4.1).
  for (const mx of ["mx.other.test", "*.mx.example.test", "*.other.test"]) {
    assertSome(await shown([mx]), /^web\.mtaSts\.mx: mx\.example\.test is not among them/);
  }
  assertSome(
    await wrong({ web: { mtaSts: { mode: "enforce" } } }),
    /^web\.mtaSts: this server shows the policy to nobody/,
  );
  assertEquals(
    await wrong({ acme: { agreeToTerms: true, challenge: "dns-01", dnsHook: "/nowhere/hook" } }),
    [": the program /nowhere/hook of acme.dnsHook is not there"],
  );
  const relay = (via: object) =>
    wrong({ relay: { routes: [{ domains: ["*"], via: { kind: "mx", ...via } }] } });
  // Authorities are for the policies of others too, where these are asked for.
  await Deno.writeTextFile(`${site.path}/root.pem`, testAuthority);
  const authorities = ["root.pem"];
  assertEquals(await relay({ authorities }), []);
  assertSome(
    await relay({ authorities, mtaSts: false }),
    /^relay\.routes\[0\]\.via\.authorities: no certificate is verified/,
  );
  const silent = { enabled: false, nameServers: ["127.0.0.1:9"] };
  assertSome(await wrong({ relay: silent }), /^relay\.nameServers: nobody is asked/);
  assertEquals(await wrong({ relay: silent, authentication: { enabled: true } }), []);
});

Deno.test("checkPorts() does not blame others for what a server may have that this user may not ask", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const address = { transport: "tcp", hostname: "127.0.0.1", port };
  const config = {
    listeners: [{ role: "mx", address }],
    ...{ monitor: {}, relay: { routes: [] }, web: { listeners: [] } },
  };
  const context = (closedServer: boolean) => ({
    ...{
      loaded: { config },
      runtime: denoRuntime(),
      facts: machine({}),
      server: null,
      closedServer,
    },
  } as unknown as CheckContext);
  assertEquals(levels(await checkPorts(context(false))), [
    `error: 127.0.0.1:${port} (mx): something else listens there`,
  ]);
  assertEquals(levels(await checkPorts(context(true))), [
    `warning: 127.0.0.1:${port} (mx): taken, by the running server or by something else`,
  ]);
});

permissionTest(
  "yizhan check says which permissions are missing, and the command that grants them",
  async () => {
    await using site = await Site.make();
    await site.configure();
    const bare = await site.run(["check"], { flags: ["--allow-read"] });
    assertMatch(bare.stdout, /^warning {2}permissions +Deno does not grant here: /m);
    assertEquals(bare.stderr, "");
    const flags = ["--allow-read", "--allow-env", "--allow-sys"];
    const { code, stdout } = await site.run(["check", "--quiet"], { flags });
    assertMatch(
      stdout,
      /^warning {2}permissions +Deno does not grant here: connect to other hosts, write /m,
    );
    assertMatch(
      stdout,
      /run the server with: deno run --allow-net --allow-read=\S+ .* serve --config /,
    );
    assertMatch(stdout, /\d+ warnings?; \d+ well\.\n$/);
    assert(code === 0 || code === 78);
  },
);

Deno.test("yizhan check says what it expects", async () => {
  await using site = await Site.make();
  assertEquals((await site.run(["check", "nonsense"])).code, 64);
  const none = await site.run(["check"]);
  assertEquals(none.code, 78);
  assertMatch(none.stdout, /yizhan\.yaml: cannot be read/);
});
