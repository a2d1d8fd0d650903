import { assertEquals } from "@std/assert";
import { checkPeer, tlsFault } from "../../src/delivery/peer_check.ts";
import type { StsGuard } from "../../src/delivery/tls_guard.ts";
import { CERTIFICATES } from "./dane_certificates.ts";

const policy = { mode: "enforce", mx: ["mx.example.test"], maxAge: 86_400 } as const;
const ENFORCE: StsGuard = { kind: "sts", domain: "example.test", mode: "enforce", policy };

/** What is found of a peer of whom the runtime says so, and whether that ends the connection. */
function find(
  code: string | null,
  now: number,
  guard = ENFORCE,
  name: keyof typeof CERTIFICATES = "ended",
) {
  const certificates = [Uint8Array.fromBase64(CERTIFICATES[name])];
  const check = () => code === null ? null : { code, text: "in words" };
  const { fault, counts } = checkPeer(guard, { certificates, check }, now);
  return [fault?.type ?? null, counts];
}

const LATER = Date.UTC(2030, 0, 1);
const THEN = Date.UTC(2026, 10, 24);
const UNKNOWN = "UNABLE_TO_VERIFY_LEAF_SIGNATURE";

Deno.test("checkPeer() goes by what the runtime says of a certificate, where MTA-STS is enforced", () => {
  assertEquals(find(null, THEN), [null, true]);
  assertEquals(find(UNKNOWN, THEN), ["certificate-not-trusted", true]);
  assertEquals(find("ERR_TLS_CERT_ALTNAME_INVALID", THEN), ["certificate-host-mismatch", true]);
  assertEquals(find("CERT_HAS_EXPIRED", THEN), ["certificate-expired", true]);
  const testing: StsGuard = { ...ENFORCE, mode: "testing" };
  assertEquals(find(UNKNOWN, THEN, testing), ["certificate-not-trusted", false]);
  const fault = tlsFault(undefined, "no mx of the policy");
  assertEquals(find(null, THEN, { ...ENFORCE, fault }), ["validation-failure", true]);
});

Deno.test("checkPeer() tells that a certificate has ended where the runtime does not", () => {
  assertEquals(find(UNKNOWN, LATER), ["certificate-expired", true]);
  assertEquals(find(UNKNOWN, LATER, ENFORCE, "server"), ["certificate-not-trusted", true]);
  // It is good, or of somebody else, all the same.
  assertEquals(find(null, LATER), [null, true]);
  assertEquals(find("ERR_TLS_CERT_ALTNAME_INVALID", LATER), ["certificate-host-mismatch", true]);
});
