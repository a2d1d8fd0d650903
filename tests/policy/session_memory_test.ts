import { assertEquals } from "@std/assert";
import type { SessionView } from "../../src/policy/policy.ts";
import { SessionMemory } from "../../src/policy/session_memory.ts";

const session = (id: string): SessionView => ({
  ...{ id, role: "mx", client: "192.0.2.1", hello: null, tls: null, identity: null },
  trusted: false,
});

Deno.test("SessionMemory forgets the oldest where there are too many, and says what it forgot", () => {
  const forgotten: number[] = [];
  const memory = new SessionMemory<number>((value) => forgotten.push(value), 3);
  for (let i = 1; i <= 5; i++) memory.set(session(`s${i}`), i);
  memory.set(session("s4"), 40);
  assertEquals(forgotten, [1, 2]);
  assertEquals(["s1", "s2", "s3", "s4"].map((id) => memory.get(session(id))), [
    ...[undefined, undefined],
    ...[3, 40],
  ]);
  // Whoever takes something away has it, and need not be told.
  assertEquals([memory.drop(session("s3")), memory.drop(session("s3"))], [3, undefined]);
  assertEquals(forgotten, [1, 2]);
});
