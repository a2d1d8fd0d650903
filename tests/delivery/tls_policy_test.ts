import { assertEquals } from "@std/assert";
import { afterTlsTrouble, tlsPlan } from "../../src/delivery/tls_policy.ts";
import type { MxRoute, SmarthostRoute, TlsLevel } from "../../src/routing/route.ts";

const RELAY = {
  family: "ipv6-first",
  allowAddresses: [],
  connections: 20,
  eightBit: "convert",
} as const;
const CREDENTIALS = { user: "alice", password: "wonderland" };

function mx(tls: TlsLevel): MxRoute {
  return { kind: "mx", domain: "example.org", port: 25, tls, ...RELAY };
}

function smarthost(tls: TlsLevel, more: Partial<SmarthostRoute> = {}): SmarthostRoute {
  const host = "smtp.example.org";
  return { kind: "smarthost", host, port: 587, implicitTls: false, tls, ...RELAY, ...more };
}

/** `starttls must verify`, in this order, what holds. */
function planned(route: MxRoute | SmarthostRoute, requireTls = false): string {
  const { start, mandatory, verify } = tlsPlan(route, requireTls);
  return [start, mandatory && "must", verify && "verify"].filter(Boolean).join(" ");
}

Deno.test("tlsPlan() takes the strictest of route, credentials, port and sender", () => {
  assertEquals(planned(mx("none")), "never");
  assertEquals(planned(mx("opportunistic")), "starttls");
  assertEquals(planned(mx("required")), "starttls must");
  assertEquals(planned(mx("verified")), "starttls must verify");
  assertEquals(planned(mx("none"), true), "starttls must verify");
  assertEquals(planned(smarthost("none")), "never");
  assertEquals(planned(smarthost("none", { implicitTls: true })), "implicit must");
  assertEquals(planned(smarthost("verified", { implicitTls: true })), "implicit must verify");
  assertEquals(planned(smarthost("none", { credentials: CREDENTIALS })), "starttls must verify");
  const allowed = { ...CREDENTIALS, allowUnverified: true };
  assertEquals(planned(smarthost("none", { credentials: allowed })), "starttls must");
  assertEquals(planned(smarthost("verified", { credentials: allowed })), "starttls must verify");
  assertEquals(tlsPlan(mx("opportunistic"), true).requireTls, true);
});

Deno.test("afterTlsTrouble() goes on in clear only where nothing was promised", () => {
  const offered = { kind: "not offered" } as const;
  const failed = { kind: "failed", error: "wrong name" } as const;
  assertEquals(afterTlsTrouble(tlsPlan(mx("opportunistic"), false), offered), "clear");
  assertEquals(afterTlsTrouble(tlsPlan(mx("opportunistic"), false), failed), "clear");
  for (const route of [mx("required"), smarthost("none", { credentials: CREDENTIALS })]) {
    for (const trouble of [offered, failed]) {
      const decided = afterTlsTrouble(tlsPlan(route, false), trouble);
      assertEquals(decided !== "clear" && decided.code, 451);
    }
  }
});
