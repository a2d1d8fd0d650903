/**
 * `yizhan explain --connect` before Knot as the name server and Postfix as the next station: what it tells is what
 * they say, and Postfix gets no mail.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Site } from "../cli/site.ts";
import { startKnot } from "./knot.ts";
import { LISTENING, POSTFIX, startPostfix } from "./postfix.ts";
import { interopTest } from "./support.ts";

const ZONE = `
@ MX 10 mx
@ MX 20 gone
mx A 127.0.0.1
null MX 0 .
`;

interface Step {
  readonly step: string;
  readonly verdict: string;
  readonly because: string;
  readonly details?: readonly string[];
}

async function explain(site: Site, words: readonly string[]): Promise<readonly Step[]> {
  const { code, stdout, stderr } = await site.run(["explain", ...words, "--json"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return JSON.parse(stdout).steps;
}

interopTest(
  "explain --connect tells what Knot and Postfix say, and gives Postfix no mail",
  ["knotd", "openssl", ...POSTFIX],
  async () => {
    await using site = await Site.make();
    await using postfix = await startPostfix({
      mailboxes: ["bob@postfix.test"],
      tls: "mx.postfix.test",
      settings: LISTENING,
    });
    await using knot = await startKnot({ "postfix.test": ZONE });
    const { address, port } = knot.server;
    const way = (more: object) => ({
      hostname: "mx.here.test",
      relay: {
        nameServers: [`${address}:${port}`],
        routes: [{
          domains: ["*"],
          via: {
            kind: "mx" as const,
            port: postfix.port,
            allowAddresses: ["127.0.0.0/8"],
            ...more,
          },
        }],
      },
    });
    await site.configure(way({}));
    const steps = await explain(site, ["bob@postfix.test", "--connect"]);
    const hosts = steps.find(({ step }) => step === "hosts")!;
    assertEquals(hosts.verdict, `first mx.postfix.test [127.0.0.1]:${postfix.port}`);
    assertEquals(hosts.details, [
      `10 mx.postfix.test [127.0.0.1] port ${postfix.port}`,
      "passed over: gone.postfix.test: there is no such name",
    ]);
    const connect = steps.at(-1)!;
    assertEquals([connect.step, connect.verdict], ["connect", "ready for mail"]);
    assertMatch(connect.because, /^TLSv1\.3, but the certificate is not valid: .*self.signed/);
    const said = connect.details!.join("\n");
    assertMatch(said, /^S: 220 .*ESMTP/m);
    assertStringIncludes(said, "S: 250-STARTTLS");
    assertStringIncludes(said, "C: QUIT");

    // Its certificate is known to the route now.
    const authorities = [`${postfix.folder.path}/mx.postfix.test.crt`];
    await site.configure(way({ tls: "verified", authorities }));
    const valid = (await explain(site, ["bob@postfix.test", "--connect"])).at(-1)!;
    assertMatch(valid.because, /^TLSv1\.3, and the certificate is valid for mx\.postfix\.test$/);

    const none = await explain(site, ["x@null.postfix.test", "--connect"]);
    assertMatch(none.find(({ step }) => step === "hosts")!.verdict, /^556 5\.1\.10 .*null MX/);
    assert(!none.some(({ step }) => step === "connect"));

    const heard = await postfix.heard();
    assert(heard.some((line) => line.startsWith("EHLO mx.here.test")));
    assert(!heard.some((line) => /^(MAIL|RCPT|DATA|BDAT)/i.test(line)), heard.join("\n"));
  },
);
