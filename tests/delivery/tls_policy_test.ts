import { assertEquals } from "@std/assert";
import type { DaneGuard } from "../../src/delivery/tls_guard.ts";
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

Deno.test("tlsPlan() makes a lax way strict by what guards a host, and never a strict one lax", () => {
  const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  const dane: DaneGuard = { kind: "dane", base: "x.test", names: ["x.test"], records: [record] };
  const useless: DaneGuard = { ...dane, records: [] };
  const by = (route: MxRoute | SmarthostRoute, guard: DaneGuard, requireTls = false) => {
    const plan = tlsPlan(route, requireTls, guard);
    return [plan.start, plan.mandatory && "must", plan.verify && "verify", plan.guard?.kind]
      .filter(Boolean).join(" ");
  };
  for (const level of ["opportunistic", "required", "dane"] as const) {
    assertEquals(by(mx(level), dane), "starttls must dane");
    assertEquals(by(mx(level), dane, true), "starttls must dane");
    // No record says who it is: whoever demands to know asks the web's authorities.
    assertEquals(by(mx(level), useless), "starttls must dane");
    assertEquals(by(mx(level), useless, true), "starttls must verify dane");
  }
  assertEquals(by(mx("none"), dane), "never");
  assertEquals(by(mx("none"), dane, true), "starttls must dane");
  assertEquals(by(mx("verified"), dane), "starttls must verify");
  // A password goes to whom the operator's own rule knows.
  assertEquals(
    by(smarthost("opportunistic", { credentials: CREDENTIALS }), dane),
    "starttls must verify",
  );
  assertEquals(by(smarthost("dane", { credentials: CREDENTIALS }), dane), "starttls must dane");
  assertEquals(planned(smarthost("dane", { credentials: CREDENTIALS })), "starttls must verify");
  assertEquals(planned(mx("dane")), "starttls must verify");
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
