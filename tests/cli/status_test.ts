import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ControlError } from "../../src/admin/control_protocol.ts";
import { ControlServer } from "../../src/admin/control_server.ts";
import type { StationStatus } from "../../src/admin/station_requests.ts";
import { formatStatus } from "../../src/cli/status.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { run } from "./program.ts";
import { Site } from "./site.ts";

const NOW = Date.UTC(2026, 10, 23);

/** A station with a queue. */
const STATUS: StationStatus = {
  started: NOW - 90_000,
  loaded: NOW - 30_000,
  reloads: 1,
  hostname: "mx.example.test",
  stopping: false,
  listeners: [
    {
      name: "mx",
      role: "mx",
      address: { transport: "tcp", hostname: "::", port: 25 },
      connections: 12,
      listening: true,
    },
    {
      name: "submission",
      role: "submission",
      address: { transport: "tcp", hostname: "127.0.0.1", port: 2587 },
      connections: 0,
      listening: false,
    },
  ],
  bodyMemory: 0,
  queue: { paused: false, troubled: false, messages: 1, waiting: 0, running: 1, down: [] },
  version: "1.2.3",
  runtime: "deno 2.9.6",
  pid: 7,
  config: "yizhan.yaml",
  certificates: [],
};

Deno.test("formatStatus() shows listeners in columns, and how much mail lies in the queue", () => {
  const facts = { now: NOW, mail: { messages: 3, more: false }, changed: NOW - 60_000 };
  assertEquals(formatStatus(STATUS, facts).split("\n").slice(2), [
    "",
    "Listeners:",
    "  mx          [::]:25         12 connected",
    "  submission  127.0.0.1:2587  0 connected, takes no more",
    "",
    "Queue: 3 messages, 1 delivery under way, 0 waiting for their turn.",
  ]);
  const many = formatStatus(STATUS, { ...facts, mail: { messages: 1000, more: true } });
  assertStringIncludes(many, "Queue: 1000 or more messages, ");
});

Deno.test("formatStatus() tells until when certificates are good, and why one does not come", () => {
  const [file, expires] = ["mx.pem", NOW + 60 * 86_400_000];
  const tell = (acme?: StationStatus["certificates"][number]["acme"]) =>
    formatStatus(
      { ...STATUS, certificates: [{ file, expires, ...(acme && { acme }) }] },
      { now: NOW, mail: null, changed: null },
    ).split("\n").slice(8);
  assertEquals(tell(), ["Certificate mx.pem: until 2027-01-22, for 60 days."]);
  assertEquals(tell({ issued: true, next: NOW + 30 * 86_400_000 }), [
    "Certificate mx.pem: until 2027-01-22, for 60 days; renewed about 2026-12-23.",
  ]);
  assertEquals(tell({ issued: false, trouble: "no\x1b[2J", next: NOW + 900_000 }), [
    "Certificate mx.pem: signed by itself, until the authority gives one.",
    "  the last order FAILED: no\\u{1b}[2J; tried again in 15 min",
  ]);
});

Deno.test("formatStatus() tells of bans and of filters", () => {
  const facts = { now: NOW, mail: null, changed: null };
  const tell = (policies: Partial<StationStatus>) =>
    formatStatus({ ...STATUS, ...policies }, facts).split("\n").slice(8);
  const rspamd = { name: "rspamd", kind: "milter", place: "127.0.0.1:11332", trouble: null };
  const trouble = "cannot be asked: connection refused\x1b; mail passes unfiltered until it does";
  assertEquals(
    tell({
      abuse: { banned: 3, remembered: 1204, greylisting: true },
      filters: [rspamd, { ...rspamd, name: "av", trouble, remedy: "start it" }],
    }),
    [
      "Strangers: 3 banned, greylisting is on; 1204 entries of limits remembered.",
      "Filter rspamd at 127.0.0.1:11332: answers.",
      "Filter av at 127.0.0.1:11332: cannot be asked: connection refused\\u{1b}; " +
      "mail passes unfiltered until it does.",
      "  start it",
    ],
  );
  assertEquals(tell({ abuse: { banned: null, remembered: 1, greylisting: false }, filters: [] }), [
    "Strangers: bans are off, greylisting is off; 1 entry of limits remembered.",
  ]);
  assertEquals(tell({}), []);
});

