/**
 * Many clients that send without a pause while the options of their station are swapped again and again for others
 * that differ in everything: nobody hears a single no, and every recipient gets every mail once.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import type { MtaEvent } from "../../src/events.ts";
import { type Mta, startMta } from "../../src/mta.ts";
import type { ListenerOptions, MtaOptions } from "../../src/mta_options.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Files } from "../../src/runtime/files.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { errorCode } from "../../src/runtime/system_error.ts";
import { mxCertificate } from "../support/certificates.ts";
import { PlainClient, UnexpectedReply } from "../support/plain_client.ts";

/** Where a storm takes place. */
interface Place {
  readonly runtime: Runtime;
  /** The machine of a client. */
  readonly client: (index: number) => Runtime;
  /** Where the station listens, and whom clients know. */
  readonly hostname: string;
  /** The network of the clients, which may relay. */
  readonly clients: string;
  /** Where all files are. */
  readonly root: string;
  readonly port: (index: number) => number;
}

const RECIPIENTS = ["alice@example.test", "bob@example.test", "carol@elsewhere.example"];

/** Two sets of options that have next to nothing in common. */
function twoWorlds(place: Place, next: { host: string; port: number }): [MtaOptions, MtaOptions] {
  const { runtime, hostname, root, port } = place;
  const listener = (index: number, more: Partial<ListenerOptions>): ListenerOptions => ({
    role: "mx",
    address: { transport: "tcp", hostname, port: port(index) },
    ...more,
  });
  const directory = () =>
    mapDirectory({ accounts: { "alice@example.test": {}, "bob@example.test": {} } });
  const common = { runtime, relayFrom: [place.clients], temporary: `${root}/incoming` };
  const { host } = next;
  return [
    {
      ...common,
      hostname: "mx.example.test",
      directory: directory(),
      delivery: { maildirRoot: `${root}/mail-a` },
      certificates: [mxCertificate],
      listeners: [
        listener(0, { connections: 100 }),
        listener(1, { role: "catcher", name: "first" }),
        listener(2, { role: "submission" }),
      ],
      routes: [{
        domains: ["elsewhere.example"],
        via: { kind: "smarthost", ...next, tls: "none" },
      }],
      queue: { directory: `${root}/queue`, srsSecret: "the secret of the first" },
      postmaster: "alice@example.test",
      bodyMemory: 32 * 1024,
    },
    {
      ...common,
      hostname: "mail.example.test",
      directory: directory(),
      delivery: { maildirRoot: `${root}/mail-b` },
      listeners: [
        listener(3, { name: "other" }),
        listener(0, { name: "main", limits: { messageSize: 100_000 }, banner: "another" }),
      ],
      policies: [{ name: "nothing", recipient: () => Promise.resolve({ action: "accept" }) }],
      routes: [{ domains: ["*"], via: { kind: "smarthost", host, port: next.port } }],
      queue: {
        directory: `${root}/queue`,
        limits: { concurrency: 3, window: 20, batch: 5 },
        retry: { usual: { first: 1000, longest: 2000 } },
        paused: true,
      },
      subaddressDelimiter: "-",
    },
  ];
}

/** A client that sends until it is told to end; gives the numbers of its mails. */
async function sendMails(
  place: Place,
  index: number,
  isOver: () => boolean,
  failures: string[],
): Promise<string[]> {
  const { network, clock } = place.client(index);
  const sent: string[] = [];
  // Most stay with the address that is always there; some go where they are let in.
  const ports = index % 5 === 0 ? [1, 3] : [0];
  while (!isOver()) {
    for (const port of ports.map(place.port)) {
      let client: PlainClient;
      try {
        const address = { transport: "tcp", hostname: place.hostname, port } as const;
        client = await PlainClient.open(network, address);
      } catch (error) {
        // An address that is there only at times may refuse, and close what it has not greeted.
        const closed = error instanceof UnexpectedReply && error.reply === null;
        const away = closed || ["ECONNREFUSED", "ECONNRESET"].includes(errorCode(error) ?? "");
        if (!away || ports.length === 1) failures.push(String(error));
        await clock.sleep(3);
        continue;
      }
      try {
        await client.hello();
        for (let mail = 0; mail < 1 + index % 3; mail++) {
          const number = `${index}-${sent.length}`;
          const body = "x".repeat(index % 4 === 0 ? 40_000 : 100).replaceAll(/x{70}/g, "$&\r\n");
          await client.mail("a@client.example", RECIPIENTS, `Subject: ${number}.\r\n\r\n${body}`);
          sent.push(number);
        }
        await client.quit();
      } catch (error) {
        failures.push(`${error}`);
        client.close();
      }
    }
  }
  return sent;
}

