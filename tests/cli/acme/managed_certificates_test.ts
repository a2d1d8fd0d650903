/**
 * Certificates that the server gets by itself: when they are ordered, what is written down, and that no authority is
 * asked in a loop, whatever fails. The authority is a function, the clock stands still, the files are real.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import "npm:reflect-metadata@0.2.2";
import * as x509 from "npm:@peculiar/x509@2.2.0";
import type { Account } from "../../../src/cli/acme/authority.ts";
import type { RenewalInfo } from "../../../src/cli/acme/renewal_info.ts";
import { CertificateRounds } from "../../../src/cli/acme/certificate_rounds.ts";
import { certificatePath, CertificateStore } from "../../../src/cli/acme/certificate_store.ts";
import {
  canProve,
  ManagedCertificates,
  managedPaths,
} from "../../../src/cli/acme/managed_certificates.ts";
import { CertificateFiles } from "../../../src/cli/certificate_files.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import { MemoryClock } from "../../../src/runtime/memory_clock.ts";
import type { TlsCertificate } from "../../../src/runtime/tls.ts";

const DAY = 24 * 60 * 60 * 1000;
const HOUR = DAY / 24;
const MINUTE = HOUR / 60;
const START = Date.UTC(2026, 0, 1);
const NEVER = new AbortController().signal;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate as an authority would give it. */
async function issue(
  name: string,
  { from, days, key, named = false }: {
    from: number;
    days: number;
    key: string | null;
    /** Whether it names its issuer's key, and so can be asked about. */
    named?: boolean;
  },
): Promise<TlsCertificate> {
  const keys = key === null
    ? await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as CryptoKeyPair
    : await pairOf(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ["An authority"] }],
    notBefore: new Date(from),
    notAfter: new Date(from + days * DAY),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
      ...named ? [await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey)] : [],
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate: `${certificate.toString("pem")}\n`,
    key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
  };
}

async function pairOf(pem: string): Promise<CryptoKeyPair> {
  const key = (use: KeyUsage, form: JsonWebKey) =>
    crypto.subtle.importKey("jwk", form, ALGORITHM, true, [use]);
  const [der] = x509.PemConverter.decode(pem);
  const own = await crypto.subtle.importKey("pkcs8", der!, ALGORITHM, true, ["sign"]);
  const { d: _d, key_ops: _ops, ...open } = await crypto.subtle.exportKey("jwk", own);
  return { privateKey: own, publicKey: await key("verify", open) };
}

/** Certificates that are managed in a folder of their own, and all that happened. */
class Bench implements AsyncDisposable {
  readonly folder: string;
  readonly clock = new MemoryClock(START);
  /** Names that were ordered. */
  readonly orders: string[] = [];
  readonly accounts: (string | null)[] = [];
  readonly troubles: string[] = [];
  readonly renewed: string[] = [];
  /** How long a certificate lives. */
  days = 90;
  /** Is thrown for a name. */
  readonly faults = new Map<string, string>();
  /** What the authority says of when it wants a certificate renewed; absent: it is not asked. */
  info?: (signal: AbortSignal) => Promise<RenewalInfo | null>;
  /** When it was asked that, in milliseconds since the start, and of what. */
  readonly asked: [time: number, id: string][] = [];
  /** Is waited for by an order. */
  gate: Promise<void> = Promise.resolve();
  /** What chance comes to. */
  chance = 0;

  constructor(folder: string) {
    this.folder = `${folder}/acme`;
  }

  static async make(): Promise<Bench> {
    return new Bench(await Deno.makeTempDir());
  }

  manage(...names: string[]): ManagedCertificates {
    return this.manageWith({}, ...names);
  }

