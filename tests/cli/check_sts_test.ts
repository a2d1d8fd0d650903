/**
 * What `yizhan check` says of an enforced policy of MTA-STS beside the certificates.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { CertificateStore } from "../../src/cli/acme/certificate_store.ts";
import { checkSts } from "../../src/cli/check/check_sts.ts";
import type { CheckContext } from "../../src/cli/check/finding.ts";
import { makeCertificate } from "../../src/cli/local_certificate.ts";
import { type ConfigInput, configSchema } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { DnsNameRecords } from "../../src/runtime/dns_zones.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import type { TlsCertificate } from "../../src/runtime/tls.ts";
import { mxCertificate, otherCertificate } from "../support/certificates.ts";
import { Site } from "./site.ts";

const NOW = Date.UTC(2026, 10, 23);
/** That of the configuration's certificates, whatever they are. */
const FILES = { certificate: "mx.crt", key: "mx.key" };

interface World {
  readonly certificates?: readonly TlsCertificate[];
  readonly config?: Partial<ConfigInput>;
  readonly mtaSts?: NonNullable<ConfigInput["web"]>["mtaSts"];
  readonly dns?: Readonly<Record<string, DnsNameRecords>>;
  /** The folder of data. */
  readonly data?: string;
}

/** The findings, a line each. */
async function check(world: World): Promise<string[]> {
  const { certificates = [], config = {}, mtaSts = {}, dns = {}, data = "/nowhere" } = world;
  const resolver = new MemoryResolver();
  for (const [name, records] of Object.entries(dns)) resolver.set(name, records);
  const found = await checkSts({
    loaded: {
      config: configSchema.parse({
        hostname: "mx.example.test",
        domains: ["example.test"],
        listeners: [{ role: "mx", address: "[::]:25" }],
        tls: { certificates: certificates.map(() => FILES) },
        web: { mtaSts: { mode: "enforce", ...mtaSts } },
        ...config,
      }),
      certificates,
      at: (key: readonly string[], message: string, hint: string) => (
        { file: "f", line: 0, column: 0, key: key.join("."), message, hint }
      ),
    },
    users: null,
    paths: { data },
    runtime: { files: denoRuntime().files, resolver },
  } as unknown as CheckContext);
  for (const { level, key } of found) {
    assertEquals([level, key], ["warning", "web.mtaSts.mode"]);
  }
  return found.map(({ message }) => message);
}

Deno.test("checkSts() warns of an enforced policy that the certificate lets nobody obey", async () => {
  assertEquals(await check({ certificates: [mxCertificate] }), []);
  assertEquals(await check({ certificates: [otherCertificate, mxCertificate] }), []);
  const none =
    "enforce, and no certificate is for mx.example.test: who obeys the policy sends no mail here";
  assertEquals(await check({}), [none]);
  assertEquals(await check({ certificates: [otherCertificate] }), [none]);
  const own = await makeCertificate(["mx.example.test"], NOW);
  const [own_ = ""] = await check({ certificates: [own] });
  assertMatch(own_, /^enforce, and the certificate for mx\.example\.test is self-signed: /);
  // Of certificates that cannot be read the configuration tells.
  const tls = { certificates: [FILES, FILES] };
  assertEquals(await check({ certificates: [otherCertificate], config: { tls } }), []);
  // The first that fits is shown.
  assertEquals((await check({ certificates: [own, mxCertificate] })).length, 1);
  assertEquals(await check({ certificates: [mxCertificate, own] }), []);
});

Deno.test("checkSts() says nothing of a policy that is not enforced, or of other hosts' mail", async () => {
  for (const mode of ["testing", "none"] as const) {
    assertEquals(await check({ mtaSts: { mode } }), []);
  }
  assertEquals(await check({ config: { domains: [] } }), []);
  const listeners = [{ role: "submissions", address: "[::]:465" } as const];
  assertEquals(await check({ config: { listeners } }), []);
});

Deno.test("checkSts() takes the names of the MX that lead to this host", async () => {
  const dns = {
    "example.test": { mx: ["10 in.other.test", "20 backup.other.test", "30 a.b.other.test"] },
    "in.other.test": { a: ["192.0.2.25"] },
    "backup.other.test": { a: ["192.0.2.26"] },
    "a.b.other.test": { a: ["192.0.2.25"] },
    "mx.example.test": { a: ["192.0.2.25"] },
  };
  const mtaSts = { mx: ["*.other.test"] };
  assertEquals(await check({ certificates: [otherCertificate], mtaSts, dns }), []);
  assertMatch(
    (await check({ certificates: [mxCertificate], mtaSts, dns })).join(),
    /^enforce, and no certificate is for in\.other\.test: [^,]*$/,
  );
  // By the names that are written, where there is no MX yet; and by the addresses that are.
  const written = { mx: ["in.other.test"] };
  const { "in.other.test": at } = dns;
  const config = { addresses: ["192.0.2.25"] };
  const wanted = { certificates: [mxCertificate], mtaSts: written, config };
  assertEquals((await check({ ...wanted, dns: { "in.other.test": at } })).length, 1);
  assertEquals(await check(wanted), []);
  // Nobody is asked for names where nothing is sent on.
  const silent = { relay: { enabled: false } };
  assertEquals(await check({ ...wanted, config: silent, dns }), []);
  // Nor is the host's own name one of the policy's, or of the MX, unless it stands there.
  assertEquals(await check({ certificates: [otherCertificate], mtaSts, config: silent }), []);
  const both = { mx: ["*.other.test", "mx.example.test"] };
  assertEquals(await check({ certificates: [otherCertificate], mtaSts: both, dns }), []);
});

Deno.test("checkSts() looks at certificates of an authority by acme, and takes none for one that is not there yet", async () => {
  const data = await Deno.makeTempDir();
  try {
    const store = new CertificateStore(denoRuntime().files, `${data}/acme`);
    const acme = { agreeToTerms: true, challenge: "dns-01", dnsHook: "/hook" } as const;
    const world = { data, config: { acme } };
    assertMatch((await check(world)).join(), /no certificate is for mx\.example\.test/);
    await store.open();
    await store.keepTemporary("mx.example.test", NOW);
    assertMatch(
      (await check(world)).join(),
      /the certificate for mx\.example\.test is self-signed/,
    );
    await store.keep("mx.example.test", mxCertificate);
    assertEquals(await check(world), []);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("yizhan check warns of it at the key", async () => {
  await using site = await Site.make();
  await site.configure({
    domains: ["example.test"],
    tls: site.certificates("other"),
    web: { mtaSts: { mode: "enforce" } },
    relay: { enabled: false },
  });
  const { stdout } = await site.run(["check", "--quiet"]);
  assert(
    /yizhan\.yaml:\d+:\d+: web\.mtaSts\.mode: enforce, and no certificate is for mx\.example\.test/
      .test(stdout),
    stdout,
  );
});
