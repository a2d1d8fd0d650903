/**
 * Where a password may travel in clear: nowhere, but where a listener says so. Every role, with TLS and without,
 * with every setting that a listener has for it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Role, ROLES } from "../../src/server/roles.ts";
import { MemoryStation, type SmtpPeer } from "../support/memory_station.ts";

const MECHANISMS = ["SCRAM-SHA-256", "PLAIN", "LOGIN"] as const;
const RIGHT = btoa("\0alice@example.test\0wonderland");
const WHO = btoa("alice@example.test");
const SECRET = btoa("wonderland");
const SCRAM = btoa("n,,n=alice@example.test,r=0123456789abcdef0123");

/** What begins a login by each mechanism, with and without an initial response. */
const ATTEMPTS: readonly string[] = [
  `AUTH PLAIN ${RIGHT}`,
  "AUTH PLAIN",
  "AUTH LOGIN",
  `AUTH LOGIN ${WHO}`,
  `AUTH SCRAM-SHA-256 ${SCRAM}`,
  `auth plain ${RIGHT}`,
];

async function start(role: Role, listener: Record<string, unknown>, secured: boolean) {
  const station = await MemoryStation.start({ listener: { ...listener, role } });
  const peer = await station.connect();
  if (role === "submissions") await peer.secure();
  await peer.expect(220);
  const hello = role === "lmtp" ? "LHLO" : "EHLO";
  let offer = await peer.say(`${hello} client.example`, 250);
  const canSecure = offer.includes("STARTTLS");
  if (secured && canSecure) {
    await peer.startTls();
    offer = await peer.say(`${hello} client.example`, 250);
  }
  return { station, peer, offer, secure: role === "submissions" || secured && canSecure };
}

/** Codes of every way to begin a login. */
async function attempt(peer: SmtpPeer): Promise<string[]> {
  const codes: string[] = [];
  for (const line of ATTEMPTS) {
    await peer.send(`${line}\r\n`);
    const reply = await peer.reply();
    codes.push(reply!.slice(0, 3));
    if (reply!.startsWith("334") || reply!.startsWith("235")) break;
  }
  return codes;
}

for (const role of ROLES) {
  for (const authInClear of [undefined, false, true]) {
    for (const auth of [undefined, "none", "optional", "required"] as const) {
      const said = { ...authInClear !== undefined && { authInClear }, ...auth && { auth } };
      const name = `${role} ${JSON.stringify(said)}`;
      Deno.test(`AUTH in clear: ${name} neither offers nor takes it unless it says so`, async () => {
        for (const withMechanisms of [false, true]) {
          const extensions = withMechanisms ? { extensions: { auth: MECHANISMS } } : {};
          let started;
          try {
            started = await start(role, { ...said, ...extensions }, false);
          } catch (error) {
            // What contradicts itself does not start at all.
            assert(error instanceof TypeError, `${error}`);
            continue;
          }
          const { station, peer, offer, secure } = started;
          await using _ = station;
          const allowed = secure || (authInClear ?? role === "catcher");
          if (allowed) continue;
          assertEquals(/^250[ -]AUTH/m.test(offer), false, offer);
          const codes = await attempt(peer);
          assertEquals(codes.every((code) => /^5(?:02|03|38|30)$/.test(code)), true, `${codes}`);
          assertEquals(codes.length, ATTEMPTS.length);
          // Nobody was asked for anything, and nobody has logged in.
          assertEquals(station.of("auth.succeeded").length, 0);
        }
      });
    }
  }
}

Deno.test("AUTH in clear: what is taken after TLS is not taken before, on the same listener", async () => {
  const { station, peer, offer } = await start("submission", {}, true);
  await using _ = station;
  assertEquals(/^250[ -]AUTH PLAIN LOGIN/m.test(offer), true, offer);
  await peer.say(`AUTH PLAIN ${RIGHT}`, 235);
});

Deno.test("attack: a client that sends its password in clear all the same is told so, each time alike", async () => {
  const { station, peer } = await start("submission", {}, false);
  await using _ = station;
  const right = await peer.say(`AUTH PLAIN ${RIGHT}`, 538, "5.7.11");
  const wrong = await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0guess")}`, 538, "5.7.11");
  assertEquals(right, wrong);
  // What follows is a command and no password: nothing waits for one.
  await peer.say(WHO, 500);
  await peer.say(SECRET, 500);
});

Deno.test("attack: mail is not taken in clear where a login is demanded", async () => {
  for (const secured of [false, true]) {
    const { station, peer } = await start("submission", {}, secured);
    await using _ = station;
    await peer.send("MAIL FROM:<alice@example.test>\r\n");
    assertEquals((await peer.reply())!.slice(0, 9), "530 5.7.0");
  }
});
