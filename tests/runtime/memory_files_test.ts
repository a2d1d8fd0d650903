import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../src/bytes.ts";
import type { FileHandle, Files } from "../../src/runtime/files.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { codeOf } from "../support/connections.ts";

/** Makes a file, with its content durable or not; its name is durable when `syncDirectory` is. */
async function make(files: Files, path: string, text: string, sync: boolean): Promise<FileHandle> {
  const file = await files.open(path, { write: true, createNew: true });
  await file.write(encode(text));
  if (sync) await file.sync();
  return file;
}

async function contents(files: Files, folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, kind } of files.list(folder)) {
    found[name] = kind === "file" ? decode(await files.readFile(`${folder}/${name}`)) : kind;
  }
  return found;
}

Deno.test("a power cut loses names whose folder was not synced", async () => {
  const machine = memoryRuntime();
  await make(machine.files, "/kept", "1", true);
  await machine.files.syncDirectory("/");
  await make(machine.files, "/lost", "2", true);
  assertEquals(await contents(machine.reboot("lost").files, "/"), { kept: "1" });
});

Deno.test("a power cut loses content that was not synced", async () => {
  const machine = memoryRuntime();
  const file = await make(machine.files, "/f", "synced", true);
  await make(machine.files, "/empty", "unsynced", false);
  await machine.files.syncDirectory("/");
  await file.write(encode(" and more"));
  assertEquals(await contents(machine.reboot("lost").files, "/"), { f: "synced", empty: "" });
});

Deno.test("the death of the process alone loses nothing", async () => {
  const machine = memoryRuntime();
  const file = await make(machine.files, "/f", "unsynced", false);
  const { files } = machine.reboot("kept");
  assertEquals(await contents(files, "/"), { f: "unsynced" });
  assertEquals(await codeOf(file.write(encode("x"))), "EIO");
});

Deno.test("a folder is lost with all in it when its own name was not synced", async () => {
  const machine = memoryRuntime();
  await machine.files.makeDirectory("/user", 0o700);
  await make(machine.files, "/user/mail", "synced", true);
  await machine.files.syncDirectory("/user");
  assertEquals(await contents(machine.reboot("lost").files, "/"), {});
});

Deno.test("a rename is one step, durable when either folder is synced", async () => {
  for (const synced of ["/tmp", "/new", null]) {
    const machine = memoryRuntime();
    for (const folder of ["/tmp", "/new"]) await machine.files.makeDirectory(folder, 0o700);
    await machine.files.syncDirectory("/");
    await make(machine.files, "/tmp/f", "mail", true);
    await machine.files.syncDirectory("/tmp");
    await machine.files.rename("/tmp/f", "/new/f");
    if (synced !== null) await machine.files.syncDirectory(synced);
    const { files } = machine.reboot("lost");
    const found = [await contents(files, "/tmp"), await contents(files, "/new")];
    assertEquals(found, synced === null ? [{ f: "mail" }, {}] : [{}, { f: "mail" }]);
  }
});

Deno.test("a rename over a file leaves the old one or the new one", async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const machine = memoryRuntime({ seed });
    await make(machine.files, "/entry", "old", true);
    await make(machine.files, "/entry.tmp", "new", true);
    await machine.files.syncDirectory("/");
    await machine.files.rename("/entry.tmp", "/entry");
    const { files } = machine.reboot("torn");
    const { entry, ...rest } = await contents(files, "/");
    assertEquals(rest, entry === "old" ? { "entry.tmp": "new" } : {});
    seen.add(entry!);
  }
  assertEquals([...seen].sort(), ["new", "old"]);
});

Deno.test("removing and truncating are undone where they were not synced", async () => {
  const machine = memoryRuntime();
  await make(machine.files, "/a", "removed", true);
  await make(machine.files, "/b", "truncated", true);
  await machine.files.syncDirectory("/");
  await machine.files.remove("/a");
  await machine.files.open("/b", { write: true, truncate: true });
  assertEquals(await contents(machine.files, "/"), { b: "" });
  assertEquals(await contents(machine.reboot("lost").files, "/"), { a: "removed", b: "truncated" });
});

Deno.test("a torn write is whole, missing, cut, or ends in zeros; the synced part is whole", async () => {
  const kinds = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const machine = memoryRuntime({ seed });
    const file = await make(machine.files, "/log", "synced|", true);
    await machine.files.syncDirectory("/");
    await file.write(encode("abcdefgh"));
    const { log } = await contents(machine.reboot("torn").files, "/");
    const parsed = /^synced\|(a?b?c?d?e?f?g?h?)(\0*)$/.exec(log!);
    assert(parsed, JSON.stringify(log));
    const [, octets, zeros] = parsed;
    assert("abcdefgh".startsWith(octets!));
    assert(zeros === "" || octets!.length + zeros!.length === 8);
    kinds.add(
      octets === "abcdefgh" ? "whole" : zeros !== "" ? "zeros" : octets === "" ? "missing" : "cut",
    );
  }
  assertEquals([...kinds].sort(), ["cut", "missing", "whole", "zeros"]);
});

Deno.test("a sync that failed is never made up for", async () => {
  const machine = memoryRuntime();
  const file = await make(machine.files, "/f", "before ", true);
  await machine.files.syncDirectory("/");
  await file.write(encode("lost"));
  machine.files.fail({ operation: "sync", code: "EIO" });
  assertEquals(await codeOf(file.sync()), "EIO");
  await file.sync();
  assertEquals(await contents(machine.files, "/"), { f: "before lost" });
  assertEquals(await contents(machine.reboot("lost").files, "/"), { f: "before " });
});

