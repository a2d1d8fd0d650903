import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { catchAllDirectory } from "../src/directory/catch_all.ts";
import { type MtaOptions, startMta } from "../src/mta.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";

const ADDRESS = { transport: "tcp", hostname: "192.0.2.1", port: 25 } as const;

function options(changes: Partial<MtaOptions> = {}): MtaOptions {
  return {
    runtime: memoryRuntime(),
    hostname: "mx.example.test",
    directory: catchAllDirectory(),
    delivery: { maildirRoot: "/mail" },
    listeners: [{ role: "mx", address: ADDRESS }],
    ...changes,
  };
}

/** Options that are wrong, and what the message must name. */
const WRONG: readonly [Partial<Record<keyof MtaOptions, unknown>>, string][] = [
  [{ hostname: "x y" }, 'hostname: "x y"'],
  [{ listeners: [] }, "listeners: at least one"],
  [{ listeners: [{ role: "ctcher", address: ADDRESS }] }, 'role "ctcher"'],
  [{ listeners: [{ role: "submission", address: ADDRESS }] }, "needs a certificate"],
  [{ delivery: undefined }, "delivery:"],
  [{ delivery: { checkRoom() {}, prepare() {} } }, "temporary:"],
  [{ relayFrom: ["10.0.0.0/33"] }, "relayFrom: 10.0.0.0/33"],
  [{ relayFrom: ["0.0.0.0/0"] }, "relay for everybody"],
  [{ postmaster: "nobody" }, "postmaster: nobody"],
];

for (const [changes, named] of WRONG) {
  Deno.test(`startMta() names what is wrong: ${named}`, async () => {
    const wrong = options(changes as Partial<MtaOptions>);
    await assertRejects(() => startMta(wrong), TypeError, named);
    // Nothing is left listening.
    const mta = await startMta(options({ runtime: wrong.runtime }));
    await (wrong.runtime as ReturnType<typeof memoryRuntime>).clock.runUntil(mta.stop());
  });
}

Deno.test("startMta() names the address that cannot be had, and closes the others", async () => {
  const runtime = memoryRuntime();
  const other = { ...ADDRESS, port: 2525 };
  const taken = await runtime.network.listen(ADDRESS);
  const listeners = [{ role: "mx", address: other }, { role: "mx", address: ADDRESS }] as const;
  const error = await assertRejects(() => startMta(options({ runtime, listeners })));
  assertStringIncludes((error as Error).message, "cannot listen on 192.0.2.1:25");
  assertEquals((error as { code?: string }).code, "EADDRINUSE");
  taken.close();
  const mta = await startMta(options({ runtime, listeners }));
  assertEquals(mta.addresses, [other, ADDRESS]);
  await runtime.clock.runUntil(mta.stop());
});
