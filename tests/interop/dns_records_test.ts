/**
 * What `yizhan init` prints, loaded by Knot DNS as it is: `yizhan dns` must find all of it, and see whatever is
 * then wrong. And the key by others: OpenSSL and dkimpy.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatNameServer } from "../../src/runtime/resolv_conf.ts";
import { type Ended, Folder, run as runProgram } from "../cli/program.ts";
import { startKnot } from "./knot.ts";
import { assertEnded, interopTest, run, runPython } from "./support.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const SIX = "2001:db8::25";
const REVERSE_FOUR = "2.0.192.in-addr.arpa";
const REVERSE_SIX = "8.b.d.0.1.0.0.2.ip6.arpa";

/** A station made by `yizhan init`, and what it printed. */
async function makeStation(folder: Folder): Promise<string> {
  const words = ["init", "--domain", "example.test", "--yes", "--address", "192.0.2.25"];
  const { code, stdout, stderr } = await runProgram([...words, "--address", SIX], {
    cwd: folder.path,
  });
  assertEquals(code, 0, stderr);
  return stdout;
}

/** The zones of a name server: the domain's as printed, and those of whoever gave out the addresses. */
function zonesOf(printed: string): Record<string, string> {
  const reverse = (zone: string) =>
    printed.split("\n").filter((line) => line.includes(`.${zone}. `)).join("\n").replaceAll(
      "; ",
      "",
    );
  return {
    "example.test": printed,
    [REVERSE_FOUR]: `${reverse(REVERSE_FOUR)}\n`,
    [REVERSE_SIX]: `${reverse(REVERSE_SIX)}\n`,
  };
}

async function askKnot(folder: Folder, zones: Record<string, string>): Promise<Ended> {
  await using knot = await startKnot(zones);
  const log = await knot.log();
  assert(!/\b(?:warning|error)\b/.test(log), log);
  const words = ["dns", "--name-server", formatNameServer(knot.server)];
  return await runProgram(words, { cwd: folder.path });
}

interopTest("yizhan dns finds at Knot what yizhan init printed", ["knotd"], async () => {
  await using folder = await Folder.make();
  const zones = zonesOf(await makeStation(folder));
  const { code, stdout } = await askKnot(folder, zones);
  assertEquals(code, 0, stdout);
  assertEquals(stdout.match(/\n {2}ok /g)?.length, 13, stdout);
  // MTA-STS and TLSA are for later.
  assertEquals(stdout.match(/\n {2}optional /g)?.length, 2, stdout);
  assertMatch(stdout, /\nAll is well\.\n$/);
});

/** Changes of the printed zone, and what must be said of each. */
const BREAKS: [RegExp, string, RegExp][] = [
  [/^example\.test\. 3600 IN MX 10 mail/m, "example.test. 3600 IN MX 10 other", /different +MX/],
  [/^example\.test\. 3600 IN MX.*$/m, "", /missing +MX/],
  [/IN A 192\.0\.2\.25$/m, "IN A 192.0.2.26", /missing +address/],
  [/^mail\.example\.test\. 3600 IN AAAA.*$/m, "", /missing +address/],
  [/v=spf1 mx ~all/, "v=spf1 ~all", /different +SPF +example\.test: it says softfail of 192/],
  [/p=MIIB/, "p=MIIC", /different +DKIM .* another key/],
  [/" "/, '"\n; "', /different +DKIM .* only the first 2\d\d of/],
  [/^yizhan-ed25519\..*$/m, "", /missing +DKIM +yizhan-ed25519\._domainkey\.example\.test/],
  [/v=DMARC1; p=none/, "v=DMARC1", /different +DMARC/],
  [/^_dmarc.*$/m, "", /missing +DMARC/],
  [/v=TLSRPTv1; rua=/, "v=TLSRPTv1; ", /different +TLS-RPT/],
  [/SRV 0 1 465/, "SRV 0 1 466", /different +SRV/],
];

