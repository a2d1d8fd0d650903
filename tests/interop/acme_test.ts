/**
 * Certificates by ACME, from Pebble: by all three ways to prove a name, shown by STARTTLS and by the site at once; and
 * what the site then tells mail programs and other servers, asked by curl.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import { acmeAuthority } from "../../src/cli/acme/authority.ts";
import { Proofs } from "../../src/cli/acme/proofs.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { until } from "./daemon.ts";
import { type Pebble, startPebble } from "./pebble.ts";
import { startStation } from "./server.ts";
import { assertEnded, interopTest, run, type TemporaryFolder } from "./support.ts";

/** The single binary, whose TLS is another one, is what is tried. */
const BY_TLS = Deno.env.has("TEST_COMMAND");

const TOOLS = ["pebble", "pebble-challtestsrv", "openssl", "curl"];

/** A station that gets its certificates from an authority. */
async function startCertified(
  pebble: Pebble,
  acme: (folder: TemporaryFolder) => Partial<ConfigInput["acme"]>,
  runs?: string,
  env: Readonly<Record<string, string>> = {},
) {
  return await startStation({
    env,
    users: { "alice@example.test": "wonderland" },
    listeners: ["mx", "submission"],
    ...(runs !== undefined && { runs }),
    more: (folder) => ({
      tls: { certificates: [] },
      // Where the program has no permissions that would have to be more then.
      ...(BY_TLS && { workers: 2 }),
      acme: {
        agreeToTerms: true,
        directory: pebble.directory,
        authorities: [copied(pebble.root, folder)],
        ...acme(folder),
      },
      web: {
        listeners: [
          { address: `127.0.0.1:${pebble.tlsPort}` },
          { address: `127.0.0.1:${pebble.httpPort}`, tls: false },
        ],
        mtaSts: { mode: "enforce" },
        imap: {},
      },
    }),
  });
}

/** The station may read in its folder only. */
function copied(file: string, folder: TemporaryFolder): string {
  const path = `${folder.path}/root.pem`;
  Deno.copyFileSync(file, path);
  return path;
}

type Station = Awaited<ReturnType<typeof startCertified>>;

/** Who signed the certificate that a port shows for a name. */
async function issuerAt(port: number, name: string, ...more: readonly string[]): Promise<string> {
  const shown = await run("openssl", [
    ...["s_client", "-connect", `127.0.0.1:${port}`, "-servername", name, ...more],
  ], { input: "QUIT\n" });
  return /^issuer=(.*)$/m.exec(decode(shown.stdout))?.[1] ?? "";
}

async function untilCertified(station: Station, pebble: Pebble, name: string): Promise<void> {
  const { port } = station.endpoint("mx");
  await until(`${name} has a certificate of the authority`, async () => {
    return (await issuerAt(port, name, "-starttls", "smtp")).includes("Pebble");
  }, { log: () => pebble.log() + station.said() });
}

/** Writes the program that publishes records. */
function writeHook(folder: TemporaryFolder, script: string): string {
  const path = `${folder.path}/hook`;
  Deno.writeTextFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  return path;
}

interopTest(
  "an authority's certificate is shown, once names are proved by HTTP",
  TOOLS,
  async () => {
    await using pebble = await startPebble();
    const names = ["mx.example.test", "mta-sts.example.test"];
    await using station = await startCertified(pebble, () => ({ names }));
    for (const name of names) await untilCertified(station, pebble, name);
    // Whichever thread takes the connection.
    await until("every thread shows it", async () => {
      const { port } = station.endpoint("mx");
      const shown = await Promise.all(
        Array.from({ length: 8 }, () => issuerAt(port, names[0]!, "-starttls", "smtp")),
      );
      return shown.every((issuer) => issuer.includes("Pebble"));
    });
    assertStringIncludes(await issuerAt(pebble.tlsPort, "mta-sts.example.test"), "Pebble");
    for (const file of ["account.json", "mx.example.test.pem"]) {
      const { mode } = await Deno.stat(`${station.folder.path}/acme/${file}`);
      assertEquals(mode! & 0o777, 0o600, file);
    }
    const page = async (host: string, path: string, ...more: string[]) => {
      const place = `${host}:${pebble.tlsPort}`;
      const asked = await run("curl", [
        ...["--silent", "--insecure", "--fail", "--resolve", `${place}:127.0.0.1`, ...more],
        `https://${place}${path}`,
      ]);
      assertEnded(asked);
      return decode(asked.stdout);
    };
    assertEquals(
      await page("mta-sts.example.test", "/.well-known/mta-sts.txt"),
      "version: STSv1\r\nmode: enforce\r\nmx: mx.example.test\r\nmax_age: 604800\r\n",
    );
    const config = await page("autoconfig.example.test", "/mail/config-v1.1.xml");
    assertStringIncludes(config, "<hostname>mx.example.test</hostname>");
    const question = "<Autodiscover><Request><EMailAddress>alice@example.test</EMailAddress>" +
      "</Request></Autodiscover>";
    const answer = await page(
      "autodiscover.example.test",
      "/autodiscover/autodiscover.xml",
      ...["--data", question],
    );
    assertStringIncludes(answer, "<LoginName>alice@example.test</LoginName>");
  },
);

interopTest(
  "an authority is known by the roots of the system",
  TOOLS,
  async () => {
    await using pebble = await startPebble();
    // What Deno and what Bun adds to them.
    const env = { DENO_CERT: pebble.root, NODE_EXTRA_CA_CERTS: pebble.root };
    await using station = await startCertified(pebble, () => ({ authorities: [] }), undefined, env);
    await untilCertified(station, pebble, "mx.example.test");
  },
);

