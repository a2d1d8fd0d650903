/**
 * A short soak; `deno task soak` runs longer ones.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { faults } from "../soak/faults.ts";
import { soak } from "../soak/soak.ts";
import { mayMount } from "./small_disk.ts";
import { interopTest } from "./support.ts";

interopTest(
  "a minute of good mail and bad clients, reloads, storms and full disks loses and leaks nothing",
  ["mount", ...mayMount() ? [] : ["root"]],
  async () => {
    const report = await soak({ seconds: 60, clients: 12, workers: 1, seed: 1 });
    assertEquals(faults(report), []);
    assertEquals([report.reloads >= 5, report.disksFilled, report.storms], [true, 2, 2]);
  },
);
