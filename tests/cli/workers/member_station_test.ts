/**
 * What a station does in a thread when it is asked to, here without the thread.
 *
 * @module
 */

import { assertEquals, assertNotMatch } from "@std/assert";
import { answerBy } from "../../../src/admin/command_port.ts";
import type { JsonObject } from "../../../src/admin/control_protocol.ts";
import { decode } from "../../../src/bytes.ts";
import { MemberStation } from "../../../src/cli/workers/member_station.ts";
import type { MemberPlan } from "../../../src/cli/workers/messages.ts";
import { lastLine } from "../../../src/cli/workers/supervised_worker.ts";
import { policyPlan } from "../../../src/config/policies/build.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { addUser } from "../../../src/directory/users_edit.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { SmtpPeer } from "../../support/memory_station.ts";

/** RFC 8463 Appendix A.2, as PKCS#8 (RFC 8410 §7). */
const pem = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;

const CONFIG = configSchema.parse({
  hostname: "mx.example.test",
  listeners: [{ role: "mx", address: "192.0.2.25:25" }],
  abuse: { rates: { enabled: false } },
  relay: { enabled: false },
}) as Config;

Deno.test("a member signs by the keys of its plan, by others when it is told, and by those of the next plan", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock, files } = runtime;
  await files.makeDirectory("/etc", 0o700);
  await addUser({ ...runtime, path: "/etc/users" }, {
    address: { local: "alice", domain: "example.test" },
    password: "wonderland",
  });
  const plan = (selector: string): MemberPlan => ({
    options: {
      hostname: "mx.example.test",
      listeners: [{
        role: "mx",
        address: { transport: "tcp", hostname: "192.0.2.25", port: 25 },
      }],
      delivery: { maildirRoot: "/mail" },
      relayFrom: ["198.51.100.0/24"],
      certificates: [],
    },
    policies: policyPlan(CONFIG),
    keys: [{ domain: "example.test", selector, pem }],
    road: null,
    observer: null,
    users: "/etc/users",
    domains: [],
    log: { format: "json", maildirRoot: "/mail" },
  });
  const station = await MemberStation.start(plan("one"), {
    runtime,
    ledger: new MemoryLedger(clock),
    onEvent: () => {},
    onTurn: () => {},
    say: () => {},
  });
  const ask = (request: JsonObject) =>
    clock.runUntil(
      lastLine(answerBy(station.commands(), request, new AbortController().signal)),
    );
  const client = memoryRuntime({ address: "198.51.100.7", beside: runtime });
  const send = async () => {
    const connecting = client.network.connect({
      ...{ transport: "tcp", hostname: "192.0.2.25", port: 25 },
    });
    const peer = new SmtpPeer(await clock.runUntil(connecting), runtime);
    await peer.expect(220);
    await peer.say("EHLO client.example", 250);
    await peer.mail({ text: "From: alice@example.test\r\n\r\nHello.\r\n" });
    await peer.say("QUIT", 221);
  };
  /** The selectors of the signatures in the mailbox. */
  const signers = async () => {
    const found: string[] = [];
    for await (const { name } of files.list("/mail/example.test/alice/new")) {
      const mail = decode(await files.readFile(`/mail/example.test/alice/new/${name}`));
      assertNotMatch(mail, /DKIM-Signature[^]*DKIM-Signature/);
      found.push(/\bs=(\w+);/.exec(mail)?.[1] ?? "nobody");
    }
    return found.sort();
  };
  await send();
  await ask({ do: "keys", keys: [{ domain: "example.test", selector: "two", pem }] });
  await send();
  await ask({ do: "prepare", plan: plan("three") as unknown as JsonObject[string] });
  await send(); // It is not in force yet.
  await ask({ do: "adopt" });
  await send();
  await ask({ do: "keys", keys: [{ domain: "example.test", selector: "zero", pem }] });
  await send();
  assertEquals(await signers(), ["one", "three", "two", "two", "zero"]);
  await ask({ do: "stop", grace: 0 });
});