  manageWith(
    more: { readonly directory?: string; readonly reuseKey?: boolean; readonly boundTo?: string },
    ...names: string[]
  ): ManagedCertificates {
    const directory = more.directory ?? "https://authority.test/dir";
    return new ManagedCertificates({
      authority: {
        openAccount: (key): Promise<Account> => {
          this.accounts.push(key);
          const bound = more.boundTo !== undefined && { boundTo: more.boundTo };
          return Promise.resolve({
            ...{ directory, key: key ?? "a new key", url: `${directory}/1` },
            ...bound,
          });
        },
        order: async (_account, name, key) => {
          this.orders.push(name);
          await this.gate;
          const fault = this.faults.get(name);
          if (fault !== undefined) throw new Error(fault);
          const named = this.info !== undefined;
          return await issue(name, { from: this.clock.now() - HOUR, days: this.days, key, named });
        },
        renewalInfo: (id, signal) => {
          this.asked.push([this.clock.now() - START, id]);
          return this.info!(signal);
        },
      },
      ...{ directory, names, folder: this.folder, clock: this.clock, reuseKey: true, ...more },
      files: denoRuntime().files,
      random: { ...denoRuntime().random, float: () => this.chance },
      renewBefore: 30 * DAY,
      onRenewed: (name) => {
        this.renewed.push(name);
        return Promise.resolve();
      },
      onTrouble: (text) => void this.troubles.push(text),
    });
  }

  /** A look at what is due; gives in how many milliseconds the next one shall be. */
  async look(managed: ManagedCertificates): Promise<number> {
    return await managed.renew(NEVER, NEVER) - this.clock.now();
  }