Deno.test("fail() fails the call it was told to, and no other", async () => {
  const { files } = memoryRuntime();
  files.fail({ operation: "open", path: /\.msg$/, call: 2, code: "EMFILE" });
  const open = (path: string) => codeOf(files.open(path, { write: true, create: true }));
  assertEquals(await open("/1.msg"), "resolved");
  assertEquals(await open("/1.json"), "resolved");
  assertEquals(await codeOf(files.stat("/2.msg")), "resolved");
  assertEquals(await open("/2.msg"), "EMFILE");
  assertEquals(await files.stat("/2.msg"), null);
  assertEquals(await open("/2.msg"), "resolved");
});

Deno.test("a write that fails has written half", async () => {
  const { files } = memoryRuntime();
  const file = await files.open("/f", { write: true, create: true });
  files.fail({ operation: "write", code: "EIO" });
  assertEquals(await codeOf(file.write(encode("12345678"))), "EIO");
  assertEquals(await contents(files, "/"), { f: "1234" });
});

Deno.test("a full disk takes what fits and gives room back", async () => {
  const machine = memoryRuntime();
  const { files } = machine;
  files.disk.capacity = 10;
  files.disk.inodes = 2;
  const file = await make(files, "/a", "123456", false);
  assertEquals(await files.space("/"), { bytes: 4, inodes: 1 });
  assertEquals(await codeOf(file.write(encode("78901234"))), "ENOSPC");
  assertEquals(await contents(files, "/"), { a: "1234567890" });
  await file.seek(0);
  await file.write(encode("overwrites"));
  const empty = await make(files, "/b", "", false);
  assertEquals(await codeOf(files.open("/c", { write: true, create: true })), "ENOSPC");
  assertEquals(await codeOf(files.makeDirectory("/c", 0o700)), "ENOSPC");
  assertEquals(await codeOf(empty.write(encode("x"))), "ENOSPC");
  await files.rename("/b", "/a");
  assertEquals(await files.space("/"), { bytes: 10, inodes: 1 });
  await empty.write(encode("x"));
  await files.remove("/a");
  assertEquals(await files.space("/"), { bytes: 10, inodes: 2 });
  assertEquals(await machine.reboot("lost").files.space("/"), { bytes: 10, inodes: 2 });
});

Deno.test("onCall sees every call, and can stop it", async () => {
  const { files } = memoryRuntime();
  const seen: string[] = [];
  files.onCall = ({ operation, path }) => {
    seen.push(`${operation} ${path}`);
    if (operation === "remove") throw new Error("stopped");
  };
  const file = await make(files, "/f", "x", true);
  file.close();
  await files.syncDirectory("/");
  assertEquals(await codeOf(files.remove("/f")), "no code: Error: stopped");
  assertEquals(seen, ["open /f", "write /f", "sync /f", "syncDirectory /", "remove /f"]);
  assertEquals(files.calls, 5);
});

/** Delivers as a Maildir is delivered to: tmp, write, sync, rename, sync the folder. */
async function deliver(files: Files, name: string, content: string): Promise<void> {
  for (const folder of ["/mail", "/mail/tmp", "/mail/new"]) {
    if (await files.stat(folder) === null) await files.makeDirectory(folder, 0o700);
  }
  for (const folder of ["/", "/mail"]) await files.syncDirectory(folder);
  const file = await files.open(`/mail/tmp/${name}`, { write: true, createNew: true });
  await file.write(encode(content));
  await file.sync();
  file.close();
  await files.rename(`/mail/tmp/${name}`, `/mail/new/${name}`);
  await files.syncDirectory("/mail/new");
}

Deno.test("what was delivered by the Maildir rule survives a power cut at any call", async () => {
  await fc.assert(fc.asyncProperty(fc.nat(40), fc.integer(), async (callsBefore, seed) => {
    const machine = memoryRuntime({ seed });
    let renewed: MemoryRuntime | null = null;
    machine.files.onCall = () => {
      if (machine.files.calls > callsBefore) renewed ??= machine.reboot();
    };
    const delivered: Record<string, string> = {};
    for (let i = 0; i < 4; i++) {
      const content = `mail ${i} ${"x".repeat(i * 100)}`;
      if (await codeOf(deliver(machine.files, `m${i}`, content)) !== "resolved") break;
      delivered[`m${i}`] = content;
    }
    const { files } = renewed ?? machine.reboot();
    const folder = await files.stat("/mail/new");
    const found = folder === null ? {} : await contents(files, "/mail/new");
    for (const [name, content] of Object.entries(delivered)) assertEquals(found[name], content);
    // Half a mail is never seen either.
    for (const [name, content] of Object.entries(found)) {
      assertEquals(content, `mail ${name[1]} ${"x".repeat(Number(name[1]) * 100)}`);
    }
  }));
});

Deno.test("what skips one step of the Maildir rule can lose mail", async () => {
  const lossy = async (skipped: "sync" | "syncDirectory") => {
    const losses = new Set<boolean>();
    for (let seed = 0; seed < 20; seed++) {
      const machine = memoryRuntime({ seed });
      await machine.files.makeDirectory("/new", 0o700);
      await machine.files.syncDirectory("/");
      await make(machine.files, "/new/m", "mail", skipped !== "sync");
      if (skipped !== "syncDirectory") await machine.files.syncDirectory("/new");
      const found = await contents(machine.reboot().files, "/new");
      losses.add(found.m !== "mail");
    }
    return losses.size === 2;
  };
  assertEquals([await lossy("sync"), await lossy("syncDirectory")], [true, true]);
});
