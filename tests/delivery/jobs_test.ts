import { assertEquals } from "@std/assert";
import {
  completeOutcomes,
  feedbackOf,
  limitOf,
  type OpenRoute,
  planJobs,
  type Way,
} from "../../src/delivery/jobs.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import type { MxRoute, SmarthostRoute } from "../../src/routing/route.ts";
import { reply } from "../../src/smtp/reply.ts";

const ALICE = { local: "alice", domain: "example.com" };

function mx(domain: string): MxRoute {
  return {
    kind: "mx",
    domain,
    port: 25,
    tls: "opportunistic",
    family: "ipv6-first",
    allowAddresses: [],
    connections: 20,
    eightBit: "convert",
  };
}

function smarthost(user: string): SmarthostRoute {
  const { domain: _, ...settings } = mx("");
  const credentials = { user, password: "x" };
  return { ...settings, kind: "smarthost", host: "out.example", implicitTls: false, credentials };
}

function ways(...routes: readonly OpenRoute[]): Way[] {
  return routes.map((route, recipient) => ({ recipient, route, sender: ALICE }));
}

const groups = (ways: readonly Way[], most = 100) =>
  planJobs(ways, most).map(({ destination, recipients }) => `${destination} ${recipients.join()}`);

Deno.test("planJobs() puts recipients of one destination together", () => {
  assertEquals(groups(ways(mx("a.example"), mx("b.example"), mx("a.example"), { kind: "local" })), [
    "mx:a.example:25 0,2",
    "mx:b.example:25 1",
    "local 3",
  ]);
  assertEquals(groups(ways(mx("a.example"))), ["mx:a.example:25 0"]);
  assertEquals(groups([]), []);
});

Deno.test("planJobs() keeps apart what leaves with another sender", () => {
  const [first, second, third] = ways(mx("a.example"), mx("a.example"), mx("a.example"));
  const rewritten = { ...second!, sender: { local: "SRS0=x", domain: "example.com" } };
  assertEquals(groups([first!, rewritten, { ...third!, sender: null }]), [
    "mx:a.example:25 0",
    "mx:a.example:25 1",
    "mx:a.example:25 2",
  ]);
});

Deno.test("planJobs() keeps apart what goes to one host with other credentials", () => {
  assertEquals(groups(ways(smarthost("one"), smarthost("two"), smarthost("one"))), [
    "smarthost:out.example:25 0,2",
    "smarthost:out.example:25 1",
  ]);
});

Deno.test("planJobs() fills jobs up to the limit", () => {
  const all = ways(...Array.from({ length: 5 }, () => mx("a.example")));
  assertEquals(groups(all, 2).map((group) => group.split(" ")[1]), ["0,1", "2,3", "4"]);
  assertEquals(groups(all, 1).length, 5);
});

Deno.test("limitOf() is what the route says", () => {
  assertEquals(limitOf(mx("a.example"), 7), 20);
  assertEquals(limitOf({ kind: "local" }, 7), 7);
  assertEquals(limitOf({ kind: "pipe", program: "/bin/x", arguments: [], processes: 3 }, 7), 3);
});

const ok: Outcome = { recipient: 3, status: "relayed", reply: reply(250, "2.0.0", "ok") };

Deno.test("completeOutcomes() has recipients wait of which a transport said nothing", () => {
  assertEquals(completeOutcomes([3], [ok]), [ok]);
  const [first, second, ...none] = completeOutcomes([3, 5], [ok, { ...ok, recipient: 9 }]);
  assertEquals([first, none], [ok, []]);
  assertEquals([second!.recipient, second!.status, second!.reply.code], [5, "deferred", 451]);
  assertEquals(completeOutcomes([4], [ok])[0]!.status, "deferred");
});

Deno.test("feedbackOf() takes a destination for out of reach only when nobody was answered", () => {
  const lost: Outcome = {
    recipient: 1,
    status: "deferred",
    reply: reply(421, "4.3.2", "closing"),
    host: "mx.a.example",
    unreachable: true,
  };
  assertEquals(feedbackOf([lost]), { kind: "unreachable", reply: lost.reply, host: lost.host });
  assertEquals(feedbackOf([lost, ok]), { kind: "reached" });
  assertEquals(feedbackOf([{ ...lost, unreachable: false }]), { kind: "reached" });
  assertEquals(feedbackOf([]), { kind: "unknown" });
});
