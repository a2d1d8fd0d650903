import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { decode } from "../../../src/bytes.ts";
import { HOOK_STAGES, type HookRequest } from "../../../src/policy/http_hook/hook_request.ts";
import { httpHook, type HttpHookOptions } from "../../../src/policy/http_hook/http_hook.ts";
import { verifyHook } from "../../../src/policy/http_hook/signature.ts";
import type { MessageView } from "../../../src/policy/policy.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";
import { envelope, stranger } from "../abuse/sessions.ts";

const SECRET = "a secret of the test";
const URL_OF_HOOK = "https://hook.example/mail?key=hidden";
const ACCEPT = { action: "accept" };

type Answer = (request: HookRequest, init: RequestInit) => Response | Promise<Response>;

/** A station with a hook that is a function. */
async function start(answer: Answer, options: Partial<HttpHookOptions> = {}) {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const requests: HookRequest[] = [];
  const heard: string[] = [];
  const fetch = async (url: unknown, init: RequestInit = {}): Promise<Response> => {
    assertEquals(url, URL_OF_HOOK);
    const body = init.body as Uint8Array;
    const headers = new Headers(init.headers);
    assert(verifyHook(SECRET, (name) => headers.get(name), runtime.clock.now(), body));
    const request = JSON.parse(decode(body));
    requests.push(request);
    return await answer(request, init);
  };
  const policy = httpHook({ url: URL_OF_HOOK, secret: SECRET, ...options }, {
    ...runtime,
    fetch: fetch as typeof globalThis.fetch,
    emit: (fact) =>
      void (fact.type === "policy.failed" && heard.push(`${fact.stage}: ${fact.error}`)),
  });
  const station = await MemoryStation.start({ runtime, policies: [policy] });
  return { station, requests, heard, runtime };
}

/** Never, unless it is given up. */
function never(init: RequestInit): Promise<never> {
  return new Promise((_, reject) =>
    init.signal!.addEventListener("abort", () => reject(init.signal!.reason))
  );
}

Deno.test("httpHook() tells each stage what is known by then", async () => {
  const { station, requests } = await start(() => Response.json(ACCEPT), {
    stages: HOOK_STAGES,
    bodyLimit: 10,
  });
  await using _ = station;
  const peer = await station.greeted();
  await peer.mail({ text: "Subject: a\r\n b\r\n\r\nHello.\r\nWorld.\r\n" });
  assertEquals(requests.map(({ stage }) => stage), [...HOOK_STAGES]);
  const { id } = requests[0]!.session;
  const session = {
    id,
    role: "mx",
    client: "198.51.100.7",
    hello: null,
    tls: null,
    identity: null,
    trusted: false,
  };
  const greeted = { ...session, hello: "client.example" };
  const sender = "a@client.example";
  assertEquals(requests.slice(0, 4), [
    { version: 1, stage: "connect", session },
    // A name is known once it was accepted.
    { version: 1, stage: "hello", session: requests[1]!.session },
    { version: 1, stage: "sender", session: greeted, sender },
    {
      ...{ version: 1, stage: "recipient", session: greeted, sender },
      ...{ recipients: ["alice@example.test"], recipient: "alice@example.test" },
    },
  ]);
  const { message, ...rest } = requests[4]!;
  assertEquals(rest, {
    ...{ version: 1, stage: "message", session: greeted, sender },
    recipients: ["alice@example.test"],
  });
  const [received, subject] = message!.fields;
  assertEquals([received!.name, subject], ["Received", { name: "Subject", value: "a b" }]);
  assertEquals([message!.bodySize, message!.bodyIsCut], [16, true]);
  assertEquals(atob(message!.body!), "Hello.\r\nWo");
  assertEquals(station.of("message.accepted").map(({ message }) => message), [message!.id]);
});

Deno.test("httpHook() gives no octet of the body unless it is told to", async () => {
  const { station, requests } = await start(() => Response.json(ACCEPT));
  await using _ = station;
  await (await station.greeted()).mail({});
  assertEquals(requests.map(({ stage }) => stage), ["message"]);
  assertEquals(Object.keys(requests[0]!.message!), ["id", "fields", "bodySize"]);
});

