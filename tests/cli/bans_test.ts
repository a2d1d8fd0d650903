import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { banCommands } from "../../src/admin/ban_commands.ts";
import { ControlServer } from "../../src/admin/control_server.ts";
import type { MtaFact } from "../../src/events.ts";
import { parseNetwork } from "../../src/net_address.ts";
import { BanList } from "../../src/policy/abuse/ban_list.ts";
import { MemoryLedger } from "../../src/policy/ledger/memory_ledger.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { Folder, run } from "./program.ts";
import { Site } from "./site.ts";

/** A server of which there is nothing but its bans. */
class BanStation implements AsyncDisposable {
  private constructor(
    readonly list: BanList,
    readonly ledger: MemoryLedger,
    readonly told: readonly MtaFact[],
    readonly folder: Folder,
    readonly server: ControlServer,
  ) {}

  static async start({ inForce = true } = {}): Promise<BanStation> {
    const folder = await Folder.make();
    const runtime = denoRuntime();
    const ledger = new MemoryLedger(runtime.clock);
    const told: MtaFact[] = [];
    const server = await ControlServer.start({
      ...runtime,
      path: `${folder.path}/control.sock`,
      commands: banCommands({
        ...{ ledger, clock: runtime.clock, emit: (fact) => told.push(fact) },
        inForce: () => inForce,
        whyNoBan: (named) => named === "192.0.2.66" ? "it is exempt: do this" : null,
      }),
    });
    return new BanStation(new BanList(ledger, runtime.clock), ledger, told, folder, server);
  }

