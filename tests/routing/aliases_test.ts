import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Address } from "../../src/address.ts";
import { AliasError, type Destination, expandAliases } from "../../src/routing/aliases.ts";

const at = (local: string): Address => ({ local, domain: "example.org" });

/** Names in `aliases` lead to names; `x…` is elsewhere, `?…` nobody's, the rest are mailboxes. */
function world(aliases: Record<string, string[]>) {
  return ({ local }: Address): Destination => {
    const targets = aliases[local.toLowerCase()];
    if (targets) return { kind: "alias", targets: targets.map(at) };
    if (local.startsWith("x")) return { kind: "remote" };
    if (local.startsWith("?")) return { kind: "unknown" };
    return { kind: "mailbox", mailbox: { user: local.toLowerCase(), domain: "example.org" } };
  };
}

async function expand(start: string, aliases: Record<string, string[]>) {
  const { mailboxes, remote } = await expandAliases(at(start), world(aliases));
  return {
    mailboxes: mailboxes.map(({ mailbox }) => mailbox.user),
    remote: remote.map(({ local }) => local),
  };
}

Deno.test("expandAliases() gives an address that is no alias as it is", async () => {
  assertEquals(await expand("bob", {}), { mailboxes: ["bob"], remote: [] });
  assertEquals(await expand("x", {}), { mailboxes: [], remote: ["x"] });
  assertEquals(await expand("?", {}), { mailboxes: [], remote: [] });
});

Deno.test("expandAliases() opens aliases of aliases, each target once", async () => {
  const aliases = { all: ["Bob", "team", "x1", "?gone"], team: ["bob", "carol", "X1", "x2"] };
  assertEquals(await expand("all", aliases), { mailboxes: ["bob", "carol"], remote: ["x1", "x2"] });
});

Deno.test("expandAliases() ends loops where they meet themselves", async () => {
  assertEquals(await expand("a", { a: ["a"] }), { mailboxes: [], remote: [] });
  assertEquals(await expand("a", { a: ["b"], b: ["c", "dora"], c: ["A"] }), {
    mailboxes: ["dora"],
    remote: [],
  });
});

Deno.test("expandAliases() delivers to the last address, or to the one a catch-all kept", async () => {
  const find = (address: Address): Destination => {
    if (address.local === "list") return { kind: "alias", targets: [at("bob+list"), at("any")] };
    if (address.local === "any") return { kind: "alias", targets: [at("eve")], keepAddress: true };
    const user = address.local.split("+")[0]!;
    return { kind: "mailbox", mailbox: { user, domain: "example.org" } };
  };
  const { mailboxes } = await expandAliases(at("list"), find);
  assertEquals(mailboxes, [
    { mailbox: { user: "bob", domain: "example.org" }, address: at("bob+list") },
    { mailbox: { user: "eve", domain: "example.org" }, address: at("any") },
  ]);
});

Deno.test("expandAliases() delivers once to a mailbox that is reached by two names", async () => {
  const find = ({ local }: Address): Destination =>
    local === "list"
      ? { kind: "alias", targets: [at("bob+a"), at("bob+b")] }
      : { kind: "mailbox", mailbox: { user: "bob", domain: "example.org" } };
  const { mailboxes } = await expandAliases(at("list"), find);
  assertEquals(mailboxes.map(({ address }) => address.local), ["bob+a"]);
});

Deno.test("expandAliases() throws past its depth and its width, and not before", async () => {
  const chain = ({ local }: Address): Destination =>
    local === "0"
      ? { kind: "mailbox", mailbox: { user: "end", domain: "example.org" } }
      : { kind: "alias", targets: [at(String(Number(local) - 1))] };
  assertEquals((await expandAliases(at("16"), chain)).mailboxes.length, 1);
  await assertRejects(
    () => expandAliases(at("17"), chain),
    AliasError,
    "alias 17@example.org is over 16 levels deep",
  );

  const list = (count: number) => ({ local }: Address): Destination =>
    local === "all"
      ? { kind: "alias", targets: Array.from({ length: count }, (_, i) => at(`u${i}`)) }
      : { kind: "remote" };
  const limits = { depth: 16, addresses: 100 };
  assertEquals((await expandAliases(at("all"), list(99), limits)).remote.length, 99);
  await assertRejects(
    () => expandAliases(at("all"), list(100), limits),
    AliasError,
    "leads to over 100 addresses",
  );
});

Deno.test("expandAliases() throws what the look-up throws", async () => {
  const down = () => Promise.reject(new Error("directory is down"));
  await assertRejects(() => expandAliases(at("a"), down), Error, "directory is down");
});

Deno.test("expandAliases() finds in any web of aliases what can be reached in it", async () => {
  const names = ["a", "b", "c", "d", "m", "n", "x", "y"];
  const web = fc.dictionary(
    fc.constantFrom("a", "b", "c", "d"),
    fc.array(fc.constantFrom(...names), { maxLength: 4 }),
    { noNullPrototype: true },
  );
  await fc.assert(fc.asyncProperty(web, async (aliases) => {
    const reached = new Set(["a"]);
    for (const name of reached) for (const next of aliases[name] ?? []) reached.add(next);
    const ends = [...reached].filter((name) => !(name in aliases)).sort();
    const found = await expand("a", aliases);
    assertEquals([...found.mailboxes, ...found.remote].sort(), ends);
  }));
});
