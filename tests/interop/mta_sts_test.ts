/**
 * MTA-STS and reports of TLS among others: Knot answers for the domains, Deno's web server has their policies, Postfix
 * takes their mail, with a certificate as it should be and with a wrong one. The server is started as its operator
 * does it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { Client, type Program } from "../cli/program.ts";
import { Site } from "../cli/site.ts";
import { until } from "./daemon.ts";
import { startKnot } from "./knot.ts";
import { readMaildir } from "./maildir.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import {
  assertEnded,
  encodeBase64,
  interopTest,
  makeTemporaryFolder,
  run,
  runPython,
  type TemporaryFolder,
} from "./support.ts";

const MAIL = "Subject: hello\r\n\r\nHello, Bob.";

/** A zone of a domain with a policy, which wants reports. */
const zone = (web: string) => `
@ MX 10 mx
mx A 127.0.0.1
_mta-sts TXT "v=STSv1; id=20261123;"
mta-sts A ${web}
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@report.test"
`;

/** An authority, and certificates that it signed. */
class Authority {
  readonly path: string;
  readonly #folder: TemporaryFolder;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
    this.path = `${folder.path}/ca.crt`;
  }

  static async make(folder: TemporaryFolder): Promise<Authority> {
    const { path } = folder;
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    args.push("-days", "2", "-subj", "/CN=An Authority", "-addext", "keyUsage=keyCertSign");
    assertEnded(
      await run("openssl", [...args, "-keyout", `${path}/ca.key`, "-out", `${path}/ca.crt`]),
    );
    return new Authority(folder);
  }

  /** A certificate for some names; its files are named after the first. */
  async sign(...names: readonly string[]): Promise<{ certificate: string; key: string }> {
    const { path } = this.#folder;
    const [certificate, key] = ["crt", "key"].map((end) => `${path}/${names[0]}.${end}`);
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    args.push("-CA", `${path}/ca.crt`, "-CAkey", `${path}/ca.key`, "-days", "2");
    args.push("-subj", `/CN=${names[0]}`, "-addext", "basicConstraints=critical,CA:FALSE");
    args.push("-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`);
    assertEnded(await run("openssl", [...args, "-keyout", key!, "-out", certificate!]));
    return { certificate: certificate!, key: key! };
  }
}

/** A web server at port 443 of an address of this machine that nobody else has. */
function startWeb(address: string, cert: string, key: string) {
  const asked: string[] = [];
  const server = Deno.serve(
    { hostname: address, port: 443, cert, key, onListen: () => {}, onError: () => new Response() },
    (request) => {
      asked.push(request.url);
      const domain = new URL(request.url).hostname.replace(/^mta-sts\./, "");
      return new Response(
        `version: STSv1\nmode: enforce\nmx: mx.${domain}\nmax_age: 86400\nadded: later\n`,
        { headers: { "content-type": "text/plain; charset=utf-8" } },
      );
    },
  );
  return { asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** The next event of a type. */
// deno-lint-ignore no-explicit-any
async function event(program: Program, type: string): Promise<any> {
  return JSON.parse(await program.stdoutLine(new RegExp(`"type":"${type.replace(".", "\\.")}"`)));
}

async function send(port: number, to: string): Promise<void> {
  using client = await Client.connect(port);
  await client.say("EHLO client.test", 250);
  await client.send("alice@example.test", to, MAIL);
}

/** Makes the results of today those of the day before yesterday, whose reports are long due. */
async function age(folder: string): Promise<string> {
  const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10);
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.rename(`${folder}/${name}`, `${folder}/${name.replace(/^\d{4}-\d\d-\d\d/, day)}`);
  }
  return day;
}

