import { assertEquals } from "@std/assert";
import { SpaceGuard } from "../../src/queue/space_guard.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

async function newGuard() {
  const { files, clock } = memoryRuntime();
  await files.makeDirectory("/mail", 0o700);
  files.disk.capacity = 1_000_000;
  return {
    files,
    clock,
    guard: new SpaceGuard({ files, clock, paths: ["/mail"], bytes: 500_000 }),
  };
}

Deno.test("SpaceGuard has room until the reserve is touched, and again after", async () => {
  const { files, clock, guard } = await newGuard();
  assertEquals(await guard.hasRoom(), true);
  files.disk.capacity = 400_000;
  await clock.advance(1000);
  assertEquals(await guard.hasRoom(), false);
  files.disk.capacity = 1_000_000;
  await clock.advance(1000);
  assertEquals(await guard.hasRoom(), true);
});

Deno.test("SpaceGuard looks at the disk once a second, however often it is asked", async () => {
  const { files, clock, guard } = await newGuard();
  const calls = files.calls;
  for (let i = 0; i < 100; i++) await guard.hasRoom();
  assertEquals(files.calls - calls, 1);
  await clock.advance(1000);
  await guard.hasRoom();
  assertEquals(files.calls - calls, 2);
});

Deno.test("SpaceGuard takes a disk that cannot be asked to have room: writing will tell", async () => {
  const { files, guard } = await newGuard();
  files.fail({ operation: "space", code: "EIO" });
  assertEquals(await guard.hasRoom(), true);
});

Deno.test("SpaceGuard goes on to the next folder where one is missing", async () => {
  const { files, clock } = await newGuard();
  files.disk.capacity = 400_000;
  const guard = new SpaceGuard({ files, clock, paths: ["/not-yet", "/mail"], bytes: 500_000 });
  assertEquals(await guard.hasRoom(), false);
});
