/**
 * What tests of the two-file form share: messages, a spool in memory, and a look at what lies on the disk.
 *
 * @module
 */

import { concat, encode } from "../../../src/bytes.ts";
import type { MtaEvent } from "../../../src/events.ts";
import type { QueueEntry } from "../../../src/queue/entry.ts";
import type { MessageSource } from "../../../src/queue/local_delivery.ts";
import { MessageFiles } from "../../../src/queue/spool/message_files.ts";
import type { NewMessage } from "../../../src/queue/store.ts";
import type { Files } from "../../../src/runtime/files.ts";
import type { Runtime } from "../../../src/runtime/runtime.ts";
import { entry, recipient } from "./entries.ts";

export const NOW: number = Date.UTC(2026, 10, 22, 20, 14, 30);
export const MINUTE = 60_000;
export const HOUR: number = 60 * MINUTE;
export const HEAD: Uint8Array = encode("Subject: café\r\nX-Folded: a\r\n\tb\r\n");

/** An entry that is to be tried at `next`. */
export function waiting(id: string, next: number, changes: Partial<QueueEntry> = {}): QueueEntry {
  return entry(id, {
    headSize: HEAD.length,
    bodySize: bodyOf(id).length,
    recipients: [recipient({ next })],
    ...changes,
  });
}

/** What an operator stopped. */
export const HELD = { held: { since: NOW, reason: "by hand" } };

/** The body that belongs to an id. */
export function bodyOf(id: string): Uint8Array {
  return encode(`This is ${id}.\r\n`.repeat(10));
}

/** A message that is to be tried at `next`. */
export function message(id: string, next: number, changes?: Partial<QueueEntry>): NewMessage {
  return { entry: waiting(id, next, changes), source: sourceOf(bodyOf(id)) };
}

export function sourceOf(body: Uint8Array): MessageSource {
  return {
    head: HEAD,
    bodySize: body.length,
    async *openBody() {
      yield body.subarray(0, 7);
      yield body.subarray(7);
    },
  };
}

export async function readBody(source: MessageSource): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source.openBody()) parts.push(part.slice());
  return concat(parts);
}

/** A spool on this machine, made ready. */
export async function openFiles(
  { files, clock }: Pick<Runtime, "files" | "clock">,
  { directory = "/spool", window }: { directory?: string; window?: number } = {},
): Promise<{ spool: MessageFiles; events: MtaEvent[] }> {
  const events: MtaEvent[] = [];
  const sink = (event: MtaEvent) => void events.push(event);
  const spool = new MessageFiles({
    files,
    clock,
    directory,
    events: sink,
    ...(window === undefined ? {} : { window }),
  });
  await spool.prepare();
  return { spool, events };
}

/** All files below a folder, by path, sorted. */
export async function allFiles(files: Files, folder = "/spool"): Promise<string[]> {
  const found: string[] = [];
  const walk = async (path: string) => {
    for await (const { name, kind } of files.list(path)) {
      if (kind === "directory") await walk(`${path}/${name}`);
      else found.push(`${path}/${name}`.slice(folder.length + 1));
    }
  };
  await walk(folder);
  return found.sort();
}

/** All ids that are due at `now`, in the order they are given. */
export async function takeDue(
  spool: MessageFiles,
  now: number,
  taken: Set<string> = new Set(),
  limit = Infinity,
): Promise<string[]> {
  const ids: string[] = [];
  if (limit === 0) return ids;
  await spool.due(now, {
    skip: (id) => taken.has(id),
    take: ({ id }) => {
      taken.add(id);
      return ids.push(id) < limit;
    },
  });
  return ids;
}

/** All entries, by id. */
export async function listAll(spool: MessageFiles): Promise<Map<string, QueueEntry>> {
  const entries = new Map<string, QueueEntry>();
  for await (const entry of spool.list()) entries.set(entry.id, entry);
  return entries;
}
