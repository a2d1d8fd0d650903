/**
 * Renewal information (RFC 9773): what certificates are called, and what answers are read as; and that an authority is
 * asked over HTTPS.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { acmeAuthority } from "../../../src/cli/acme/authority.ts";
import { Proofs } from "../../../src/cli/acme/proofs.ts";
import { certificateId, readRenewalInfo } from "../../../src/cli/acme/renewal_info.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import { mxCertificate, testAuthority } from "../../support/certificates.ts";

const HOUR = 3_600_000;

/** RFC 9773 Appendix A. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`;

Deno.test("certificateId() is that of the RFC for its certificate", () => {
  // RFC 9773 §4.1.
  assertEquals(certificateId(new X509Certificate(EXAMPLE)), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
});

Deno.test("readRenewalInfo() takes windows only, and asks neither at once nor never", () => {
  const suggestedWindow = { start: "2025-01-02T04:00:00Z", end: "2025-01-03T04:00:00Z" };
  const window = { start: Date.UTC(2025, 0, 2, 4), end: Date.UTC(2025, 0, 3, 4) };
  const now = Date.UTC(2026, 0, 1);
  const pauses: readonly (readonly [unknown, number])[] = [
    ["21600", 6],
    ["1", 1],
    ["999999999999", 24],
    ["Thu, 01 Jan 2026 02:00:00 GMT", 2],
    ["Thu, 01 Jan 2004 02:00:00 GMT", 1],
    ["soon", 6],
    [undefined, 6],
  ];
  for (const [retryAfter, hours] of pauses) {
    const read = readRenewalInfo({ suggestedWindow }, retryAfter, now);
    assertEquals(read, { ...window, again: hours * HOUR }, `${retryAfter}`);
  }
  const { start, end } = suggestedWindow;
  const wrong = [
    ...[null, undefined, "", "{}", 7, [], {}, { suggestedWindow: null }, {
      suggestedWindow: "now",
    }],
    ...[{ start }, { start, end: start }, { start: end, end: start }, { start, end: {} }]
      .map((suggestedWindow) => ({ suggestedWindow })),
    // No text can be made of the first.
    ...[{ start, end: JSON.parse('{"toString":1,"valueOf":1}') }, { start: 2001, end: 2002 }]
      .map((suggestedWindow) => ({ suggestedWindow })),
  ];
  for (const body of wrong) assertEquals(readRenewalInfo(body, "60", now), null);
});

Deno.test("acmeAuthority() asks for renewal information where its directory has a place for it", async () => {
  const answers: Record<string, (port: string) => unknown> = {
    "/directory": (port) => ({ renewalInfo: `https://localhost:${port}/renewal-info/` }),
    "/renewal-info/aYhb.AIdl": () => ({
      suggestedWindow: { start: "2026-01-02T00:00:00Z", end: "2026-01-03T00:00:00Z" },
    }),
    "/older": () => ({ newOrder: "https://localhost/order" }),
    "/elsewhere": () => ({ renewalInfo: "http://localhost/renewal-info" }),
  };
  const { certificate: cert, key } = mxCertificate;
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", cert, key, onListen() {} },
    ({ url }) => {
      const answer = answers[new URL(url).pathname];
      if (answer === undefined) return new Response("no", { status: 404 });
      const body = JSON.stringify(answer(new URL(url).port));
      return new Response(body, { headers: { "retry-after": "7200" } });
    },
  );
  const ask = (path: string, id = "aYhb.AIdl") =>
    acmeAuthority({
      ...{ directory: `https://localhost:${server.addr.port}${path}`, challenge: "http-01" },
      ...{ programs: denoRuntime().programs, clock: denoRuntime().clock, proofs: new Proofs() },
      authorities: [testAuthority],
      onTrouble: () => {},
    }).renewalInfo(id, new AbortController().signal);
  const start = Date.UTC(2026, 0, 2);
  assertEquals(await ask("/directory"), { start, end: start + 24 * HOUR, again: 2 * HOUR });
  assertEquals([await ask("/older"), await ask("/elsewhere")], [null, null]);
  await assertRejects(() => ask("/directory", "unknown.AIdl"), Error, "404");
});
