/**
 * OpenSMTPD as the next station, and as the one before us: it has neither PIPELINING nor CHUNKING nor
 * SMTPUTF8.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { splitTrace } from "./maildir.ts";
import { OPENSMTPD, type OpenSmtpd, startOpenSmtpd } from "./opensmtpd.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { assertSameOctets, interopTest } from "./support.ts";

const BOB = "bob@b.test";
const CAROL = "carol@b.test";

/** A station for `b.test`, an OpenSMTPD before it, and a station that gives that one all it has. */
interface Chain extends AsyncDisposable {
  readonly first: RelayStation;
  readonly between: OpenSmtpd;
  readonly last: RelayStation;
}

async function startChain(tls: boolean): Promise<Chain> {
  await using stack = new AsyncDisposableStack();
  const last = stack.use(await startRelayStation({ accounts: { [BOB]: {}, [CAROL]: {} } }));
  const between = stack.use(await startOpenSmtpd({ relays: { "b.test": last.port }, tls }));
  const via = { kind: "smarthost", host: "127.0.0.1", port: between.port } as const;
  const first = stack.use(await startRelayStation({ routes: [{ domains: ["*"], via }] }));
  const kept = stack.move();
  return { first, between, last, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

// Debian's offers STARTTLS and fails at it (it cannot sign with OpenSSL 3): what is only opportunistic goes
// in clear then.
for (const tls of [false, true]) {
  const how = tls ? "with STARTTLS" : "in clear";
  interopTest(`OpenSMTPD ${how} takes mail from us and hands it to us`, OPENSMTPD, async () => {
    await using chain = await startChain(tls);
    const { first, last } = chain;
    const bodies = [DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody(2)];
    const mails = bodies.map((body, n) => makeMail(`number ${n}.`, body, [], ALICE));
    for (const mail of mails) {
      await first.happened("delivery.done", await first.send([BOB, CAROL], mail), 2);
    }
    for (const to of [BOB, CAROL]) {
      const stored = await last.mail(to, mails.length);
      assertEquals(stored.length, mails.length);
      for (const { octets } of stored) {
        const { message } = splitTrace(octets);
        const head = new TextDecoder().decode(message.subarray(0, 1000));
        const number = Number(head.match(/^Subject: number (\d)/m)?.[1]);
        assertSameOctets(message, mails[number]!, `number ${number} for ${to}`);
      }
    }
  });
}

interopTest("OpenSMTPD's refusal comes back in a notice", OPENSMTPD, async () => {
  await using chain = await startChain(false);
  const { first } = chain;
  await first.send("bob@elsewhere.test", makeMail("elsewhere", DOTS, [], ALICE));
  const [notice] = await first.mail(ALICE);
  const text = new TextDecoder().decode(notice!.octets);
  assertStringIncludes(text, "Final-Recipient: rfc822; bob@elsewhere.test\r\nAction: failed\r\n");
  assertMatch(text, /^Diagnostic-Code: smtp; 550 Invalid recipient/m);
});
