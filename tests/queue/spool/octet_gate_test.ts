import { assertEquals } from "@std/assert";
import { OctetGate } from "../../../src/queue/spool/octet_gate.ts";

Deno.test("OctetGate lets in what fits, the rest in its turn, and what is too large alone", async () => {
  const gate = new OctetGate(100);
  const order: string[] = [];
  const enter = (name: string, octets: number) => {
    const full = gate.enter(octets);
    if (full === undefined) order.push(name);
    else full.then(() => order.push(name));
  };
  enter("a", 60);
  enter("b", 40);
  enter("c", 200);
  enter("d", 1);
  assertEquals(order, ["a", "b"]);
  gate.leave(60);
  await Promise.resolve();
  assertEquals(order, ["a", "b"]); // c is first in line, and d must not slip by
  gate.leave(40);
  await Promise.resolve();
  assertEquals(order, ["a", "b", "c"]);
  gate.leave(200);
  await Promise.resolve();
  assertEquals(order, ["a", "b", "c", "d"]);
});
