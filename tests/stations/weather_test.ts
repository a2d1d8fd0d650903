/**
 * A week of four stations in any weather: aliases that lead to each other, people who do not exist, hosts that
 * are restarted or lose power, lines that break. Every mail reaches every mailbox that its addresses lead to,
 * and of what reaches none its sender hears.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { MemoryRandom } from "../../src/runtime/memory_random.ts";
import type { LinkConditions } from "../../src/runtime/memory_wires.ts";
import { isReport, readReport } from "./report.ts";
import { DAY, HOUR, MINUTE, SECOND, type Station, World } from "./world.ts";

const DOMAINS = ["a", "b", "c", "d"].map((name) => `${name}.example`);

/** What lives where. */
interface Map {
  /** From an alias to where it leads, one or several. */
  readonly aliases: Readonly<Record<string, string[]>>;
  readonly mailboxes: readonly string[];
}

function drawMap(random: MemoryRandom): Map {
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)]!;
  const mailboxes = DOMAINS.flatMap((domain) => [`u0@${domain}`, `u1@${domain}`]);
  const names = DOMAINS.flatMap((domain) => [`x0@${domain}`, `x1@${domain}`, `x2@${domain}`]);
  const ghosts = DOMAINS.map((domain) => `ghost@${domain}`);
  const aliases = Object.fromEntries(names.map((name) => {
    // Lists lead to mailboxes only: two that led to each other would breed.
    if (random.below(3) === 0) return [name, [pick(mailboxes), pick(mailboxes)]];
    return [name, [pick([...names, ...mailboxes, ...ghosts])]];
  }));
  return { aliases, mailboxes };
}

/** The mailboxes an address leads to; `null` among them where a way ends nowhere, or never. */
function follow(
  { aliases, mailboxes }: Map,
  address: string,
  seen: string[] = [],
): (string | null)[] {
  if (mailboxes.includes(address)) return [address];
  if (seen.includes(address)) return [null];
  const targets = aliases[address];
  if (targets === undefined) return [null];
  return targets.flatMap((target) => follow({ aliases, mailboxes }, target, [...seen, address]));
}

async function week(seed: number): Promise<void> {
  await using world = new World(seed);
  const random = new MemoryRandom(seed);
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)]!;
  const map = drawMap(random);
  const stations: Station[] = [];
  for (const domain of DOMAINS) {
    const own = (address: string) => address.endsWith(`@${domain}`);
    stations.push(
      await world.station(domain, {
        directory: {
          accounts: Object.fromEntries(map.mailboxes.filter(own).map((name) => [name, {}])),
          aliases: Object.fromEntries(Object.entries(map.aliases).filter(([name]) => own(name))),
        },
        postmaster: `u0@${domain}`,
      }),
    );
  }
  world.hub.network.wires.conditions = (): LinkConditions => ({
    delay: random.below(50),
    ...(random.below(8) === 0 && { fault: { after: random.below(4000), kind: "reset" } }),
    ...(random.below(20) === 0 && { fault: { after: random.below(4000), kind: "silence" } }),
  });
  const addresses = [...map.mailboxes, ...Object.keys(map.aliases), "ghost@a.example"];
  const sent: { number: number; sender: string; recipients: string[] }[] = [];
  for (let number = 0; number < 24; number++) {
    const recipients = [pick(addresses), pick(addresses), pick(addresses)];
    const sender = pick(map.mailboxes);
    const station = stations.find(({ domain }) => sender.endsWith(domain))!;
    if (!station.isDown) {
      const message = `Subject: ${number}\r\nX-Number: ${number}.\r\n\r\nHello.\r\n`;
      // What is refused at the door its sender has been told.
      const taking = station.mta.submit({ sender, recipients }, message).then(
        ({ refused }) => {
          const told = refused.map(({ recipient }) => recipient);
          sent.push({
            number,
            sender,
            recipients: recipients.filter((one) => !told.includes(one)),
          });
        },
        () => {},
      );
      await world.clock.runUntil(taking);
    }
    await world.pass(random.below(100));
    const victim = pick(stations);
    switch (random.below(8)) {
      case 0:
        if (!victim.isDown) victim.crash(pick(["torn", "lost", "kept"]));
        break;
      case 1:
        if (!victim.isDown) await world.clock.runUntil(victim.stop(random.below(SECOND)));
        break;
      case 2:
        await world.pass(random.below(20 * MINUTE));
        break;
    }
    for (const station of stations) {
      if (station.isDown && random.below(3) === 0) await station.start();
    }
  }
  await world.pass(HOUR);
  for (const station of stations) if (station.isDown) await station.start();
  await world.pass(7 * DAY);

  const boxes = new globalThis.Map<string, string[]>();
  for (const mailbox of map.mailboxes) {
    const [user, domain] = mailbox.split("@") as [string, string];
    boxes.set(mailbox, await stations[DOMAINS.indexOf(domain)]!.mailbox(user));
  }
  for (const station of stations) {
    assertEquals(await station.queued(), [], `seed ${seed}: ${station.domain}`);
    assertEquals(station.faults, [], `seed ${seed}: ${station.domain}`);
    assertEquals(station.of("notice.dropped"), [], `seed ${seed}: ${station.domain}`);
  }
  for (const { number, sender, recipients } of sent) {
    const where = `seed ${seed}, mail ${number} to ${recipients}`;
    const is = (mail: string) => mail.includes(`X-Number: ${number}.`);
    const ends = recipients.flatMap((recipient) => follow(map, recipient));
    for (const end of ends) {
      if (end !== null) assert(boxes.get(end)!.some((mail) => !isReport(mail) && is(mail)), where);
    }
    const told = boxes.get(sender)!.filter((mail) => isReport(mail) && is(mail)).map(readReport);
    const kinds = told.flatMap(({ recipients }) => recipients.map(({ action }) => action));
    assertEquals(kinds.includes("failed"), ends.includes(null), `${where}: ${kinds}`);
  }
}

Deno.test("in any weather mail arrives where it leads, and what leads nowhere is told", async () => {
  for (let seed = 1; seed <= 6; seed++) await week(seed);
});
