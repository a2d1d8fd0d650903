import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { configSchema } from "../../src/config/schema.ts";
import { mailDomainsOf, mailHostOf } from "../../src/admin/mail_host.ts";
import { formatNameServer } from "../../src/runtime/resolv_conf.ts";
import { DnsServer } from "../support/dns_server.ts";
import { Folder, run } from "./program.ts";

const KEY = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;

const CONFIG = `
hostname: mail.example.test
addresses: [192.0.2.25]
domains: [example.test]
listeners:
  - { role: mx, address: "0.0.0.0:25" }
`;

/** A configuration with a key (of RFC 8463 Appendix A.2), and a name server where all is well. */
async function world(): Promise<{ folder: Folder; dns: DnsServer; words: string[] }> {
  const folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, CONFIG);
  await Deno.writeTextFile(`${folder.path}/users`, "# yizhan users 1\n");
  await Deno.mkdir(`${folder.path}/dkim/example.test`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/dkim/example.test/yizhan.pem`, KEY);
  const dns = await DnsServer.start();
  dns.zones.set("mail.example.test", { a: ["192.0.2.25"], txt: ["v=spf1 a -all"] });
  dns.zones.set("25.2.0.192.in-addr.arpa", { ptr: ["mail.example.test"] });
  dns.zones.set("example.test", { mx: ["10 mail.example.test"], txt: ["v=spf1 mx -all"] });
  dns.zones.set("_dmarc.example.test", { txt: ["v=DMARC1; p=none"] });
  dns.zones.set("yizhan._domainkey.example.test", {
    txt: ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
  });
  return { folder, dns, words: ["dns", "--name-server", formatNameServer(dns.server)] };
}

Deno.test("yizhan dns says that all is well, what is wrong, and what is not known", async () => {
  const { folder, dns, words } = await world();
  await using _folder = folder;
  await using _dns = dns;
  const options = { cwd: folder.path };
  const good = await run(words, options);
  assertEquals([good.code, good.stderr], [0, ""], good.stdout);
  assertStringIncludes(good.stdout, "\n  ok         DKIM     yizhan._domainkey.example.test: ");
  assertStringIncludes(good.stdout, "\n  optional   TLS-RPT  _smtp._tls.example.test: ");
  assertMatch(good.stdout, /\nAll is well\.\n$/);

  dns.zones.failures.set("_dmarc.example.test", "servfail");
  const unknown = await run(words, options);
  assertEquals(unknown.code, 75);
  assertStringIncludes(
    unknown.stdout,
    "\n  unknown    DMARC    _dmarc.example.test: DNS did not tell: ",
  );
  assertMatch(unknown.stdout, /\n1 unknown\.\n$/);

  dns.zones.set("example.test", { mx: ["10 other\u001b[2J.test"], txt: [] });
  const wrong = await run(words, options);
  assertEquals(wrong.code, 65);
  assert(!wrong.stdout.includes("\u001b"), "what DNS says reaches the terminal");
  assertStringIncludes(wrong.stdout, "wanted:  example.test. 3600 IN MX 10 mail.example.test.\n");
  assertMatch(wrong.stdout, /\n2 to mend, 1 unknown\.\n$/);
});

Deno.test("yizhan dns --json prints an object a line", async () => {
  const { folder, dns, words } = await world();
  await using _folder = folder;
  await using _dns = dns;
  dns.zones.set("25.2.0.192.in-addr.arpa", { ptr: ["static.provider.test"] });
  const { code, stdout } = await run([...words, "--json"], { cwd: folder.path });
  assertEquals(code, 65);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.find(({ purpose }) => purpose === "ptr"), {
    host: "mail.example.test",
    purpose: "ptr",
    status: "different",
    name: "25.2.0.192.in-addr.arpa",
    type: "PTR",
    found: ["static.provider.test."],
    wanted: "25.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.test.",
    message: "192.0.2.25 leads to static.provider.test",
    advice: "have 192.0.2.25 lead to mail.example.test where you got it from (reverse DNS)",
  });
  assertEquals(lines.filter(({ domain }) => domain === "example.test").length, 6);
});

Deno.test("yizhan dns asks for the domain it is told, and says how to make its key", async () => {
  const { folder, dns, words } = await world();
  await using _folder = folder;
  await using _dns = dns;
  const { code, stdout } = await run([...words, "Other.test."], { cwd: folder.path });
  assertEquals(code, 65);
  assert(!stdout.includes("\nexample.test\n"), stdout);
  assertStringIncludes(stdout, "\nother.test\n");
  assertStringIncludes(stdout, "dkim/other.test/yizhan.pem does not exist");
  assertStringIncludes(stdout, "to do:   make it: yizhan dns other.test --make-key\n");
});

Deno.test("yizhan dns --make-key makes keys where there are none, for their owner alone", async () => {
  const { folder, dns } = await world();
  await using _folder = folder;
  await using _dns = dns;
  const options = { cwd: folder.path };
  const words = ["dns", "other.test", "--make-key", "--records"];
  const first = await run(words, options);
  const path = "dkim/other.test/yizhan.pem";
  assertEquals(first.code, 0);
  assertMatch(first.stderr, /^warning: other\.test is no domain of this server yet: /);
  assertStringIncludes(first.stderr, `\nwrote  ${path}\n`);
  const record = /^yizhan\._domainkey\.other\.test\. .*k=rsa; p=MIIBIjAN.*$/m;
  assertMatch(first.stdout, record);
  assertEquals((await Deno.stat(`${folder.path}/${path}`)).mode! & 0o777, 0o600);
  assertEquals((await Deno.stat(`${folder.path}/dkim/other.test`)).mode! & 0o777, 0o700);
  const made = await Array.fromAsync(Deno.readDir(`${folder.path}/dkim/other.test`));
  assertEquals(made.map(({ name }) => name).sort(), ["yizhan-ed25519.pem", "yizhan.pem"]);
  assertMatch(first.stdout, /^yizhan-ed25519\._domainkey\.other\.test\. .*k=ed25519; p=.{44}"$/m);

  const again = await run(words, options);
  assertEquals(again.code, 0);
  assert(!again.stderr.includes("wrote"), again.stderr);
  assertEquals(record.exec(again.stdout)?.[0], record.exec(first.stdout)?.[0]);
  assertEquals(await Deno.readTextFile(`${folder.path}/dkim/example.test/yizhan.pem`), KEY);
});

Deno.test("yizhan dns --records asks nobody", async () => {
  const { folder, dns, words } = await world();
  await using _folder = folder;
  await using _dns = dns;
  const options = { cwd: folder.path };
  const zone = await run([...words, "--records"], options);
  assertEquals([zone.code, zone.stderr], [0, ""]);
  assertStringIncludes(zone.stdout, "\nexample.test. 3600 IN MX 10 mail.example.test.\n");
  const json = await run(["dns", "--records", "--json"], options);
  const records = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(records[0], {
    purpose: "address",
    need: "required",
    name: "mail.example.test",
    type: "A",
    value: "192.0.2.25",
  });
  assertEquals(dns.asked, []);
});

Deno.test("yizhan dns wrongly used says what it expected", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, CONFIG);
  const cases: [string[], string][] = [
    [["a..b"], "a..b is no domain"],
    [["a.test", "b.test"], "dns takes one domain; what is b.test for?"],
    [["--name-server", "dns.test"], "--name-server dns.test: wanted an address"],
  ];
  await Promise.all(cases.map(async ([words, message]) => {
    const { code, stderr } = await run(["dns", ...words], { cwd: folder.path });
    assertEquals(code, 64);
    assertStringIncludes(stderr, message);
  }));
});

Deno.test("mailHostOf() takes what others can reach", () => {
  const of = (addresses: string[], ...listeners: [string, string][]) =>
    mailHostOf(configSchema.parse({
      hostname: "mail.example.test",
      addresses,
      listeners: listeners.map(([role, address]) => ({ role, address })),
    }));
  assertEquals(of(["2001:DB8::1"], ["mx", "192.0.2.1:25"], ["submission", "192.0.2.1:587"]), {
    hostname: "mail.example.test",
    addresses: ["2001:db8::1", "192.0.2.1"],
    submission: 587,
  });
  assertEquals(of([], ["mx", "[::]:25"], ["submissions", "127.0.0.1:465"], ["lmtp", "unix:/l"]), {
    hostname: "mail.example.test",
    addresses: [],
  });
});

Deno.test("mailDomainsOf() has each domain once, as DNS has it", () => {
  const domains = mailDomainsOf({ domains: ["Example.test", "bücher.test"] }, [
    "example.test",
    "xn--bcher-kva.test",
    "other.test",
  ]);
  assertEquals(domains, ["example.test", "xn--bcher-kva.test", "other.test"]);
});
