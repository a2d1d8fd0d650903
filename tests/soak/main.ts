/**
 * `deno task soak`: a soak of some minutes, and its figures.
 *
 * @module
 */

import { commandLine } from "../../bench/support/command_line.ts";
import { faults } from "./faults.ts";
import { soak } from "./soak.ts";

const { values, flags } = commandLine({
  program: "deno task soak",
  about:
    "Runs the server under mixed load for a while: good mail and broken clients, reloads, a next host\n" +
    "that puts off, a disk that fills up and is freed; then looks whether anything was lost, leaked or\n" +
    "grew. Takes root, for a disk of its own (a tmpfs).",
  flags: { json: "Print the figures as JSON" },
  values: {
    minutes: ["N", "30", "How long"],
    clients: ["N", "12", "Clients that send good mail, and as many that do not"],
    workers: ["N", "1", "Threads of the server"],
    seed: ["N", "1", "Of what chance decides"],
  },
});

const report = await soak({
  seconds: Number(values.minutes) * 60,
  clients: Number(values.clients),
  workers: Number(values.workers),
  seed: Number(values.seed),
  progress: (text) => console.error(text),
});
const found = faults(report);
if (flags.json) console.log(JSON.stringify({ ...report, faults: found }, null, 2));
else {
  const mib = (octets: number) => `${(octets / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    [
      `${report.seconds} s: ${report.acknowledged} mails acknowledged, ${report.deliveries} deliveries, ` +
      `${report.lost.length} lost, ${report.repeated} repeated`,
      `${report.reloads} reloads, ${report.storms} times the next host put all off, ${report.disksFilled} full disks`,
      `memory ${mib(report.memory.before)} early, ${mib(report.memory.after)} late, ${
        mib(report.memory.highest)
      } at most`,
      `handles ${report.handles.before} before, ${report.handles.after} after`,
      ...found.map((fault) => `FAULT: ${fault}`),
    ].join("\n"),
  );
}
Deno.exit(found.length === 0 ? 0 : 1);
