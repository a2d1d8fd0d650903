/**
 * The filters of a configuration together, before mail that others send: rspamd, OpenDKIM, ClamAV's daemon and a program
 * that is asked by HTTP, in that order.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { ConfigInput } from "../../src/config/schema.ts";
import { findFreePort } from "../support/free_port.ts";
import { type Clamd, EICAR, startClamd } from "./clamd.ts";
import { type Daemon, startDaemon, until } from "./daemon.ts";
import { makeMail, withNewlines } from "./mail.ts";
import { readMaildir } from "./maildir.ts";
import { makeSigningKey, startOpenDkim } from "./opendkim.ts";
import { startRspamd } from "./rspamd.ts";
import { runCommand, type Server, startStation } from "./server.ts";
import { encodeBase64, interopTest, octets, run, runPython } from "./support.ts";

const ALICE = "alice@example.test";
const PASSWORD = "correct horse battery staple";
const SECRET = "a secret for hooks";

/** The generic test for unsolicited bulk mail. */
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n";

const HOOK = new URL("../../examples/http_hook.ts", import.meta.url).pathname;

async function startHook(): Promise<Daemon & { readonly port: number }> {
  const port = findFreePort();
  const granted = ["--allow-net=127.0.0.1", "--allow-env=HOOK_SECRET"];
  const daemon = await startDaemon("deno", {
    args: ["run", "--no-check", ...granted, HOOK, "spam.test", String(port)],
    port,
    env: { HOOK_SECRET: SECRET },
  });
  return { ...daemon, port };
}

