/**
 * `yizhan dmarc`: reports in the mailbox of postmaster, and in files, summed up.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { gzipped, RFC_9990, zipped } from "../admin/dmarc/samples.ts";
import { Folder, run } from "./program.ts";

const CONFIG = `
hostname: mail.example.test
addresses: [192.0.2.25]
domains: [example.test]
data: ./var
mail: { postmaster: carol@example.test }
listeners:
  - { role: mx, address: "0.0.0.0:25" }
`;

const USERS = `# yizhan users 1
user carol@example.test -
user dora@example.test -
`;

interface Facts {
  readonly id?: string;
  readonly domain?: string;
  /** Days before now at which it ends. */
  readonly ago?: number;
  readonly policy?: string;
  /** Source, count, whether it passes, and a domain for which it passes otherwise. */
  readonly rows: readonly (readonly [string, number, boolean, string?])[];
}

/** A report as RFC 9990 has it. */
function report({ id = "1", domain = "example.test", ago = 1, policy = "none", rows }: Facts) {
  const end = Math.trunc(Date.now() / 1000) - ago * 86_400;
  const record = ([source, count, passes, other]: Facts["rows"][number]) => {
    const word = passes ? "pass" : "fail";
    const dkim = other === undefined
      ? ""
      : `<dkim><domain>${other}</domain><selector>s</selector><result>pass</result></dkim>`;
    return `<record><row><source_ip>${source}</source_ip><count>${count}</count><policy_evaluated>` +
      `<disposition>none</disposition><dkim>${word}</dkim><spf>fail</spf></policy_evaluated></row>` +
      `<identifiers><header_from>${domain}</header_from></identifiers>` +
      `<auth_results>${dkim}</auth_results></record>`;
  };
  return `<?xml version="1.0"?><feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><report_metadata>` +
    `<org_name>Other \x9b31m Station</org_name><email>a@other.example</email>` +
    `<report_id>${id}</report_id><date_range><begin>${end - 86_399}</begin><end>${end}</end>` +
    `</date_range></report_metadata><policy_published><domain>${domain}</domain><p>${policy}</p>` +
    `</policy_published>${rows.map(record).join("")}</feedback>`;
}

/** A mail with a report. */
function mail(content: Uint8Array, subject = "Report Domain: example.test"): string {
  return `Return-Path: <a@other.example>\nSubject: ${subject}\n Submitter: other.example\n` +
    `Content-Type: application/gzip; name="a.xml.gz"\nContent-Transfer-Encoding: base64\n\n` +
    `${content.toBase64().replace(/.{76}/g, "$&\n")}\n`;
}

/** A station's folder, in whose mailboxes mails can be put. */
class World implements AsyncDisposable {
  #count = 0;
  private constructor(readonly folder: Folder) {}

