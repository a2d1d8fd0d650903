import { assertEquals, assertMatch } from "@std/assert";
import { checkFilters, type FiltersContext } from "../../src/cli/check/check_filters.ts";
import type { MachineFacts } from "../../src/cli/check/machine_facts.ts";
import { filterTroubles, probeFilter } from "../../src/cli/filter_probe.ts";
import { type ConfigInput, configSchema } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Network } from "../../src/runtime/network.ts";
import { SystemError } from "../../src/runtime/system_error.ts";
import { Folder, permissionTest, run } from "./program.ts";
import { writeConfig } from "../support/config.ts";

type Filters = NonNullable<ConfigInput["filters"]>;

function configOf(filters: Filters, more: Partial<ConfigInput> = {}) {
  const listeners = [{ role: "mx", address: "127.0.0.1:25" } as const];
  return configSchema.parse({ hostname: "mx.example.test", listeners, filters, ...more });
}

/** A machine where connecting fails so, after that many milliseconds. */
function failing(error: Error, took = 0) {
  let now = 0;
  const connect = () => {
    now += took;
    return Promise.reject(error);
  };
  const clock = { ...denoRuntime().clock, now: () => now };
  return { network: { connect } as unknown as Network, clock };
}

const SIGNER = { kind: "milter", name: "signer", address: "unix:/nowhere/signer.sock" } as const;

Deno.test("probeFilter() says who may write to a socket that this user may not, not to start it", async () => {
  const [filter] = configOf([SIGNER]).filters;
  for (const code of ["EACCES", "EPERM"]) {
    const machine = failing(new SystemError(code, "connect failed"));
    const { state, remedy } = await probeFilter(filter!, machine);
    assertEquals(state, "denied");
    assertMatch(remedy!, /^let Yizhan's user write to the socket .*, then restart Yizhan/);
  }
  await using folder = await Folder.make();
  const path = `${folder.path}/signer.sock`;
  await Deno.writeTextFile(path, "");
  await Deno.chmod(path, 0o770);
  const here = configOf([{ ...SIGNER, address: `unix:${path}` }]).filters;
  const [line] = await filterTroubles(here, failing(new SystemError("EACCES", "connect failed")));
  const { gid } = await Deno.stat(path);
  const name = (await Deno.readTextFile("/etc/group")).split("\n").map((one) => one.split(":"))
    .find((one) => one[2] === `${gid}`)?.[0] ?? gid;
  assertMatch(line!, new RegExp(`: let Yizhan's user .*: add it to the group ${name}, which owns`));
});

Deno.test("probeFilter() calls a filter that takes its time slow, not dead", async () => {
  const [filter] = configOf([{ ...SIGNER, address: "127.0.0.1:8891" }]).filters;
  const late = failing(new Error("no connection within 3000 ms"), 3000);
  const { state, trouble } = await probeFilter(filter!, late);
  assertEquals([state, trouble], ["slow", "did not answer within 3 s"]);
});

Deno.test("probeFilter() asks whether what speaks another protocol is a milter", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.write(new TextEncoder().encode("550 5.5.1 what?\r\n"));
    while (await connection.read(new Uint8Array(100)) !== null);
  })().catch(() => {});
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const [filter] = configOf([{ ...SIGNER, address }]).filters;
  const { trouble } = await probeFilter(filter!, denoRuntime());
  assertMatch(
    trouble!,
    /cannot be asked: broke the protocol: a packet of .* \(is it a milter\?\);/,
  );
  await serving;
});

Deno.test("checkFilters() says that root asked where the server would be another user", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`;
  const config = configOf([{ kind: "http", url, secret: "a secret of the test" }], {
    user: "yizhan",
  });
  const find = async (uid: number) => {
    const loaded = { config } as unknown as FiltersContext["loaded"];
    const facts = { uid } as MachineFacts;
    const [found] = await checkFilters({ loaded, runtime: denoRuntime(), facts });
    return found?.message;
  };
  assertMatch((await find(0))!, / answers \(asked as root, which may more than .* as yizhan\)$/);
  assertMatch((await find(1000))!, / answers$/);
});

Deno.test("checkFilters() calls it an error where a server runs that only its own user may ask", async () => {
  const runtime = { ...denoRuntime(), ...failing(new SystemError("ECONNREFUSED", "refused")) };
  const accepts = { ...SIGNER, onTrouble: "accept" } as const;
  const loaded = { config: configOf([SIGNER, accepts]) } as unknown as FiltersContext["loaded"];
  const levels = async (context: Omit<FiltersContext, "loaded">) =>
    (await checkFilters({ loaded, ...context })).map(({ level }) => level);
  assertEquals(await levels({ runtime, closedServer: true }), ["error", "warning"]);
  assertEquals(await levels({ runtime }), ["warning", "warning"]);
  // The server may be let in where this user is not.
  const denied = { ...runtime, ...failing(new SystemError("EACCES", "denied")) };
  assertEquals(await levels({ runtime: denied, closedServer: true }), ["warning", "warning"]);
});

permissionTest("yizhan check claims nothing about what Deno does not let it ask", async () => {
  await using folder = await Folder.make();
  for (const name of ["etc", "var"]) await Deno.mkdir(`${folder.path}/${name}`);
  const lists = [{ zone: "list.test" }];
  for (const nameServers of [[], ["127.0.0.1:5399"]]) {
    await writeConfig(`${folder.path}/etc`, {
      ...{ data: `${folder.path}/var`, users: `${folder.path}/users`, relay: { nameServers } },
      hostname: "mx.example.test",
      listeners: [{ role: "mx", address: "127.0.0.1:0" }],
      filters: [
        { ...SIGNER, address: `unix:${folder.path}/var/signer.sock` },
        { kind: "http", url: "http://127.0.0.1:1/", secret: "a secret of the test" },
      ],
      abuse: { dnsLists: { lists } },
    });
    const words = ["check", "--config", `${folder.path}/etc/yizhan.yaml`];
    const { stdout } = await run(words, { flags: [`--allow-read=${folder.path}/etc`] });
    const untried = stdout.match(/(?:cannot be tried|is not known|cannot be read): Deno was not /g);
    assertEquals(untried?.length, 9, stdout);
    assertEquals(/451|start it|of no use|no server runs|names no|gives no/.test(stdout), false);
    const missing = /Deno does not grant here: (.*)/.exec(stdout)![1]!.split(", ");
    assertEquals(missing.length, new Set(missing).size);
  }
});