/** What a client was told at the end, by swaks: the first refusal, or the reply to the message. */
async function send(
  server: Server,
  { sender = "bob@sender.test", login = false, mail }: {
    readonly sender?: string;
    readonly login?: boolean;
    readonly mail: Uint8Array;
  },
): Promise<string> {
  const file = await server.folder.write("mail.eml", withNewlines(mail).subarray(0, -1));
  const { address } = server.endpoint(login ? "submission" : "mx");
  const auth = ["-tls", "--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD];
  const { text } = await run("swaks", [
    ...["--server", address, "--helo", "client.test", "--from", sender, "--to", ALICE],
    ...["--data", `@${file}`, ...login ? auth : []],
  ]);
  const replies = text.split("\n").flatMap((line) =>
    /^<[-~*]+[* ]+(\d{3} .*)$/.exec(line)?.[1] ?? []
  );
  return replies.find((reply) => /^[45]/.test(reply)) ?? replies.at(-2) ?? text;
}

interface Peers {
  readonly rspamd: { readonly port: number };
  readonly opendkim: { readonly port: number };
  readonly clamd: Clamd;
  readonly hook: { readonly port: number };
}

function filtersOf({ rspamd, opendkim, clamd, hook }: Peers): ConfigInput["filters"] {
  assert(clamd.tcp.transport === "tcp");
  return [
    { kind: "milter", name: "rspamd", address: `127.0.0.1:${rspamd.port}` },
    { kind: "milter", name: "opendkim", address: `127.0.0.1:${opendkim.port}` },
    { kind: "clamav", address: `127.0.0.1:${clamd.tcp.port}`, onTrouble: "defer" },
    {
      kind: "http",
      url: `http://127.0.0.1:${hook.port}/`,
      secret: SECRET,
      stages: ["sender", "message"],
    },
  ];
}

/** Changes the configuration, and waits until it is in force. */
async function reconfigure(server: Server, change: (text: string) => string): Promise<void> {
  const file = `${server.folder.path}/yizhan.yaml`;
  const text = await Deno.readTextFile(file);
  const changed = change(text);
  assert(changed !== text, text);
  await Deno.writeTextFile(file, changed);
  Deno.kill(server.pid, "SIGHUP");
  await until("it reloads", () => server.events.some(({ type }) => type === "station.reloaded"));
}

/** The mails of alice by their subjects. */
async function mails(server: Server): Promise<ReadonlyMap<string, string>> {
  const stored = await readMaildir(server.maildir(ALICE));
  const texts = stored.map(({ octets }) => new TextDecoder("latin1").decode(octets));
  return new Map(texts.map((text) => [/^Subject: (.*)\r$/m.exec(text)?.[1] ?? "", text]));
}

interopTest(
  "rspamd, OpenDKIM, ClamAV and an HTTP hook stand one behind the other before mail",
  ["rspamd", "opendkim", "openssl", "clamd", "swaks", "python3"],
  async () => {
    const key = await makeSigningKey("example.test");
    await using rspamd = await startRspamd();
    // Nobody is at home where it is: who has logged in is.
    await using opendkim = await startOpenDkim("sign", key, "relaxed/simple", "192.0.2.1");
    await using clamd = await startClamd();
    await using hook = await startHook();
    const peers = { rspamd, opendkim, clamd, hook };
    await using server = await startStation({
      users: { [ALICE]: PASSWORD },
      listeners: ["mx", "submission"],
      filters: filtersOf(peers),
    });

    const config = `${server.folder.path}/yizhan.yaml`;
    const check = await runCommand(server.folder, ["check", "--config", config]);
    assertEquals(
      Array.from(
        check.text.matchAll(/^(\S+) +filters +the filter (\S+) /gm),
        (m) => [...m].slice(1),
      ),
      [
        ["ok", "rspamd"],
        ["ok", "opendkim"],
        ["ok", "clamav"],
        ["ok", "http"],
      ],
      check.text,
    );

    assertMatch(await send(server, { mail: makeMail("ordinary", "Hello.\r\n") }), /^250 /);
    const ordinary = (await mails(server)).get("ordinary")!;
    assertMatch(ordinary, /^X-Spamd-Bar: /m);
    assertMatch(ordinary, /^X-Came-In-Clear: yes\r$/m);
    assertMatch(ordinary, /\r\n\r\nHello\.\r\n$/);

    // Whoever has not logged in gets no signature, whatever the mail claims.
    const forged = makeMail("forged", "Hello.\r\n", [], ALICE);
    assertMatch(await send(server, { sender: ALICE, mail: forged }), /^250 /);
    assertNotMatch((await mails(server)).get("forged")!, /^DKIM-Signature:/m);

    const own = makeMail("own", "Hello.\r\n", [], ALICE);
    assertMatch(await send(server, { sender: ALICE, login: true, mail: own }), /^250 /);
    const signed = (await mails(server)).get("own")!;
    assertMatch(signed, /^DKIM-Signature: v=1; a=rsa-sha256; /m);
    assertNotMatch(signed, /^X-Came-In-Clear:/m);
    const sent = signed.replace(/^(?:(?:Return-Path|Delivered-To):.*\r\n)+/, "");
    const name = `${key.selector}._domainkey.${key.domain}`;
    const request = { mail: encodeBase64(octets(sent)), name, record: key.record };
    assert((await runPython<{ valid: boolean }>("dkim_verify.py", request)).valid);

    const infected = makeMail("infected", `${EICAR}\r\n`, [], ALICE);
    const refused = {
      GTUBE: { mail: makeMail("gtube", GTUBE) },
      EICAR: { mail: makeMail("eicar", `${EICAR}\r\n`) },
      hook: { sender: "x@spam.test", mail: makeMail("hook", "Hello.\r\n") },
    };
    assertMatch(await send(server, refused.GTUBE), /^554 5\.7\.1 /);
    assertMatch(await send(server, refused.EICAR), /^554 5\.7\.1 the message holds malware: Test/);
    assertMatch(await send(server, refused.hook), /^550 5\.7\.1 no mail from spam\.test/);
    assertMatch(
      await send(server, { mail: infected, sender: ALICE, login: true }),
      /^554 5\.7\.1 /,
    );

    await clamd.daemon.stop();
    assertMatch(await send(server, { mail: makeMail("later", "Hello.\r\n") }), /^451 4\.7\.1 /);
    // The others are asked all the same.
    assertMatch(await send(server, refused.GTUBE), /^554 5\.7\.1 /);
    await reconfigure(
      server,
      (text) => text.replace('"onTrouble": "defer"', '"onTrouble": "accept"'),
    );
    assertMatch(await send(server, { mail: makeMail("unchecked", "Hello.\r\n") }), /^250 /);
    const all = await mails(server);
    assertMatch(all.get("unchecked")!, /^X-Virus-Scanned: no/m);
    assertEquals([...all.keys()].sort(), ["forged", "ordinary", "own", "unchecked"]);
    await server.stop();
    const failed = server.events.flatMap((event) =>
      event.type === "policy.failed" ? [event.policy] : []
    );
    assertEquals(failed, ["clamav", "clamav"]);
  },
);
