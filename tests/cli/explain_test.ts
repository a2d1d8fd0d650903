import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatExplanation } from "../../src/cli/explain_text.ts";
import { parseNetwork } from "../../src/net_address.ts";
import { BanList } from "../../src/policy/abuse/ban_list.ts";
import { KeptLedger } from "../../src/policy/ledger/kept_ledger.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DnsServer } from "../support/dns_server.ts";
import { Site } from "./site.ts";

/** The steps that `yizhan explain --json` tells. */
async function explain(site: Site, words: readonly string[]) {
  const { code, stdout, stderr } = await site.run(["explain", ...words, "--json"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const { steps } = JSON.parse(stdout) as {
    steps: { step: string; about: string; verdict: string; details?: string[] }[];
  };
  return steps;
}

Deno.test("yizhan explain tells each step, and why, to people and to programs", async () => {
  await using site = await Site.make();
  await site.configure({ tls: site.certificates("mx") });
  const { code, stdout, stderr } = await site.run(["explain", "alice+news@example.test"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const lines = stdout.split("\n");
  assertMatch(lines[0]!, /^A mail from someone@example\.com to alice\+news@example\.test /);
  assertMatch(lines[2]!, /^reply {5}mx \(127\.0\.0\.1:0\), from 203\.0\.113\.1: 250 2\.1\.5 /);
  assertMatch(lines[4]!, /^policies {2}bans, connection-rates, .*\bsender-domain\b.*: not asked$/);
  assertMatch(lines[6]!, /^address {3}alice\+news@example\.test: the mailbox alice@example\.test$/);
  assertMatch(lines[8]!, /^mailbox {3}alice@example\.test: \S+\/mail\/example\.test\/alice\/new$/);
  const steps = await explain(site, ["nobody@example.test"]);
  assertEquals(steps.map(({ step, verdict }) => `${step}: ${verdict}`), [
    "reply: 550 5.1.1 no such user here",
    "address: nobody has this address",
  ]);
  // Nothing was made.
  for await (const { name } of Deno.readDir(site.path)) assert(!["mail", "queue"].includes(name));
});

Deno.test("yizhan explain goes by the sender, the client and the login it is told", async () => {
  await using site = await Site.make();
  await site.configure({
    tls: site.certificates("mx"),
    listeners: [
      { role: "mx", address: "127.0.0.1:0" },
      { role: "submission", address: "127.0.0.1:0" },
    ],
    relay: {
      from: ["198.51.100.0/24"],
      routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.1" } }],
    },
  });
  const replies = async (...words: string[]) =>
    (await explain(site, ["x@far.test", ...words])).filter(({ step }) => step === "reply")
      .map(({ verdict }) => verdict.slice(0, 9));
  assertEquals(await replies(), ["550 5.7.1", "530 5.7.0"]);
  assertEquals(await replies("--client", "198.51.100.7"), ["250 2.1.5", "530 5.7.0"]);
  assertEquals(await replies("--from", "alice@example.test"), ["550 5.7.1", "250 2.1.5"]);
  assertEquals(await replies("--login", "alice@example.test"), ["550 5.7.1", "550 5.7.1"]);
  assertEquals(await replies("--login", "mallory@example.test"), ["550 5.7.1", "535 5.7.8"]);
  await site.configure();
  const alone = await site.run(["explain", "x@far.test", "--login", "alice@example.test"]);
  assertEquals(alone.code, 0);
  assertMatch(alone.stderr, /^warning: --login alice@example\.test: no listener offers to log in/);
});

Deno.test("yizhan explain --client tells of bans and greylisting as the server remembers them, and counts nothing", async () => {
  await using site = await Site.make();
  await site.configure({
    relay: { nameServers: ["127.0.0.1:9"] },
    abuse: { greylisting: { enabled: true } },
  });
  const directory = `${site.path}/policies/ledger`;
  const runtime = denoRuntime();
  const onTrouble = (what: string) => assert(false, what);
  const ledger = await KeptLedger.open({ ...runtime, directory, onTrouble });
  const list = new BanList(ledger, runtime.clock);
  await list.add(parseNetwork("192.0.2.7")!, { reason: "floods us", by: "policy" }, 7_200_000);
  await ledger.close();
  const before = await Deno.readTextFile(`${directory}/ledger.jsonl`);
  const tell = async (...words: string[]) => {
    const steps = await explain(site, ["alice@example.test", ...words]);
    const policies = steps.find(({ step }) => step === "policies")?.about;
    return [steps[0]!.verdict, policies?.includes("greylisting") ?? null];
  };
  for (let count = 0; count < 2; count++) {
    const [banned, asked] = await tell("--client", "192.0.2.7");
    // Some of the two hours is over.
    assertMatch(
      String(banned),
      /^421 4\.7\.0 your address is banned \(floods us\): try again in (?:2 h|1[12]\d min)$/,
    );
    assertEquals(asked, null);
    const [first, named] = await tell("--client", "192.0.2.8");
    assertMatch(String(first), /^451 4\.7\.1 greylisted.* tried again in 5 min$/);
    assertEquals(named, null);
  }
  // Of a client that is not named nothing is remembered.
  const [anybody, named] = await tell();
  assertMatch(String(anybody), /^250 /);
  assertEquals(named, true);
  assertEquals(await Deno.readTextFile(`${directory}/ledger.jsonl`), before);
});

Deno.test("yizhan explain --client --from tells what SPF and DMARC say, and then not that they are unknown", async () => {
  await using site = await Site.make();
  await using names = await DnsServer.start();
  names.zones.set("far.test", { txt: ["v=spf1 ip4:192.0.2.7 -all"] });
  await site.configure({ relay: { nameServers: [`127.0.0.1:${names.server.port}`] } });
  const from = ["alice@example.test", "--from", "bob@far.test"];
  const steps = await explain(site, [...from, "--client", "192.0.2.7"]);
  const spf = steps.find(({ step }) => step === "spf");
  assertEquals(spf?.verdict, "pass (ip4:192.0.2.7)");
  const named = (found: typeof steps) => {
    const policies = found.find(({ step }) => step === "policies");
    return policies!.about.split(", ").includes("authentication");
  };
  assertEquals([named(steps), named(await explain(site, from))], [false, true]);
});

Deno.test("yizhan explain --connect asks the next server and sends it nothing", async () => {
  await using site = await Site.make();
  await using next = await Site.make();
  const { program, ports } = await next.start({ tls: next.certificates("mx") });
  await using _ = program;
  await site.configure({
    relay: {
      routes: [{
        domains: ["*"],
        via: { kind: "smarthost", host: "127.0.0.1", port: ports[0]! },
      }],
    },
    hostname: "other.example.test",
  });
  const steps = await explain(site, ["x@far.test", "--connect"]);
  const connect = steps.at(-1)!;
  assertEquals([connect.step, connect.verdict], ["connect", "ready for mail"]);
  assertStringIncludes(connect.details!.join("\n"), "S: 250-STARTTLS");
  assert(!connect.details!.some((line) => /^C: (MAIL|RCPT|DATA)/.test(line)));
});

Deno.test("yizhan explain says what it expects", async () => {
  await using site = await Site.make();
  await site.configure();
  const said = async (...words: string[]) => {
    const { code, stderr } = await site.run(["explain", ...words]);
    assertEquals(code, 64);
    return stderr;
  };
  assertMatch(await said(), /takes one recipient, such as alice@example\.org/);
  assertMatch(await said("nonsense"), /the recipient nonsense is no mail address/);
  assertMatch(await said("a@b.test", "--from", "x"), /--from x is no mail address/);
  assertMatch(await said("a@b.test", "--client", "x"), /--client x is no IP address/);
});

Deno.test("formatExplanation() lets nothing through that a terminal would obey", () => {
  const because = "\x1b[2J";
  const text = formatExplanation({
    ...{ sender: because, recipient: because, client: because, login: because },
    steps: [{
      ...{ step: "hosts", about: because, outcome: "good", verdict: because, because },
      details: [because],
    }],
  }, { colour: false, verbose: true });
  assert(!text.includes("\x1b"));
});