interopTest(
  "an authority that opens accounts for its customers only is told who its customer is",
  TOOLS,
  async () => {
    const hmacKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    await using pebble = await startPebble({ "customer-1": hmacKey });
    const bound = (folder: TemporaryFolder, key: string) => {
      Deno.writeTextFileSync(`${folder.path}/eab.key`, `${key}\n`, { mode: 0o600 });
      return { externalAccount: { keyId: "customer-1", hmacKey: { file: "eab.key" } } };
    };
    {
      await using station = await startCertified(pebble, (folder) => bound(folder, hmacKey));
      await untilCertified(station, pebble, "mx.example.test");
      const account = await Deno.readTextFile(`${station.folder.path}/acme/account.json`);
      assertEquals(JSON.parse(account).boundTo, "customer-1");
      assertEquals(account.includes(hmacKey), false);
    }
    // Some take a binding once only: who has an account does without.
    const open = (key: string | null, hmacKey: string) =>
      acmeAuthority({
        ...{ directory: pebble.directory, challenge: "http-01", proofs: new Proofs() },
        externalAccount: { keyId: "customer-1", hmacKey },
        authorities: [Deno.readTextFileSync(pebble.root)],
        ...{ programs: denoRuntime().programs, clock: denoRuntime().clock },
        onTrouble: () => {},
      }).openAccount(key, new AbortController().signal);
    const account = await open(null, hmacKey);
    assertEquals(await open(account.key, btoa("spent")), account);
    for (const wrong of [null, btoa("somebody else's key, as long as a key is")]) {
      const account = (folder: TemporaryFolder) => wrong === null ? {} : bound(folder, wrong);
      await using station = await startCertified(pebble, account);
      await until("the authority refuses", () => {
        const told = /no certificate for mx\.example\.test: .*[Ee]xternal ?[Aa]ccount ?[Bb]inding/;
        return Promise.resolve(told.test(station.said()));
      }, { log: station.said });
    }
  },
);

interopTest(
  "an order that fails is told, and what the authority said of it",
  TOOLS,
  async () => {
    await using pebble = await startPebble();
    const names = ["lost.example.test", "mx.example.test"];
    // Where nobody of ours listens.
    const elsewhere = { host: "lost.example.test", addresses: ["127.0.0.9"] };
    const body = JSON.stringify(elsewhere);
    assertEquals((await fetch(`${pebble.records}/add-a`, { method: "POST", body })).status, 200);
    await using station = await startCertified(pebble, () => ({ names }));
    await untilCertified(station, pebble, "mx.example.test");
    await until("the other one has failed", () => {
      const told = /no certificate for lost\.example\.test: .*refused.*; tried again in 15 min/;
      return Promise.resolve(told.test(station.said()));
    }, { log: station.said });
    const failures = await Deno.readTextFile(`${station.folder.path}/acme/failures.json`);
    assertEquals(Object.keys(JSON.parse(failures)), ["lost.example.test"]);
  },
);

interopTest(
  BY_TLS
    ? "an authority's certificate is shown, once names are proved by TLS"
    : "names are not proved by TLS where Deno's TLS cannot: serve says so, and what can",
  TOOLS,
  async () => {
    await using pebble = await startPebble();
    const starting = startCertified(pebble, () => ({ challenge: "tls-alpn-01" }));
    if (!BY_TLS) {
      const { message } = await assertRejects(() => starting, Error);
      assertStringIncludes(message, "use http-01 or dns-01, or the single binary");
      return;
    }
    await using station = await starting;
    await untilCertified(station, pebble, "mx.example.test");
  },
);

interopTest(
  "an authority's certificate is shown, once names are proved by DNS",
  TOOLS,
  async () => {
    await using pebble = await startPebble();
    const hook = (folder: TemporaryFolder) =>
      writeHook(
        folder,
        `echo "$1 $2" >>"${folder.path}/hook.log"
case "$1" in
add) body="{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}" place=set-txt ;;
remove) body="{\\"host\\":\\"$2.\\"}" place=clear-txt ;;
esac
exec curl --silent --fail --data "$body" ${pebble.records}/$place`,
      );
    await using station = await startCertified(pebble, (folder) => ({
      challenge: "dns-01",
      dnsHook: hook(folder),
    }), "hook");
    await untilCertified(station, pebble, "mx.example.test");
    await until("the record is taken away", async () => {
      const log = await Deno.readTextFile(`${station.folder.path}/hook.log`);
      return log.includes("remove _acme-challenge.mx.example.test");
    });
  },
);

interopTest(
  "a server that stops in the middle of an order ends at once, and its program with it",
  TOOLS,
  async () => {
    await using pebble = await startPebble();
    const hook = (folder: TemporaryFolder) =>
      writeHook(folder, `echo $$ >"${folder.path}/pid"\nexec sleep 600`);
    await using station = await startCertified(pebble, (folder) => ({
      challenge: "dns-01",
      dnsHook: hook(folder),
    }), "hook");
    const read = (file: string) => Deno.readTextFile(`${station.folder.path}/${file}`);
    await until(
      "the program runs",
      async () => (await read("pid").catch(() => "")).endsWith("\n"),
      {
        log: station.said,
      },
    );
    const pid = (await read("pid")).trim();
    assertEquals(await station.stop(), 0);
    await until("the program is gone", async () => (await run("ps", ["-p", pid])).code !== 0);
    const { times, reason } = JSON.parse(await read("acme/failures.json"))["mx.example.test"];
    assertEquals([times, reason], [1, "the server ended in the middle of it"]);
  },
);