/** RFC 8460 §4.4: the names, and what kind of value each has. */
const SHAPE: Readonly<Record<string, RegExp>> = {
  "organization-name": /^string$/,
  "date-range": /^object$/,
  "date-range.start-datetime": /^string$/,
  "date-range.end-datetime": /^string$/,
  "contact-info": /^string$/,
  "report-id": /^string$/,
  "policies": /^list$/,
  "policies[]": /^object$/,
  "policies[].policy": /^object$/,
  "policies[].policy.policy-type": /^string$/,
  "policies[].policy.policy-string": /^list$/,
  "policies[].policy.policy-string[]": /^string$/,
  "policies[].policy.policy-domain": /^string$/,
  "policies[].policy.mx-host": /^list$/,
  "policies[].policy.mx-host[]": /^string$/,
  "policies[].summary": /^object$/,
  "policies[].summary.total-successful-session-count": /^number$/,
  "policies[].summary.total-failure-session-count": /^number$/,
  "policies[].failure-details": /^list$/,
  "policies[].failure-details[]": /^object$/,
  "policies[].failure-details[].result-type": /^string$/,
  "policies[].failure-details[].sending-mta-ip": /^string$/,
  "policies[].failure-details[].receiving-mx-hostname": /^string$/,
  "policies[].failure-details[].receiving-ip": /^string$/,
  "policies[].failure-details[].failed-session-count": /^number$/,
  "policies[].failure-details[].failure-reason-code": /^string$/,
};

/** Fails unless a value has names and kinds of {@link SHAPE} only. */
function assertShape(value: unknown, at = ""): void {
  const kind = Array.isArray(value) ? "list" : typeof value;
  if (at !== "") assertMatch(kind, SHAPE[at] ?? /^nothing$/, at);
  if (Array.isArray(value)) {
    for (const item of value) assertShape(item, `${at}[]`);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      assertShape(item, at === "" ? name : `${at}.${name}`);
    }
  }
}

/** What `peers/tls_report.py` reads of a report. */
interface ReadReport {
  readonly signed: boolean;
  readonly type: string;
  readonly subject: string;
  readonly domain: string;
  readonly submitter: string;
  readonly file: string;
  // deno-lint-ignore no-explicit-any
  readonly report: any;
}

