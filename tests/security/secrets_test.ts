/**
 * A server with every kind of secret, through logins that succeed and fail, mail that goes on and does not, and
 * every command that shows something: none of the secrets is in anything that is written, in no form that is known.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { addUser } from "../../src/directory/users_edit.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { Client, Program } from "../cli/program.ts";
import { ANY_PORT, PASSWORD, Site } from "../cli/site.ts";
import { mxCertificate, testAuthority } from "../support/certificates.ts";
import { rfc8463Ed25519Key } from "../mailauth/dkim/rfc_examples.ts";
import { DnsServer } from "../support/dns_server.ts";

/** Each has letters, digits and signs that percent-encoding and JSON change. */
const SECRETS = {
  password: 'Right"Horse/7431+x',
  wrongPassword: "Wrong%Guess&9824=y",
  nonsense: "Not A Base64 String 5566",
  smarthost: "Smart#Host<2718>z",
  srs: "Srs+Secret/31415926535",
  hook: "Hook?Secret=16180339887",
  hookInFile: "File?Secret=14142135623",
  acme: "Acme+Customer/17320508075",
};

const CHARACTERS = 8;

/** A secret as it could be written: as it is, in JSON, base64 at each of three places, hexadecimal, percent-encoded. */
function formsOf(secret: string): string[] {
  const octets = new TextEncoder().encode(secret);
  const shifted = [0, 1, 2].map((shift) => {
    const all = new Uint8Array([...new Uint8Array(shift), ...octets]).toBase64();
    // The ends depend on what stands beside it.
    return all.slice(shift === 0 ? 0 : 4, -4);
  });
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    ...shifted,
    octets.toHex(),
  ];
}

/** Fails where one of the secrets, or half of one, is in a text. */
function assertHidden(text: string, where: string, secrets: readonly string[]): void {
  const seen = text.toLowerCase();
  for (const secret of secrets) {
    for (const form of formsOf(secret)) {
      for (let at = 0; at + CHARACTERS <= form.length; at += 2) {
        const part = form.slice(at, at + CHARACTERS).toLowerCase();
        assertEquals(seen.includes(part), false, `${where}: ${part} of ${secret} in:\n${text}`);
      }
    }
  }
}

Deno.test("assertHidden() finds a secret in every form", () => {
  const { password } = SECRETS;
  const forms = [
    `password: ${password}`,
    JSON.stringify({ password }),
    btoa(`\0alice@example.test\0${password}`),
    btoa(`x${password}`),
    btoa(`xy${password}z`),
    `?key=${encodeURIComponent(password)}`,
    new TextEncoder().encode(`a${password}`).toHex(),
  ];
  for (const form of forms) {
    let found = false;
    try {
      assertHidden(form, "", [password]);
    } catch {
      found = true;
    }
    assert(found, form);
  }
});

/** The middle of a PEM key: base64 of its own. */
function keyText(pem: string): string {
  return pem.split("\n").slice(1, -2).join("");
}

/** A host that takes connections and hangs up in the middle. */
function rudeHost(): Deno.Listener & { readonly addr: Deno.NetAddr } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("220 rude ESMTP\r\n")).catch(() => {});
      await connection.read(new Uint8Array(500)).catch(() => {});
      const hello = "250-rude\r\n250 AUTH PLAIN LOGIN\r\n";
      await connection.write(new TextEncoder().encode(hello)).catch(() => {});
      await connection.read(new Uint8Array(500)).catch(() => {});
      connection.close();
    }
  })().catch(() => {});
  return listener as Deno.Listener & { readonly addr: Deno.NetAddr };
}

/** Logs in by PLAIN and LOGIN, rightly and wrongly, and leaves a mail for elsewhere. */
async function useIt(port: number): Promise<void> {
  const attempt = async (act: (client: Client) => Promise<unknown>) => {
    using client = await Client.connect(port);
    await client.say("EHLO client.example", 250);
    await client.startTls(testAuthority);
    await client.say("EHLO client.example", 250);
    await act(client);
  };
  const plain = (password: string) => btoa(`\0alice@example.test\0${password}`);
  await attempt(async (client) => {
    await client.say(`AUTH PLAIN ${plain(SECRETS.wrongPassword)}`, 535);
    await client.say("AUTH LOGIN", 334);
    await client.say(btoa("alice@example.test"), 334);
    await client.say(btoa(SECRETS.wrongPassword), 535);
  });
  await attempt(async (client) => {
    // Passwords where none belongs: a client that is broken, or typed by hand.
    await client.say(`AUTH PLAIN ${SECRETS.nonsense}`, 501);
    await client.say("AUTH LOGIN", 334);
    await client.say(SECRETS.nonsense, 501);
  });
  await attempt(async (client) => {
    await client.say("AUTH LOGIN", 334);
    await client.say(btoa("alice@example.test"), 334);
    await client.say(btoa(SECRETS.password), 235);
  });
  await attempt(async (client) => {
    await client.say(`AUTH PLAIN ${plain(SECRETS.password)}`, 235);
    const text = "From: alice@example.test\r\nSubject: hi\r\n\r\nHello.";
    await client.send("alice@example.test", "bob@elsewhere.test", text);
  });
}

