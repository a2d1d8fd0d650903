/**
 * Postfix as the smarthost of a station that must log in, passwords checked by Dovecot: only over TLS with
 * a certificate that is verified, and mail waits when something is wrong.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { SmarthostOptions } from "../../src/routing/route_table.ts";
import { type Dovecot, PASSWORD, startDovecot } from "./dovecot.ts";
import { startKnot } from "./knot.ts";
import { DOTS, makeMail } from "./mail.ts";
import { splitTrace, traceField, untilMail } from "./maildir.ts";
import { LISTENING, POSTFIX, type Postfix, startPostfix } from "./postfix.ts";
import { ALICE, startRelayStation } from "./relay_station.ts";
import { startStation } from "./server.ts";
import { assertEnded, assertSameOctets, interopTest, makeTemporaryFolder, run } from "./support.ts";

const NEEDS = [...POSTFIX, "dovecot", "swaks"];
const BOB = "bob@postfix.test";
const NAME = "relay.postfix.test";

/** A Postfix that takes mail from those only who log in, over TLS. */
function startSmarthost(dovecot: Dovecot, settings: readonly string[] = []): Promise<Postfix> {
  return startPostfix({
    mailboxes: [BOB],
    tls: NAME,
    settings: [
      "smtpd_sasl_auth_enable = yes",
      "smtpd_sasl_type = dovecot",
      `smtpd_sasl_path = ${dovecot.auth}`,
      "smtpd_tls_auth_only = yes",
      "smtpd_sasl_authenticated_header = yes",
      "smtpd_client_restrictions = permit_sasl_authenticated, reject",
      ...LISTENING,
      ...settings,
    ],
  });
}

/** The route to it by address, with the right password and its certificate among those trusted. */
async function routeTo({ folder, port }: Postfix): Promise<SmarthostOptions> {
  return {
    kind: "smarthost",
    host: "127.0.0.1",
    port,
    credentials: { user: "station@example.test", password: PASSWORD },
    authorities: [await Deno.readTextFile(`${folder.path}/${NAME}.crt`)],
  };
}

