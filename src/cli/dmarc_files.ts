/**
 * Where reports of DMARC are found: files that are named, and the mailboxes they arrive in, with all folders in them.
 *
 * What fails: a file that cannot be read, or is no report, is told of, and the next one is looked at.
 *
 * @module
 */

import { maybeReport, reportParts } from "../admin/dmarc/mail_reports.ts";
import { type AggregateReport, parseAggregateReport } from "../admin/dmarc/report.ts";
import { MAX_UNPACKED, packKindOf, unpackReports } from "../admin/dmarc/unpack.ts";
import { PackFault } from "../admin/dmarc/zip.ts";
import type { FileHandle, Files } from "../runtime/files.ts";
import { errorCode } from "../runtime/system_error.ts";
import { describeFileError } from "./trouble.ts";

/** What is done with what is found. */
export interface ReportSink {
  /** A report, and the file it was in. */
  add(report: AggregateReport, file: string): void;
  /** A file that cannot be read, or that holds something else, in words. */
  fault(file: string, reason: string): void;
}

/** Octets of a file, a mail with its encoding. */
const MAX_FILE = 2 * MAX_UNPACKED;
/** Octets of a mail by which it is seen whether it may hold a report. */
const START = 32 * 1024;
/** Folders within a mailbox. */
const MAX_FOLDERS = 1000;

/** Reads a file, or a folder's files; a Maildir is such a folder. */
export async function readNamed(files: Files, path: string, sink: ReportSink): Promise<void> {
  const stat = await files.stat(path, { follow: true }).catch(() => null);
  if (stat?.kind !== "directory") return await readReportFile(files, path, sink);
  for (const folder of [path, ...await maildirFolders(files, path)]) {
    for await (const file of filesIn(files, folder)) await readReportFile(files, file, sink);
  }
}

/**
 * Reads the reports in a mailbox.
 *
 * @param since mail that came before is passed over, in epoch milliseconds.
 * @throws what the disk says of the mailbox itself; one that has got no mail yet is empty.
 */
export async function readMailbox(
  files: Files,
  path: string,
  since: number,
  sink: ReportSink,
): Promise<void> {
  if (await files.stat(path) === null) return;
  for (const folder of await maildirFolders(files, path)) {
    for await (const file of filesIn(files, folder)) {
      if (await mayHold(files, file, since)) await readReportFile(files, file, sink);
    }
  }
}

/** `new` and `cur` of a Maildir and of the folders in it, as Maildir++ has them. */
async function maildirFolders(files: Files, path: string): Promise<string[]> {
  const folders = [path];
  for await (const { name, kind } of files.list(path)) {
    if (kind === "directory" && /^\.[^.]/.test(name) && folders.length < MAX_FOLDERS) {
      folders.push(`${path}/${name}`);
    }
  }
  return folders.flatMap((folder) => [`${folder}/new`, `${folder}/cur`]);
}

async function* filesIn(files: Files, folder: string): AsyncGenerator<string> {
  const names: string[] = [];
  try {
    for await (const { name, kind } of files.list(folder)) if (kind === "file") names.push(name);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  for (const name of names.sort()) yield `${folder}/${name}`;
}

/** Whether a mail is new enough, and calls itself a report. One that is moved or removed meanwhile does not. */
async function mayHold(files: Files, file: string, since: number): Promise<boolean> {
  try {
    const stat = await files.stat(file);
    if (stat === null || stat.modified < since) return false;
    const handle = await files.open(file, { read: true, noFollow: true });
    try {
      return maybeReport(await readStart(handle));
    } finally {
      handle.close();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function readStart(handle: FileHandle): Promise<Uint8Array> {
  const start = new Uint8Array(START);
  let length = 0;
  while (length < START) {
    const read = await handle.read(start.subarray(length));
    if (read === null) break;
    length += read;
  }
  return start.subarray(0, length);
}

async function readReportFile(files: Files, path: string, sink: ReportSink): Promise<void> {
  let octets: Uint8Array;
  try {
    octets = await files.readFile(path, MAX_FILE);
  } catch (error) {
    return sink.fault(path, describeFileError(error));
  }
  const packs = packKindOf(octets) === null ? reportParts(octets) : [octets];
  if (packs.length === 0) return sink.fault(path, "it is neither a report nor a mail with one");
  for (const pack of packs) readPack(pack, path, sink);
}

function readPack(pack: Uint8Array, path: string, sink: ReportSink): void {
  try {
    for (const xml of unpackReports(pack)) {
      const read = parseAggregateReport(xml);
      if (read.status === "fault") {
        sink.fault(path, read.reason);
        continue;
      }
      const { lost, lostReason } = read.report;
      if (lost > 0) sink.fault(path, `${lost} records are left out: ${lostReason}`);
      sink.add(read.report, path);
    }
  } catch (error) {
    if (!(error instanceof PackFault)) throw error;
    sink.fault(path, error.message);
  }
}
