import { assertEquals, assertStringIncludes } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problems.ts";
import { mxCertificate, otherCertificate, testAuthority } from "../support/certificates.ts";
import { load, problemsOf, SMALLEST, type TestFile, testMachine } from "./machine.ts";

const TEXT = `hostname: mx.example.test
listeners: [{ role: submission, address: "[::]:587" }]
tls:
  certificates:
    - certificate: tls/cert.pem
      key: tls/key.pem
relay:
  routes:
    - domains: ["*"]
      via:
        kind: smarthost
        host: smtp.example.net
        authorities: [ca.pem]
        credentials: { user: me, password: { file: secrets/smarthost } }
queue:
  srsSecret: { file: /run/secrets/srs }
acme:
  agreeToTerms: true
  challenge: dns-01
  dnsHook: /hook
  externalAccount: { keyId: me, hmacKey: { file: secrets/acme } }
`;

const FILES: Readonly<Record<string, string | TestFile>> = {
  "tls/cert.pem": { text: mxCertificate.certificate, mode: 0o644 },
  "tls/key.pem": mxCertificate.key,
  "ca.pem": { text: testAuthority, mode: 0o644 },
  "secrets/smarthost": "hunter2\n",
  "/run/secrets/srs": "0123456789abcdef\r\n",
  "secrets/acme": "aGVsbG8\n",
};

Deno.test("loadConfig() puts in what the files hold that are named", async () => {
  const { config, written, certificates, authorities, warnings } = await load(TEXT, {
    files: FILES,
  });
  const via = config.relay.routes[0]?.via;
  assertEquals(via?.kind === "smarthost" && via.credentials?.password, "hunter2");
  assertEquals(config.queue.srsSecret, "0123456789abcdef");
  assertEquals(config.acme?.externalAccount, { keyId: "me", hmacKey: "aGVsbG8" });
  assertEquals(written.queue.srsSecret, { file: "/run/secrets/srs" });
  assertEquals(certificates[0]?.key.trim(), mxCertificate.key.trim());
  assertEquals([...authorities], [["ca.pem", testAuthority]]);
  assertEquals(warnings, []);
});

Deno.test("loadConfig() finds the key of an external account in the folder of the configuration", async () => {
  const bound = "externalAccount: { keyId: me, hmacKey: { file: acme.key } }";
  const proof = "challenge: dns-01, dnsHook: /hook";
  const files = {
    "conf/y.yaml": `${SMALLEST}acme: { agreeToTerms: true, ${proof}, ${bound} }\n`,
    "conf/acme.key": "aGVsbG8\n",
  };
  const { config } = await loadConfig("conf/y.yaml", testMachine({ files }));
  assertEquals(config.acme?.externalAccount?.hmacKey, "aGVsbG8");
});

Deno.test("loadConfig() tells what is wrong with the files, where they are named", async () => {
  const files = {
    "tls/cert.pem": "hello",
    "tls/key.pem": mxCertificate.key,
    "ca.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "secrets/smarthost": "\n",
  };
  const lines = await problemsOf(TEXT, { files });
  assertEquals(lines.map((line) => line.replace(/(cannot be read): .*/, "$1")), [
    'yizhan.yaml:5:20: tls.certificates[0].certificate: "tls/cert.pem" holds no CERTIFICATE in PEM form',
    'yizhan.yaml:13:23: relay.routes[0].via.authorities[0]: "ca.pem" cannot be read',
    "yizhan.yaml:14:52: relay.routes[0].via.credentials.password.file: " +
    '"secrets/smarthost" is empty; wanted the secret',
    'yizhan.yaml:16:22: queue.srsSecret.file: "/run/secrets/srs" cannot be read',
    'yizhan.yaml:21:50: acme.externalAccount.hmacKey.file: "secrets/acme" cannot be read',
  ]);
  assertStringIncludes((await problemsOf(TEXT))[0]!, "cannot be read: it does not exist");
});

Deno.test("loadConfig() tells of a key that belongs to another certificate", async () => {
  const lines = await problemsOf(TEXT, {
    files: { ...FILES, "tls/key.pem": otherCertificate.key },
  });
  assertEquals(lines, [
    'yizhan.yaml:6:12: tls.certificates[0].key: "tls/key.pem" does not belong to the certificate; of a ' +
    "pair these print the same: openssl x509 -noout -pubkey -in tls/cert.pem; openssl pkey -pubout -in " +
    "tls/key.pem",
  ]);
});

Deno.test("loadConfig() warns of a certificate that has expired, and takes it", async () => {
  const { warnings, certificates } = await load(TEXT, { files: FILES, now: Date.UTC(2130, 0, 1) });
  assertEquals(certificates.length, 1);
  const [warning] = warnings.map(formatProblem);
  assertStringIncludes(
    warning!,
    'yizhan.yaml:5:20: tls.certificates[0].certificate: "tls/cert.pem" ',
  );
  assertStringIncludes(warning!, "expired on 2120-");
});

Deno.test("loadConfig() refuses a secret that everybody can read", async (t) => {
  const withMode = (mode: number) => ({ ...FILES, "secrets/smarthost": { text: "hunter2", mode } });
  await t.step("0644: a problem", async () => {
    assertEquals(await problemsOf(TEXT, { files: withMode(0o644) }), [
      "yizhan.yaml:14:52: relay.routes[0].via.credentials.password.file: " +
      '"secrets/smarthost" can be read by everybody; chmod 600 secrets/smarthost',
    ]);
  });
  await t.step("0640: a warning", async () => {
    const { warnings } = await load(TEXT, { files: withMode(0o640) });
    assertEquals(warnings.map(({ message }) => message), [
      '"secrets/smarthost" can be read by its group',
    ]);
  });
  await t.step("a key of TLS: a warning", async () => {
    const files = { ...FILES, "tls/key.pem": { text: mxCertificate.key, mode: 0o644 } };
    const { warnings } = await load(TEXT, { files });
    assertEquals(warnings.map(({ message }) => message), [
      '"tls/key.pem" can be read by everybody',
    ]);
  });
});

Deno.test("loadConfig() takes one line for a secret, and no more", async () => {
  for (const text of ["hunter2\nhunter3\n", "a\0b", "x".repeat(5000), Uint8Array.of(0xff, 0xfe)]) {
    const lines = await problemsOf(TEXT, { files: { ...FILES, "secrets/smarthost": { text } } });
    assertEquals(lines.length, 1);
    assertStringIncludes(lines[0]!, "relay.routes[0].via.credentials.password.file");
    assertEquals(/hunter|xxx/.test(lines[0]!), false);
  }
});