Deno.test("attack: httpHook() refuses at each stage what the hook refuses, and lets others pass", async () => {
  const refuses = (stage: string): Answer => (request) =>
    request.stage === stage
      ? Response.json({ action: "reject", code: 554, enhanced: "5.7.1", text: "not you" })
      : new Response(null, { status: 204 });
  for (const stage of HOOK_STAGES) {
    const { station } = await start(refuses(stage), { stages: HOOK_STAGES });
    await using _ = station;
    const peer = await station.connect();
    const reply = (at: string) => stage === at ? 554 : at === "connect" ? 220 : 250;
    assertStringIncludes(await peer.expect(reply("connect")), stage === "connect" ? "not you" : "");
    if (stage === "connect") continue;
    await peer.say("EHLO client.example", reply("hello"));
    if (stage === "hello") continue;
    await peer.say("MAIL FROM:<a@client.example>", reply("sender"));
    if (stage === "sender") continue;
    await peer.say("RCPT TO:<alice@example.test>", reply("recipient"));
    if (stage === "recipient") continue;
    await peer.say("DATA", 354);
    await peer.say("Subject: hi\r\n\r\nHello.\r\n.", 554, "5.7.1");
    assertEquals(await station.mailbox("alice"), []);
  }
});

Deno.test("httpHook() puts a message off where another body for it finds no room, whatever onTrouble says", async () => {
  const body = btoa(`${"x".repeat(98)}\r\n`.repeat(30_000));
  const change = { change: "replace-body", body };
  const { station, heard } = await start(
    () => Response.json({ action: "annotate", changes: [change] }),
    { answerLimit: 10_000_000, onTrouble: "accept" },
  );
  await using _ = station;
  const peer = await station.greeted();
  station.runtime.files.fail({ operation: "write", path: /\.body$/, code: "ENOSPC" });
  await peer.mail({}, 452, "4.3.1");
  assertEquals([heard, await station.mailbox("alice")], [[], []]);
  assertEquals(station.of("internal.error").map(({ where }) => where), ["body store"]);
});

Deno.test("httpHook() changes mail as the hook says", async () => {
  const changes = [
    { change: "add-field", name: "X-Score", value: "1" },
    { change: "add-recipient", recipient: "bob@example.test" },
    { change: "replace-body", body: btoa("Else.\r\n") },
  ];
  const { station } = await start(() => Response.json({ action: "annotate", changes }));
  await using _ = station;
  await (await station.greeted()).mail({});
  for (const name of ["alice", "bob"]) {
    const [mail] = await station.mailbox(name);
    assertStringIncludes(mail!, "X-Score: 1\r\n");
    assert(mail!.endsWith("\r\n\r\nElse.\r\n"), mail);
  }
});

/** What a hook may do instead of its work, and what is told of it. */
const TROUBLES: Record<string, readonly [Answer, RegExp]> = {
  "cannot be reached": [
    () => {
      throw new TypeError(`error sending request for url (${URL_OF_HOOK})`);
    },
    /^message: error sending request for url \(https:\/\/hook\.example\)$/,
  ],
  "never answers": [(_, init) => never(init), /no answer within 10000 ms/],
  "never ends its answer": [
    (_, init) =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode("{"));
            init.signal!.addEventListener("abort", () => controller.error(init.signal!.reason));
          },
        }),
      ),
    /no answer within 10000 ms/,
  ],
  "sends an answer without end": [
    () => {
      const pull = (controller: ReadableStreamDefaultController) =>
        controller.enqueue(new Uint8Array(4096).fill(0x20));
      return new Response(new ReadableStream({ pull }));
    },
    /longer than 65536 octets/,
  ],
  "redirects": [
    () => new Response(null, { status: 307, headers: { location: "https://evil.example/" } }),
    /status 307, a redirect: it is not followed/,
  ],
  "has an error": [() => new Response("no", { status: 500 }), /status 500/],
  "answers 201": [() => Response.json(ACCEPT, { status: 201 }), /status 201/],
  "answers HTML": [() => new Response("<html>"), /its answer: it is no JSON/],
  "answers nothing": [() => new Response(""), /its answer: it is no JSON/],
  "answers octets that are no text": [() => new Response(Uint8Array.of(0xff)), /not UTF-8/],
  "answers with a slip": [() => Response.json({ action: "Reject" }), /unknown action: "Reject"/],
};

