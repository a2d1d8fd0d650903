/**
 * How the station, its disk and its process are at this moment, as numbers for `/metrics`, and what keeps
 * it from being ready for mail. Values in, values out; only the disk is asked.
 *
 * @module
 */

import type { MtaStatus } from "../mta_status.ts";
import type { MetricFamily, MetricSample } from "../observe/open_metrics.ts";
import type { Files } from "../runtime/files.ts";
import type { StationStatus, WorkerStatus } from "./station_requests.ts";

/** What a process knows of itself. */
export interface ProcessFacts {
  /** Octets of memory that are really there. */
  readonly residentMemory: number;
  /** Octets of objects. */
  readonly heap: number;
  /** Seconds of processor time, of user and system together. */
  readonly cpu: number;
  /** When it began, in milliseconds since the epoch. */
  readonly started: number;
  /** Lines of the log that nobody read in time, and that were dropped. */
  readonly droppedLogLines: number;
}

/** What is watched on the disk. */
export interface DiskWatch {
  readonly files: Files;
  /** Folders by the names they have in metrics, such as `queue`. */
  readonly folders: Readonly<Record<string, string>>;
  /** Octets that new mail must leave free. */
  readonly reserve: number;
}

/** File systems that count no inodes say 0, and are not held to it. */
const INODE_RESERVE = 1000;

/** The numbers of a process. */
export function processFamilies(facts: ProcessFacts): MetricFamily[] {
  return [
    gauge(
      "process_resident_memory_bytes",
      "Memory of the process that is really there.",
      facts.residentMemory,
    ),
    gauge("process_heap_bytes", "Memory of the objects of the program.", facts.heap),
    {
      name: "process_cpu_seconds",
      type: "counter",
      unit: "seconds",
      help: "Processor time, of user and system together.",
      samples: [{ labels: {}, value: facts.cpu }],
    },
    gauge("process_start_time_seconds", "When the process began.", facts.started / 1000),
    {
      name: "yizhan_log_lines_dropped",
      type: "counter",
      help: "Lines of the log that were dropped, because nobody read it.",
      samples: [{ labels: {}, value: facts.droppedLogLines }],
    },
  ];
}

/** The numbers of a station; certificates by their files. */
export function stationFamilies(status: StationStatus): MetricFamily[] {
  const { version, runtime, queue, certificates, workers = [] } = status;
  const restarting = workers.filter(({ state }) => state === "restarting").length;
  return [
    {
      name: "yizhan_build",
      type: "info",
      help: "What runs here.",
      samples: [{ labels: { version, runtime }, value: 1 }],
    },
    gauge(
      "yizhan_configuration_loaded_timestamp_seconds",
      "When the configuration in force came into force.",
      status.loaded / 1000,
    ),
    gauge(
      "yizhan_configuration_current",
      "0 where a newer configuration was refused, and the old one is in force.",
      status.reloadFailed === undefined ? 1 : 0,
    ),
    gauge("yizhan_stopping", "1 while the station stops.", status.stopping ? 1 : 0),
    {
      ...gauge("yizhan_workers", "Threads that serve, the first among them.", 0),
      samples: [
        { labels: { state: "running" }, value: 1 + countRunning(workers) },
        { labels: { state: "restarting" }, value: restarting },
      ],
    },
    gauge("yizhan_listeners", "Listeners that take connections.", listening(status)),
    gauge(
      "yizhan_body_memory_bytes",
      "Memory of message bodies on their way in.",
      status.bodyMemory,
    ),
    gauge(
      "yizhan_queue_troubled",
      "1 where the queue cannot be written, and nothing is delivered.",
      queue?.troubled ? 1 : 0,
    ),
    {
      ...gauge("yizhan_queue_jobs", "Deliveries under way, and those that wait for their turn.", 0),
      samples: [
        { labels: { state: "running" }, value: queue?.running ?? 0 },
        { labels: { state: "waiting" }, value: queue?.waiting ?? 0 },
      ],
    },
    gauge(
      "yizhan_destinations_down",
      "Destinations that are left alone, because they are out of reach.",
      queue?.down.length ?? 0,
    ),
    {
      ...gauge(
        "yizhan_certificate_expiry_timestamp_seconds",
        "When a certificate ends to be valid.",
        0,
      ),
      samples: certificates.map(({ file, expires }) => ({
        labels: { certificate: file },
        value: expires / 1000,
      })),
    },
    {
      ...gauge(
        "yizhan_certificate_order_failed",
        "Whether the last order of a certificate failed that the server gets by itself.",
        0,
      ),
      samples: certificates.flatMap(({ file, acme }) =>
        acme === undefined
          ? []
          : [{ labels: { certificate: file }, value: acme.trouble === undefined ? 0 : 1 }]
      ),
    },
  ];
}

/** What is free where. A folder that cannot be asked has no number. */
export async function diskFamilies(
  { files, folders, reserve }: DiskWatch,
): Promise<MetricFamily[]> {
  const bytes: MetricSample[] = [];
  const inodes: MetricSample[] = [];
  for (const [folder, path] of Object.entries(folders)) {
    const free = await files.space(path).catch(() => null);
    if (free === null) continue;
    bytes.push({ labels: { folder }, value: free.bytes });
    if (free.inodes > 0) inodes.push({ labels: { folder }, value: free.inodes });
  }
  return [
    {
      ...gauge("yizhan_disk_free_bytes", "Free on the file system of a folder.", 0),
      samples: bytes,
    },
    {
      ...gauge("yizhan_disk_free_inodes", "Files that may yet be made there.", 0),
      samples: inodes,
    },
    gauge("yizhan_disk_reserve_bytes", "What new mail must leave free.", reserve),
  ];
}

/** Why no mail should be sent to a station now, in words; none: it is ready. */
export async function obstaclesOf(
  status: Pick<MtaStatus, "stopping" | "listeners" | "queue">,
  { files, folders, reserve }: DiskWatch,
): Promise<string[]> {
  const reasons: string[] = [];
  if (status.stopping) reasons.push("the station is stopping");
  else if (listening(status) === 0) reasons.push("nothing listens");
  if (status.queue?.troubled) reasons.push("the queue cannot be written");
  for (const [folder, path] of Object.entries(folders)) {
    const free = await files.space(path).catch(() => null);
    if (free === null) continue; // writing will tell
    if (free.bytes < reserve) reasons.push(`the disk of ${folder} is full but for its reserve`);
    else if (free.inodes > 0 && free.inodes < INODE_RESERVE) {
      reasons.push(`the disk of ${folder} has hardly an inode left`);
    }
  }
  return reasons;
}

function countRunning(workers: readonly WorkerStatus[]): number {
  return workers.filter(({ state }) => state === "running").length;
}

function listening({ listeners }: Pick<MtaStatus, "listeners">): number {
  return listeners.filter((listener) => listener.listening).length;
}

function gauge(name: string, help: string, value: number): MetricFamily {
  const unit = /_(seconds|bytes)$/.exec(name)?.[1] as MetricFamily["unit"];
  const samples = [{ labels: {}, value }];
  return { name, type: "gauge", help, samples, ...(unit !== undefined && { unit }) };
}
