import { assert, assertEquals } from "@std/assert";
import { nextTick } from "node:process";
import type { Connection } from "../../src/runtime/network.ts";
import { SystemError } from "../../src/runtime/system_error.ts";
import { TlsCarrier } from "../../src/runtime/tls_carrier.ts";

/** A socket whose every call waits until the test has it settled, and is noted. */
class SlowSocket {
  readonly calls: string[] = [];
  /** Where the last read goes. */
  into: Uint8Array = new Uint8Array(0);
  readonly #pending: PromiseWithResolvers<number | null>[] = [];

  read(into: Uint8Array): Promise<number | null> {
    this.into = into;
    return this.#call(`read ${into.length}`).then((length) => {
      if (length !== null) into.fill(7, 0, length);
      return length;
    });
  }

  async write(octets: Uint8Array): Promise<void> {
    await this.#call(`write ${octets.length}`);
  }

  async closeWrite(): Promise<void> {
    await this.#call("closeWrite");
  }

  close(): void {
    this.calls.push("close");
  }

  /** Settles the oldest call, and lets what follows happen. */
  async settle(result: number | null | SystemError): Promise<void> {
    const call = this.#pending.shift()!;
    if (result instanceof SystemError) call.reject(result);
    else call.resolve(result);
    await turn();
  }

  #call(name: string): Promise<number | null> {
    this.calls.push(name);
    const call = Promise.withResolvers<number | null>();
    this.#pending.push(call);
    return call.promise;
  }
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

function make(received?: Uint8Array) {
  const socket = new SlowSocket();
  const carrier = new TlsCarrier(socket as unknown as Connection, received);
  const events: unknown[] = [];
  for (const name of ["end", "error", "close"]) carrier.on(name, () => events.push(name));
  carrier.on("data", (octets: Uint8Array) => events.push(octets.length));
  return { socket, carrier, events };
}

Deno.test("TlsCarrier writes one thing after the other, and ends after the last", async () => {
  const { socket, carrier, events } = make();
  const done: string[] = [];
  carrier.write(new Uint8Array(1), () => done.push("first"));
  carrier.write(new Uint8Array(2), () => done.push("second"));
  carrier.end(() => done.push("end"));
  assertEquals(socket.calls, ["write 1"]);
  await socket.settle(null);
  assertEquals([socket.calls, done], [["write 1", "write 2"], ["first"]]);
  await socket.settle(null);
  await socket.settle(null);
  assertEquals(socket.calls, ["write 1", "write 2", "closeWrite"]);
  assertEquals([done, events], [["first", "second", "end"], []]);
});

Deno.test("TlsCarrier reads while TLS takes it and somebody waits for it, not else", async () => {
  const { socket, carrier, events } = make();
  assertEquals(socket.calls, []);
  carrier.resume();
  carrier.want(0);
  await socket.settle(9);
  assertEquals([socket.calls, events], [["read 4096"], [9]]);
  carrier.pause();
  carrier.want(1);
  assertEquals(socket.calls.length, 1);
  carrier.resume();
  assertEquals(socket.calls.length, 2);
  carrier.resume();
  assertEquals(socket.calls.length, 2);
  await socket.settle(null);
  carrier.resume();
  assertEquals([socket.calls.length, events], [2, [9, "end"]]);
});

Deno.test("TlsCarrier reads much at once where much is waited for", async () => {
  const { socket, carrier } = make();
  carrier.resume();
  for (const wanted of [4097, 65536, 1, 4096]) {
    carrier.want(wanted);
    await socket.settle(1);
  }
  assertEquals(socket.calls, [4096, 65536, 65536, 4096, 4096].map((size) => `read ${size}`));
});

Deno.test("TlsCarrier reads into no buffer that another reads into", async () => {
  const [first, second] = [make(), make()];
  const used: ArrayBufferLike[] = [];
  for (const { carrier, socket } of [first, second]) {
    carrier.resume();
    carrier.want(65536);
    await socket.settle(1);
    used.push(socket.into.buffer);
  }
  assertEquals(new Set(used).size, 2);
  // It is free once it has been read.
  first.carrier.want(0);
  await first.socket.settle(1);
  second.carrier.want(65536);
  await second.socket.settle(1);
  assert(used.includes(second.socket.into.buffer));
});

Deno.test("TlsCarrier gives what was received before what the socket gives, and not at once", async () => {
  const { socket, carrier, events } = make(new Uint8Array(5));
  carrier.resume();
  assertEquals([socket.calls, events], [[], []]);
  await turn();
  assertEquals([socket.calls, events], [["read 4096"], [5]]);
});

Deno.test("destroy() of a TlsCarrier closes the socket after the write in flight", async () => {
  const { socket, carrier, events } = make();
  carrier.write(new Uint8Array(1), () => {});
  carrier.destroy();
  await turn();
  assertEquals([socket.calls, events], [["write 1"], []]);
  await socket.settle(null);
  assertEquals([socket.calls, events], [["write 1", "close"], ["close"]]);
});

Deno.test("destroy() of a TlsCarrier that has written closes the socket at once", async () => {
  const { socket, carrier, events } = make();
  carrier.write(new Uint8Array(1), () => {});
  await socket.settle(null);
  carrier.destroy();
  assertEquals([socket.calls, events], [["write 1", "close"], []]);
});

Deno.test("destroy() of a TlsCarrier that has not written sends an alert", async () => {
  const { socket, carrier } = make();
  carrier.destroy();
  assertEquals(socket.calls, ["write 7"]);
  await socket.settle(new SystemError("EPIPE", "gone"));
  assertEquals(socket.calls, ["write 7", "close"]);
});

Deno.test("TlsCarrier ends of a write that fails, and those after it fail without the socket", async () => {
  const { socket, carrier, events } = make();
  const failed: string[] = [];
  const done = (error?: Error | null) => failed.push(error!.message);
  carrier.write(new Uint8Array(1), done);
  await socket.settle(new SystemError("EPIPE", "gone"));
  carrier.write(new Uint8Array(1), done);
  assertEquals(failed, ["gone"]);
  await new Promise<void>((resolve) => nextTick(resolve));
  assertEquals(failed, ["gone", "gone"]);
  assertEquals([socket.calls, events], [["write 1", "close"], ["error", "close"]]);
});

Deno.test("TlsCarrier ends of a read that fails, and gives no octets afterwards", async () => {
  const { socket, carrier, events } = make();
  carrier.write(new Uint8Array(1), () => {});
  await socket.settle(null);
  carrier.resume();
  await socket.settle(new SystemError("ECONNRESET", "reset"));
  assertEquals([socket.calls.at(-1), events], ["close", ["error", "close"]]);
  assertEquals(carrier.errored?.message, "reset");

  const late = make();
  late.carrier.resume();
  late.carrier.destroy();
  await late.socket.settle(3);
  assertEquals(late.events.includes(3), false);
});