for (const format of ["json", "text"] as const) {
  Deno.test(`secrets are in nothing that a server and its commands write, log as ${format}`, async () => {
    await using site = await Site.make();
    const { files, random } = denoRuntime();
    const users = `${site.path}/users`;
    await Deno.remove(users);
    const address = { local: "alice", domain: "example.test" };
    await addUser({ files, random, path: users }, { address, password: SECRETS.password });
    await Deno.writeTextFile(`${site.path}/hook`, `${SECRETS.hookInFile}\n`, { mode: 0o600 });
    await Deno.mkdir(`${site.path}/dkim/example.test`, { recursive: true });
    const dkim = `${site.path}/dkim/example.test/yizhan-ed25519.pem`;
    await Deno.writeTextFile(dkim, rfc8463Ed25519Key, { mode: 0o600 });
    using host = rudeHost();
    await using names = await DnsServer.start();
    const hook = (secret: string | { file: string }) => ({
      ...{ kind: "http", secret, onTrouble: "accept" } as const,
      url: `http://127.0.0.1:${host.addr.port}/`,
    });
    const credentials = { user: "me", password: SECRETS.smarthost };
    const via = {
      kind: "smarthost",
      host: "127.0.0.1",
      port: host.addr.port,
      credentials,
    } as const;
    const { program, ports: [port = 0] } = await site.start({
      listeners: [{ role: "submission", address: ANY_PORT }],
      tls: site.certificates("mx"),
      relay: { routes: [{ domains: ["*"], via }], nameServers: [`127.0.0.1:${names.server.port}`] },
      queue: { srsSecret: SECRETS.srs },
      filters: [hook(SECRETS.hook), hook({ file: "hook" })],
      acme: {
        agreeToTerms: true,
        challenge: "dns-01",
        dnsHook: "/bin/true",
        directory: `https://127.0.0.1:${host.addr.port}/`,
        externalAccount: { keyId: "me", hmacKey: SECRETS.acme },
      },
      log: { format },
    });
    await using server = program;
    await using trace = await Program.spawn([
      ...["trace", "--all", "--config", `${site.path}/yizhan.yaml`],
    ]);
    await trace.stderrLine(/^Following /);
    await using traceInJson = await Program.spawn([
      ...["trace", "--all", "--json", "--config", `${site.path}/yizhan.yaml`],
    ]);
    await traceInJson.stderrLine(/^Following /);
    await useIt(port);
    // Salt and keys, of which passwords could be guessed.
    const verifiers = (await Deno.readTextFile(users)).match(/[A-Za-z0-9+/]{20,}=*/g) ?? [];
    assert(verifiers.length >= 3, "salt, stored key, server key");
    const secrets = [
      ...Object.values(SECRETS),
      keyText(mxCertificate.key),
      keyText(rfc8463Ed25519Key),
      ...verifiers,
    ];
    const commands = [
      ["check"],
      ["config", "print"],
      ["config", "print", "--defaults"],
      ["explain", "bob@elsewhere.test"],
      ["explain", "alice@example.test"],
      ["explain", "bob@elsewhere.test", "--from", "alice@example.test", "--connect", "--verbose"],
      ["dns", "--records"],
      ["user", "list"],
      ["user", "list", "--json"],
      ["status"],
      ["status", "--json"],
      ["queue", "list"],
      ["queue", "list", "--json"],
      ["bans", "list"],
      ["reload"],
    ];
    for (const words of commands) {
      const { stdout, stderr } = await site.run(words);
      assert(stdout + stderr !== "", `yizhan ${words.join(" ")} says nothing`);
      assertHidden(stdout + stderr, `yizhan ${words.join(" ")}`, secrets);
    }
    // What is wrong beside a secret, and with one, is told without it.
    const file = `${site.path}/yizhan.yaml`;
    const good = await Deno.readTextFile(file);
    const slips = [
      good.replace(JSON.stringify(SECRETS.srs), JSON.stringify(SECRETS.srs.slice(0, 12))),
      good.replace('"srsSecret":', '"srsSecrets":'),
      good.replace(JSON.stringify(SECRETS.acme), `[${JSON.stringify(SECRETS.acme)}]`),
      good.replace(JSON.stringify(SECRETS.smarthost), `[${JSON.stringify(SECRETS.smarthost)}]`),
      good.replace(JSON.stringify(SECRETS.hook), `"${SECRETS.hook}`),
      good.replace(JSON.stringify(SECRETS.hook), JSON.stringify(`${SECRETS.hook}\u0007`)),
      good.replace(`"http://127`, `"http://me:${encodeURIComponent(SECRETS.hook)}@127`),
    ];
    for (const [index, text] of format === "json" ? slips.entries() : []) {
      assert(text !== good, `slip ${index}`);
      await Deno.writeTextFile(file, text);
      for (const words of [["check"], ["reload"]]) {
        const { code, stdout, stderr } = await site.run(words);
        // What is wrong with a secret itself, print does not look at.
        assert(
          code !== 0 || words[0] === "config",
          `slip ${index}: ${words} went well:\n${stdout}${stderr}`,
        );
        assertHidden(stdout + stderr, `slip ${index}: yizhan ${words}`, secrets);
      }
    }
    trace.signal("SIGINT");
    const heard = await trace.ended();
    const overheard = heard.stdout + heard.stderr;
    assert(overheard.includes("AUTH LOGIN"), overheard);
    assertHidden(overheard, "yizhan trace", secrets);
    traceInJson.signal("SIGINT");
    const { stdout: lines } = await traceInJson.ended();
    assert(lines.includes("AUTH LOGIN"), lines);
    assertHidden(lines, "yizhan trace --json", secrets);
    server.signal("SIGTERM");
    const logged = await server.ended();
    const written = logged.stdout + logged.stderr;
    assert(
      written.includes("alice@example.test") && written.includes("bob@elsewhere.test"),
      written,
    );
    assertHidden(written, "the log", secrets);
  });
}

