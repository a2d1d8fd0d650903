/**
 * DANE with others: Unbound validates zones that Knot signs, we relay to Postfix by their TLSA records, and Postfix
 * sends to us by ours.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createHash, X509Certificate } from "node:crypto";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { NameServer } from "../../src/runtime/resolv_conf.ts";
import { errorCode } from "../../src/runtime/system_error.ts";
import { findFreePort } from "../support/free_port.ts";
import { type Knot, startKnot } from "./knot.ts";
import { untilMail } from "./maildir.ts";
import { POSTFIX, type Postfix, startPostfix, withResolvConf } from "./postfix.ts";
import { runCommand, startStation } from "./server.ts";
import { PlainClient } from "./smtp_client.ts";
import {
  assertEnded,
  interopTest,
  makeTemporaryFolder,
  run,
  type TemporaryFolder,
} from "./support.ts";
import { startUnbound, type Unbound } from "./unbound.ts";
import { startDaemon, until } from "./daemon.ts";

const TOOLS = ["knotd", "keymgr", "unbound", "openssl", ...POSTFIX];

/** A certificate with the authority that issued it, as files, and what TLSA records say of them. */
interface Chain {
  /** The chain and the key, PEM, by path. */
  readonly chain: string;
  readonly key: string;
  /** `3 1 1`, and `2 0 1` of the authority. */
  readonly endEntity: string;
  readonly anchor: string;
}

async function makeChain(folder: TemporaryFolder, names: readonly string[]): Promise<Chain> {
  const at = (name: string) => `${folder.path}/${name}`;
  const openssl = async (...args: string[]) => assertEnded(await run("openssl", args));
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    ...["req", "-x509", ...ec, "-keyout", at("ca.key"), "-out", at("ca.crt"), "-days", "30"],
    ...["-subj", "/CN=Test CA", "-addext", "basicConstraints=critical,CA:TRUE"],
    ...["-addext", "keyUsage=critical,keyCertSign"],
  );
  const request = ["req", ...ec, "-keyout", at("own.key"), "-out", at("own.csr"), "-subj", "/CN=x"];
  await openssl(...request);
  await folder.write("ext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
  await openssl(
    ...["x509", "-req", "-in", at("own.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key")],
    ...["-CAcreateserial", "-days", "30", "-extfile", at("ext"), "-out", at("own.crt")],
  );
  const [own, ca] = await Promise.all(
    ["own.crt", "ca.crt"].map((file) => Deno.readTextFile(at(file))),
  );
  const [certificate, authority] = [new X509Certificate(own!), new X509Certificate(ca!)];
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  const hash = (octets: Uint8Array) => createHash("sha256").update(octets).digest("hex");
  return {
    chain: await folder.write("chain.crt", own! + ca!),
    key: at("own.key"),
    endEntity: `3 1 1 ${hash(spki)}`,
    anchor: `2 0 1 ${hash(authority.raw)}`,
  };
}

/** Zones that Knot signs and Unbound validates: `dane.test`, `forged.test` by the wrong key, and `plain.test` not at all. */
async function startNames(
  records: string,
  at?: NameServer,
): Promise<AsyncDisposable & { address: string }> {
  const simple = "@ MX 10 mx\nmx A 127.0.0.1\n";
  const zones = { "dane.test": records, "forged.test": simple, "plain.test": simple };
  const knot: Knot = await startKnot(zones, ["dane.test", "forged.test"]);
  let unbound: Unbound;
  try {
    const key = await knot.keyOf("dane.test");
    unbound = await startUnbound(knot.server, {
      "dane.test": key,
      "forged.test": key,
      "plain.test": null,
    }, at);
  } catch (error) {
    await knot[Symbol.asyncDispose]();
    throw error;
  }
  return {
    address: `${unbound.server.address}:${unbound.server.port}`,
    async [Symbol.asyncDispose]() {
      await unbound[Symbol.asyncDispose]();
      await knot[Symbol.asyncDispose]();
    },
  };
}

