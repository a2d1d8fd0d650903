/**
 * What every {@link QueueStore} does. That it survives a power cut can only be tested where power can be cut: with the
 * spool's own tests.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { concat, encode } from "../../src/bytes.ts";
import type { QueuedRecipient, QueueEntry } from "../../src/queue/entry.ts";
import type { MessageSource } from "../../src/queue/local_delivery.ts";
import {
  type Claim,
  LeaseLostError,
  type NewMessage,
  type QueueStore,
} from "../../src/queue/store.ts";
import type { MemoryClock } from "../../src/runtime/memory_clock.ts";

/** A store for one test. */
export interface StoreUnderTest {
  /** Empty. */
  readonly store: QueueStore;
  /** The store's own time. */
  readonly clock: MemoryClock;
  /** The same store after its `close()` and a new start; absent where nothing is kept. */
  reopen?(): Promise<QueueStore>;
  /** Takes it down. */
  end?(): Promise<void>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const HEAD = encode("Subject: caf\u00e9\r\nX-Folded: a\r\n b\r\n");

/** What `changes` leaves of a plain recipient that waits for `next`. */
function recipient(next: number, changes: Partial<QueuedRecipient> = {}): QueuedRecipient {
  return {
    address: { local: "bob", domain: "example.net" },
    status: "waiting",
    next,
    attempts: 0,
    history: [],
    ...changes,
  };
}

/** A message that is due at `next`. */
function message(
  id: string,
  next: number,
  { body = encode("Hello.\r\n"), changes = {} }: {
    body?: Uint8Array;
    changes?: Partial<QueueEntry>;
  } = {},
): NewMessage {
  const entry: QueueEntry = {
    id,
    received: Date.UTC(2026, 0, 1, 0, 0, 1),
    sender: { local: "alice", domain: "example.org" },
    recipients: [recipient(next)],
    body: "8BITMIME",
    smtputf8: false,
    requireTls: false,
    headSize: HEAD.length,
    bodySize: body.length,
    origin: { kind: "session", session: "s1", client: "198.51.100.7", identity: "alice" },
    ...changes,
  };
  return { entry, source: sourceOf(body) };
}

/** A body whose chunks are not kept for anybody. */
function sourceOf(body: Uint8Array): MessageSource {
  return {
    head: HEAD,
    bodySize: body.length,
    async *openBody() {
      const buffer = new Uint8Array(50_000);
      for (let at = 0; at < body.length; at += buffer.length) {
        const part = body.subarray(at, at + buffer.length);
        buffer.set(part);
        yield buffer.subarray(0, part.length);
      }
      buffer.fill(0x21);
    },
  };
}

/** A body that cannot be read to its end. */
function brokenMessage(id: string, next: number): NewMessage {
  const { entry, source } = message(id, next);
  return {
    entry,
    source: {
      ...source,
      async *openBody() {
        yield encode("Hel");
        throw new Error("unreadable");
      },
    },
  };
}

/** The entry after an attempt, to be tried again at `next`. */
function deferred(entry: QueueEntry, next: number): QueueEntry {
  const time = entry.received + 1000;
  return {
    ...entry,
    recipients: entry.recipients.map((one) => ({
      ...one,
      next,
      attempts: one.attempts + 1,
      history: [
        ...one.history,
        {
          time,
          host: "mx.example.net [192.0.2.7]:25",
          reply: { code: 451, enhanced: "4.7.1", lines: ["Greylisted", "come again"] },
          tls: "TLSv1.3",
        },
      ],
    })),
  };
}

async function readBody(source: MessageSource): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source.openBody()) parts.push(part.slice());
  return concat(parts);
}

async function listIds(store: QueueStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.list()) ids.push(id);
  return ids.sort();
}

/** Claims as long as there is something, a few at a time; gives the ids. */
async function claimAll(store: QueueStore, now: number): Promise<string[]> {
  const ids: string[] = [];
  for (let claims; (claims = await store.claim(now, 7)).length > 0;) {
    ids.push(...claims.map(({ entry }) => entry.id));
  }
  return ids.sort();
}

async function claimOne(store: QueueStore, id: string, now: number): Promise<Claim> {
  const claim = await store.claimById(id, now);
  assert(claim !== null, `${id} cannot be claimed`);
  return claim;
}

