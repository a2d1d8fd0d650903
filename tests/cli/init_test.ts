import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { CONFIG_MACHINE } from "../../src/cli/config_file.ts";
import { formatStationConfig } from "../../src/cli/init_config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { acmeNames } from "../../src/config/site.ts";
import { yaml } from "../../src/config/packages.ts";
import { configSchema } from "../../src/config/schema.ts";
import { checkPassword } from "../../src/directory/password.ts";
import { readUsersFile } from "../../src/directory/users_read.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { Folder, run } from "./program.ts";

const BASE = ["--domain", "example.test", "--yes"];

/** All files below a folder, with their modes and contents. */
async function snapshot(folder: string, at = ""): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${at}`)) {
    const path = `${at}${name}`;
    const { mode } = await Deno.lstat(`${folder}/${path}`);
    const octal = (mode! & 0o7777).toString(8);
    all[path] = octal;
    if (isDirectory) Object.assign(all, await snapshot(folder, `${path}/`));
    else all[path] += ` ${await Deno.readTextFile(`${folder}/${path}`)}`;
  }
  return all;
}

async function verifierOf(folder: string, user: string) {
  const { files } = denoRuntime();
  const { file } = await readUsersFile(files, `${folder}/users`);
  const verifier = file.table.users.get(user)?.verifier;
  assert(verifier !== null && verifier !== undefined, user);
  return verifier;
}

Deno.test("yizhan init --data keeps the mail elsewhere, in a folder others can get through", async () => {
  await using folder = await Folder.make();
  for (const [name, data] of [["one", `${folder.path}/var/one/`], ["two", "kept"]] as const) {
    const words = ["init", name, ...BASE, "--data", data];
    const { code, stderr } = await run(words, { cwd: folder.path });
    assertEquals(code, 0, stderr);
    const { paths } = await loadConfig(`${folder.path}/${name}/yizhan.yaml`, CONFIG_MACHINE);
    const where = data.startsWith("/") ? data.slice(0, -1) : `${folder.path}/${name}/${data}`;
    assertEquals(paths.data, where);
    assertEquals((await Deno.stat(where)).mode! & 0o7777, 0o711);
    assert(!(`data` in await snapshot(`${folder.path}/${name}`)));
  }
});

Deno.test("yizhan init makes a station that can be loaded, with safe modes", async () => {
  await using folder = await Folder.make();
  const words = ["init", "site", ...BASE, "--address", "192.0.2.25", "--user", "alice", "--json"];
  const { code, stdout, stderr } = await run(words, { cwd: folder.path });
  assertEquals([code, stderr], [0, ""]);
  const told = JSON.parse(stdout);
  const site = `${folder.path}/site`;
  const made = await snapshot(site);
  const modes = Object.fromEntries(
    Object.entries(made).map(([path, text]) => [path, text.split(" ")[0]]),
  );
  assertEquals(modes, {
    "data": "711",
    "dkim": "700",
    "dkim/example.test": "700",
    "dkim/example.test/yizhan-ed25519.pem": "600",
    "dkim/example.test/yizhan.pem": "600",
    "tls": "700",
    "tls/certificate.pem": "644",
    "tls/key.pem": "600",
    "users": "600",
    "yizhan.schema.json": "644",
    "yizhan.yaml": "644",
  });

  const { config, warnings, certificates } = await loadConfig(
    `${site}/yizhan.yaml`,
    CONFIG_MACHINE,
  );
  assertEquals(warnings, []);
  assertEquals(config.hostname, "mail.example.test");
  assertEquals(config.addresses, ["192.0.2.25"]);
  assertEquals(config.domains, ["example.test"]);
  assertEquals(config.mail.postmaster, "alice@example.test");
  assertEquals(config.listeners.map(({ role, address }) => [role, address]), [
    ["mx", { transport: "tcp", hostname: "::", port: 25 }],
    ["submission", { transport: "tcp", hostname: "::", port: 587 }],
    ["submissions", { transport: "tcp", hostname: "::", port: 465 }],
  ]);
  assertEquals(
    new X509Certificate(certificates[0]!.certificate).checkHost("mail.example.test"),
    "mail.example.test",
  );
  const key = createPrivateKey(await Deno.readTextFile(`${site}/dkim/example.test/yizhan.pem`));
  assertEquals(key.asymmetricKeyDetails?.modulusLength, 2048);
  const second = await Deno.readTextFile(`${site}/dkim/example.test/yizhan-ed25519.pem`);
  assertEquals(createPrivateKey(second).asymmetricKeyType, "ed25519");

  assertEquals(told.files.map(({ path }: { path: string }) => path).sort(), [
    "site/dkim/example.test/yizhan-ed25519.pem",
    "site/dkim/example.test/yizhan.pem",
    "site/tls/certificate.pem",
    "site/tls/key.pem",
    "site/users",
    "site/yizhan.schema.json",
    "site/yizhan.yaml",
  ]);
  assertEquals(told.next[0], "yizhan check --config site/yizhan.yaml");
  assert(await checkPassword(told.password, await verifierOf(site, "alice@example.test")));
  // Editors find the schema by this line.
  const [first] = (await Deno.readTextFile(`${site}/yizhan.yaml`)).split("\n");
  assertEquals(first, "# yaml-language-server: $schema=./yizhan.schema.json");
  assert(JSON.parse(await Deno.readTextFile(`${site}/yizhan.schema.json`)).properties.hostname);
});

Deno.test("yizhan init prints the records to standard output, and all else elsewhere", async () => {
  await using folder = await Folder.make();
  const words = ["init", ...BASE, "--address", "192.0.2.25"];
  const { code, stdout, stderr } = await run(words, { cwd: folder.path });
  assertEquals(code, 0);
  for (const line of stdout.trimEnd().split("\n")) {
    assertMatch(line, /^(?:;.*|[\w.-]+\. 3600 IN (?:A|AAAA|MX|TXT|SRV) .+|)$/);
  }
  assertStringIncludes(stdout, "\nexample.test. 3600 IN MX 10 mail.example.test.\n");
  assertStringIncludes(stdout, "\nmail.example.test. 3600 IN A 192.0.2.25\n");
  assertMatch(
    stderr,
    /\nThe password of postmaster@example\.test, [^\n]*: (?:[a-z2-9]{4}-){3}[a-z2-9]{4}\n/,
  );
  for (const next of ["check", "serve", "dns"]) assertStringIncludes(stderr, `\n  yizhan ${next} `);
});

Deno.test("yizhan init --local makes a station that anybody can run", async () => {
  await using folder = await Folder.make();
  const words = ["init", "my site", ...BASE, "--local", "--user", "o'neil"];
  const { code, stdout, stderr } = await run(words, { cwd: folder.path });
  assertEquals([code, stdout], [0, ""]);
  // Commands to copy mean to a shell what they say.
  const send = "yizhan send --config 'my site/yizhan.yaml' 'o'\\''neil@example.test'";
  assertStringIncludes(stderr, send);
  const { config } = await loadConfig(`${folder.path}/my site/yizhan.yaml`, CONFIG_MACHINE);
  for (const { address } of config.listeners) {
    assert(address.transport === "tcp" && address.hostname === "127.0.0.1" && address.port > 1024);
  }
});

Deno.test("yizhan init changes nothing that is there", async () => {
  await using folder = await Folder.make();
  const options = { cwd: folder.path };
  assertEquals((await run(["init", ...BASE], options)).code, 0);
  const before = await snapshot(folder.path);
  const again = await run(["init", ...BASE], options);
  assertEquals(again.code, 73);
  assertStringIncludes(again.stderr, "yizhan.yaml exists");
  assertEquals(await snapshot(folder.path), before);

  // What an interrupted run left is taken as it is.
  await Deno.remove(`${folder.path}/yizhan.yaml`);
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml.new`, "torn");
  const third = await run(["init", ...BASE], options);
  assertEquals(third.code, 0, third.stderr);
  assertStringIncludes(third.stderr, "postmaster@example.test was there already");
  assert(!third.stderr.includes("The password of"), third.stderr);
  assertEquals(await snapshot(folder.path), before);
});

