/**
 * A program for `telemetry_test.ts`: a station that is traced, and one mail through it that a program
 * refuses, so that its sender is told. Prints the id of the mail; its one argument is a folder.
 *
 * @module
 */

import { startTelemetry } from "../../src/cli/telemetry.ts";
import { mapDirectory } from "../../src/directory/map_directory.ts";
import { startMta } from "../../src/mta.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";

const [folder] = Deno.args;
const telemetry = await startTelemetry((text) => console.log(text));
const over = Promise.withResolvers<void>();
const mta = await startMta({
  runtime: denoRuntime(),
  hostname: "mail.example.test",
  listeners: [],
  directory: mapDirectory({ accounts: { "alice@example.test": { password: "wonderland" } } }),
  delivery: { maildirRoot: `${folder}/mail` },
  queue: { directory: `${folder}/queue` },
  routes: [{
    domains: ["b.test"],
    via: { kind: "pipe", program: "sh", arguments: ["-c", "exit 67"] },
  }],
  onEvent(event) {
    telemetry?.record(event);
    if (event.type === "message.done" && event.message.startsWith("notice-")) over.resolve();
  },
});
const submitted = await mta.submit(
  { sender: "alice@example.test", recipients: ["bob@b.test"] },
  "Subject: Hello\n\nHello.\n",
);
await over.promise;
await mta.stop({ grace: 1000 });
telemetry?.stop();
console.log(submitted.id);