/** Registers the tests. */
export function queueStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  const test = (what: string, body: (under: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      const under = await open();
      try {
        await body(under);
      } finally {
        await under.end?.();
      }
    });

  /** A store as it is, and one that was started anew: what is durable is the same in both. */
  const durable = async ({ store, reopen }: StoreUnderTest, check: (s: QueueStore) => unknown) => {
    await check(store);
    if (reopen === undefined) return;
    await store.close();
    await check(await reopen());
  };

  test("add() keeps entries, heads and bodies of all sizes as they are", async (under) => {
    const { store, clock } = under;
    const sizes = [0, 1, 70_000, 400_000];
    const bodies = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => (i * 31) % 251));
    const messages = bodies.map((body, index) => message(`m${index}`, clock.now(), { body }));
    await store.add(...messages);
    await durable(under, async (s) => {
      for (const [index, { entry }] of messages.entries()) {
        assertEquals(await s.get(entry.id), entry);
        const source = await s.open(entry.id);
        assertEquals(source.head, HEAD);
        assertEquals(source.bodySize, sizes[index]);
        assertEquals(source.received, entry.received);
        assertEquals(await readBody(source), bodies[index]);
        assertEquals(await readBody(source), bodies[index]);
      }
    });
  });

  test("add() keeps all that an entry can say", async (under) => {
    const { store, clock } = under;
    const changes: Partial<QueueEntry> = {
      sender: null,
      body: "BINARYMIME",
      smtputf8: true,
      requireTls: true,
      dsnReturn: "HDRS",
      dsnEnvelopeId: "QQ314159",
      origin: { kind: "notice", session: "m0" },
      held: { since: 5, reason: "by hand" },
      recipients: [
        recipient(clock.now(), {
          address: { local: "用户", domain: "例子.example" },
          notify: ["SUCCESS", "DELAY"],
          originalRecipient: { type: "rfc822", address: "Bob@example.org" },
          mailbox: { domain: "example.org", user: "bob", quota: { messages: 3 } },
          forwardedBy: { local: "info", domain: "example.org" },
          status: "relayed",
          noticed: ["delayed", "relayed"],
          dsnHandedOn: true,
        }),
        recipient(clock.now() + HOUR),
      ],
    };
    const { entry, source } = message("rich", clock.now(), { changes });
    const { recipients } = deferred(entry, clock.now() + HOUR);
    await store.add({ entry: { ...entry, recipients }, source });
    await durable(under, async (s) => assertEquals(await s.get("rich"), { ...entry, recipients }));
  });

  test("add() passes over ids that are there", async (under) => {
    const { store, clock } = under;
    const now = clock.now();
    await store.add(message("a", now), message("a", now + HOUR));
    const other = message("a", now + HOUR, { body: encode("Another.\r\n") });
    await store.add(other, message("b", now));
    await Promise.all([store.add(message("c", now)), store.add(message("c", now))]);
    await durable(under, async (s) => {
      assertEquals(await listIds(s), ["a", "b", "c"]);
      assertEquals(await s.get("a"), message("a", now).entry);
      assertEquals(await readBody(await s.open("a")), encode("Hello.\r\n"));
    });
  });

  test("add() passes over an id that is claimed or was replaced", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    const claim = await claimOne(store, "a", clock.now());
    await store.add(message("a", clock.now()));
    assertEquals(await store.claim(clock.now(), 9), []);
    const next = deferred(claim.entry, clock.now() + HOUR);
    await store.settle(claim, next);
    await store.add(message("a", clock.now()));
    assertEquals(await store.get("a"), next);
    assertEquals(await store.claim(clock.now(), 9), []);
  });

  test("add() queues nothing when one message cannot be read", async (under) => {
    const { store, clock } = under;
    const now = clock.now();
    const large = message("large", now, { body: new Uint8Array(400_000) });
    await assertRejects(
      () => store.add(message("small", now), large, brokenMessage("bad", now)),
      Error,
      "unreadable",
    );
    await durable(under, async (s) => {
      assertEquals(await listIds(s), []);
      assertEquals(await s.claim(now, 9), []);
      assertEquals(await s.get("small"), null);
      await s.add(message("small", now));
      assertEquals(await listIds(s), ["small"]);
      await s.settle(await claimOne(s, "small", now), null);
    });
  });

  test("add() of nothing does nothing", async ({ store }) => {
    await store.add();
    assertEquals(await listIds(store), []);
  });

  test("claim() gives what is due, not a moment before", async ({ store, clock }) => {
    const now = clock.now();
    const body = new Uint8Array(400_000);
    const times = { past: now - 3 * HOUR, now, soon: now + 1, later: now + HOUR };
    for (const [id, next] of Object.entries(times)) {
      await store.add(message(id, next), message(`large-${id}`, next, { body }));
    }
    const both = (id: string) => [id, `large-${id}`];
    const takeAll = async () => {
      const ids: string[] = [];
      for (let claims; (claims = await store.claim(clock.now(), 7)).length > 0;) {
        for (const claim of claims) {
          ids.push(claim.entry.id);
          await store.settle(claim, null);
        }
      }
      return ids.sort();
    };
    assertEquals(await takeAll(), [...both("past"), ...both("now")].sort());
    await clock.advance(1);
    assertEquals(await takeAll(), both("soon").sort());
    await clock.advance(HOUR - 2);
    assertEquals(await takeAll(), []);
    await clock.advance(1);
    assertEquals(await takeAll(), both("later").sort());
  });

  test("claim() gives at most as many as asked for, each once", async ({ store, clock }) => {
    const ids = Array.from({ length: 25 }, (_, i) => `m${i}`).sort();
    await store.add(...ids.map((id) => message(id, clock.now())));
    const first = await store.claim(clock.now(), 10);
    assertEquals(first.length, 10);
    assertEquals(await store.claim(clock.now(), 0), []);
    const rest = await Promise.all([1, 2, 3].map(() => store.claim(clock.now(), 10)));
    const all = [...first, ...rest.flat()].map(({ entry }) => entry.id);
    assertEquals(all.toSorted(), ids);
    for (const { entry, expires } of first) {
      assertEquals(entry, message(entry.id, clock.now()).entry);
      assert(expires > clock.now());
    }
  });

  test("claim() gives the most overdue of the deferred first", async ({ store, clock }) => {
    const delays = { d: 4, a: 1, c: 3, b: 2, e: 5 };
    for (const [id, hours] of Object.entries(delays)) {
      await store.add(message(id, clock.now()));
      const claim = await claimOne(store, id, clock.now());
      await store.settle(claim, deferred(claim.entry, clock.now() + hours * HOUR));
    }
    await clock.advance(6 * HOUR);
    const order: string[] = [];
    for (let claims; (claims = await store.claim(clock.now(), 2)).length > 0;) {
      order.push(claims.map(({ entry }) => entry.id).toSorted().join(""));
    }
    assertEquals(order, ["ab", "cd", "e"]);
  });

  test("claim() gives an entry again when its lease is over", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    const lost = await claimOne(store, "a", clock.now());
    await clock.advance(lost.expires - clock.now() - 1);
    assertEquals(await store.claim(clock.now(), 9), []);
    await clock.advance(1);
    const [claim] = await store.claim(clock.now(), 9);
    assertEquals(claim?.entry, lost.entry);

    assertEquals(store.renew(lost, clock.now()), false);
    const next = deferred(lost.entry, clock.now() + HOUR);
    await assertRejects(() => store.update(lost, next), LeaseLostError);
    await assertRejects(() => store.settle(lost, next), LeaseLostError);
    await assertRejects(() => store.settle(lost, null), LeaseLostError);
    store.release(lost, 0);
    assertEquals(await store.get("a"), lost.entry);
    assertEquals(await store.claim(clock.now(), 9), []);
    await store.settle(claim!, null);
    assertEquals(await store.get("a"), null);
  });

  test("a claim is worth nothing after its lease, whoever has the entry", async (under) => {
    const { store, clock } = under;
    await store.add(message("a", clock.now()));
    const claim = await claimOne(store, "a", clock.now());
    await clock.advance(claim.expires - clock.now());
    assertEquals(store.renew(claim, clock.now()), false);
    const born = message("born", clock.now());
    await assertRejects(() => store.settle(claim, null, [born]), LeaseLostError);
    assertEquals(await listIds(store), ["a"]);
  });

  test("renew() makes the lease longer, as often as asked", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    const claim = await claimOne(store, "a", clock.now());
    const lease = claim.expires - clock.now();
    for (let i = 0; i < 10; i++) {
      await clock.advance(Math.floor(lease / 3));
      assertEquals(store.renew(claim, clock.now()), true);
      assertEquals(await store.claim(clock.now(), 9), []);
      assertEquals(await store.claimById("a", clock.now()), null);
    }
    await clock.advance(lease - 1);
    assertEquals(await store.claim(clock.now(), 9), []);
    await store.settle(claim, null);
    assertEquals(await store.get("a"), null);
  });

  test("claimById() claims what is due or not, held or not, once", async ({ store, clock }) => {
    const held = { since: clock.now(), reason: "by hand" };
    await store.add(
      message("due", clock.now()),
      message("later", clock.now() + 30 * HOUR),
      message("held", clock.now(), { changes: { held } }),
      message("large", clock.now() + HOUR, { body: new Uint8Array(400_000) }),
    );
    for (const id of ["due", "later", "held", "large"]) {
      const claim = await claimOne(store, id, clock.now());
      assertEquals(claim.entry, await store.get(id));
      assertEquals(await store.claimById(id, clock.now()), null);
    }
    assertEquals(await store.claim(clock.now() + 1, 9), []);
    for (const id of ["none", "", "../escape", "a/b", ".hidden", "x".repeat(300)]) {
      assertEquals(await store.claimById(id, clock.now()), null);
      assertEquals(await store.get(id), null);
    }
  });

  test("claimById() gives an entry to one of many who ask at once", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    const asked = await Promise.all([
      store.claimById("a", clock.now()),
      store.claim(clock.now(), 1).then(([claim]) => claim ?? null),
      store.claimById("a", clock.now()),
    ]);
    assertEquals(asked.filter((claim) => claim !== null).length, 1);
  });

  test("update() records, and keeps the claim", async (under) => {
    const { store, clock } = under;
    await store.add(message("a", clock.now()));
    let claim = await claimOne(store, "a", clock.now());
    for (const minutes of [1, 50, 2]) {
      const entry = deferred(claim.entry, clock.now() + minutes * MINUTE);
      claim = await store.update(claim, entry);
      assertEquals(claim.entry, entry);
      assertEquals(await store.get("a"), entry);
      assertEquals(await readBody(await store.open("a")), encode("Hello.\r\n"));
    }
    assertEquals(await store.claim(claim.expires - 1, 9), []);
    assertEquals(store.renew(claim, clock.now()), true);
    await durable(under, async (s) => {
      assertEquals(await s.get("a"), claim.entry);
      assertEquals(await listIds(s), ["a"]);
    });
  });

  test("settle() replaces the entry and ends the claim", async (under) => {
    const { store, clock } = under;
    await store.add(message("a", clock.now()), message("b", clock.now()));
    const [first, second] = [
      await claimOne(store, "a", clock.now()),
      await claimOne(store, "b", clock.now()),
    ];
    const next = deferred(first.entry, clock.now() + 25 * MINUTE);
    const soon = deferred(second.entry, clock.now() + 1);
    await store.settle(first, next);
    await store.settle(await store.update(second, soon), soon);
    assertEquals(store.renew(first, clock.now()), false);
    await assertRejects(() => store.settle(first, null), LeaseLostError);
    await durable(under, async (s) => {
      assertEquals(await s.get("a"), next);
      assertEquals(await readBody(await s.open("a")), encode("Hello.\r\n"));
      assertEquals(await s.claim(clock.now(), 9), []);
    });
    if (under.reopen !== undefined) return;
    await clock.advance(25 * MINUTE - 1);
    assertEquals(await claimAll(store, clock.now()), ["b"]);
    await clock.advance(1);
    const [claim] = (await store.claim(clock.now(), 9)).filter(({ entry }) => entry.id === "a");
    assertEquals(claim?.entry, next);
  });

  test("settle() gives what it replaced to whoever claims it when it is due", async (under) => {
    const { store, clock } = under;
    await store.add(message("a", clock.now()));
    for (const minutes of [3, 11, 47, 300, 2000]) {
      const [claim] = await store.claim(clock.now(), 9);
      const next = deferred(claim!.entry, clock.now() + minutes * MINUTE);
      await store.settle(claim!, next);
      await clock.advance(minutes * MINUTE - 1);
      assertEquals(await store.claim(clock.now(), 9), []);
      await clock.advance(1);
    }
    const [last] = await store.claim(clock.now(), 9);
    assertEquals(last?.entry.recipients[0]?.attempts, 5);
    assertEquals(await readBody(await store.open("a")), encode("Hello.\r\n"));
  });

  test("settle() with null removes the message", async (under) => {
    const { store, clock } = under;
    const body = new Uint8Array(400_000);
    await store.add(message("a", clock.now()), message("large", clock.now(), { body }));
    await store.add(message("deferred", clock.now()), message("stays", clock.now()));
    const claim = await claimOne(store, "deferred", clock.now());
    await store.settle(claim, deferred(claim.entry, clock.now() + HOUR));
    for (const id of ["a", "large", "deferred"]) {
      await store.settle(await claimOne(store, id, clock.now()), null);
    }
    await durable(under, async (s) => {
      assertEquals(await listIds(s), ["stays"]);
      assertEquals(await s.get("a"), null);
      assertEquals(await s.claimById("large", clock.now()), null);
      await assertRejects(async () => await s.open("deferred"));
    });
  });

  test("settle() makes what is born durable and ready to be claimed", async (under) => {
    const { store, clock } = under;
    await store.add(message("a", clock.now()), message("b", clock.now()));
    const notice = message("a.failed.1", clock.now());
    const large = message("a.forward", clock.now(), { body: new Uint8Array(400_000) });
    await store.settle(await claimOne(store, "a", clock.now()), null, [notice, large]);
    const claim = await claimOne(store, "b", clock.now());
    await store.settle(claim, deferred(claim.entry, clock.now() + HOUR), [notice]); // is there
    await durable(under, async (s) => {
      assertEquals(await listIds(s), ["a.failed.1", "a.forward", "b"]);
      assertEquals(await s.get("a.failed.1"), notice.entry);
    });
    if (under.reopen === undefined) {
      assertEquals(await claimAll(store, clock.now()), ["a.failed.1", "a.forward"]);
    }
  });

  test("settle() that fails leaves entry and claim as they were", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    const claim = await claimOne(store, "a", clock.now());
    const born = [message("ok", clock.now()), brokenMessage("bad", clock.now())];
    await assertRejects(() => store.settle(claim, null, born), Error, "unreadable");
    assertEquals(await store.get("a"), claim.entry);
    assertEquals(await store.claim(clock.now(), 9), []);
    assertEquals(store.renew(claim, clock.now()), true);
    await store.settle(claim, null, [message("ok", clock.now()), message("bad", clock.now())]);
    assertEquals(await listIds(store), ["bad", "ok"]);
  });

  test("what is held is not given out until it is released", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    let claim = await claimOne(store, "a", clock.now());
    const held = { since: clock.now(), reason: "by hand" };
    await store.settle(claim, { ...claim.entry, held });
    assertEquals(await store.claim(clock.now() + 1000 * HOUR, 9), []);
    assertEquals(await listIds(store), ["a"]);
    claim = await claimOne(store, "a", clock.now());
    assertEquals(claim.entry.held, held);
    store.release(claim, 0);
    assertEquals(await store.claim(clock.now(), 9), []);
    claim = await claimOne(store, "a", clock.now());
    const { held: _, ...released } = claim.entry;
    await store.settle(claim, released);
    assertEquals((await store.claim(clock.now(), 9))[0]?.entry, released);
  });

  test("release() gives a claim back, for a time to come", async ({ store, clock }) => {
    await store.add(message("a", clock.now()), message("b", clock.now()));
    const claim = await claimOne(store, "a", clock.now());
    store.release(claim, clock.now() + MINUTE);
    assertEquals(store.renew(claim, clock.now()), false);
    await assertRejects(() => store.settle(claim, null), LeaseLostError);
    assertEquals(await claimAll(store, clock.now()), ["b"]);
    await clock.advance(MINUTE - 1);
    assertEquals(await store.claim(clock.now(), 9), []);
    await clock.advance(1);
    const [again] = await store.claim(clock.now(), 9);
    assertEquals(again?.entry, claim.entry);
    store.release(again!, 0);
    assertEquals(await claimAll(store, clock.now()), ["a"]);
  });

  test("release() of what is not due yet does not make it due", async ({ store, clock }) => {
    await store.add(message("a", clock.now() + HOUR));
    store.release(await claimOne(store, "a", clock.now()), 0);
    assertEquals(await store.claim(clock.now() + HOUR - 1, 9), []);
    assertEquals(await claimAll(store, clock.now() + HOUR), ["a"]);
  });

  test("wait() ends at its time at the latest", async ({ store, clock }) => {
    const { signal } = new AbortController();
    const start = clock.now();
    await clock.runUntil(store.wait(start + HOUR, signal));
    assertLessOrEqual(clock.now(), start + HOUR);
    await clock.runUntil(store.wait(start - 1, signal));
    assertLessOrEqual(clock.now(), start + HOUR);
  });

  test("wait() ends early for what is added, released or settled", async ({ store, clock }) => {
    const { signal } = new AbortController();
    const start = clock.now();
    const until = start + 24 * HOUR;
    // None of these ends by itself, since no time passes.
    let waiting = store.wait(until, signal);
    await store.add(message("a", clock.now()));
    await waiting;

    let claim = await claimOne(store, "a", clock.now());
    waiting = store.wait(until, signal);
    store.release(claim, 0);
    await waiting;

    claim = await claimOne(store, "a", clock.now());
    waiting = store.wait(until, signal);
    await store.settle(claim, deferred(claim.entry, clock.now() + MINUTE));
    await waiting;

    claim = await claimOne(store, "a", clock.now());
    waiting = store.wait(until, signal);
    await store.settle(claim, null, [message("born", clock.now())]);
    await waiting;
    assertEquals(clock.now(), start);
  });

  test("wait() ends for each of those who wait, and leaves no sleeper", async (under) => {
    const { store, clock } = under;
    const { signal } = new AbortController();
    const before = clock.sleepers;
    const until = clock.now() + 24 * HOUR;
    const waiting = [store.wait(until, signal), store.wait(until, signal)];
    await store.add(message("a", clock.now()));
    await Promise.all(waiting);
    assertLessOrEqual(clock.sleepers, before + 1); // the store may have work of its own
  });

  test("wait() rejects when it is aborted", async ({ store, clock }) => {
    const reason = new Error("shutting down");
    const controller = new AbortController();
    const waiting = store.wait(clock.now() + HOUR, controller.signal);
    controller.abort(reason);
    assertEquals(await waiting.catch((error) => error), reason);
    const again = store.wait(clock.now() + HOUR, controller.signal);
    assertEquals(await again.catch((error) => error), reason);
  });

  test("nextDue() is Infinity when nothing will ever be due", async ({ store, clock }) => {
    assertEquals(store.nextDue(), Infinity);
    await store.add(message("a", clock.now()));
    assertLessOrEqual(store.nextDue(), clock.now());
    await store.settle(await claimOne(store, "a", clock.now()), null);
    await claimAll(store, clock.now());
    assertEquals(store.nextDue(), Infinity);
  });

  test("nextDue() leads to every entry at its time, and never spins", async ({ store, clock }) => {
    const start = clock.now();
    const minutes = [0, 4, 7, 7.5, 63, 64, 700, 5000];
    for (const [index, m] of minutes.entries()) {
      const body = new Uint8Array(index % 2 === 0 ? 10 : 400_000);
      await store.add(message(`m${index}`, start + m * MINUTE, { body }));
    }
    const seen: number[] = [];
    let steps = 0;
    while (store.nextDue() < Infinity) {
      if (++steps > 200) throw new Error("nextDue() leads nowhere");
      const next = store.nextDue();
      if (next > clock.now()) await clock.advance(next - clock.now());
      for (const claim of await store.claim(clock.now(), 3)) {
        seen.push((clock.now() - start) / MINUTE);
        await store.settle(claim, null);
      }
    }
    assertEquals(seen, minutes);
  });

  test("nextDue() does not pass over what is released or forgotten", async ({ store, clock }) => {
    await store.add(message("a", clock.now()));
    const claim = await claimOne(store, "a", clock.now());
    assertLessOrEqual(store.nextDue(), claim.expires);
    const notBefore = clock.now() + MINUTE;
    store.release(claim, notBefore);
    assertLessOrEqual(store.nextDue(), notBefore);
    await clock.advance(MINUTE);
    const [forgotten] = await store.claim(clock.now(), 9);
    let steps = 0;
    while (clock.now() < forgotten!.expires && steps++ < 100) {
      assertEquals(await store.claim(clock.now(), 9), []);
      const next = store.nextDue();
      assertLessOrEqual(next, forgotten!.expires);
      await clock.advance(Math.max(0, next - clock.now()));
    }
    assertEquals(await claimAll(store, clock.now()), ["a"]);
  });

  test("list() gives all: fresh, deferred, held, claimed", async (under) => {
    const { store, clock } = under;
    const held = { since: clock.now(), reason: "by hand" };
    const body = new Uint8Array(400_000);
    const messages = [
      message("fresh", clock.now()),
      message("large", clock.now(), { body }),
      message("later", clock.now() + 30 * HOUR),
      message("held", clock.now(), { changes: { held } }),
    ];
    await store.add(...messages);
    await claimOne(store, "fresh", clock.now());
    await durable(under, async (s) => {
      const entries = new Map<string, QueueEntry>();
      for await (const entry of s.list()) entries.set(entry.id, entry);
      assertEquals(entries, new Map(messages.map(({ entry }) => [entry.id, entry])));
    });
  });

  test("list() gives all that is there from beginning to end, while others change", async (under) => {
    const { store, clock } = under;
    const ids = Array.from({ length: 40 }, (_, i) => `m${String(i).padStart(2, "0")}`);
    await store.add(...ids.map((id) => message(id, clock.now())));
    for (const id of ids) {
      const claim = await claimOne(store, id, clock.now());
      await store.settle(claim, deferred(claim.entry, clock.now() + HOUR));
    }
    const seen = new Set<string>();
    let step = 0;
    for await (const { id } of store.list()) {
      seen.add(id);
      // One is moved to where it comes sooner, one to where it comes later, one is removed, one added.
      const claims = await Promise.all(
        [step, 39 - step, 20 + step].map((index) =>
          store.claimById(ids[index] ?? "none", clock.now())
        ),
      );
      const [sooner, later, removed] = claims;
      if (sooner) await store.settle(sooner, deferred(sooner.entry, clock.now() + MINUTE));
      if (later) await store.settle(later, deferred(later.entry, clock.now() + 5 * HOUR));
      if (removed && step < 3) await store.settle(removed, null);
      else if (removed) store.release(removed, 0);
      if (step < 3) await store.add(message(`new${step}`, clock.now()));
      step++;
    }
    const removed = ids.slice(20, 23);
    const missed = ids.filter((id) => !seen.has(id) && !removed.includes(id));
    assertEquals(missed, []);
  });

  test("list() can be left early, and several can read at once", async ({ store, clock }) => {
    const ids = Array.from({ length: 10 }, (_, i) => `m${i}`);
    await store.add(...ids.map((id) => message(id, clock.now())));
    for await (const _ of store.list()) break;
    assertEquals(await Promise.all([listIds(store), listIds(store)]), [ids, ids]);
  });

  test("open() can be read by several at once", async ({ store, clock }) => {
    const body = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 253);
    const changed = message("deferred", clock.now(), { body: body.slice(0, 200_000) });
    await store.add(message("large", clock.now(), { body }), changed);
    const claim = await claimOne(store, "deferred", clock.now());
    await store.settle(claim, deferred(claim.entry, clock.now() + HOUR));
    const large = await store.open("large");
    const [a, b, c] = await Promise.all([
      readBody(large),
      readBody(large),
      readBody(await store.open("deferred")),
    ]);
    assertEquals([a, b, c], [body, body, body.slice(0, 200_000)]);
    for await (const _ of large.openBody()) break;
    await assertRejects(async () => await store.open("none"));
  });

  test("close() keeps all, and claims end with the process", async ({ store, clock, reopen }) => {
    if (reopen === undefined) return;
    const ids = Array.from({ length: 30 }, (_, i) => `m${String(i).padStart(2, "0")}`);
    await Promise.all(ids.map((id) => store.add(message(id, clock.now()))));
    const claims = await store.claim(clock.now(), 20);
    for (const claim of claims.slice(0, 5)) await store.settle(claim, null);
    for (const claim of claims.slice(5, 10)) {
      await store.settle(claim, deferred(claim.entry, clock.now() + HOUR));
    }
    store.release(claims[10]!, clock.now() + 100 * HOUR); // while the process lives
    await store.close();
    const again = await reopen();
    const gone = claims.slice(0, 5).map(({ entry }) => entry.id);
    const waiting = claims.slice(5, 10).map(({ entry }) => entry.id);
    const left = ids.filter((id) => !gone.includes(id));
    assertEquals(await listIds(again), left);
    assertEquals(await claimAll(again, clock.now()), left.filter((id) => !waiting.includes(id)));
  });
}