for (const mechanism of ["SCRAM-SHA-256", "PLAIN", "LOGIN"] as const) {
  Deno.test(`secrets are in nothing that two servers write where one logs in at the other by ${mechanism}`, async () => {
    await using provider = await Site.make();
    await using site = await Site.make();
    await provider.addUser("sender");
    const upstream = await provider.start(
      {
        hostname: "provider.example.test",
        listeners: [{ role: "submission", address: ANY_PORT, extensions: { auth: [mechanism] } }],
        tls: provider.certificates("mx"),
      } as Parameters<Site["start"]>[0],
    );
    await using _ = upstream.program;
    await Deno.writeTextFile(`${site.path}/ca.pem`, testAuthority);
    const via = {
      kind: "smarthost" as const,
      host: "localhost",
      port: upstream.ports[0]!,
      authorities: ["ca.pem"],
      credentials: { user: "alice@example.test", password: PASSWORD },
    };
    const { program, ports: [port = 0] } = await site.start(
      {
        relay: { from: ["127.0.0.0/8"], routes: [{ domains: ["*"], via }] },
      } as Parameters<Site["start"]>[0],
    );
    await using __ = program;
    await using trace = await Program.spawn([
      ...["trace", "--all", "--json", "--config", `${site.path}/yizhan.yaml`],
    ]);
    await trace.stderrLine(/^Following /);
    using client = await Client.connect(port);
    await client.say("EHLO client.example", 250);
    const text = "From: alice@example.test\r\nSubject: hi\r\n\r\nHello.";
    await client.send("alice@example.test", "sender@other.test", text);
    const line = await program.stdoutLine(/"type":"delivery\.(done|deferred|failed)"/);
    trace.signal("SIGINT");
    const { stdout } = await trace.ended();
    assert(stdout.includes(`AUTH ${mechanism}`), line + stdout);
    program.signal("SIGTERM");
    upstream.program.signal("SIGTERM");
    const all = [await program.ended(), await upstream.program.ended()];
    assertMatch(all[1]!.stdout, /"type":"auth\.succeeded"/);
    const written = all.map(({ stdout, stderr }) => stdout + stderr).join("");
    assertHidden(stdout + written, "the trace and the logs", [PASSWORD]);
  });
}