  /** Runs `yizhan bans` against it. */
  bans(...words: readonly string[]) {
    return run(["bans", ...words, "--socket", `${this.folder.path}/control.sock`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("yizhan bans add bans, list shows it, remove ends it", async () => {
  await using station = await BanStation.start();
  const added = await station.bans("add", "192.0.2.0/24", "--for", "7d", "--reason", "floods us");
  assertEquals(added.code, 0, added.stderr);
  assertEquals((await station.list.find("192.0.2.200"))?.reason, "floods us");
  assertEquals(station.told, [{
    type: "client.banned",
    client: "192.0.2.0/24",
    reason: "by the operator: floods us",
    duration: 7 * 86_400_000,
  }]);
  const { stdout } = await station.bans("list");
  assertMatch(stdout, /^192\.0\.2\.0\/24 +7 d +by the operator: floods us\n$/);
  const removed = await station.bans("remove", "192.0.2.7");
  assertEquals([removed.code, removed.stdout], [0, "192.0.2.0/24  banned no more\n"]);
  assertEquals(await station.list.find("192.0.2.200"), null);
  assertStringIncludes((await station.bans("list")).stderr, "nobody is banned");
});

Deno.test("yizhan bans --json prints an object a line", async () => {
  await using station = await BanStation.start();
  await station.list.add(
    parseNetwork("192.0.2.7")!,
    { reason: "too many failed logins\u001b[2J", by: "policy" },
    60_000,
  );
  const { stdout } = await station.bans("list", "--json");
  const { type, network, by, reason, since, until } = JSON.parse(stdout);
  assertEquals([type, network, by], ["ban", "192.0.2.7", "policy"]);
  assertEquals(until - since, 60_000);
  assertEquals(reason, "too many failed logins\u001b[2J");
  assert(!stdout.includes("\u001b"));
  assert(!(await station.bans("list")).stdout.includes("\u001b"));
  await station.list.add(parseNetwork("192.0.2.7")!, { reason: "r", by: "policy" }, 40_000);
  assertMatch((await station.bans("list")).stdout, /^192\.0\.2\.7 {2}[34]\d s {2}r\n$/);
});

Deno.test("yizhan bans remove forgets what was counted, and says who is not banned", async () => {
  await using station = await BanStation.start();
  await station.list.add(parseNetwork("192.0.2.7")!, { reason: "r", by: "policy" }, 60_000);
  station.ledger.note("bans:times 192.0.2.7", "3", 60_000);
  assertEquals((await station.bans("remove", "192.0.2.7")).code, 0);
  assertEquals(station.ledger.recall("bans:times 192.0.2.7"), null);
  const again = await station.bans("remove", "192.0.2.7");
  assertEquals(again.code, 66);
  assertStringIncludes(again.stderr, "192.0.2.7 is not banned; yizhan bans list shows who is");
});

Deno.test("yizhan bans means the /64 of an IPv6 address", async () => {
  await using station = await BanStation.start();
  await station.bans("add", "2001:db8:1:2::5");
  assertEquals((await station.list.find("2001:db8:1:2:ffff::1"))?.network, "2001:db8:1:2::/64");
  assertEquals((await station.bans("remove", "2001:db8:1:2::9")).code, 0);
});

for (
  const words of [
    [],
    ["list", "192.0.2.1"],
    ["add"],
    ["add", "192.0.2.256"],
    ["add", "192.0.2.1/24"],
    ["add", "192.0.2.1", "192.0.2.2"],
    ["add", "192.0.2.1", "--for", "soon"],
    ["add", "192.0.2.1", "--for", "1ms"],
    ["remove", "192.0.2.1", "--for", "1h"],
    ["purge"],
  ]
) {
  Deno.test(`yizhan bans ${words.join(" ")}: wrong use`, async () => {
    const { code, stderr } = await run(["bans", ...words, "--socket", "/nowhere"]);
    assertEquals(code, 64, stderr);
  });
}

Deno.test("yizhan bans add refuses to ban everybody", async () => {
  await using station = await BanStation.start();
  for (const all of ["0.0.0.0/0", "::/0"]) {
    const { code, stderr } = await station.bans("add", all);
    assertEquals(code, 64);
    assertMatch(stderr, new RegExp(`^yizhan: bans add ${all}: that would ban everybody`));
  }
});

Deno.test("yizhan bans says which network is meant where bits of the host are set", async () => {
  const said = async (...words: string[]) =>
    (await run(["bans", ...words, "--socket", "/nowhere"])).stderr;
  assertStringIncludes(
    await said("add", "192.0.2.7/24"),
    "bits of the host are set; the network is 192.0.2.0/24, the host alone 192.0.2.7",
  );
  assertStringIncludes(await said("remove", "2001:db8::7/32"), "the network is 2001:db8::/32,");
  assertStringIncludes(await said("add", "192.0.2.7/33"), "wants an address or a network");
});

Deno.test("yizhan bans list says that bans are off", async () => {
  await using station = await BanStation.start({ inForce: false });
  const why = "bans are off (abuse.bans.enabled: false)";
  assertEquals((await station.bans("list")).stderr, `nobody is banned: ${why}\n`);
  await station.list.add(parseNetwork("192.0.2.7")!, { reason: "r", by: "policy" }, 60_000);
  const { code, stderr } = await station.bans("list");
  assertEquals([code, stderr], [0, `warning: ${why}: none of these holds\n`]);
});

Deno.test("yizhan bans add refuses what would change nothing, and bans nobody then", async () => {
  await using station = await BanStation.start();
  const { code, stdout, stderr } = await station.bans("add", "192.0.2.66");
  assertEquals([code, stdout], [78, ""]);
  assertStringIncludes(stderr, "it is exempt: do this");
  assertEquals(station.told, []);
  assertEquals(await station.list.find("192.0.2.66"), null);
});

Deno.test("yizhan bans asks a server that runs, and what it adds outlives a restart", async () => {
  await using site = await Site.make();
  {
    const { program } = await site.start();
    await using _ = program;
    const exempt = await site.run(["bans", "add", "127.0.0.1"]);
    assertEquals(exempt.code, 78);
    assertStringIncludes(exempt.stderr, "abuse.exempt has 127.0.0.0/8: take it out there");
    const added = await site.run(["bans", "add", "192.0.2.7", "--for", "2d"]);
    assertEquals([added.code, added.stderr], [0, ""]);
    program.signal("SIGTERM");
    const { code, stdout, stderr } = await program.ended();
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout + stderr, "by the operator");
  }
  const { program } = await site.start();
  await using _ = program;
  const { stdout } = await site.run(["bans", "list"]);
  assertMatch(stdout, /^192\.0\.2\.7 {2}(?:48 h|2 d) {2}by the operator\n$/);
});