interopTest("mail goes to Postfix by its TLSA records, or waits", TOOLS, async () => {
  await using folder = await makeTemporaryFolder();
  const { chain, key, endEntity, anchor } = await makeChain(folder, ["mx.ta.dane.test"]);
  const port = findFreePort();
  const domains = ["ee", "ta", "wrong", "name", "none"].map((name) => `${name}.dane.test`);
  const mailboxes = [...domains, "plain.test", "forged.test"].map((domain) => `bob@${domain}`);
  const records: Record<string, string> = {
    "ee.dane.test": endEntity,
    "ta.dane.test": anchor,
    "wrong.dane.test": `3 1 1 ${"00".repeat(32)}`,
    "name.dane.test": anchor,
  };
  const zone = domains.map((domain) => {
    const name = domain.replace(/\.dane\.test$/, "");
    const tlsa = records[domain];
    return `${name} MX 10 mx.${name}\nmx.${name} A 127.0.0.1\n` +
      (tlsa === undefined ? "" : `_${port}._tcp.mx.${name} TLSA ${tlsa}\n`);
  });
  await using names = await startNames(zone.join(""));
  await using postfix: Postfix = await startPostfix({
    ...{ mailboxes, port, tls: "ignored.test" },
    settings: [`smtpd_tls_chain_files = ${key}, ${chain}`],
  });
  const via = { kind: "mx" as const, port, allowAddresses: ["127.0.0.0/8"] };
  await using station = await startStation({
    users: { "alice@example.test": "wonderland" },
    listeners: ["mx"],
    relay: {
      ...{ from: ["127.0.0.0/8"], nameServers: [names.address] },
      routes: [{ domains: ["*"], via }],
    },
  });
  using client = await PlainClient.connect(station.endpoint("mx").port);
  for (const to of mailboxes) {
    await client.mail([to], `From: alice@example.test\r\nSubject: ${to}\r\n\r\nhello\r\n`);
  }
  const outcomes = await until("an outcome for all", () => {
    const found = station.events.flatMap((event) => {
      if (event.type === "delivery.done") return [[event.recipient, `by ${event.tls}`] as const];
      return event.type === "delivery.deferred" ? [[event.recipient, event.reply] as const] : [];
    });
    const map = new Map(found.toReversed());
    return map.size === mailboxes.length ? map : null;
  }, { log: () => station.events.map((event) => JSON.stringify(event)).join("\n") });
  assertEquals(outcomes.get("bob@ee.dane.test"), "by TLSv1.3, DANE");
  assertEquals(outcomes.get("bob@ta.dane.test"), "by TLSv1.3, DANE");
  assertEquals(outcomes.get("bob@none.dane.test"), "by TLSv1.3");
  assertEquals(outcomes.get("bob@plain.test"), "by TLSv1.3");
  assertMatch(
    outcomes.get("bob@wrong.dane.test")!,
    /^451 4\.7\.5 .*DANE requires TLS.*does not fit the TLSA record/,
  );
  assertMatch(outcomes.get("bob@name.dane.test")!, /for mx\.ta\.dane\.test, not for mx\.name\.d/);
  assertMatch(outcomes.get("bob@forged.test")!, /^451 4\.4\.3 DNS gives no answer.*SERVFAIL/);
  const steps = await explain(station.folder, "bob@wrong.dane.test");
  assertMatch(
    steps.get("guard")!,
    /^DANE .*mx\.wrong\.dane\.test: DANE: a certificate that fits a TLSA record .*\(3 1 1\)/,
  );
  assertMatch(steps.get("connect")!, /^451 4\.7\.5 .*DANE requires TLS.* TLSA record/);
  const right = await explain(station.folder, "bob@ta.dane.test");
  assertMatch(right.get("connect")!, /^ready for mail .*TLSv1\.3, DANE/);
  const plain = await explain(station.folder, "bob@plain.test");
  assertMatch(plain.get("guard")!, /^none .*DNSSEC does not vouch for the addresses of mx\.plain/);
  for (const to of ["bob@ee.dane.test", "bob@ta.dane.test", "bob@plain.test"]) {
    assertEquals((await untilMail(postfix.maildir(to), 1, postfix.log)).length, 1);
  }
  for (const to of ["bob@wrong.dane.test", "bob@name.dane.test", "bob@forged.test"]) {
    const there = await Deno.stat(postfix.maildir(to)).then(() => true, () => false);
    assert(!there, to);
  }
});

/** What `yizhan explain --connect` says of each step. */
async function explain(folder: TemporaryFolder, recipient: string): Promise<Map<string, string>> {
  const file = `${folder.path}/yizhan.yaml`;
  const words = ["explain", recipient, "--connect", "--json", "--config", file];
  const ran = await runCommand(folder, words);
  assertEnded(ran);
  const { steps } = JSON.parse(new TextDecoder().decode(ran.stdout)) as {
    steps: { step: string; verdict: string; because: string; details?: string[] }[];
  };
  return new Map(
    steps.map((
      { step, verdict, because, details = [] },
    ) => [step, [verdict, because, ...details].join(" ")]),
  );
}

