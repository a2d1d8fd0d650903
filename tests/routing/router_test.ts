import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { formatAddress, parseAddress } from "../../src/address.ts";
import { catchAllDirectory } from "../../src/directory/catch_all.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { Router, type RouterOptions } from "../../src/routing/router.ts";

const DIRECTORY = mapDirectory({
  accounts: {
    "alice@example.org": { quota: { messages: 5 } },
    "bob@example.org": {},
    "bob+vip@example.org": {},
    "postmaster@example.com": {},
  },
  aliases: {
    "info@example.org": "alice@example.org",
    "team@example.org": ["alice+team@example.org", "info@example.org", "bob@example.org"],
    "away@example.org": "alice@elsewhere.example",
    "mixed@example.org": ["bob@example.org", "bob@elsewhere.example"],
    "dead@example.org": "gone@example.org",
    "half@example.org": ["gone@example.org", "bob@example.org"],
    "loop@example.org": "loop2@example.org",
    "loop2@example.org": "loop@example.org",
  },
  catchAll: { "catch.example": "bob@example.org" },
  domains: ["empty.example"],
});

function address(text: string) {
  return text.includes("@") ? parseAddress(text, { smtputf8: true })! : { local: text, domain: "" };
}

/** What becomes of an address, in a line: `mailbox<delivered-to …, > remote`. */
async function resolve(
  text: string,
  options: Partial<RouterOptions> = {},
  directory: Directory = DIRECTORY,
): Promise<string> {
  const router = new Router(directory, { hostname: "mx.example.org", ...options });
  const resolution = await router.resolve(address(text));
  if (resolution.kind !== "local") return resolution.kind;
  const local = resolution.mailboxes.map(({ mailbox, address }) =>
    `${mailbox.user}@${mailbox.domain}<${formatAddress(address)}>`
  );
  return [...local, ...resolution.remote.map((one) => `> ${formatAddress(one)}`)].join(" ");
}

Deno.test("Router.resolve() finds mailboxes, in any case, with what belongs to them", async () => {
  assertEquals(await resolve("Alice@EXAMPLE.org"), "alice@example.org<Alice@example.org>");
  const router = new Router(DIRECTORY, { hostname: "mx.example.org" });
  assertEquals(await router.resolve(address("alice@example.org")), {
    kind: "local",
    mailboxes: [{
      mailbox: { user: "alice", domain: "example.org", quota: { messages: 5 } },
      address: address("alice@example.org"),
    }],
    remote: [],
  });
});

Deno.test("Router.resolve() knows what is not ours, and who is not here", async () => {
  assertEquals(await resolve("alice@elsewhere.example"), "relay");
  assertEquals(await resolve("alice@[192.0.2.1]"), "relay");
  assertEquals(await resolve("nobody@example.org"), "unknown");
  assertEquals(await resolve("alice@empty.example"), "unknown");
  assertEquals(await resolve("alice@sub.example.org"), "relay");
});

Deno.test("Router.resolve() finds a subaddress behind an exact address, and keeps its tag", async () => {
  assertEquals(
    await resolve("alice+news@example.org"),
    "alice@example.org<alice+news@example.org>",
  );
  assertEquals(await resolve("bob+vip@example.org"), "bob+vip@example.org<bob+vip@example.org>");
  assertEquals(await resolve("info+x@example.org"), "alice@example.org<alice@example.org>");
  assertEquals(await resolve("nobody+x@example.org"), "unknown");
  assertEquals(await resolve("+alice@example.org"), "unknown");
});

Deno.test("Router.resolve() takes another delimiter, or none", async () => {
  const minus = { subaddressDelimiter: "-" };
  assertEquals(
    await resolve("alice-x@example.org", minus),
    "alice@example.org<alice-x@example.org>",
  );
  assertEquals(await resolve("alice+x@example.org", minus), "unknown");
  assertEquals(await resolve("alice+x@example.org", { subaddressDelimiter: null }), "unknown");
});

Deno.test("Router.resolve() opens aliases, each mailbox once", async () => {
  assertEquals(await resolve("info@example.org"), "alice@example.org<alice@example.org>");
  assertEquals(
    await resolve("team@example.org"),
    "alice@example.org<alice+team@example.org> bob@example.org<bob@example.org>",
  );
});

Deno.test("Router.resolve() tells what an alias sends elsewhere", async () => {
  assertEquals(await resolve("away@example.org"), "> alice@elsewhere.example");
  assertEquals(
    await resolve("mixed@example.org"),
    "bob@example.org<bob@example.org> > bob@elsewhere.example",
  );
});

Deno.test("Router.resolve() passes over targets nobody has while one is left", async () => {
  assertEquals(await resolve("half@example.org"), "bob@example.org<bob@example.org>");
  assertEquals(await resolve("dead@example.org"), "unknown");
  assertEquals(await resolve("loop@example.org"), "unknown");
});

Deno.test("Router.resolve() lets a catch-all catch the rest, under the name it came by", async () => {
  assertEquals(await resolve("Any+x@catch.example"), "bob@example.org<Any+x@catch.example>");
});

Deno.test("Router.resolve() always has a postmaster, in any case (RFC 5321 §4.5.1)", async () => {
  const cases: Record<string, string> = {
    "postmaster@example.com": "postmaster@example.com<postmaster@example.com>",
    "PostMaster@example.org": "postmaster@example.org<PostMaster@example.org>",
    "postmaster@empty.example": "postmaster@empty.example<postmaster@empty.example>",
    "postmaster@catch.example": "bob@example.org<postmaster@catch.example>",
    "postmaster@mx.example.org": "postmaster@mx.example.org<postmaster@mx.example.org>",
    "Postmaster": "postmaster@mx.example.org<Postmaster>",
    "postmaster@elsewhere.example": "relay",
  };
  for (const [text, wanted] of Object.entries(cases)) assertEquals(await resolve(text), wanted);
});