interopTest(
  "MTA-STS beside Knot, a web server and Postfix: mail goes to a right certificate, waits before a wrong one, and both are in the reports",
  ["knotd", "openssl", "python3", ...POSTFIX],
  async () => {
    await using folder = await makeTemporaryFolder();
    await Deno.chmod(folder.path, 0o755);
    const authority = await Authority.make(folder);
    const octet = () => 1 + Math.floor(Math.random() * 254);
    const web = `127.${octet()}.${octet()}.${octet()}`;
    const site443 = await authority.sign("mta-sts.good.test", "mta-sts.bad.test");
    const [goodPair, wrongPair] = [
      await authority.sign("mx.good.test"),
      await authority.sign("mx.elsewhere.test"),
    ];
    await using server = startWeb(
      web,
      await Deno.readTextFile(site443.certificate),
      await Deno.readTextFile(site443.key),
    );
    const chain = ({ key, certificate }: typeof goodPair) =>
      `smtpd_tls_chain_files = ${key}, ${certificate}`;
    await using good = await startPostfix({
      mailboxes: ["bob@good.test", "tls@report.test"],
      tls: "mx.good.test",
      settings: [chain(goodPair)],
    });
    await using bad = await startPostfix({
      mailboxes: ["bob@bad.test"],
      tls: "mx.bad.test",
      settings: [chain(wrongPair)],
    });
    await using knot = await startKnot({
      "good.test": zone(web),
      "bad.test": zone(web),
      "report.test": "@ MX 10 mx\nmx A 127.0.0.1\n",
    });
    await using site = await Site.make();
    await Deno.mkdir(`${site.path}/dkim/example.test`, { recursive: true });
    const keyFile = `${site.path}/dkim/example.test/yizhan.pem`;
    assertEnded(await run("openssl", ["genrsa", "-out", keyFile, "2048"]));
    const way = (domains: string[], port: number) => ({
      domains,
      via: {
        kind: "mx" as const,
        port,
        allowAddresses: ["127.0.0.0/8"],
        authorities: [authority.path],
      },
    });
    const config: Partial<ConfigInput> = {
      relay: {
        from: ["127.0.0.1/32"],
        nameServers: [`${knot.server.address}:${knot.server.port}`],
        routes: [way(["bad.test"], bad.port), way(["*"], good.port)],
      },
      reports: { tls: { contact: "postmaster@example.test", organization: "Example" } },
    };

    let waiting = "";
    {
      const { program, ports } = await site.start(config);
      await using _ = program;
      await send(ports[0]!, "bob@good.test");
      const done = await event(program, "delivery.done");
      assertEquals([done.recipient, done.tls], ["bob@good.test", "TLSv1.3, MTA-STS"]);
      await send(ports[0]!, "bob@bad.test");
      const deferred = await event(program, "delivery.deferred");
      assertMatch(
        deferred.reply,
        /^451 4\.7\.5 .*mx\.bad\.test.*MTA-STS requires a valid certificate/,
      );
      waiting = deferred.message;
      assertEquals(server.asked.length, 2);

      const shown = await site.run(["queue", "show", waiting]);
      assertStringIncludes(shown.stdout, "MTA-STS requires a valid certificate");
      const plain = await site.run(["explain", "bob@bad.test", "--from", "alice@example.test"]);
      assertStringIncludes(plain.stdout, "MTA-STS of bad.test (enforce)");
      const connected = await site.run(
        ["explain", "bob@bad.test", "--from", "alice@example.test", "--connect"],
      );
      assertMatch(connected.stdout, /MTA-STS requires a valid certificate/);
      assertEquals(server.asked.length, 2); // what the server keeps is enough

      program.signal("SIGTERM");
      assertEquals((await program.ended()).code, 0);
    }
    assertEquals((await bad.log()).includes("from=<"), false); // no mail was begun there
    assertEquals((await readMaildir(good.maildir("bob@good.test"))).length, 1);

    const kept = JSON.parse(await Deno.readTextFile(`${site.path}/mta-sts/bad.test.json`));
    assertEquals([kept.domain, kept.id], ["bad.test", "20261123"]);
    const day = await age(`${site.path}/tls-reports`);

    const { program } = await site.start(config);
    await using _ = program;
    const sent = [await event(program, "report.sent"), await event(program, "report.sent")];
    assertEquals(sent.map(({ domain, targets }) => [domain, targets]).toSorted(), [
      ["bad.test", ["tls@report.test"]],
      ["good.test", ["tls@report.test"]],
    ]);
    const mails = await until("two reports", async () => {
      const mails = await readMaildir(good.maildir("tls@report.test")).catch(() => []);
      return mails.length === 2 ? mails : null;
    }, { log: () => good.log() });

    const publicKey = await run("openssl", ["rsa", "-in", keyFile, "-pubout", "-outform", "DER"]);
    const reports = new Map<string, ReadReport>();
    for (const { octets } of mails) {
      const read = await runPython<ReadReport>("tls_report.py", {
        mail: encodeBase64(octets),
        name: "yizhan._domainkey.example.test",
        record: `v=DKIM1; k=rsa; s=tlsrpt; p=${encodeBase64(publicKey.stdout)}`,
      });
      reports.set(read.domain, read);
      assertEquals(read.signed, true);
      assertEquals([read.type, read.submitter], ["multipart/report; tlsrpt", "example.test"]);
      assertMatch(
        read.subject,
        new RegExp(`^Report Domain: ${read.domain} Submitter: example\\.test Report-ID: <.+@.+>$`),
      );
      assertMatch(
        read.file,
        new RegExp(`^example\\.test!${read.domain}!\\d+!\\d+!\\w+\\.json\\.gz$`),
      );
      assertShape(read.report);
      assertEquals(read.report["date-range"], {
        "start-datetime": `${day}T00:00:00Z`,
        "end-datetime": `${day}T23:59:59Z`,
      });
    }
    const policyOf = (domain: string) => ({
      "policy-type": "sts",
      "policy-string": ["version: STSv1", "mode: enforce", `mx: mx.${domain}`, "max_age: 86400"],
      "policy-domain": domain,
      "mx-host": [`mx.${domain}`],
    });
    const [well] = reports.get("good.test")!.report.policies;
    assertEquals(well, {
      "policy": policyOf("good.test"),
      "summary": { "total-successful-session-count": 1, "total-failure-session-count": 0 },
    });
    const [wrong] = reports.get("bad.test")!.report.policies;
    assertEquals(wrong.policy, policyOf("bad.test"));
    const { "total-successful-session-count": none, "total-failure-session-count": failures } =
      wrong.summary;
    assert(none === 0 && failures >= 1, JSON.stringify(wrong.summary));
    const [detail] = wrong["failure-details"];
    assertEquals(
      [detail["result-type"], detail["receiving-mx-hostname"], detail["receiving-ip"]],
      ["certificate-host-mismatch", "mx.bad.test", "127.0.0.1"],
    );
    assertEquals(detail["sending-mta-ip"], "127.0.0.1");
  },
);