async function startAuth(...mechanisms: string[]): Promise<AsyncDisposable & { dovecot: Dovecot }> {
  const folder = await makeTemporaryFolder();
  const dovecot = await startDovecot(folder.path, "10M", { mechanisms });
  return {
    dovecot,
    async [Symbol.asyncDispose]() {
      await dovecot[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

for (const mechanism of ["PLAIN", "LOGIN", "SCRAM-SHA-256"]) {
  interopTest(`Postfix as smarthost lets us in by AUTH ${mechanism}`, NEEDS, async () => {
    await using auth = await startAuth(mechanism);
    await using postfix = await startSmarthost(auth.dovecot);
    await using station = await startRelayStation({
      routes: [{ domains: ["*"], via: await routeTo(postfix) }],
    });
    const mail = makeMail("smarthost", DOTS, [], ALICE);
    await station.happened("delivery.done", await station.send(BOB, mail));
    const [stored] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
    const { trace, message } = splitTrace(stored!.octets);
    assertSameOctets(message, mail, mechanism);
    assertMatch(traceField(trace, "Received"), /Authenticated sender: station@example\.test/);
    assertMatch(traceField(trace, "Received"), /with ESMTPSA id/);
    const heard = await postfix.heard();
    assert(heard.some((line) => line.startsWith(`AUTH ${mechanism}`)), heard.join("\n"));
  });
}

interopTest("Postfix as smarthost is found by its name in DNS, and its name is verified", [
  ...NEEDS,
  "knotd",
], async () => {
  await using knot = await startKnot({ "postfix.test": "relay A 127.0.0.1\nother A 127.0.0.1\n" });
  await using auth = await startAuth("PLAIN");
  await using postfix = await startSmarthost(auth.dovecot);
  const { address, port } = knot.server;
  const route = { ...await routeTo(postfix), allowAddresses: ["127.0.0.0/8"] };
  await using station = await startRelayStation({
    runtime: denoRuntime({ nameServers: [`${address}:${port}`] }),
    routes: [
      { domains: ["postfix.test"], via: { ...route, host: NAME } },
      { domains: ["*"], via: { ...route, host: "other.postfix.test" } },
    ],
  });
  const mail = makeMail("by name", DOTS, [], ALICE);
  await station.happened("delivery.done", await station.send(BOB, mail));
  await untilMail(postfix.maildir(BOB), 1, postfix.log);
  const id = await station.send("bob@elsewhere.test", mail);
  const [deferred] = await station.happened("delivery.deferred", id);
  assertMatch(deferred!.reply, /^451 4\.7\.5 /);
});

interopTest("Mail for a smarthost waits while the password is wrong", NEEDS, async () => {
  await using auth = await startAuth("PLAIN");
  await using postfix = await startSmarthost(auth.dovecot);
  const via = { ...await routeTo(postfix), credentials: { user: "station", password: "wrong" } };
  await using station = await startRelayStation({ routes: [{ domains: ["*"], via }] });
  const id = await station.send(BOB, makeMail("wrong", DOTS, [], ALICE));
  const [deferred] = await station.happened("delivery.deferred", id);
  assertMatch(deferred!.reply, /^535 5\.7\.8 .*authentication failed/);
  assertEquals((await postfix.heard()).filter((line) => line.startsWith("MAIL")), []);
});

interopTest(
  "No password is said to a smarthost whose certificate is not trusted",
  NEEDS,
  async () => {
    await using auth = await startAuth("PLAIN");
    await using postfix = await startSmarthost(auth.dovecot);
    const { authorities: _, ...via } = await routeTo(postfix);
    await using station = await startRelayStation({ routes: [{ domains: ["*"], via }] });
    const id = await station.send(BOB, makeMail("untrusted", DOTS, [], ALICE));
    const [deferred] = await station.happened("delivery.deferred", id);
    assertMatch(deferred!.reply, /^451 4\.7\.5 /);
    assertEquals((await postfix.heard()).filter((line) => /^(AUTH|MAIL)/.test(line)), []);
  },
);

interopTest("No password is said to a smarthost without TLS", NEEDS, async () => {
  await using auth = await startAuth("PLAIN");
  const settings = ["smtpd_tls_security_level = none", "smtpd_tls_auth_only = no"];
  await using postfix = await startSmarthost(auth.dovecot, settings);
  await using station = await startRelayStation({
    routes: [{ domains: ["*"], via: await routeTo(postfix) }],
  });
  const id = await station.send(BOB, makeMail("clear", DOTS, [], ALICE));
  const [deferred] = await station.happened("delivery.deferred", id);
  assertMatch(deferred!.reply, /^451 4\.7\.4 /);
  assertEquals((await postfix.heard()).filter((line) => /^(AUTH|MAIL)/.test(line)), []);
});

interopTest(
  "The whole server logs in to Postfix with the password in its file",
  NEEDS,
  async () => {
    await using auth = await startAuth("PLAIN");
    await using postfix = await startSmarthost(auth.dovecot);
    const authority = `${postfix.folder.path}/${NAME}.crt`;
    await using server = await startStation({
      users: { [ALICE]: "secret" },
      listeners: ["mx"],
      relay: {
        from: ["127.0.0.0/8"],
        routes: [{
          domains: ["*"],
          via: {
            kind: "smarthost",
            host: "127.0.0.1",
            port: postfix.port,
            credentials: { user: "station@example.test", password: PASSWORD },
          },
        }],
      },
      // Whom to trust beside the certificate authorities of the machine.
      env: { DENO_CERT: authority, NODE_EXTRA_CA_CERTS: authority },
    });
    const { address } = server.endpoint("mx");
    assertEnded(await run("swaks", ["--server", address, "--from", ALICE, "--to", BOB]));
    const [stored] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
    const { trace } = splitTrace(stored!.octets);
    assertMatch(traceField(trace, "Received"), /Authenticated sender: station@example\.test/);
  },
);