Deno.test("yizhan init takes away what it made when something fails", async () => {
  await using folder = await Folder.make();
  const users = `${folder.path}/site/users`;
  await Deno.mkdir(users, { recursive: true });
  const words = ["init", "site", ...BASE];
  const failed = await run(words, { cwd: folder.path });
  assertEquals(failed.code, 65, failed.stderr);
  assertStringIncludes(failed.stderr, "site/users: is a folder");
  assertEquals(Object.keys(await snapshot(folder.path)), ["site", "site/users"]);
  await Deno.remove(users);
  assertEquals((await run(words, { cwd: folder.path })).code, 0);
});

Deno.test("yizhan init does not go on with half of a certificate", async () => {
  await using folder = await Folder.make();
  await Deno.mkdir(`${folder.path}/tls`);
  await Deno.writeTextFile(`${folder.path}/tls/key.pem`, "mine");
  const failed = await run(["init", ...BASE], { cwd: folder.path });
  assertEquals(failed.code, 73);
  assertStringIncludes(failed.stderr, "tls/key.pem is there without tls/certificate.pem");
  assertEquals(Object.keys(await snapshot(folder.path)), ["tls", "tls/key.pem"]);
});

Deno.test("yizhan init takes the password from standard input", async () => {
  await using folder = await Folder.make();
  const words = ["init", "--domain", "example.test", "--password-stdin", "--json"];
  const { code, stdout } = await run(words, { cwd: folder.path, stdin: "correct horse\n" });
  assertEquals(code, 0);
  assertEquals(JSON.parse(stdout).password, undefined);
  const verifier = await verifierOf(folder.path, "postmaster@example.test");
  assert(await checkPassword("correct horse", verifier));
});

