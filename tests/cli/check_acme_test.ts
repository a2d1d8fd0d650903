/**
 * What `yizhan check` says of certificates that the server gets by itself.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { CertificateStore } from "../../src/cli/acme/certificate_store.ts";
import { checkAcme } from "../../src/cli/check/check_acme.ts";
import { coversName, readChain } from "../../src/cli/check/certificate_chain.ts";
import type { CheckContext } from "../../src/cli/check/finding.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { mxCertificate, otherCertificate } from "../support/certificates.ts";

const DAY = 86_400_000;
/** When those of the tests end. */
const END = Date.UTC(2120, 0, 1);

/** The findings, a line each, of a station whose folder holds this. */
async function check(
  prepare: (store: CertificateStore) => Promise<unknown>,
  { now = Date.UTC(2026, 0, 1), acme = {}, port = 80, certificates = [] as string[] } = {},
): Promise<string[]> {
  const data = await Deno.makeTempDir();
  const { files } = denoRuntime();
  const store = new CertificateStore(files, `${data}/acme`);
  await store.open();
  await prepare(store);
  const address = { transport: "tcp", hostname: "::", port };
  const found = await checkAcme({
    loaded: {
      config: {
        hostname: "mx.example.test",
        domains: [],
        web: { listeners: [{ address, tls: false }], mtaSts: { mode: "none", mx: [] } },
        tls: { certificates: certificates.map((certificate) => ({ certificate })) },
        acme: { names: [], challenge: "http-01", renewBefore: 30 * DAY, ...acme },
      },
      certificates: certificates.map(() => mxCertificate),
    },
    paths: { data },
    runtime: { files },
    ...{ now, server: null },
  } as unknown as CheckContext);
  await Deno.remove(data, { recursive: true });
  return found.map(({ level, message, advice }) => `${level}: ${message}; ${advice ?? ""}`);
}

const nothing = () => Promise.resolve();
const keep = (store: CertificateStore) => store.keep("mx.example.test", mxCertificate);
const fail = async (store: CertificateStore) => {
  await store.keepTemporary("mx.example.test", Date.UTC(2026, 0, 1));
  const failure = { times: 2, last: 0, reason: "the name leads nowhere" };
  await store.keepFailures(new Map([["mx.example.test", failure]]));
};

Deno.test("checkAcme() tells until when certificates are good, and what keeps one from coming", async () => {
  const cases: readonly (readonly [Promise<string[]>, RegExp])[] = [
    [check(nothing), /^ok: for mx\.example\.test: yizhan serve gets one/],
    [check(keep), /^ok: for mx\.example\.test: good for 343\d\d days, renewed about 2119-12-/],
    [
      check(keep, { now: END - 5 * DAY }),
      /^warning: that for .* expires on .*, and was not renewed/,
    ],
    [check(keep, { now: END + DAY }), /^error: that for mx\.example\.test expired on /],
    [
      check(fail),
      /^warning: no certificate for mx\.example\.test \(failed 2 times in a row\): the name leads nowhere; .*port 80/,
    ],
  ];
  for (const [found, says] of cases) {
    const [line, ...more] = await found;
    assertMatch(line!, says);
    assertEquals(more, []);
  }
});

Deno.test("checkAcme() tells of proofs that nobody will find, and of certificates that hide its own", async () => {
  const [port] = await check(nothing, { port: 8080 });
  assertMatch(port!, /^warning: authorities look for proofs by http-01 at port 80, where web does/);
  const [challenge] = await check(nothing, { acme: { challenge: "tls-alpn-01" } });
  assertMatch(challenge!, /^error: Deno's TLS cannot do tls-alpn-01/);
  const [shown] = await check(nothing, { certificates: ["tls/certificate.pem"] });
  assertMatch(shown!, /^warning: is shown for mx\.example\.test in place of that of acme/);
});

Deno.test("coversName() knows wildcards, of one label", () => {
  const [other] = readChain(otherCertificate.certificate); // *.other.test
  const names = ["a.other.test", "A.Other.Test", "other.test", "a.b.other.test", "*.other.test"];
  assertEquals(names.map((name) => coversName(other!, name)), [true, true, false, false, true]);
});
