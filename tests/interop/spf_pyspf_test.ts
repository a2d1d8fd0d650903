/**
 * SPF beside pyspf, by the people who wrote the test suite of RFC 7208: both ask the same Knot DNS about the same
 * senders, and must say the same.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { checkHost, helloQuery, mailFromQuery } from "../../src/mailauth/spf/check_host.ts";
import { denoResolver } from "../../src/runtime/deno_resolver.ts";
import { startKnot } from "./knot.ts";
import { interopTest, runPython } from "./support.ts";

/** Hosts with addresses of both kinds and names that lead back, so that all macros have something to stand for. */
const HOSTS = `
mx1.example A 192.0.2.1
mx1.example AAAA 2001:db8::1
mx2.example A 192.0.2.2
mx2.example AAAA 2001:db8::2
both.example A 192.0.2.1
both.example AAAA 2001:db8::1
both.example MX 10 mx1.example
both.example MX 20 mx2.example
alias.example CNAME both.example
nomail.example MX 0 .
*.all.example A 127.0.0.2
client.example A 192.0.2.7
client.example AAAA 2001:db8::7
1.2.0.192.in-addr.arpa PTR mx1.example
7.2.0.192.in-addr.arpa PTR false.example
7.2.0.192.in-addr.arpa PTR client.example
why.example TXT "%{c} may not send for %{o}: http://%{d}/?s=%{S}&h=%{H}"
odd.example TXT "%{x}"
two.example TXT "one"
two.example TXT "two"
good.example TXT "v=spf1 ip4:192.0.2.0/30 ip6:2001:db8::/126 -all"
soft.example TXT "v=spf1 ~all exp=why.example"
wrong.example TXT "v=spf1 all:all"
loop.example TXT "v=spf1 include:loop.example"
joined.example TXT "v=spf1 ip4:192." "0.2.7 -all"
plural.example TXT "v=spf1 -all"
plural.example TXT "v=spf1 +all"
`;

/** Records, each of a domain of its own: `0.test`, `1.test` and so on. */
const RECORDS = `
v=spf1
V=SPF1 -ALL
v=spf10 -all
v=spf1 a:both.example -all exp=why.example
v=spf1 a:both.example/24//64 ~all
v=spf1 a:alias.example -all
v=spf1 mx:both.example -all
v=spf1 mx:both.example/30//126 ?all
v=spf1 mx:nomail.example -all
v=spf1 mx:mx1.example -all
v=spf1 ip4:192.0.2.7 -all exp=why.example
v=spf1 ip4:192.0.2.0/29 -all
v=spf1 ip6:2001:db8::/125 -all
v=spf1 ip6:::ffff:192.0.2.7 -all
v=spf1 ptr:example -all
v=spf1 ptr:client.example -all
v=spf1 ptr:mx1.example ?all
v=spf1 exists:%{ir}.%{v}.%{d}.all.example -all
v=spf1 exists:%{l1r+}.%{o2}.all.example -all
v=spf1 -exists:%{p}.all.example +all
v=spf1 ?exists:%{h}.%{D}.all.example -all
v=spf1 exists:%{l}.%{s}.none.example a:none.example -all
v=spf1 exists:no1.example exists:no2.example exists:no3.example +all
v=spf1 include:good.example -all
v=spf1 include:soft.example -all exp=why.example
v=spf1 -include:good.example +all
v=spf1 include:wrong.example +all
v=spf1 include:why.example +all
v=spf1 include:no.example +all
v=spf1 include:loop.example +all
v=spf1 include:joined.example ~all
v=spf1 include:plural.example ~all
v=spf1 redirect=good.example
v=spf1 redirect=soft.example exp=odd.example
v=spf1 redirect=no.example
v=spf1 redirect=good.%{d2}
v=spf1 -all redirect=good.example
v=spf1 -all exp=odd.example
v=spf1 -all exp=two.example
v=spf1 -all exp=no.example
v=spf1 -all exp=why.%{o1}
v=spf1 a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example ~all
v=spf1 a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example a:mx1.example mx:both.example ~all
v=spf1 a:ill.broken.example +all
v=spf1 +all include:ill.broken.example
v=spf1 a:x -all
v=spf1 a:192.0.2.7 -all
v=spf1 ip4:192.0.2.7/33 -all
v=spf1 ip4:192.0.2 -all
v=spf1 a:both.example/024 -all
v=spf1 all/8
v=spf1 -all moo=%{l}%{r}
v=spf1 -all moo=%q
v=spf1 exists:%{c}.example -all
v=spf1 mx -all -mxx
v=spf1 ~all  ?all
v=spf1 exp=why.example exp=why.example -all
v=spf1 ~a:no.example//128 -ptr:no.example ?all
`.trim().split("\n");

const CLIENTS = ["192.0.2.1", "192.0.2.7", "2001:db8::2", "2001:db8::7", "::ffff:192.0.2.2"];

const ZONE = RECORDS.map((record, at) => `${at}.test TXT ${quote(record)}\n`).join("") + HOSTS;

/** A text as strings of a zone file. */
function quote(text: string): string {
  return (text.match(/.{1,200}/g) ?? []).map((part) => `"${part}"`).join(" ");
}

interopTest("checkHost() says what pyspf says", ["knotd", "python3"], async () => {
  await using knot = await startKnot({ "": ZONE, "broken.example": null });
  const resolver = denoResolver({ servers: [knot.server], timeout: 30_000 });
  const domains = [...RECORDS.keys()].map((at) => `${at}.test`);
  const checks = domains.flatMap((domain) =>
    CLIENTS.map((ip) => ({ ip, sender: `strong+bad@${domain}`, helo: "client.example" }))
  );
  for (const helo of ["good.example", "localhost", "[192.0.2.1]", "no.example"]) {
    checks.push({ ip: "192.0.2.1", sender: "", helo });
  }
  const theirs = await runPython<unknown[]>("spf_check.py", { port: knot.server.port, checks });
  const differences: unknown[] = [];
  const seen = new Set<string>();
  for (const [index, { ip, sender, helo }] of checks.entries()) {
    const session = { ip, hello: helo };
    const [local = "", domain = ""] = sender.split("@");
    const query = sender === "" ? helloQuery(session) : mailFromQuery(session, { local, domain });
    const { result, explanation = null, reason } = await checkHost(query, { resolver });
    seen.add(result);
    const ours = JSON.stringify({ result, explanation });
    if (ours === JSON.stringify(theirs[index])) continue;
    differences.push([RECORDS[Number.parseInt(domain)], ip, helo, ours, theirs[index], reason]);
  }
  assertEquals(differences, []);
  assertEquals(seen.size, 7, "every result was there");
  assert(checks.length > 250);
});
