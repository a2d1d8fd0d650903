/**
 * What testssl.sh finds in our TLS: by STARTTLS on the port for strangers and on submission, and from
 * the first octet on the third listener. Nothing of severity MEDIUM or worse, but for what is named
 * here with its reason.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startStation } from "./server.ts";
import { assertEnded, interopTest, makeTemporaryFolder, run } from "./support.ts";

/** What testssl.sh writes of one thing it looked at. */
interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** What counts, `WARN` being what could not be found out. */
const GRAVE = new Set(["MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN"]);

/** What may be found all the same. The certificate is one that the test made for itself. */
const ALLOWED: ReadonlyMap<string, string> = new Map([
  ["cert_chain_of_trust", "the test's certificate is signed by itself"],
  ["cert_trust", "the test's certificate names no host of DNS"],
  ["cert_expirationStatus", "the test's certificate lives two days"],
  ["cert_notAfter", "the same, said again"],
  ["cert_revocation", "no authority made it, so none can revoke it"],
  ["cert_ocspRevoked", "the same"],
  ["engine_problem", "Debian's openssl has no GOST engine"],
  ["RC4", "Debian's openssl cannot ask for RC4; the categories of ciphers are asked without it"],
  [
    "sessionresumption_ticket",
    "openssl of TLS 1.3 gets its tickets later than testssl.sh 3.0 looks",
  ],
  // Deno's TLS (rustls) lets the client choose among its ciphers, and has no switch for it. All it has
  // are AEAD with forward secrecy, so that there is no bad choice; `NOT_OFFERED` below holds it to that.
  ["cipher_order", "the client may choose: there are good ciphers only"],
]);

/** Ciphers of categories that must not be offered, whatever severity testssl.sh gives them. */
const NOT_OFFERED = [
  ...["SSLv2", "SSLv3", "TLS1", "TLS1_1"],
  ...["cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW"],
  ...["cipherlist_3DES_IDEA", "cipherlist_AVERAGE"],
];

/** What must be there, as testssl.sh says it: a scan that saw nothing found nothing. */
const OFFERED: ReadonlyMap<string, RegExp> = new Map([
  ["TLS1_2", /^offered/],
  ["TLS1_3", /^offered/],
  ["cipherlist_STRONG", /^offered/],
  ["PFS", /^offered/],
  ["secure_renego", /^supported/],
  ["secure_client_renego", /^not vulnerable/],
  ["heartbleed", /^not vulnerable/],
  ["CCS", /^not vulnerable/],
  ["ROBOT", /^(?:not vulnerable|Server does not support)/i],
  ["SWEET32", /^not vulnerable/],
  ["LUCKY13", /^not vulnerable/],
]);

/** How long a scan may take, in milliseconds: half a minute on a machine that has nothing else to do. */
const LIMIT = 600_000;

/** What testssl.sh finds at a port. */
async function scan(port: number, starttls: boolean): Promise<Finding[]> {
  await using folder = await makeTemporaryFolder();
  const file = `${folder.path}/findings.json`;
  const ran = await run("testssl", [
    ...["--openssl", "/usr/bin/openssl", "--warnings", "off", "--color", "0", "--quiet"],
    ...["--nodns", "none", "--ip", "127.0.0.1", "--jsonfile", file],
    // Protocols, ciphers, forward secrecy, preferences, defaults and all vulnerabilities.
    ...["-p", "-s", "-f", "-P", "-S", "-U", "--fast"],
    ...(starttls ? ["--starttls", "smtp"] : []),
    `127.0.0.1:${port}`,
  ], { limit: LIMIT, env: { TERM: "dumb" } });
  const text = await Deno.readTextFile(file).catch(() => assertEnded(ran, -1));
  return JSON.parse(text ?? "[]");
}

interopTest(
  "testssl.sh finds nothing in STARTTLS and in implicit TLS",
  ["testssl", "openssl"],
  async () => {
    await using station = await startStation({
      users: { "alice@example.test": "correct horse" },
      listeners: ["mx", "submission", "submissions"],
    });
    const listeners = ["mx", "submission", "submissions"];
    const scans = await Promise.all(listeners.map(async (listener) => {
      const { port } = station.endpoint(listener);
      return [listener, await scan(port, listener !== "submissions")] as const;
    }));
    for (const [listener, findings] of scans) {
      const of = (id: string) => findings.find((one) => one.id === id)?.finding ?? "not looked at";
      for (const id of NOT_OFFERED) {
        assertEquals(/^not offered/.test(of(id)), true, `${listener}: ${id}: ${of(id)}`);
      }
      for (const [id, said] of OFFERED) {
        assert(said.test(of(id)), `${listener}: ${id}: ${of(id)}`);
      }
      const grave = findings.filter(({ id, severity }) =>
        GRAVE.has(severity) && !ALLOWED.has(id.split(" ")[0]!)
      );
      assertEquals(grave, [], listener);
    }
  },
);
