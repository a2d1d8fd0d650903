/**
 * Events of the station as a whole: its options, its sockets, and faults that it survived. Types only.
 *
 * @module
 */

/** What befalls the station as a whole. */
export type StationFact =
  /** The station has other options: what a reload has changed of its sockets, as addresses. */
  | {
    readonly type: "station.reloaded";
    /** Sockets opened. */
    readonly started: readonly string[];
    /** Sockets closed; their sessions go on. */
    readonly stopped: readonly string[];
    /** How many sockets stayed. */
    readonly kept: number;
    /** Milliseconds from the request to the swap. */
    readonly duration: number;
  }
  /** A reload was refused, and the station goes on as it was. */
  | { readonly type: "station.reload-failed"; readonly error: string }
  /** A listener takes connections. */
  | { readonly type: "listener.started"; readonly listener: string; readonly address: string }
  /** A listener takes no more; its sessions may go on. */
  | { readonly type: "listener.stopped"; readonly listener: string; readonly address: string }
  /** A connection could not be accepted, such as for want of file descriptors; it goes on. */
  | { readonly type: "listener.trouble"; readonly listener: string; readonly error: string }
  /** A bug or a fault of the machine that was survived. */
  | {
    readonly type: "internal.error";
    readonly where: string;
    readonly error: string;
    readonly session?: string;
    readonly message?: string;
  };