interopTest("yizhan dns sees at Knot what is broken", ["knotd"], async () => {
  await using folder = await Folder.make();
  const zones = zonesOf(await makeStation(folder));
  for (const [pattern, replacement, words] of BREAKS) {
    const printed = zones["example.test"]!;
    const broken = printed.replace(pattern, replacement);
    assert(broken !== printed, String(pattern));
    const { code, stdout } = await askKnot(folder, { ...zones, "example.test": broken });
    assertEquals(code, 65, stdout);
    assertMatch(stdout, words);
  }
});

interopTest("yizhan dns tells a name server that refuses from a record that is missing", [
  "knotd",
], async () => {
  await using folder = await Folder.make();
  const { [REVERSE_FOUR]: four, ...others } = zonesOf(await makeStation(folder));
  assert(four !== undefined && four.includes("PTR mail.example.test."), four);
  // Knot refuses what it has no zone for.
  const { code, stdout } = await askKnot(folder, others);
  assertEquals(code, 75, stdout);
  assertMatch(
    stdout,
    /\n {2}unknown +PTR +25\.2\.0\.192\.in-addr\.arpa: DNS did not tell: .*REFUSED/,
  );
});

interopTest("the DKIM record is the public half of the key, by OpenSSL and dkimpy", [
  "openssl",
  "python3",
], async () => {
  await using folder = await Folder.make();
  await makeStation(folder);
  const path = `${folder.path}/dkim/example.test/yizhan.pem`;
  const listed = await runProgram(["dns", "--records", "--json"], { cwd: folder.path });
  const record = listed.stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    .find(({ purpose }) => purpose === "dkim").value;
  const made = await run("openssl", ["pkey", "-in", path, "-pubout"]);
  assertEnded(made);
  const [, base64] = /KEY-----\n([^-]*)/.exec(made.text) ?? [];
  assertEquals(record, `v=DKIM1; k=rsa; p=${base64?.replaceAll("\n", "")}`);
  const key = await Deno.readTextFile(path);
  assertStringIncludes(key, "BEGIN PRIVATE KEY"); // PKCS#8
  const request = { key, selector: "yizhan", domain: "example.test", record };
  assertEquals(await runPython("dkim_key.py", request), { valid: true });
});

interopTest("yizhan init asks on a terminal, and again after a wrong answer", [
  "python3",
  "deno",
], async () => {
  await using folder = await Folder.make();
  const command = [Deno.execPath(), "run", "-A", "--quiet", "--no-check", MAIN, "init"];
  const password = "correct horse battery";
  const typed = [
    ["such as example.org: ", "nodot"],
    ["such as example.org: ", "Example.TEST"],
    ["[mail.example.test]: ", ""],
    ["known yet): ", "192.0.2.300"],
    ["known yet): ", `192.0.2.25 ${SIX}`],
    ["[postmaster@example.test]: ", "alice"],
    ["Password for alice@example.test: ", password],
    ["Again: ", "correct horse batter"],
    ["Password for alice@example.test: ", password],
    ["Again: ", password],
  ];
  const request = { command, cwd: folder.path, typed };
  const { screen, code } = await runPython<{ screen: string; code: number }>(
    "terminal.py",
    request,
  );
  assertEquals(code, 0, screen);
  assertStringIncludes(screen, "nodot: wanted a domain with a dot");
  assertStringIncludes(screen, "192.0.2.300: wanted an IP address");
  assertStringIncludes(screen, "the two passwords differ; once more");
  assert(!screen.includes(password), "the password is shown");
  assertStringIncludes(screen, "example.test. 3600 IN MX 10 mail.example.test.\r\n");
  const interrupted = await runPython<{ screen: string; code: number }>("terminal.py", {
    ...{ command: [...command.slice(0, -1), "user", "add", "bob@example.test"], cwd: folder.path },
    typed: [["Password for bob@example.test: ", "\x03"]],
  });
  assertEquals(interrupted.code, 130, interrupted.screen);
  assertStringIncludes(interrupted.screen, "interrupted; nothing was changed");
  const config = await Deno.readTextFile(`${folder.path}/yizhan.yaml`);
  assertStringIncludes(config, `addresses: ["192.0.2.25", "${SIX}"]`);
});