interopTest(
  "Postfix and posttls-finger know us by our TLSA record, and others not",
  [...TOOLS, "unshare", "posttls-finger"],
  async () => {
    await using folder = await makeTemporaryFolder();
    await Deno.chmod(folder.path, 0o755);
    const alice = "alice@dane.test";
    const eve = "eve@wrong.dane.test";
    await using station = await startStation({
      hostname: "mx.dane.test",
      users: { [alice]: "wonderland", [eve]: "wonderland" },
      listeners: ["mx"],
    });
    const { port } = station.endpoint("mx");
    const pem = await Deno.readTextFile(`${station.folder.path}/mx.dane.test.crt`);
    const tlsa = tlsaOf(pem);
    // Programs of this machine ask port 53 alone: of an address that nobody else has.
    const [b = 1, c = 1, d = 1] = crypto.getRandomValues(new Uint8Array(3));
    const address = `127.${b}.${c}.${Math.min(Math.max(d, 1), 254)}`;
    const host = "A 127.0.0.1\n";
    await using _ = await startNames(
      `@ MX 10 mx\nmx ${host}_${port}._tcp.mx TLSA ${tlsa}\n` +
        `wrong MX 10 mx.wrong\nmx.wrong ${host}_${port}._tcp.mx.wrong TLSA 3 1 1 ${
          "00".repeat(32)
        }\n`,
      { address, port: 53 },
    );
    const resolvConf = await folder.write(
      "resolv.conf",
      `nameserver ${address}\noptions trust-ad\n`,
      0o644,
    );
    await using postfix = await startPostfix({
      resolvConf,
      transports: {
        "dane.test": `smtp:dane.test:${port}`,
        "wrong.dane.test": `smtp:wrong.dane.test:${port}`,
      },
      settings: [
        "smtp_dns_support_level = dnssec",
        "smtp_tls_security_level = dane",
        "smtp_tls_loglevel = 1",
      ],
    });
    const env = { MAIL_CONFIG: `${postfix.folder.path}/etc` };
    const [tool, ...words] = withResolvConf(resolvConf, [
      ...["posttls-finger", "-c", "-l", "dane", "-o", "inet_protocols=ipv4"] as const,
    ]);
    const good = await run(tool, [...words, `dane.test:${port}`], { env });
    assertMatch(good.text, /Verified TLS connection established to mx\.dane\.test/);
    const bad = await run(tool, [...words, `wrong.dane.test:${port}`], { env });
    assertMatch(bad.text, /(?:Untrusted|Server certificate not verified)/i);

    const mail = new TextEncoder().encode("Subject: by DANE\n\nhello\n");
    await postfix.sendmail(["-f", "bob@postfix.test", alice, eve], mail);
    await postfix.logged(/Verified TLS connection established to mx\.dane\.test/);
    await postfix.logged(/to=<eve@wrong\.dane\.test>.*status=deferred \(Server certificate not/);
    assertEquals((await untilMail(station.maildir(alice), 1, postfix.log)).length, 1);
  },
);

interopTest("a certificate shown without its key convinces nobody", ["openssl"], async () => {
  await using folder = await makeTemporaryFolder();
  const { key, chain } = await makeChain(folder, ["mx.dane.test"]);
  // An EC key in DER (RFC 5915) has its public half beside the secret one, which alone is changed: so the certificate
  // still seems to belong to it.
  const file = `${folder.path}/forged.der`;
  assertEnded(await run("openssl", ["ec", "-in", key, "-outform", "DER", "-out", file]));
  const forged = await Deno.readFile(file);
  assertEquals(forged.slice(5, 7), Uint8Array.of(0x04, 0x20));
  forged[38]! ^= 1;
  await Deno.writeFile(file, forged);
  const { network } = denoRuntime();
  const shake = async (form: string, path: string) => {
    const port = findFreePort();
    const args = ["-accept", `${port}`, "-cert", chain, "-key", path, "-keyform", form, "-www"];
    await using _ = await startDaemon("openssl", { args: ["s_server", ...args], port });
    const plain = await network.connect({ transport: "tcp", hostname: "127.0.0.1", port });
    const options = { serverName: "mx.dane.test", verify: false, inspect: () => null };
    const secured = await plain.startTlsClient(options).catch((error) => errorCode(error));
    if (typeof secured !== "object") return secured;
    secured.close();
    return "secured";
  };
  assertEquals(await shake("PEM", key), "secured");
  assertEquals(await shake("DER", file), "EPROTO");
});

/** `3 1 1` of a certificate. */
function tlsaOf(pem: string): string {
  const spki = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
  return `3 1 1 ${createHash("sha256").update(spki).digest("hex")}`;
}
