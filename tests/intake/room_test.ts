import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Mailbox } from "../../src/directory/directory.ts";
import { checkRoom } from "../../src/intake/room.ts";
import { type Reply, reply } from "../../src/smtp/reply.ts";
import type { Soon } from "../../src/soon.ts";

const FULL = reply(552, "5.2.2", "Mailbox full");

/** Destinations of these users here, and of so many elsewhere. */
function destinations(users: readonly string[], elsewhere = 0) {
  const address = (local: string) => ({ local, domain: "example.org" });
  return {
    mailboxes: users.map((user) => ({
      mailbox: { domain: "example.org", user },
      address: address(user),
    })),
    remote: Array.from({ length: elsewhere }, (_, index) => address(`${index}`)),
  };
}

/** Mailboxes of which those that are called so are full. */
function delivery(answer: (full: Reply | null) => Soon<Reply | null>) {
  return { checkRoom: ({ user }: Mailbox) => answer(user.startsWith("full") ? FULL : null) };
}

Deno.test("checkRoom() says what its only mailbox says, and of one among others that one may try again", async () => {
  const cases: readonly [users: readonly string[], elsewhere: number, code: number | undefined][] =
    [
      [[], 1, undefined],
      [["a"], 0, undefined],
      [["a", "b"], 2, undefined],
      [["full"], 0, 552],
      [["full", "full too"], 0, 552],
      [["full", "a"], 0, 452],
      [["a", "full"], 0, 452],
      [["full"], 1, 452],
    ];
  for (const [users, elsewhere, code] of cases) {
    const to = destinations(users, elsewhere);
    const atOnce = checkRoom(delivery((full) => full), to, 1);
    assertEquals(atOnce instanceof Promise, false);
    assertEquals((await atOnce)?.code, code);
    const later = checkRoom(delivery((full) => Promise.resolve(full)), to, 1);
    assertEquals((await later)?.code, code);
  }
});

Deno.test("checkRoom() asks one mailbox after the other", async () => {
  let asked = 0;
  let most = 0;
  const slow = delivery(async (full) => {
    most = Math.max(most, ++asked);
    await Promise.resolve();
    asked--;
    return full;
  });
  const users = Array.from({ length: 20 }, (_, index) => `${index}`);
  assertEquals(await checkRoom(slow, destinations(users), 1), null);
  assertEquals(most, 1);
});

Deno.test("checkRoom() throws or rejects as a mailbox does", async () => {
  const broken = new Error("no such disk");
  const to = destinations(["a", "b"]);
  assertThrows(
    () =>
      checkRoom(
        delivery(() => {
          throw broken;
        }),
        to,
        1,
      ),
    Error,
    "no such disk",
  );
  await assertRejects(
    async () => await checkRoom(delivery(() => Promise.reject(broken)), to, 1),
    Error,
    "no such disk",
  );
});
