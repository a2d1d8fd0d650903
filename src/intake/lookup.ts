/**
 * What intake asks about an address: where its mail goes, and whether there is room for it.
 *
 * What fails: a directory that is down and a mailbox that cannot be looked into are answered 451, and told of.
 *
 * @module
 */

import type { Address } from "../address.ts";
import { RELAY_DENIED } from "../policy/relay.ts";
import type { Destinations } from "../routing/expand.ts";
import type { Resolution } from "../routing/router.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { Soon } from "../soon.ts";
import { checkRoom } from "./room.ts";
import type { IntakeServices } from "./services.ts";

/** The questions of one session. */
export class Lookup {
  readonly #services: IntakeServices;
  readonly #troubled: (where: string, error: unknown) => void;

  /** @param troubled is told what failed, and where. */
  constructor(services: IntakeServices, troubled: (where: string, error: unknown) => void) {
    this.#services = services;
    this.#troubled = troubled;
  }

  /** Where mail for an address goes, or why it cannot. @param mayRelay is asked where it is elsewhere. */
  destinations(
    address: Address,
    mayRelay: (address: Address) => boolean,
  ): Soon<Destinations | Reply> {
    const isDown = (error: unknown) => {
      this.#troubled("directory", error);
      return DIRECTORY_DOWN;
    };
    try {
      const resolution = this.#services.router.resolve(address);
      if (!(resolution instanceof Promise)) return this.#of(address, resolution, mayRelay);
      return resolution.then((found) => this.#of(address, found, mayRelay), isDown);
    } catch (error) {
      return isDown(error);
    }
  }

  #of(
    address: Address,
    resolution: Resolution,
    mayRelay: (address: Address) => boolean,
  ): Destinations | Reply {
    switch (resolution.kind) {
      case "local": {
        const { mailboxes, remote } = resolution;
        if (remote.length > 0 && this.#services.queue === null) return NO_QUEUE;
        return { mailboxes, remote, forwarded: true };
      }
      case "unknown":
        return NO_SUCH_USER;
      case "returned":
        if (this.#services.queue === null) return NO_QUEUE;
        return { mailboxes: [], remote: [resolution.address], forwarded: false };
      case "relay":
        if (!mayRelay(address)) return RELAY_DENIED;
        if (this.#services.queue === null) return NO_QUEUE;
        return { mailboxes: [], remote: [address], forwarded: false };
    }
  }

  /** The refusal where a mailbox is full, or nobody knows; else `null`. @param size in octets, as announced. */
  room(destinations: Destinations, size: number): Soon<Reply | null> {
    const isUnknown = (error: unknown) => {
      this.#troubled("delivery", error);
      return UNKNOWN_ROOM;
    };
    try {
      const room = checkRoom(this.#services.delivery, destinations, size);
      return room instanceof Promise ? room.catch(isUnknown) : room;
    } catch (error) {
      return isUnknown(error);
    }
  }
}

const UNKNOWN_ROOM = reply(451, "4.3.0", "cannot look into the mailbox now: try again later");
const DIRECTORY_DOWN = reply(451, "4.3.0", "cannot look up addresses now: try again later");
const NO_SUCH_USER = reply(550, "5.1.1", "no such user here");
const NO_QUEUE = reply(554, "5.3.3", "this station does not send mail on");
