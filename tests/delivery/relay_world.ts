/**
 * A made-up internet for the tests of relaying: our station's transports on one machine, `example.org`
 * with its mail hosts on others, virtual time.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { lmtpTransport } from "../../src/delivery/lmtp.ts";
import { type RemoteServices, remoteTransport } from "../../src/delivery/remote.ts";
import type { DeliveryJob, KeepingTransport } from "../../src/delivery/transport.ts";
import type { MtaFact } from "../../src/events.ts";
import type { Outcome } from "../../src/queue/outcome.ts";
import type { MxRoute, RelaySettings, SmarthostRoute } from "../../src/routing/route.ts";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { mxCertificate } from "../support/certificates.ts";
import { jobFor, type JobSetup, told } from "./support.ts";
import { type PeerBehaviour, ScriptedPeer } from "./scripted_peer.ts";

const RELAY: RelaySettings = {
  tls: "opportunistic",
  family: "ipv6-first",
  allowAddresses: [],
  connections: 20,
  eightBit: "convert",
};

/** The route to `example.org`. */
export function mxRoute(more: Partial<MxRoute> = {}): MxRoute {
  return { kind: "mx", domain: "example.org", port: 25, ...RELAY, ...more };
}

/** The route by way of `mx.example.test`, as its certificate has it. */
export function smarthostRoute(more: Partial<SmarthostRoute> = {}): SmarthostRoute {
  const host = "mx.example.test";
  return { kind: "smarthost", host, port: 25, implicitTls: false, ...RELAY, ...more };
}

/** The world. */
export class RelayWorld {
  readonly own: MemoryRuntime = memoryRuntime({ address: "192.0.2.1" });
  readonly facts: MtaFact[] = [];
  readonly deadlines: Deadlines = new Deadlines(this.own.clock);
  readonly remote: KeepingTransport;
  readonly lmtp: KeepingTransport;

  /** With hosts `mx1` and `mx2.example.org`, and `mx.example.test`, and nobody at home. */
  constructor(more: Partial<RemoteServices> = {}) {
    const { resolver, network, clock, random } = this.own;
    resolver.set("example.org", { mx: ["10 mx1.example.org", "20 mx2.example.org"] });
    resolver.set("mx1.example.org", { a: ["192.0.2.25"] });
    resolver.set("mx2.example.org", { a: ["192.0.2.26"] });
    resolver.set("mx.example.test", { a: ["192.0.2.25"] });
    const services: RemoteServices = {
      hostname: "mail.example.net",
      network,
      clock,
      random,
      resolver,
      deadlines: this.deadlines,
      nonce: () => "nonce",
      own: () => ({ hostnames: ["mail.example.net"], addresses: ["192.0.2.1"] }),
      emit: (fact) => this.facts.push(fact),
      ...more,
    };
    this.remote = remoteTransport(services);
    this.lmtp = lmtpTransport(services);
  }

  /** A machine beside ours. */
  machine(address: string): MemoryRuntime {
    return memoryRuntime({ address, beside: this.own });
  }

  /** Somebody who answers at an address; `mx1.example.org` where none is given. */
  peer(behaviour: PeerBehaviour = {}, address = "192.0.2.25"): Promise<ScriptedPeer> {
    return ScriptedPeer.start(this.machine(address), behaviour);
  }

  /** TLS for a peer, with the certificate of `mx.example.test`. */
  get tls() {
    return this.own.network.tlsServer({ certificates: [mxCertificate] });
  }

  /** One delivery, while time passes. */
  async deliver(job: DeliveryJob, signal = new AbortController().signal) {
    const transport = job.route.kind === "lmtp" ? this.lmtp : this.remote;
    return await this.own.clock.runUntil(transport.deliver(job, signal));
  }

  /** One delivery to `example.org`; the outcomes in one line each. */
  async relay(setup: JobSetup = {}, route: MxRoute | SmarthostRoute = mxRoute()) {
    return told(await this.relayed(setup, route));
  }

  /** As {@link relay}, with the outcomes as they are. */
  relayed(
    setup: JobSetup = {},
    route: MxRoute | SmarthostRoute = mxRoute(),
  ): Promise<readonly Outcome[]> {
    return this.deliver(jobFor(route, setup));
  }

  /** What was told of trouble with other stations. */
  get troubles(): string[] {
    return this.facts.flatMap((fact) => fact.type === "relay.trouble" ? [fact.error] : []);
  }

  /** Nothing may be left open or asleep. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock } = this.own;
    await clock.runUntil(Promise.all([this.remote.stop(), this.lmtp.stop()]));
    await clock.settle();
    assertEquals(this.deadlines.size, 0, "a connection is still watched");
    this.deadlines.stop();
  }
}