const WRONG: [string[], string][] = [
  [[], "standard input is not a terminal to ask on: give --domain, and --yes or --password-stdin"],
  [["--domain", "example.org"], "is not a terminal to ask on: give --yes or --password-stdin"],
  [["--yes"], "--domain is missing"],
  [["--yes", "--domain", "localhost"], "--domain localhost: wanted a domain with a dot"],
  [["--yes", "--domain", "a b.test"], "--domain a b.test: wanted a domain"],
  [[...BASE, "--hostname", "mail"], "--hostname mail: wanted a host name with a dot"],
  [[...BASE, "--address", "127.0.0.1"], "--address 127.0.0.1: wanted an IP address that others"],
  [[...BASE, "--address", "host.test"], "--address host.test: wanted an IP address"],
  [
    [...BASE, "--user", "bob@other.test"],
    "--user bob@other.test: wanted an address of example.test",
  ],
  [[...BASE, "--user", "b@b@b"], "--user b@b@b: wanted a mail address"],
  [["one", "two", ...BASE], "init takes one folder; what is two for?"],
];

Deno.test("yizhan init says what is wrong with an answer, and makes nothing", async () => {
  await using folder = await Folder.make();
  await Promise.all(WRONG.map(async ([words, message]) => {
    const { code, stderr } = await run(["init", ...words], { cwd: folder.path });
    assertEquals(code, 64, `${words.join(" ")}: ${stderr}`);
    assertStringIncludes(stderr, message);
  }));
  assertEquals(await snapshot(folder.path), {});
});

Deno.test("formatStationConfig() quotes what YAML would take for something else", () => {
  const password = { text: "x", made: true };
  for (
    const [domain, hostname, user] of [
      ["bücher.example", "mail.xn--bcher-kva.example", "jürgen@bücher.example"],
      ["1.2", "1.2.3", '"a: b # c"@1.2'],
      ["null.test", "mail.null.test", "#!@null.test"],
      ["0x1.test", "0x1.test", "`{*&|%'@0x1.test"],
    ] as const
  ) {
    const addresses = ["192.0.2.1", "2001:db8::1", "::1:2"];
    const text = formatStationConfig({ domain, hostname, user, addresses, password, local: false });
    const read = yaml.parse(text);
    assertEquals([read.domains, read.hostname, read.mail.postmaster], [[domain], hostname, user]);
    assertEquals(read.addresses, addresses);
    configSchema.parse(read);
  }
});

Deno.test("formatStationConfig() has a site and certificates of an authority ready to be taken", async () => {
  const text = formatStationConfig({
    ...{ domain: "example.org", hostname: "mail.example.org", user: "a@example.org" },
    ...{ addresses: [], password: { text: "", made: true }, local: false },
  });
  const web = text.indexOf("# web:");
  const taken = text.slice(0, text.indexOf("tls:\n")) +
    text.slice(web).replaceAll(/^# ?/gm, "");
  const { config } = await loadConfig("yizhan.yaml", {
    ...CONFIG_MACHINE,
    environment: () => undefined,
    readFile: () => Promise.resolve({ octets: new TextEncoder().encode(taken), mode: 0o644 }),
  });
  assertEquals(config.tls.certificates, []);
  assertEquals(acmeNames(config), ["mail.example.org", "mta-sts.example.org"]);
  const local = { domain: "a.test", hostname: "a.test", user: "a@a.test", addresses: [] };
  const tried = formatStationConfig({ ...local, password: { text: "", made: true }, local: true });
  assertEquals(tried.includes("acme:"), false);
});
