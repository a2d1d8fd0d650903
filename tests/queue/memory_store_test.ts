import { assertEquals } from "@std/assert";
import { MemoryStore } from "../../src/queue/memory_store.ts";
import { MemoryClock } from "../../src/runtime/memory_clock.ts";
import { queueStoreContract } from "../contracts/queue_store_contract.ts";
import { entry } from "./spool/entries.ts";

const NOW = Date.UTC(2026, 0, 1);
const source = { head: new Uint8Array(0), bodySize: 0, async *openBody() {} };

queueStoreContract("MemoryStore", () => {
  const clock = new MemoryClock(NOW);
  return Promise.resolve({ store: new MemoryStore({ clock }), clock });
});

Deno.test("claim() gives what was never tried before what was", async () => {
  const clock = new MemoryClock(NOW);
  const store = new MemoryStore({ clock });
  const tried = entry("tried");
  const recipients = tried.recipients.map((one) => ({ ...one, attempts: 1 }));
  await store.add({ entry: { ...tried, recipients }, source }, { entry: entry("fresh"), source });
  assertEquals((await store.claim(NOW, 1)).map((claim) => claim.entry.id), ["fresh"]);
});

Deno.test("a claim lasts as long as the store was told", async () => {
  const clock = new MemoryClock(NOW);
  const store = new MemoryStore({ clock, lease: 1000 });
  await store.add({ entry: entry("a"), source });
  assertEquals((await store.claimById("a", NOW))?.expires, NOW + 1000);
});
