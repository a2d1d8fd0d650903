import { assertEquals } from "@std/assert";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { keepSrsSecret } from "../../src/routing/srs_secret.ts";

Deno.test("keepSrsSecret() gives no secret that a power cut may take back", async () => {
  // Whoever makes it dies at some call; its successor signs with what it finds; then the power goes.
  for (let call = 1;; call++) {
    const first = memoryRuntime();
    await first.files.makeDirectory("/queue", 0o700);
    await first.files.syncDirectory("/");
    let second = first;
    const start = first.files.calls;
    first.files.onCall = () => {
      if (first.files.calls - start === call) second = first.reboot("kept");
    };
    const keep = ({ files, random }: typeof first) =>
      keepSrsSecret(files, random, "/queue/srs.key");
    await keep(first).catch(() => {});
    first.files.onCall = () => {};
    const signedWith = await keep(second);
    assertEquals(await keep(second.reboot("lost")), signedWith, `died at call ${call}`);
    if (second === first) break;
  }
});