  file(name: string): string {
    return `${this.folder}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder.replace(/\/acme$/, ""), { recursive: true });
  }
}

Deno.test("ManagedCertificates has a certificate of its own to show before an authority gives one", async () => {
  await using bench = await Bench.make();
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  const paths = managedPaths(bench.folder, ["mx.example.org"]);
  const files = new CertificateFiles(paths, denoRuntime().files);
  assertEquals((await files.load()).length, 1);
  assertEquals(bench.orders, []);
  assertEquals(managed.stateOf(paths[0]!.certificate)?.issued, false);
  // What is there is kept at the next start.
  const before = await Deno.readTextFile(bench.file("mx.example.org.pem"));
  await bench.manage("mx.example.org").prepare();
  assertEquals(await Deno.readTextFile(bench.file("mx.example.org.pem")), before);
});

Deno.test("ManagedCertificates keeps what it gets for nobody else to read", async () => {
  await using bench = await Bench.make();
  const managed = bench.manage("mx.example.org", "*.example.org");
  await managed.prepare();
  await bench.look(managed);
  assertEquals(bench.renewed, ["mx.example.org", "*.example.org"]);
  assertEquals((await Deno.stat(bench.folder)).mode! & 0o777, 0o700);
  const names = (await Array.fromAsync(Deno.readDir(bench.folder), ({ name }) => name)).sort();
  assertEquals(names, [
    ...["_wildcard.example.org.pem", "account.json", "failures.json", "mx.example.org.pem"],
  ]);
  for (const name of names) assertEquals((await Deno.stat(bench.file(name))).mode! & 0o777, 0o600);
  assertEquals(await Deno.readTextFile(bench.file("failures.json")), "{}\n");
  const state = managed.stateOf(certificatePath(bench.folder, "*.example.org"))!;
  assertEquals([state.issued, state.trouble], [true, undefined]);
});

Deno.test("ManagedCertificates renews a month before the end, or when a third of a short life is left", async () => {
  for (const { days, due } of [{ days: 90, due: 60 }, { days: 6, due: 4 }]) {
    await using bench = await Bench.make();
    bench.days = days;
    const managed = bench.manage("mx.example.org");
    await managed.prepare();
    await bench.look(managed);
    // It is good from an hour ago on.
    await bench.clock.advance(due * DAY - HOUR - MINUTE);
    assertEquals(await bench.look(managed), MINUTE, `${days}`);
    assertEquals(bench.orders.length, 1);
    await bench.clock.advance(MINUTE);
    await bench.look(managed);
    assertEquals(bench.orders.length, 2, `${days}`);
  }
});

/** Looks as `run()` does, for so many days; gives on which of them certificates were ordered. */
async function ordersWithin(bench: Bench, days: number): Promise<number[]> {
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  const ordered: number[] = [];
  while (bench.clock.now() < START + days * DAY) {
    const before = bench.orders.length;
    const now = bench.clock.now();
    const pause = await bench.look(managed);
    if (bench.orders.length > before) ordered.push((now - START) / DAY);
    assert(pause >= MINUTE, `${pause}`);
    await bench.clock.advance(pause);
  }
  return ordered;
}

Deno.test("ManagedCertificates renews when the authority wants it, within bounds", async () => {
  const again = 6 * HOUR;
  const window = (day: number) => ({
    start: START + day * DAY,
    end: START + (day + 1) * DAY,
    again,
  });
  // It lives from an hour before its order on: a third of it is left 60 days later.
  const usual = 60 - HOUR / DAY;
  const cases: readonly (readonly [string, RenewalInfo | null | Error, number[]])[] = [
    ["in its window", window(20), [0, 20.5]],
    ["as ever where it does not say", null, [0, usual]],
    ["as ever where it does not answer", new Error("no such host"), [0, usual]],
    ["later by a day at most", window(85), [0, usual + 1]],
  ];
  for (const [what, says, ordered] of cases) {
    await using bench = await Bench.make();
    bench.chance = 0.5;
    bench.info = () => says instanceof Error ? Promise.reject(says) : Promise.resolve(says);
    const found = await ordersWithin(bench, 62);
    assertEquals(found.slice(0, 2), ordered, what);
    assertEquals(bench.troubles, []);
    const [[first, id]] = bench.asked as [[number, string]];
    // A look comes half a day after the order, and then chance.
    assertEquals(first, 12.5 * HOUR);
    assertMatch(id, /^[\w-]{27}\.[\w-]+$/);
    const times = bench.asked.flatMap(([time, of]) => of === id ? [time] : []);
    assertEquals(
      new Set(times.slice(1).map((time, index) => time - times[index]!)),
      new Set([again]),
    );
  }
});

Deno.test("ManagedCertificates renews a certificate of a short life in time, whatever the authority wants", async () => {
  // It lives from an hour before its order on, and a third of its life is eight hours.
  const usual = 15 * HOUR;
  for (const [wanted, at] of [[-DAY, usual], [2 * DAY, usual + 4 * HOUR]] as const) {
    await using bench = await Bench.make();
    bench.days = 1;
    bench.info = () =>
      Promise.resolve({ start: START + wanted, end: START + wanted + HOUR, again: HOUR });
    assertEquals((await ordersWithin(bench, 1)).slice(0, 2), [0, at / DAY]);
  }
});

Deno.test("ManagedCertificates orders once a day at most, whatever the authority wants", async () => {
  await using bench = await Bench.make();
  bench.info = () => Promise.resolve({ start: 0, end: 1, again: HOUR });
  const ordered = await ordersWithin(bench, 3);
  assertEquals(ordered.length, 4);
});

Deno.test("ManagedCertificates that fails to renew what the authority wants renewed pauses as ever", async () => {
  await using bench = await Bench.make();
  bench.info = () => Promise.resolve({ start: START, end: START + DAY, again: HOUR });
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  await bench.look(managed);
  bench.faults.set("mx.example.org", "not yours any more");
  await bench.clock.advance(2 * DAY);
  const pauses: number[] = [];
  for (let round = 0; round < 4; round++) {
    pauses.push(await bench.look(managed) / MINUTE);
    await bench.clock.advance(MINUTE);
    pauses.push(await bench.look(managed) / MINUTE);
    await bench.clock.advance((pauses.at(-1)!) * MINUTE);
  }
  assertEquals(pauses, [15, 14, 30, 29, 60, 59, 120, 119]);
  // What is due is not asked about.
  assertEquals(bench.asked.length, 1);
});

Deno.test("ManagedCertificates keeps the key of a certificate that it renews, unless it shall not", async () => {
  for (const reuseKey of [true, false]) {
    await using bench = await Bench.make();
    const managed = bench.manageWith({ reuseKey }, "mx.example.org");
    await managed.prepare();
    const store = new CertificateStore(denoRuntime().files, bench.folder);
    const first = await store.certificate("mx.example.org");
    await bench.look(managed);
    const second = await store.certificate("mx.example.org");
    assertEquals([first!.temporary, second!.temporary], [true, false]);
    assertEquals(second!.key === first!.key, reuseKey);
  }
});

Deno.test("ManagedCertificates tries again later and later, and one that fails keeps no other from its own", async () => {
  await using bench = await Bench.make();
  bench.faults.set("a.example.org", "no such name\x1b[2J\n".padEnd(5000, "!"));
  const managed = bench.manage("a.example.org", "b.example.org");
  await managed.prepare();
  const pauses: number[] = [];
  for (let round = 0; round < 9; round++) {
    pauses.push(await bench.look(managed) / MINUTE);
    await bench.clock.advance(pauses.at(-1)! * MINUTE);
  }
  // Looks are half a day apart at most: the longest pause ends at the second one.
  assertEquals(pauses, [15, 30, 60, 120, 240, 480, 720, 240, 720]);
  assertEquals(bench.orders.filter((name) => name === "b.example.org").length, 1);
  assertEquals(bench.orders.length, 9);
  assertMatch(
    bench.troubles[0]!,
    /^no certificate for a\.example\.org: no such name\\u\{1b\}\[2J !/,
  );
  assert(bench.troubles.every((text) => text.length < 600));
  assertStringIncludes(bench.troubles[0]!, "tried again in 15 min");
  const state = managed.stateOf(bench.file("a.example.org.pem"))!;
  assertStringIncludes(state.trouble!, "no such name");
  bench.faults.clear();
  await bench.clock.advance(DAY);
  await bench.look(managed);
  assertEquals(managed.stateOf(bench.file("a.example.org.pem"))!.trouble, undefined);
});

Deno.test("ManagedCertificates that are started again and again ask four times an hour at most", async () => {
  await using bench = await Bench.make();
  bench.faults.set("mx.example.org", "not yours");
  for (let start = 0; start < 60; start++) {
    const managed = bench.manage("mx.example.org");
    await managed.prepare();
    const ended = new AbortController();
    const running = managed.run(ended.signal, NEVER);
    while (bench.clock.sleepers === 0) await new Promise((resolve) => setTimeout(resolve));
    ended.abort();
    await running;
    await bench.clock.advance(MINUTE);
  }
  assertEquals(bench.orders.length, 4);
});

Deno.test("ManagedCertificates waits no longer for a time that was wrong", async () => {
  await using bench = await Bench.make();
  bench.faults.set("mx.example.org", "not yours");
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  await bench.look(managed);
  const kept = JSON.parse(await Deno.readTextFile(bench.file("failures.json")));
  kept["mx.example.org"].last = START + 1000 * DAY;
  await Deno.writeTextFile(bench.file("failures.json"), JSON.stringify(kept));
  const ended = new AbortController();
  const next = bench.manage("mx.example.org");
  await next.prepare();
  const running = next.run(ended.signal, NEVER);
  while (bench.clock.sleepers === 0) await new Promise((resolve) => setTimeout(resolve));
  ended.abort();
  await running;
  assertEquals(next.stateOf(bench.file("mx.example.org.pem"))?.next, START + 15 * MINUTE);
});

Deno.test("ManagedCertificates orders nothing where it cannot write down that it does", async () => {
  await using bench = await Bench.make();
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  await Deno.mkdir(`${bench.folder}/failures.json.new/full`, { recursive: true });
  await bench.look(managed);
  assertEquals(bench.orders, []);
  assertEquals(bench.troubles.length, 1);
});

Deno.test("ManagedCertificates takes damaged files for none", async () => {
  await using bench = await Bench.make();
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  await bench.look(managed);
  for (const text of ["", "{", "[]", '{"key":1}', "null", '{"mx.example.org":{"times":"x"}}']) {
    for (const file of ["account.json", "failures.json", "mx.example.org.pem"]) {
      await Deno.writeTextFile(bench.file(file), text);
    }
    const next = bench.manage("mx.example.org");
    await next.prepare();
    await bench.look(next);
    assert(next.stateOf(bench.file("mx.example.org.pem"))?.issued, text);
  }
  assertEquals(bench.troubles, []);
  assertEquals(bench.accounts, Array(7).fill(null));
});

Deno.test("ManagedCertificates takes a certificate for another name for none", async () => {
  await using bench = await Bench.make();
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  await bench.look(managed);
  await Deno.copyFile(bench.file("mx.example.org.pem"), bench.file("b.example.org.pem"));
  const next = bench.manage("b.example.org");
  await next.prepare();
  assertEquals(next.stateOf(bench.file("b.example.org.pem"))?.issued, false);
});

Deno.test("ManagedCertificates opens an account once with each authority, and tells it again after a failure", async () => {
  await using bench = await Bench.make();
  bench.faults.set("b.example.org", "unknown account");
  const managed = bench.manage("a.example.org", "b.example.org");
  await managed.prepare();
  await bench.look(managed);
  assertEquals(bench.accounts, [null]);
  await bench.clock.advance(HOUR);
  await bench.look(managed);
  assertEquals(bench.accounts, [null, "a new key"]);
  const other = bench.manageWith({ directory: "https://other.test/" }, "c.example.org");
  await other.prepare();
  await bench.look(other);
  assertEquals(bench.accounts, [null, "a new key", null]);
});

Deno.test("ManagedCertificates opens another account for another binding, and none where it has gone", async () => {
  await using bench = await Bench.make();
  const accountsAfter = async (boundTo: string | undefined, fails = false) => {
    const more = boundTo === undefined ? {} : { boundTo };
    const managed = bench.manageWith(more, "mx.example.org");
    await managed.prepare();
    bench.accounts.length = 0;
    if (fails) bench.faults.set("mx.example.org", "not now");
    await bench.look(managed);
    bench.faults.clear();
    // What failed is tried again later, and with the account asked for again.
    await bench.clock.advance(90 * DAY);
    if (fails) await bench.look(managed);
    await bench.clock.advance(90 * DAY);
    return [...bench.accounts];
  };
  assertEquals(await accountsAfter("customer-1"), [null]);
  assertEquals(await accountsAfter("customer-1"), []);
  assertEquals(await accountsAfter(undefined, true), ["a new key"]);
  assertEquals(await accountsAfter("customer-1"), []);
  assertEquals(await accountsAfter("customer-2"), [null]);
});

Deno.test("ManagedCertificates counts a certificate that is over at once as a failure", async () => {
  await using bench = await Bench.make();
  bench.days = -10;
  const managed = bench.manage("mx.example.org");
  await managed.prepare();
  assertEquals(await bench.look(managed), 15 * MINUTE);
  assertStringIncludes(bench.troubles[0]!, "is this machine's clock right?");
});

Deno.test("CertificateRounds brings an order to its end before others begin, and breaks it off at a stop", async () => {
  await using bench = await Bench.make();
  const { promise, resolve: open } = Promise.withResolvers<void>();
  bench.gate = promise;
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  const rounds = new CertificateRounds();
  const first = bench.manage("a.example.org");
  const second = bench.manage("b.example.org");
  await first.prepare();
  await second.prepare();
  rounds.use(first);
  while (bench.orders.length === 0) await turn();
  rounds.use(second); // a reload in the middle
  assertEquals(bench.orders, ["a.example.org"]);
  open();
  while (bench.renewed.length < 2) await turn();
  assertEquals(bench.renewed, ["a.example.org", "b.example.org"]);
  rounds.stop();
  rounds.use(bench.manage("c.example.org"));
  await turn();
  assertEquals(bench.orders.length, 2);
});

Deno.test("CertificateRounds waits for no answer when a certificate is to be renewed, and orders nothing after it", async () => {
  await using bench = await Bench.make();
  // The authority is silent. When it is given up, time has passed, and an order is due.
  const reasons: string[] = [];
  bench.info = (signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => {
      reasons.push(signal.reason.name);
      bench.clock.advance(90 * DAY).then(() => reject(signal.reason));
    });
    return promise;
  };
  const first = bench.manage("a.example.org");
  await first.prepare();
  await bench.look(first);
  const rounds = new CertificateRounds();
  rounds.use(first);
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  while (bench.asked.length === 0) await turn();
  const second = bench.manage("b.example.org");
  await second.prepare();
  rounds.use(second);
  while (bench.renewed.length < 2) await turn();
  assertEquals(bench.orders, ["a.example.org", "b.example.org"]);
  // Not that it took too long.
  assertEquals(reasons, ["AbortError"]);
  rounds.stop();
});

Deno.test("canProve() knows what this runtime's TLS cannot", () => {
  assertEquals(["http-01", "dns-01", "tls-alpn-01"].map((one) => canProve(one as "http-01")), [
    true,
    true,
    false,
  ]);
});
