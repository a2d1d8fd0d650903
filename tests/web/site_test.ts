/**
 * The pages of a mail domain: who is told what, by which name, and who is told nothing.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { answerInClear, answerSecurely, type Site } from "../../src/web/site.ts";

const SITE: Site = {
  isOurs: (domain) => ["example.org", "xn--bcher-kva.example", "bücher.example"].includes(domain),
  service: (domain) => ({
    domain,
    incoming: [{ kind: "imap", hostname: "mail.example.org", port: 993, tls: "implicit" }],
    outgoing: [
      { kind: "smtp", hostname: "mail.example.org", port: 465, tls: "implicit" },
      { kind: "smtp", hostname: "mail.example.org", port: 587, tls: "starttls" },
    ],
  }),
  stsPolicy: () => "version: STSv1\r\n",
  challenge: (token) => token === "abc_DEF-1" ? "abc_DEF-1.key" : null,
};

function request(host: string, path: string, options: RequestInit = {}): Request {
  return new Request(`http://localhost${path}`, { ...options, headers: { host } });
}

function ask(host: string, path: string, options?: RequestInit): Promise<Response> {
  return answerSecurely(SITE, request(host, path, options));
}

Deno.test("answerSecurely() serves the policy of MTA-STS by its own name only", async () => {
  const served = await ask("mta-sts.example.org", "/.well-known/mta-sts.txt");
  assertEquals(served.status, 200);
  // RFC 8461 §3.2.
  assertStringIncludes(served.headers.get("content-type")!, "text/plain");
  assertEquals(await served.text(), "version: STSv1\r\n");
  for (const host of ["example.org", "mta-sts.example.net", "mta-sts.", "x.mta-sts.example.org"]) {
    assertEquals((await ask(host, "/.well-known/mta-sts.txt")).status, 404, host);
  }
});

Deno.test("answerSecurely() takes a host with a port, a dot at the end and in any case", async () => {
  for (const host of ["MTA-STS.Example.Org", "mta-sts.example.org:443", "mta-sts.example.org."]) {
    assertEquals((await ask(host, "/.well-known/mta-sts.txt")).status, 200, host);
  }
});

Deno.test("answerSecurely() gives the same for every address of a domain", async () => {
  const path = "/mail/config-v1.1.xml?emailaddress=";
  const texts = await Promise.all(
    ["", "alice@example.org", "nobody@example.org"].map(async (address) =>
      await (await ask("autoconfig.example.org", path + encodeURIComponent(address))).text()
    ),
  );
  assertEquals(new Set(texts).size, 1);
  assertStringIncludes(texts[0]!, "<username>%EMAILADDRESS%</username>");
  const other = await ask("autoconfig.example.net", path + "alice%40example.net");
  assertEquals(other.status, 404);
});

Deno.test("answerSecurely() answers Outlook with the servers, and with an error for others' domains", async () => {
  const post = (address: string) =>
    ask("autodiscover.example.org", "/Autodiscover/Autodiscover.xml", {
      method: "POST",
      body:
        `<Autodiscover xmlns="x"><Request><EMailAddress>${address}</EMailAddress></Request></Autodiscover>`,
    });
  const text = await (await post("alice@example.org")).text();
  assertStringIncludes(text, "<Type>IMAP</Type>");
  assertStringIncludes(text, "<LoginName>alice@example.org</LoginName>");
  for (const address of ["alice@example.net", "<b>", "x".repeat(500)]) {
    assertStringIncludes(await (await post(address)).text(), "<ErrorCode>500</ErrorCode>");
  }
  const place = await ask(
    "example.org",
    "/autodiscover/autodiscover.json?Email=alice%40example.org&Protocol=Autodiscoverv1",
  );
  assertEquals(
    (await place.json()).Url,
    "https://autodiscover.example.org/autodiscover/autodiscover.xml",
  );
});

Deno.test("answerSecurely() keeps markup out of what an address brings in", async () => {
  const address = encodeURIComponent('"</string><x>"@example.org');
  const profile = await ask("example.org", `/apple.mobileconfig?email=${address}`);
  assertEquals(profile.status, 200);
  const text = await profile.text();
  assert(!text.includes("<x>"));
  assertStringIncludes(text, "&lt;/string&gt;&lt;x&gt;");
});

Deno.test("answerInClear() answers authorities, and sends others to https", async () => {
  const proof = "/.well-known/acme-challenge/";
  const known = await answerInClear(SITE, request("anything", `${proof}abc_DEF-1`));
  assertEquals(await known.text(), "abc_DEF-1.key");
  for (const token of ["unknown", "", "../../etc/passwd", "a".repeat(300)]) {
    assertEquals(
      (await answerInClear(SITE, request("example.org", proof + token))).status >= 300,
      true,
    );
  }
  const sent = await answerInClear(
    SITE,
    request("autoconfig.example.org", "/mail/config-v1.1.xml?a=b"),
  );
  assertEquals(sent.status, 301);
  assertEquals(
    sent.headers.get("location"),
    "https://autoconfig.example.org/mail/config-v1.1.xml?a=b",
  );
  // Nobody is sent to a place that a stranger names.
  const hosts = [
    "evil.test",
    "b\xfccher.example",
    "example.org@evil.test",
    "evil.test/example.org",
  ];
  for (const host of hosts) {
    assertEquals((await answerInClear(SITE, request(host, "/"))).status, 404, host);
  }
  for (const path of ["//evil.test/", "/\\evil.test", "/.//evil.test", "/@evil.test:1/"]) {
    const { headers } = await answerInClear(SITE, request("example.org", path));
    assertEquals(new URL(headers.get("location")!).host, "example.org", path);
  }
});
