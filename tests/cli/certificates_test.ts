import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { CertificateFiles } from "../../src/cli/certificate_files.ts";
import { CommandError } from "../../src/cli/exit.ts";
import { keepLocalCertificate } from "../../src/cli/local_certificate.ts";
import { readPemPair } from "../../src/config/pem.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { Folder } from "./program.ts";
import { mxCertificate, otherCertificate } from "../support/certificates.ts";

const NOW = Date.UTC(2026, 10, 22);
const YEAR = 365 * 24 * 60 * 60 * 1000;

Deno.test("readPemPair() takes a pair that belongs together, whatever stands around it", () => {
  const { certificate, key } = mxCertificate;
  const both = `a note\n${key}\n${certificate}\nanother`;
  const read = readPemPair(both, both);
  assert(read.status === "good");
  assertEquals(read.pair.key.trim(), key.trim());
  assertEquals(read.pair.certificate.trim(), certificate.trim());
  assertEquals(new Date(read.expires).getUTCFullYear(), 2120);
  assertMatch(read.names, /mx\.example\.test/);
});

const GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

const BAD: readonly (readonly [string, string, string, "certificate" | "key", RegExp])[] = [
  ["no certificate", "", mxCertificate.key, "certificate", /holds no CERTIFICATE/],
  ["no key", mxCertificate.certificate, "hello", "key", /holds no PRIVATE KEY/],
  ["a broken certificate", GARBAGE, mxCertificate.key, "certificate", /cannot be read/],
  [
    "a broken chain",
    mxCertificate.certificate + GARBAGE,
    mxCertificate.key,
    "certificate",
    /cannot be read/,
  ],
  [
    "a broken key",
    mxCertificate.certificate,
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "key",
    /cannot be read/,
  ],
  ["another's key", mxCertificate.certificate, otherCertificate.key, "key", /does not belong/],
  [
    "an encrypted key",
    mxCertificate.certificate,
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "key",
    /is encrypted/,
  ],
];

for (const [what, certificate, key, part, reason] of BAD) {
  Deno.test(`readPemPair() refuses ${what}`, () => {
    const read = readPemPair(certificate, key);
    assert(read.status === "bad");
    assertEquals(read.part, part);
    assertMatch(read.reason, reason);
  });
}

Deno.test("keepLocalCertificate() makes a certificate for the names, for its owner only, and keeps it", async () => {
  await using scratch = await Folder.make();
  const folder = scratch.path;
  const tls = `${folder}/tls`;
  const made = await keepLocalCertificate(tls, ["localhost", "127.0.0.1", "::1"], NOW);
  assertEquals(made.replaced, null);
  const certificate = new X509Certificate(made.pair.certificate);
  assertEquals(certificate.checkHost("localhost"), "localhost");
  assertEquals(certificate.checkIP("127.0.0.1"), "127.0.0.1");
  assertEquals(certificate.checkIP("::1"), "::1");
  assertEquals(certificate.ca, false);
  assertEquals(certificate.verify(certificate.publicKey), true);
  assertEquals(certificate.publicKey.asymmetricKeyDetails, { namedCurve: "prime256v1" });
  assert(Date.parse(certificate.validFrom) < NOW);
  assert(Date.parse(certificate.validTo) > NOW + 9 * YEAR);
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(tls)).mode! & 0o777, 0o700);
    assertEquals((await Deno.stat(`${tls}/key.pem`)).mode! & 0o777, 0o600);
  }
  const kept = await keepLocalCertificate(tls, ["localhost"], NOW + YEAR);
  assertEquals(kept.pair, made.pair);
  assertEquals(kept.replaced, null);
});

Deno.test("keepLocalCertificate() replaces one that has expired, and says so", async () => {
  await using scratch = await Folder.make();
  const tls = scratch.path;
  const made = await keepLocalCertificate(tls, ["localhost"], NOW - 11 * YEAR);
  const replaced = await keepLocalCertificate(tls, ["localhost"], NOW);
  assertMatch(replaced.replaced!, /expired on 2025-11-/);
  assertNotEquals(replaced.pair.key, made.pair.key);
  assertEquals((await keepLocalCertificate(tls, ["localhost"], NOW)).pair, replaced.pair);
});

Deno.test("keepLocalCertificate() replaces one that cannot be read, and says why", async () => {
  await using scratch = await Folder.make();
  const tls = scratch.path;
  await keepLocalCertificate(tls, ["localhost"], NOW);
  await Deno.writeTextFile(`${tls}/key.pem`, otherCertificate.key);
  const replaced = await keepLocalCertificate(tls, ["localhost"], NOW);
  assertMatch(replaced.replaced!, /key does not belong to the certificate/);
  assertEquals((await Deno.stat(`${tls}/key.pem`)).mode! & 0o777, 0o600);
});

Deno.test("CertificateFiles.load() reads all pairs in order and tells when they expire", async () => {
  await using scratch = await Folder.make();
  const folder = scratch.path;
  const paths = ["a", "b"].map((name) => ({
    certificate: `${folder}/${name}.crt`,
    key: `${folder}/${name}.key`,
  }));
  await Promise.all([mxCertificate, otherCertificate].map(async (pair, index) => {
    await Deno.writeTextFile(paths[index]!.certificate, pair.certificate);
    await Deno.writeTextFile(paths[index]!.key, pair.key);
  }));
  const files = new CertificateFiles(paths, denoRuntime().files);
  const pairs = await files.load();
  assertEquals(pairs.map(({ key }) => key.trim()), [
    mxCertificate.key.trim(),
    otherCertificate.key.trim(),
  ]);
  assertEquals(files.expiries.map(({ file }) => file), paths.map(({ certificate }) => certificate));
  assertEquals(new Date(files.expiries[0]!.expires).getUTCFullYear(), 2120);
  assertEquals(await files.changed(), false);

  await Deno.writeTextFile(paths[1]!.key, mxCertificate.key + "\n");
  assertEquals(await files.changed(), true);
  const error = await assertRejects(() => files.load(), CommandError);
  assertMatch(error.message, /key .*b\.key \(of .*b\.crt\) does not belong to the certificate/);
  assertEquals(error.exitCode, 65);
  assertEquals(await files.changed(), false);
});

Deno.test("CertificateFiles.load() names the file that is not there", async () => {
  await using scratch = await Folder.make();
  const folder = scratch.path;
  const files = new CertificateFiles(
    [{ certificate: `${folder}/x`, key: `${folder}/y` }],
    denoRuntime().files,
  );
  const error = await assertRejects(() => files.load(), CommandError);
  assertMatch(error.message, /cannot read .*\/x: it does not exist/);
  assertEquals(error.exitCode, 66);
});
