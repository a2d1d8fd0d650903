import { assert, assertEquals, assertMatch } from "@std/assert";
import { Tracer } from "../../src/observe/trace.ts";
import type { TraceFilter } from "../../src/observe/trace_filter.ts";
import type { SocketAddress } from "../../src/runtime/network.ts";
import { testAuthority } from "../support/certificates.ts";
import { assertNoSecret } from "../support/secrets.ts";
import { mxRoute, RelayWorld, smarthostRoute } from "./relay_world.ts";
import { type PeerBehaviour, ScriptedPeer } from "./scripted_peer.ts";
import { jobFor } from "./support.ts";

/** A world in which somebody listens. */
function world(filter: TraceFilter = { by: "all" }) {
  let time = 0;
  const clock = { now: () => time++, sleep: () => Promise.reject(new Error("never")) };
  const tracer = new Tracer(clock);
  const listener = tracer.listen(filter)!;
  return {
    world: new RelayWorld({ tracer }),
    async heard(): Promise<string[]> {
      const found = await listener.next(AbortSignal.abort());
      return found.map((one) => {
        assert("text" in one, "nothing was lost");
        return `${one.id} ${one.peer} ${one.kind} ${one.text}`;
      });
    },
  };
}

/** Without what stands before each line. */
function texts(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^\S+ .*?\]:25 /, ""));
}

Deno.test("an attempt to relay is overheard from connecting to closing", async () => {
  const { world: net, heard } = world();
  {
    await using _ = net;
    await net.peer();
    await net.relay({ body: "Secret words.\r\n" });
  }
  const lines = await heard();
  assert(lines.every((line) => line.startsWith("m1 mx1.example.org [192.0.2.25]:25 ")), lines[0]);
  assertEquals(texts(lines), [
    "opened connecting, for SMTP",
    "reply 220 peer.example ESMTP",
    "command EHLO mail.example.net",
    "reply 250-peer.example",
    "reply 250-PIPELINING",
    "reply 250-8BITMIME",
    "reply 250 ENHANCEDSTATUSCODES",
    "command MAIL FROM:<alice@example.com>",
    "command RCPT TO:<bob@example.org>",
    "command DATA",
    "reply 250 2.1.0 OK",
    "reply 250 2.1.5 OK",
    "reply 354 go on",
    "message [… 30 octets]",
    "reply 250 2.0.0 taken",
    "command QUIT",
    "reply 221 2.0.0 bye",
    "closed closed",
  ]);
});

Deno.test("two messages over one connection are each overheard by their id", async () => {
  const { world: net, heard } = world({ by: "id", id: "second" });
  {
    await using _ = net;
    await net.peer();
    await net.relay({ entry: { id: "first" } });
    await net.relay({ entry: { id: "second" }, from: "carol@example.com" });
  }
  const lines = texts(await heard());
  assertMatch(lines[0]!, /^opened connection, open for /);
  assertEquals(lines.slice(1, 3), [
    "command MAIL FROM:<carol@example.com>",
    "command RCPT TO:<bob@example.org>",
  ]);
});

Deno.test("a host that is not there, and one that breaks off, are overheard", async () => {
  const { world: net, heard } = world();
  {
    await using _ = net;
    await net.peer({ closeAfter: 40 }, "192.0.2.26");
    await net.relay();
  }
  const lines = await heard();
  assertMatch(
    lines[1]!,
    /^m1 mx1\S* .* closed cannot connect to mx1\.example\.org \[192\.0\.2\.25\]:25: /,
  );
  assertMatch(lines.at(-2)!, / note the connection ended, before the reply to \w+$/);
  assertEquals(texts(lines).at(-1), "closed closed");
});

for (const mechanism of ["PLAIN", "LOGIN"]) {
  for (const answer of ["235 2.7.0 welcome", "535 5.7.8 no"]) {
    Deno.test(`a login to a smarthost by ${mechanism} is overheard without what it says (${answer})`, async () => {
      const { world: net, heard } = world();
      const password = "Hx7-vQ_kzW9!pyG";
      {
        await using _ = net;
        const said: string[] = [];
        await net.peer({
          tls: net.tls,
          extensions: ["PIPELINING", `AUTH ${mechanism}`],
          on: (line) => {
            if (line.startsWith("AUTH LOGIN")) return "334 VXNlcm5hbWU6";
            if (line.startsWith("AUTH PLAIN")) return answer;
            if (!/^[A-Za-z0-9+/=]{8,}$/.test(line) || line === "STARTTLS") return undefined;
            said.push(line);
            return said.length === 1 ? "334 UGFzc3dvcmQ6" : answer;
          },
        });
        const credentials = { user: "zqxuserjw", password };
        await net.relay(
          {},
          smarthostRoute({ credentials, tls: "verified", authorities: [testAuthority] }),
        );
      }
      const lines = texts(await heard());
      const at = lines.findIndex((line) => line.startsWith("command AUTH"));
      assertEquals(
        lines.slice(at, at + (mechanism === "LOGIN" ? 6 : 2)),
        mechanism === "LOGIN"
          ? [
            "command AUTH LOGIN",
            "reply 334 […]",
            "command […]",
            "reply 334 […]",
            "command […]",
            `reply ${answer}`,
          ]
          : ["command AUTH PLAIN […]", `reply ${answer}`],
      );
      assert(lines.some((line) => line.startsWith("tls TLS: TLSv1.3, ")));
      assertNoSecret(lines.join("\n"), "zqxuserjw", password);
    });
  }
}

Deno.test("a delivery by LMTP is overheard, with a reply for each recipient", async () => {
  const { world: net, heard } = world({ by: "peer", networks: [], unix: true });
  const address: SocketAddress = { transport: "unix", path: "/run/lmtp" };
  {
    await using _ = net;
    const behaviour: PeerBehaviour = { lmtp: true };
    await ScriptedPeer.start(net.own, behaviour, address);
    const to = ["a@example.org", "b@example.org"];
    await net.deliver(jobFor({ kind: "lmtp", address, connections: 10 }, { to }));
    await net.peer();
    await net.relay({}, mxRoute());
  }
  const lines = await heard();
  assert(lines.every((line) => line.startsWith("m1 unix:/run/lmtp ")), lines.join("\n"));
  assertEquals(lines[0], "m1 unix:/run/lmtp opened connecting, for LMTP");
  assertEquals(lines.filter((line) => line.endsWith("250 2.0.0 taken")).length, 2);
});
