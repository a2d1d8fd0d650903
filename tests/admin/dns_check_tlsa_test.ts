import { assertEquals, assertMatch } from "@std/assert";
import { checkTlsa } from "../../src/admin/dns_check_tlsa.ts";
import { hostRecords } from "../../src/admin/dns_records.ts";
import { formatZoneRecord, formatZones } from "../../src/admin/zone_text.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import { CERTIFICATES, DIGESTS } from "../delivery/dane_certificates.ts";

const HOST = {
  hostname: "mx.example.test",
  addresses: ["192.0.2.25"],
  certificates: [
    [CERTIFICATES.server, CERTIFICATES.issuing].map((text) => Uint8Array.fromBase64(text)),
  ],
};
const NAME = "_25._tcp.mx.example.test";
const NOW = Date.UTC(2030, 0, 1);
const { server, issuing, root } = DIGESTS;

async function check(...tlsa: readonly string[]) {
  const resolver = new MemoryResolver();
  if (tlsa.length > 0) resolver.set(NAME, { tlsa });
  const [finding] = await checkTlsa({ resolver }, HOST, NOW);
  return finding!;
}

Deno.test("hostRecords() proposes the key of the certificate, as OpenSSL reckons it", () => {
  const record = hostRecords(HOST).find(({ purpose }) => purpose === "tlsa")!;
  assertEquals(
    formatZoneRecord(record.name, record.data),
    `${NAME}. 3600 IN TLSA 3 1 1 ${server.key256}`,
  );
  // In a zone file it is a comment: not every zone is signed, and not every key stays.
  const zone = formatZones(HOST, [{ domain: "example.test", dkim: [] }]);
  assertMatch(zone, new RegExp(`^; ${NAME}\\. 3600 IN TLSA`, "m"));
  assertEquals(
    hostRecords({ ...HOST, certificates: [] }).some(({ purpose }) => purpose === "tlsa"),
    false,
  );
});

Deno.test("checkTlsa() says whether a record fits what the host shows", async () => {
  assertEquals((await check()).status, "optional");
  const good = [
    `3 1 1 ${server.key256}`,
    `2 0 1 ${issuing.certificate256}`,
  ];
  for (const record of good) assertEquals((await check(record)).status, "ok", record);
  // The key before this one may be there, too.
  assertEquals((await check(`3 1 1 ${root.key256}`, good[0]!)).status, "ok");
  const wrong = await check(`3 1 1 ${root.key256}`);
  assertEquals(wrong.status, "different");
  assertMatch(wrong.message, /no certificate of this host fits/);
  assertMatch(
    (await check(`1 1 1 ${server.key256}`)).message,
    /none of the TLSA records can be used/,
  );
});

Deno.test("checkTlsa() says nothing of certificates it does not know, and nothing for sure where DNS does not", async () => {
  const resolver = new MemoryResolver();
  assertEquals(await checkTlsa({ resolver }, { ...HOST, certificates: [] }, NOW), []);
  resolver.failures.set(`tlsa ${NAME}`, "servfail");
  assertEquals((await checkTlsa({ resolver }, HOST, NOW))[0]?.status, "unknown");
});