/** How often each number lies in a mailbox. */
async function numbersIn(files: Files, folders: readonly string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const folder of folders) {
    if ((await files.stat(folder)) === null) continue;
    for await (const { name } of files.list(folder)) {
      const text = decode(await files.readFile(`${folder}/${name}`));
      const number = /^Subject: (\S+)\./m.exec(text)?.[1] ?? text;
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  return counts;
}

/** The station that mail for elsewhere goes to. */
function elsewhere(runtime: Runtime, root: string, hostname: string): Promise<Mta> {
  return startMta({
    runtime,
    hostname: "mx.elsewhere.example",
    directory: mapDirectory({ accounts: { "carol@elsewhere.example": {} } }),
    delivery: { maildirRoot: `${root}/mail` },
    listeners: [{ role: "mx", address: { transport: "tcp", hostname, port: 0 } }],
  });
}

/** All of it; gives how many mails were sent. */
async function storm(
  place: Place,
  next: { readonly mta: Mta; readonly files: Files; readonly root: string },
  { clients, reloads, pause }: { clients: number; reloads: number; pause: () => number },
): Promise<number> {
  const { clock, files } = place.runtime;
  const [nextAddress] = next.mta.addresses;
  assert(nextAddress?.transport === "tcp");
  const events: MtaEvent[] = [];
  const worlds = twoWorlds(place, { host: nextAddress.hostname, port: nextAddress.port })
    .map((options) => ({ ...options, onEvent: (event: MtaEvent) => void events.push(event) }));
  const mta = await startMta(worlds[0]!);
  const failures: string[] = [];
  let over = false;
  const sending = Array.from(
    { length: clients },
    (_, index) => sendMails(place, index, () => over, failures),
  );
  for (let reload = 1; reload <= reloads; reload++) {
    await clock.sleep(pause());
    await mta.reload(worlds[reload % 2]!);
  }
  over = true;
  const sent = (await Promise.all(sending)).flat();
  await mta.reload(worlds[0]!);
  const isDone = () => events.filter(({ type }) => type === "message.done").length >= sent.length;
  while (!isDone()) await clock.sleep(20);

  assertEquals(failures, []);
  const once = new Map(sent.map((number) => [number, 1]));
  for (const user of ["alice", "bob"]) {
    const folders = ["mail-a", "mail-b"].map((mail) =>
      `${place.root}/${mail}/example.test/${user}/new`
    );
    assertEquals(
      await numbersIn(files, folders),
      sorted(once, await numbersIn(files, folders)),
      user,
    );
  }
  const there = await numbersIn(next.files, [`${next.root}/mail/elsewhere.example/carol/new`]);
  assertEquals(there, sorted(once, there), "carol");
  const bad = ["internal.error", "queue.trouble", "delivery.failed", "station.reload-failed"];
  assertEquals(events.filter(({ type }) => bad.includes(type)), []);
  assertEquals(mta.status().reloads, reloads + 1);
  await mta.stop();
  await next.mta.stop();
  return sent.length;
}

/** A map in the order of another, as far as it has the same keys. */
function sorted(map: Map<string, number>, like: Map<string, number>): Map<string, number> {
  const keys = [...like.keys()].filter((key) => map.has(key));
  return new Map([...new Set([...keys, ...map.keys()])].map((key) => [key, map.get(key)!]));
}

Deno.test("reload() under the load of 20 clients: not one error, and every mail arrives once", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { clock } = runtime;
  runtime.network.wires.conditions = () => ({
    delay: () => 1 + Math.floor(runtime.random.float() * 9),
  });
  const far = memoryRuntime({ address: "192.0.2.77", beside: runtime });
  const machines = new Map<number, Runtime>();
  const place: Place = {
    runtime,
    hostname: "192.0.2.25",
    clients: "198.51.100.0/24",
    root: "/srv",
    port: (index) => [25, 2525, 587, 2526][index]!,
    client: (index) => {
      const known = machines.get(index);
      const address = `198.51.100.${index + 1}`;
      const machine = known ?? memoryRuntime({ address, beside: runtime });
      machines.set(index, machine);
      return machine;
    },
  };
  const mta = await elsewhere(far, "/far", "192.0.2.77");
  const sent = await clock.runUntil(storm(place, { mta, files: far.files, root: "/far" }, {
    clients: 20,
    reloads: 50,
    pause: () => runtime.random.float() * 200,
  }));
  assert(sent > 500, `${sent} mails are no storm`);
  await clock.advance(20); // last words are on their way yet
  assertEquals(clock.sleepers, 0, "somebody still sleeps");
  assertEquals(runtime.network.wires.links.length, 0, "a connection is still open");
});

Deno.test("reload() under load over real sockets: the same", async () => {
  const runtime = denoRuntime();
  const root = await Deno.makeTempDir();
  // An address of this machine that nobody else uses, so that ports may be chosen.
  const hostname = `127.${[...runtime.random.bytes(3)].map((octet) => octet % 250 + 1).join(".")}`;
  const place: Place = {
    ...{ runtime, root, hostname, clients: "127.0.0.0/8" },
    port: (index) => [40_025, 42_525, 40_587, 42_526][index]!,
    client: () => runtime,
  };
  const mta = await elsewhere(runtime, `${root}/far`, hostname);
  const sent = await storm(place, { mta, files: runtime.files, root: `${root}/far` }, {
    clients: 5,
    reloads: 10,
    pause: () => 15,
  });
  assert(sent > 0);
  await Deno.remove(root, { recursive: true });
});