for (const [name, [answer, words]] of Object.entries(TROUBLES)) {
  Deno.test(`httpHook() defers by 451 4.7.1 where the hook ${name}, or takes the mail`, async () => {
    for (const onTrouble of ["defer", "accept"] as const) {
      const { station, heard } = await start(answer, { onTrouble });
      await using _ = station;
      const peer = await station.greeted();
      const deferred = onTrouble === "defer";
      await peer.mail({}, deferred ? 451 : 250, deferred ? "4.7.1" : undefined);
      assertEquals(heard.length, 1);
      assert(words.test(heard[0]!), heard[0]);
      assertEquals((await station.mailbox("alice")).length, deferred ? 0 : 1);
    }
  });
}

Deno.test("httpHook() asks so many at once, and each has its time in the line too", async () => {
  let [open, most] = [0, 0];
  const { station, heard, runtime } = await start(async (_, init) => {
    most = Math.max(most, ++open);
    await runtime.clock.sleep(6000, init.signal!).finally(() => open--);
    return Response.json(ACCEPT);
  }, { concurrency: 2, timeout: 10_000 });
  await using _ = station;
  const peers = [];
  for (let index = 0; index < 4; index++) peers.push(await station.greeted(`198.51.100.${index}`));
  for (const peer of peers) await peer.begin();
  for (const peer of peers) await peer.send("Subject: hi\r\n\r\nHello.\r\n.\r\n");
  const replies = [];
  for (const peer of peers) replies.push((await peer.reply())!.slice(0, 3));
  assertEquals(replies, ["250", "250", "451", "451"]);
  assertEquals(most, 2);
  assertEquals(heard.length, 2);
});

Deno.test("httpHook() refuses a URL that is none for it, and a secret that is none", () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const services = { ...runtime, fetch, emit: () => {} };
  const make = (options: Partial<HttpHookOptions>) => () =>
    httpHook({ url: URL_OF_HOOK, secret: SECRET, ...options }, services);
  make({})();
  assertThrows(make({ url: "file:///etc/passwd" }), TypeError, "http: or https:");
  assertThrows(make({ url: "hook.example" }), TypeError, "http: or https:");
  assertThrows(make({ url: "https://me:pass@hook.example/" }), TypeError, "no password");
  assertThrows(make({ secret: "short" }), TypeError, "16 characters");
});

Deno.test("attack: many large messages at once do not fill the memory on their way to a hook", async () => {
  const { random, clock } = memoryRuntime({ address: "192.0.2.25" });
  let underWay = 0;
  const fetch = () => (underWay++, new Promise<Response>(() => {}));
  const options = { url: URL_OF_HOOK, secret: SECRET, bodyLimit: 16 * 1024 * 1024 };
  const policy = httpHook(options, { random, clock, fetch, emit: () => {} });
  const message = (bodySize: number): MessageView => ({
    ...{ id: "1", session: stranger(), envelope: envelope(null), fields: [], bodySize },
    ...{ bodyReplaced: false, carriage: "8bit", goesOn: false },
    hasResults: false,
    openBody: async function* () {},
    draftBody: () => {
      throw new Error("nobody wants another body");
    },
  });
  for (let i = 0; i < 100; i++) policy.message!(message(20 * 1024 * 1024));
  await clock.settle();
  assertEquals(underWay, 4);
  // Small ones need not wait for them.
  for (let i = 0; i < 10; i++) policy.message!(message(10_000));
  await clock.settle();
  assertEquals(underWay, 14);
});
