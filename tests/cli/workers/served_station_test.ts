import { assertEquals } from "@std/assert";
import { CommandServer } from "../../../src/admin/command_port.ts";
import { ControlError } from "../../../src/admin/control_protocol.ts";
import type { ControlCommand } from "../../../src/admin/control_server.ts";
import { CONFIG_MACHINE } from "../../../src/cli/config_file.ts";
import { makeServerFolders } from "../../../src/cli/serve_needs.ts";
import { ServedStation } from "../../../src/cli/served_station.ts";
import type { ToThread } from "../../../src/cli/workers/messages.ts";
import type { ThreadStarter } from "../../../src/cli/workers/thread.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { MtaEvent } from "../../../src/events.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import { Site } from "../site.ts";

// deno-lint-ignore require-yield
const does: ControlCommand = async function* () {
  return {};
};

// deno-lint-ignore require-yield
const refuses: ControlCommand = async function* () {
  throw new ControlError("failed", "there is no such address");
};

/** A thread that is none, and takes no other configuration. */
const refusing: ThreadStarter = (_, { onMessage }) => {
  const commands = { start: does, prepare: refuses, stop: does };
  const server = new CommandServer(() => commands, onMessage);
  queueMicrotask(() => onMessage({ type: "ready" }));
  return { send: (message) => server.receive(message as ToThread & { type: "ask" }), end() {} };
};

Deno.test("ServedStation.reload() tells, once, that one of several does not take it", async () => {
  await using site = await Site.make();
  const runtime = denoRuntime();
  const load = async (hostname: string) =>
    await loadConfig(await site.configure({ workers: 2, hostname }), CONFIG_MACHINE);
  const config = await load("mx.example.test");
  await makeServerFolders(runtime.files, config);
  const events: MtaEvent[] = [];
  const station = await ServedStation.start({
    ...{ runtime, stationRuntime: runtime, config, workers: 2, starter: refusing },
    output: { write: (octets) => Promise.resolve(octets.length) },
    logFormat: () => "json",
    reread: () => load("other.example.test"),
    onReload: () => {},
    onEvent: (event) => events.push(event),
    droppedLogLines: () => 0,
  });
  const report = await station.reload();
  assertEquals(report, { status: "refused", problems: ["there is no such address"] });
  const failures = events.flatMap((one) => one.type === "station.reload-failed" ? [one.error] : []);
  assertEquals(failures, ["there is no such address"]);
  assertEquals(station.config.config.hostname, "mx.example.test");
  await station.stop();
});