Deno.test("Router.resolve() sends postmaster where it is configured to go", async () => {
  const options = { postmaster: address("info@example.org") };
  const cases: Record<string, string> = {
    "postmaster@example.com": "postmaster@example.com<postmaster@example.com>",
    "postmaster@example.org": "alice@example.org<alice@example.org>",
    "postmaster@catch.example": "alice@example.org<alice@example.org>",
    "postmaster@mx.example.org": "alice@example.org<alice@example.org>",
    "Postmaster": "alice@example.org<alice@example.org>",
  };
  for (const [text, wanted] of Object.entries(cases)) {
    assertEquals(await resolve(text, options), wanted);
  }
});

Deno.test("Router.resolve() has a postmaster also where the configured one leads nowhere", async () => {
  for (const text of ["gone@example.org", "loop@example.org", "postmaster@example.org"]) {
    const options = { postmaster: address(text) };
    const wanted = "postmaster@example.org<postmaster@example.org>";
    assertEquals(await resolve("postmaster@example.org", options), wanted, text);
  }
  const caught = { postmaster: address("postmaster@catch.example") };
  assertEquals(await resolve("Postmaster", caught), "bob@example.org<postmaster@catch.example>");
  const options = { postmaster: address("admin@elsewhere.example") };
  assertEquals(await resolve("postmaster@example.org", options), "> admin@elsewhere.example");
});

Deno.test("Router.resolve() takes mail for itself only as postmaster, and as root for that", async () => {
  const options = { literals: ["[192.0.2.1]", "[IPv6:2001:db8::1]"] };
  assertEquals(await resolve("alice@mx.example.org"), "unknown");
  assertEquals(await resolve("alice@[192.0.2.1]", options), "unknown");
  assertEquals(
    await resolve("postmaster@[192.0.2.1]", options),
    "postmaster@[192.0.2.1]<postmaster@[192.0.2.1]>",
  );
  assertEquals(await resolve("alice@[IPv6:2001:DB8::1]", options), "unknown");
  assertEquals(await resolve("alice@[192.0.2.2]", options), "relay");
  const own = "postmaster@mx.example.org<postmaster@mx.example.org>";
  assertEquals(await resolve("Root@mx.example.org"), own);
  assertEquals(await resolve("root@example.org"), "unknown");
  const postmaster = { postmaster: address("alice@example.org") };
  assertEquals(
    await resolve("root@mx.example.org", postmaster),
    "alice@example.org<alice@example.org>",
  );
  const circle = { postmaster: address("root@mx.example.org") };
  for (const name of ["root", "postmaster"]) {
    assertMatch(await resolve(`${name}@mx.example.org`, circle), /^postmaster@mx\.example\.org</);
  }
});

Deno.test("Router.resolve() gives everything of a catch-all directory its own mailbox", async () => {
  const all = catchAllDirectory();
  const cases: Record<string, string> = {
    "Who+ever@any.test": "who+ever@any.test<Who+ever@any.test>",
    "x@[127.0.0.1]": "x@[127.0.0.1]<x@[127.0.0.1]>",
    "Postmaster": "postmaster@localhost<Postmaster>",
  };
  for (const [text, wanted] of Object.entries(cases)) {
    assertEquals(await resolve(text, {}, all), wanted);
  }
});

Deno.test("Router.resolve() throws what the directory throws", async () => {
  const down: Directory = { ...DIRECTORY, lookup: () => Promise.reject(new Error("down")) };
  await assertRejects(() => resolve("alice@example.org", {}, down), Error, "down");
});

Deno.test("Router.resolve() finds who a restored sender is when it is of ours, however often rewritten", async () => {
  const directory = mapDirectory({ accounts: { "alice@a.example": {} }, domains: ["b.example"] });
  const at = (local: string, domain = "b.example") => ({ local, domain });
  const restored = new Map([
    ["SRS0=once", at("alice", "a.example")],
    ["SRS1=twice", at("SRS0=once")],
    ["SRS0=gone", at("nobody", "a.example")],
  ]);
  const router = new Router(directory, {
    hostname: "mx.example.org",
    restoreSender: ({ local }) => restored.get(local) ?? null,
  });
  for (const local of ["SRS0=once", "SRS1=twice"]) {
    const found = await router.resolve(at(local));
    assertEquals(found.kind === "local" && found.mailboxes[0]?.mailbox.user, "alice");
  }
  assertEquals((await router.resolve(at("SRS0=gone"))).kind, "unknown");
});

Deno.test("Router.resolve() sends what SRS made back to the sender, past any catch-all", async () => {
  const directory = mapDirectory({
    accounts: { "alice@example.org": {} },
    catchAll: { "example.org": ["alice@example.org"] },
  });
  const sender = { local: "bob", domain: "a.example" };
  const router = new Router(directory, {
    hostname: "mx.example.org",
    restoreSender: ({ local }) => local === "SRS0=good" ? sender : null,
  });
  const good = { local: "SRS0=good", domain: "example.org" };
  assertEquals(await router.resolve(good), { kind: "returned", address: sender });
  assertEquals((await router.resolve({ ...good, domain: "else.example" })).kind, "relay");
  assertEquals((await router.resolve({ ...good, local: "SRS0=bad" })).kind, "local");
});
