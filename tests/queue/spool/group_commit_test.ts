import { assertEquals, assertRejects } from "@std/assert";
import { GroupCommit, type WrittenGroup } from "../../../src/queue/spool/group_commit.ts";

/** A group that was written, and how its sync ends. */
interface Seen {
  readonly items: readonly number[];
  readonly sync: PromiseWithResolvers<void>;
}

/** A log of which the test says when a sync ends. */
function logOf(most: number, written: (group: readonly number[]) => Partial<WrittenGroup<number>>) {
  const seen: Seen[] = [];
  const log = new GroupCommit<number>((items) => {
    const sync = Promise.withResolvers<void>();
    seen.push({ items, sync });
    return Promise.resolve({ sync: () => sync.promise, ...written(items) });
  }, most);
  return { log, seen, sizes: () => seen.map(({ items }) => items.length) };
}

/** Enough turns for all that waits for nothing. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

const many = (log: GroupCommit<number>, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => log.add(i)));

Deno.test("add() gathers what comes while a group is synced, however much with one sync at a time", async () => {
  const { log, seen, sizes } = logOf(1, () => ({}));
  const all = [many(log, 3)];
  await settle();
  all.push(many(log, 20), many(log, 20));
  await settle();
  assertEquals(sizes(), [3]);
  seen[0]!.sync.resolve();
  await settle();
  assertEquals(sizes(), [3, 40]);
  seen[1]!.sync.resolve();
  await Promise.all(all);
});

Deno.test("add() begins another group beside one that is synced as soon as it is worth it, and no third", async () => {
  const { log, seen, sizes } = logOf(2, () => ({}));
  const all = [many(log, 1)];
  await settle();
  all.push(many(log, 7));
  await settle();
  assertEquals(sizes(), [1]);
  all.push(many(log, 1));
  await settle();
  assertEquals(sizes(), [1, 8]);
  all.push(many(log, 30));
  await settle();
  assertEquals(sizes(), [1, 8]);
  seen[1]!.sync.resolve(); // the later one may end first
  await all[1];
  await settle();
  assertEquals(sizes(), [1, 8, 30]);
  let idle = false;
  const ended = log.idle().then(() => idle = true);
  seen[0]!.sync.resolve();
  await settle();
  assertEquals(idle, false);
  seen[2]!.sync.resolve();
  await ended;
  await Promise.all(all);
});

Deno.test("a group that fails fails for all in it, and for nobody else", async () => {
  const { log, seen } = logOf(2, (items) => {
    if (items.includes(99)) throw new Error("cannot be written");
    return {};
  });
  const first = log.add(1);
  await settle();
  const second = many(log, 8);
  await settle();
  seen[0]!.sync.reject(new Error("cannot be synced"));
  await assertRejects(() => first, Error, "cannot be synced");
  const third = [log.add(99), log.add(2)].map((one) => assertRejects(() => one, Error, "written"));
  seen[1]!.sync.resolve();
  await second;
  await Promise.all(third);
  const fourth = log.add(3);
  await settle();
  seen[3]!.sync.resolve();
  await fourth;
});

Deno.test("an item that fails alone leaves the others of its group", async () => {
  const failed = new Map([[2, new Error("not this one")]]);
  const { log, seen } = logOf(1, () => ({ failed }));
  const [one, two, three] = [log.add(1), log.add(2), log.add(3)];
  await settle();
  seen[0]!.sync.resolve();
  await assertRejects(() => two!, Error, "not this one");
  await Promise.all([one, three]);
});
