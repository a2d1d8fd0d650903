import { assert, assertEquals, assertThrows } from "@std/assert";
import { mapDirectory, type MapDirectoryOptions } from "../../src/directory/map_directory.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { directoryContract } from "../contracts/directory_contract.ts";

const PEOPLE: MapDirectoryOptions = {
  accounts: {
    "Alice@Example.org": {
      password: "wonderland",
      quota: { messages: 1000 },
      sendAs: ["sales@example.com", "example.net"],
    },
    "bob@example.org": {},
  },
  aliases: {
    "info@example.org": "alice@example.org",
    "all@example.org": ["info@example.org", "bob@example.org", "x@elsewhere.example"],
  },
  catchAll: { "bücher.example": "bob@example.org" },
  domains: ["example.info"],
};

directoryContract("mapDirectory", () => {
  return Promise.resolve(mapDirectory({ ...PEOPLE, scram: memoryRuntime() }));
});

Deno.test("mapDirectory() offers SCRAM only with a source of randomness", () => {
  assertEquals(mapDirectory(PEOPLE).scramVerifier, undefined);
  assert(mapDirectory({ ...PEOPLE, scram: memoryRuntime() }).scramVerifier);
});

Deno.test("mapDirectory() checks passwords without one, prepared as clients do", async () => {
  const directory = mapDirectory({ accounts: { "a@b.example": { password: "I\u00adX" } } });
  assertEquals(await directory.verify("a@b.example", "\u2168"), { name: "a@b.example" });
  assertEquals(await directory.verify("a@b.example", "VIII"), null);
});

Deno.test("mapDirectory() refuses what is no address, domain or password", () => {
  const refused: [MapDirectoryOptions, string][] = [
    [{ accounts: { alice: {} } }, '"alice" is no address'],
    [{ accounts: { "a@b.example": {}, "A@b.example": {} } }, "twice"],
    [{ accounts: { "a@b.example": { password: "" } } }, '"a@b.example": the password is empty'],
    [{ accounts: { "a@b.example": { sendAs: ["x y"] } } }, '"x y" is no address or domain'],
    [{ accounts: { "a@b.example": {} }, aliases: { "a@b.example": "c@d.example" } }, "twice"],
    [{ accounts: {}, aliases: { "a@b.example": "c" } }, '"c" is no address'],
    [{ accounts: {}, catchAll: { "a@b": "c@d.example" } }, '"a@b" is no domain'],
    [{ accounts: {}, domains: ["a b"] }, '"a b" is no domain'],
  ];
  for (const [options, message] of refused) {
    assertThrows(() => mapDirectory(options), TypeError, message);
  }
});
