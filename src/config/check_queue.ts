/**
 * The queue's schedules, and that the folders are each their own.
 *
 * @module
 */

import { parseDomainPattern } from "../domain_pattern.ts";
import { checkSchedule, DEFAULT_SCHEDULE, type RetrySchedule } from "../queue/retry.ts";
import { SOCKET_PATH_LIMIT } from "../runtime/network.ts";
import type { Finding, Parts } from "./parts.ts";
import { formatDuration } from "./fields.ts";
import { type KeyPath, quote } from "./problems.ts";
import { resolvePath } from "./paths.ts";

/** What is wrong with the schedules. */
export function checkRetry({ retry, retryDomains }: Parts): Finding[] {
  const usual = retry ?? DEFAULT_SCHEDULE;
  const findings = checkOne(usual, ["queue", "retry"]);
  const seen = new Map<string, string>();
  for (const [domain, given] of Object.entries(retryDomains)) {
    const path = ["queue", "retryDomains", domain];
    if (domain === "*") {
      const message = 'found "*"; wanted a domain, or .example.org for all below it';
      findings.push({ path, of: "key", message, hint: "what holds for all is in queue.retry" });
      continue;
    }
    const key = parseDomainPattern(domain) ?? domain;
    const first = seen.get(key);
    seen.set(key, domain);
    if (first !== undefined) {
      const message = `found ${quote(domain)}, which is ${quote(first)} once more`;
      findings.push({ path, of: "key", message });
    }
    // What it differs from is not known where that is wrong itself.
    if (given === null || retry === null) continue;
    const differing = Object.entries(given).filter(([, value]) => value !== undefined);
    findings.push(...checkOne({ ...usual, ...Object.fromEntries(differing) }, path));
  }
  return findings;
}

/** What holds between the values; each for itself was checked. */
function checkOne(schedule: RetrySchedule, path: KeyPath): Finding[] {
  const { first, longest } = schedule;
  if (longest < first) {
    return [{
      ...{ path: [...path, "longest"], of: "value" },
      message: `found ${formatDuration(longest)}, less than first (${formatDuration(first)})`,
      hint: "give both",
    }];
  }
  try {
    checkSchedule(schedule, "");
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = error.message.replace(/^: /, "");
    const key = /^\w+/.exec(message)?.[0] ?? "";
    return [{ path: [...path, key], of: "value", message }];
  }
}

/** That the socket over which the server is asked can be made. @param folder that of the configuration. */
export function checkControlSocket({ folders: { data, queue } }: Parts, folder: string): Finding[] {
  if (data === null || queue === null) return [];
  const path = `${resolvePath(resolvePath(folder, data), queue)}/control.sock`;
  const { length } = new TextEncoder().encode(path);
  if (length <= SOCKET_PATH_LIMIT) return [];
  return [{
    ...{ path: ["queue", "directory"], of: "value" },
    message: `found ${quote(queue)}, where the path of the control socket has ${length} octets; ` +
      `wanted ${SOCKET_PATH_LIMIT} at most`,
    hint: "give a shorter path here or in data",
  }];
}

/** The same path without `.`, `..` and what is empty; links are not followed. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return (path.startsWith("/") ? "/" : "") + parts.join("/");
}

/** Folders that would get into each other's way. */
export function checkFolders({ folders }: Parts): Finding[] {
  const { data } = folders;
  const names = ["mail", "queue", "drop"] as const;
  const seen = new Map<string, string>();
  const findings: Finding[] = [];
  for (const name of names) {
    const folder = folders[name];
    if (folder === null || data === null) continue;
    const path = normalize(resolvePath(data, folder));
    const key = `${name}.directory`;
    const other = [...seen].find(([taken]) => path === taken);
    // Programs of all users reach the drop folder: no folder that is closed to them may lie above it.
    const above = name === "drop" && [...seen].find(([taken]) => path.startsWith(`${taken}/`));
    seen.set(path, key);
    const holder = other ?? (above || undefined);
    if (holder === undefined) continue;
    const where = other === undefined ? `lies in ${holder[1]}` : `is that of ${holder[1]}`;
    const message = `found ${quote(folder)}, which ${where}; wanted a folder of its own`;
    findings.push({ path: [name, "directory"], of: "value", message });
  }
  return findings;
}