  static async make(): Promise<World> {
    const folder = await Folder.make();
    await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, CONFIG);
    await Deno.writeTextFile(`${folder.path}/users`, USERS);
    return new World(folder);
  }

  async put(mailbox: string, text: string, where = "new"): Promise<void> {
    const folder = `${this.folder.path}/var/mail/example.test/${mailbox}/${where}`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/${++this.#count}.mail`, text);
  }

  async write(name: string, content: Uint8Array | string): Promise<string> {
    const path = `${this.folder.path}/${name}`;
    await Deno.writeFile(
      path,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    return path;
  }

  dmarc(...words: string[]) {
    return run(["dmarc", ...words], { cwd: this.folder.path });
  }

  /** What it prints for programs. */
  // deno-lint-ignore no-explicit-any
  async json(...words: string[]): Promise<any[]> {
    const { code, stdout, stderr } = await this.dmarc("--json", ...words);
    assertEquals([code, stderr], [0, ""]);
    return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("yizhan dmarc sums up the reports in the mailbox of postmaster, with all its folders", async () => {
  await using world = await World.make();
  const none = await world.dmarc();
  assertEquals([none.code, none.stdout], [0, ""]);
  assertMatch(
    none.stderr,
    /^There are no reports\.\nLooked for in the mail of postmaster@\S+, .* since \d{4}-\d\d-\d\d\.$/m,
  );
  const rows = [
    ["192.0.2.25", 4, false],
    ["203.0.113.1", 20, true],
    ["203.0.113.2", 3, false, "service.example"],
    ["2001:db8::66", 50, false],
  ] as const;
  await world.put("carol", mail(gzipped(report({ rows }))));
  await world.put(
    "carol",
    mail(gzipped(report({ id: "2", rows: [["203.0.113.1", 1, true]] }))),
    "cur",
  );
  await world.put("carol", mail(gzipped(report({ id: "2", rows }))), ".Junk/new"); // the same again
  await world.put("carol", mail(gzipped(report({ id: "3", rows, ago: 40 }))));
  await world.put(
    "carol",
    mail(gzipped(report({ id: "4", domain: "sub.example.test", rows }))),
    ".R/cur",
  );
  await world.put("carol", mail(gzipped(report({ id: "5", domain: "other.example", rows }))));
  await world.put("carol", "Subject: hello\n\nNo report.\n");
  const tls = mail(gzipped("{}")).replace("application/gzip", "application/tlsrpt+gzip");
  await world.put("carol", tls); // has the same subject (RFC 8460 §5.3)
  await world.put("dora", mail(gzipped(report({ id: "6", rows }))));
  const { code, stdout, stderr } = await world.dmarc();
  assertEquals([code, stderr], [0, "Left out, as on other domains: 1\n"]);
  const [own, sub] = stdout.split("\n\nsub.");
  assertMatch(own!, /^example\.test \(p=none\): 78 messages, 21 passed, 57 failed\n/);
  assertMatch(own!, /2 reports of 1 reporter, .*: Other \S+ Station\n/);
  assert(!stdout.includes("\x9b"));
  assertMatch(own!, /\n {2}2001:db8::66 +50 +0 +0 +0 +0 +0 {2}unknown\n/);
  assertMatch(own!, /\n {2}192\.0\.2\.25 +4 +0 .* this host; fails: see below\n/);
  assertMatch(own!, /\n {2}203\.0\.113\.1 +21 +21 +21 +0 +0 +0 {2}ok\n/);
  assertMatch(own!, /\n {2}203\.0\.113\.2 .* is service\.example\n/);
  assertMatch(own!, /192\.0\.2\.25: this host sends mail that fails\./);
  assertMatch(sub!, /^example\.test \(p=none\): 77 messages/);
});

Deno.test("yizhan dmarc looks at the domain, the time and the mailbox that it is told", async () => {
  await using world = await World.make();
  const rows = [["203.0.113.1", 1, true]] as const;
  await world.put("carol", mail(gzipped(report({ rows }))));
  await world.put("carol", mail(gzipped(report({ id: "2", rows, ago: 10 }))));
  await world.put("carol", mail(gzipped(report({ id: "3", domain: "sub.example.test", rows }))));
  await world.put("dora", mail(gzipped(report({ id: "4", rows: [["203.0.113.9", 7, true]] }))));
  const counts = async (...words: string[]) =>
    (await world.json(...words)).map(({ domain, messages }) => [domain, messages]);
  assertEquals(await counts(), [["example.test", 2], ["sub.example.test", 1]]);
  assertEquals(await counts("--since", "5d", "--domain", "EXAMPLE.test."), [
    ["example.test", 1],
    ["sub.example.test", 1],
  ]);
  assertEquals(await counts("--domain", "sub.example.test"), [["sub.example.test", 1]]);
  assertEquals(await counts("--mailbox", "dora@example.test"), [["example.test", 7]]);
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  assertEquals(await counts("--since", tomorrow), []);
  const elsewhere = await world.dmarc("--mailbox", "nobody@example.test");
  assertEquals(elsewhere.code, 0);
  assertMatch(elsewhere.stderr, /warning: nobody@example\.test: nobody has it; /);
});

Deno.test("yizhan dmarc reads files of every kind without a configuration, and names those it cannot read", async () => {
  await using folder = await Folder.make();
  const path = (name: string) => `${folder.path}/${name}`;
  await Deno.mkdir(path("reports"));
  const write = (name: string, content: Uint8Array | string) =>
    Deno.writeFile(
      path(name),
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  const rows = [["203.0.113.1", 1, true]] as const;
  const of = (id: string) => report({ id, rows, ago: 400, policy: "reject" });
  const xml = new TextEncoder().encode(of("zip"));
  await write("reports/a.xml", of("xml"));
  await write("reports/b.xml.gz", gzipped(of("gz")));
  await write("reports/c.zip", zipped({ name: "c.xml", content: xml }));
  await write("reports/d.eml", mail(gzipped(of("eml")), "forwarded"));
  const good = await run(["dmarc", path("reports")], { cwd: folder.path });
  assertEquals([good.code, good.stderr], [0, ""], good.stdout);
  assertMatch(good.stdout, /^example\.test \(p=reject\): 4 messages, 4 passed, 0 failed\n/);
  assertMatch(good.stdout, /\n {2}Nothing is to be done\.\n$/);

  await write("laughs.xml", `<!DOCTYPE feedback [<!ENTITY a "ha">]>${RFC_9990}`);
  await write("cut.xml.gz", gzipped(of("cut")).subarray(0, 60));
  await write("bomb.gz", gzipped(new Uint8Array(70 * 1024 * 1024)));
  await write("hello.txt", "hello");
  const names = ["laughs.xml", "cut.xml.gz", "bomb.gz", "hello.txt", "missing"].map(path);
  const bad = await run(["dmarc", ...names, path("reports/a.xml")], { cwd: folder.path });
  assertEquals(bad.code, 65);
  assertMatch(bad.stdout, /1 message, 1 passed/);
  const lines = bad.stderr.trimEnd().split("\n");
  assertEquals(lines.length, 5, bad.stderr);
  for (
    const [index, reason] of [
      /laughs\.xml: line 1: it has a document type, which no report has$/,
      /cut\.xml\.gz: it cannot be unpacked: unexpected end of file$/,
      /bomb\.gz: unpacked it is larger than any report$/,
      /hello\.txt: it is neither a report nor a mail with one$/,
      /missing: .*(?:not exist|no such)/i,
    ].entries()
  ) assertMatch(lines[index]!, reason);
});

Deno.test("yizhan dmarc says what is wrong with its command line", async () => {
  const wrong = async (...words: string[]) => {
    const { code, stderr } = await run(["dmarc", ...words]);
    assertEquals(code, 64, stderr);
    return stderr;
  };
  assertMatch(await wrong("--since", "yesterday"), /--since yesterday: wanted a day/);
  assertMatch(await wrong("--since", "2026-13-40"), /wanted a day/);
  assertMatch(await wrong("--domain", "a b"), /--domain a b: wanted a domain/);
  assertMatch(await wrong("--mailbox", "carol"), /--mailbox carol: wanted an address/);
  assertMatch(await wrong("a.xml", "--mailbox", "a@b.example"), /not both/);
});