Deno.test("yizhan status counts who is banned, and asks the filters", async () => {
  await using site = await Site.make();
  const { program } = await site.start({
    relay: { enabled: false },
    filters: [{ kind: "clamav", address: `unix:${site.path}/clamd.sock`, onTrouble: "accept" }],
  });
  await using _ = program;
  for (const network of ["192.0.2.7", "198.51.100.0/24"]) {
    assertEquals((await site.run(["bans", "add", network])).code, 0);
  }
  const { abuse, filters } = JSON.parse((await site.run(["status", "--json"])).stdout);
  // The lengths of prefixes in use are an entry too.
  assertEquals(abuse, { banned: 2, remembered: 3, greylisting: false });
  const [{ trouble, remedy, ...filter }] = filters;
  const place = `unix:${site.path}/clamd.sock`;
  assertEquals(filter, { name: "clamav", kind: "clamav", place, slow: false });
  assertMatch(remedy, /^start it, or /);
  assertMatch(trouble, /^cannot be asked: .*; mail passes unfiltered until it does/);
  const { stdout } = await site.run(["status"]);
  assertMatch(
    stdout,
    /\nStrangers: 2 banned, greylisting is off; 3 entries of limits remembered\.\n/,
  );
});

Deno.test("formatStatus() tells of a configuration that was changed after it was read", () => {
  const told = (changed: number | null) =>
    formatStatus(STATUS, { now: NOW, mail: null, changed }).includes("has been changed since");
  assertEquals([NOW - 60_000, NOW - 30_000, NOW - 10_000, null].map(told), [
    false,
    false,
    true,
    false,
  ]);
});

Deno.test("yizhan status and check tell of mail in the queue and of a file that is newer", async () => {
  await using site = await Site.make();
  const { program } = await site.start();
  await using _ = program;
  const before = await site.run(["status"]);
  assertEquals([before.code, before.stderr], [0, ""]);
  assertMatch(before.stdout, /\nQueue: 0 messages, 0 deliveries under way/);
  assert(!before.stdout.includes("changed since"), before.stdout);

  const later = Date.now() / 1000 + 60;
  await Deno.utime(`${site.path}/yizhan.yaml`, later, later);
  const { stdout } = await site.run(["status"]);
  assertStringIncludes(stdout, "\n  the file has been changed since: ");
  const check = await site.run(["check", "--quiet"]);
  assertMatch(check.stdout, /^warning {2}server +the configuration has been changed since/m);
  const { mail, started } = JSON.parse((await site.run(["status", "--json"])).stdout);
  assertEquals(mail, { messages: 0, more: false });
  assertMatch(started, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

Deno.test("yizhan status tells of a worker that is being started again, whose mail cannot be counted", async () => {
  const folder = await Deno.makeTempDir();
  const { network, files, clock } = denoRuntime();
  const workers = [{ name: "worker 1", state: "restarting", connections: 0, messages: 0 }] as const;
  const server = await ControlServer.start({
    ...{ network, files, clock, path: `${folder}/control.sock` },
    commands: {
      async *status() {
        yield { type: "status", ...STATUS, workers };
        return {};
      },
      // deno-lint-ignore require-yield
      async *list() {
        throw new ControlError("busy", "worker 1 is being started again");
      },
    },
  });
  const { code, stdout, stderr } = await run(["status", "--socket", `${folder}/control.sock`]);
  await server.stop();
  await Deno.remove(folder, { recursive: true });
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /\nQueue: 1 delivery under way, 0 waiting/);
  assertMatch(stdout, /\nWorkers: 2; worker 1 being started again\.\n/);
});
