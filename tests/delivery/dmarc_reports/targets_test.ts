import { assertEquals, assertMatch } from "@std/assert";
import { parseReportPlaces, permitPlace } from "../../../src/delivery/dmarc_reports/targets.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";

function addresses(rua: string): string[] {
  return parseReportPlaces(`v=DMARC1; p=none; rua=${rua}; aspf=s`).map(({ address }) => address);
}

Deno.test("parseReportPlaces() reads rua as RFC 7489 and RFC 9989 write it", () => {
  assertEquals(addresses("mailto:dmarc-feedback@example.com"), ["dmarc-feedback@example.com"]);
  assertEquals(
    addresses("mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net!10m"),
    ["dmarc-feedback@example.com", "tld-test@thirdparty.example.net"],
  );
  assertEquals(addresses(" MAILTO:a%2Cb@example.org?subject=x , mailto:a%21@example.org"), [
    "a!@example.org",
  ]);
  const sizes = (uri: string) => parseReportPlaces(`v=DMARC1;rua=${uri}`).map(({ limit }) => limit);
  assertEquals(sizes("mailto:a@b.example!50,mailto:c@b.example!2K,mailto:d@b.example!1g"), [
    ...[50, 2048, 2 ** 30],
  ]);
});

Deno.test("parseReportPlaces() takes the first rua, four addresses at most, each once, and mail only", () => {
  assertEquals(
    addresses("https://example.org/x,mailto:a@b.example,,mailto:,mailto:%ZZ@b.example"),
    [
      "a@b.example",
    ],
  );
  assertEquals(addresses(Array.from({ length: 9 }, (_, at) => `mailto:${at}@b.example`).join()), [
    ...["0@b.example", "1@b.example", "2@b.example", "3@b.example"],
  ]);
  assertEquals(addresses("mailto:a@b.example,mailto:a@b.example"), ["a@b.example"]);
  assertEquals(addresses(`mailto:${"a".repeat(2000)}@b.example`), []);
  assertEquals(addresses("mailto:a@b.example\r\nBcc: x@y.example"), []);
  assertEquals(parseReportPlaces("v=DMARC1; p=none"), []);
});

/** DNS as in the example of RFC 9990 §4. */
function world() {
  const { resolver } = memoryRuntime();
  resolver.set("_dmarc.example.com", { txt: ["v=DMARC1; p=none"] });
  resolver.set("_dmarc.example.net", { txt: ["v=DMARC1; p=none"] });
  const ask = (address: string, domain = "blue.example.com") =>
    permitPlace({ address, limit: null }, domain, resolver);
  return { resolver, ask };
}

const NAME = "blue.example.com._report._dmarc.red.example.net";

Deno.test("permitPlace() needs no word of the same owner", async () => {
  const { ask } = world();
  for (const host of ["blue.example.com", "example.com", "mx.example.com", "RED.example.COM"]) {
    assertEquals((await ask(`a@${host}`)).status, "granted", host);
  }
});

Deno.test("permitPlace() asks another owner, who may name other addresses of the same host", async () => {
  const { resolver, ask } = world();
  const address = "reports@red.example.net";
  const refused = await ask(address);
  assertEquals(refused.status, "refused");
  assertMatch(
    JSON.stringify(refused),
    /has not said that it wants reports about blue\.example\.com/,
  );
  resolver.set(NAME, { txt: ["v=DMARC1;"] });
  assertEquals(await ask(address), {
    status: "granted",
    places: [{ address, limit: null }],
  });
  resolver.set(NAME, { txt: ["v=DMARC1; rua=mailto:other@red.example.net!1k"] });
  assertEquals(await ask(address), {
    status: "granted",
    places: [{ address: "other@red.example.net", limit: 1024 }],
  });
  for (const elsewhere of ["victim@example.org", "x@example.net", "x@blue.example.com"]) {
    resolver.set(NAME, { txt: [`v=DMARC1; rua=mailto:a@red.example.net,mailto:${elsewhere}`] });
    assertEquals((await ask(address)).status, "refused", elsewhere);
  }
  for (const none of ["v=spf1 -all", "DMARC1", "rua=mailto:a@b.example; v=DMARC1"]) {
    resolver.set(NAME, { txt: [none] });
    assertEquals((await ask(address)).status, "refused", none);
  }
});

Deno.test("permitPlace() does not know what DNS does not say now, and refuses names DNS cannot have", async () => {
  const { resolver, ask } = world();
  resolver.failures.set(NAME, "servfail");
  assertEquals((await ask("reports@red.example.net")).status, "unknown");
  resolver.failures.set("_dmarc.red.example.net", "servfail");
  assertEquals((await ask("reports@red.example.net")).status, "unknown");
  const label = "x".repeat(60);
  const long = `${label}.${label}.${label}.example`;
  assertEquals((await ask(`a@${label}.example.net`, long)).status, "refused");
  assertEquals((await ask("a@[192.0.2.1]")).status, "refused");
});
