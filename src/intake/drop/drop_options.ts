/**
 * What the way in from the drop folder is told.
 *
 * @module
 */

import type { MtaFact } from "../../events.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { SubmitEnvelope, SubmitMessage, SubmitOptions, Submitted } from "../submit.ts";
import type { DropFolderOptions } from "./drop_folder.ts";
import type { SenderRule } from "./drop_senders.ts";

/** What may change while it runs. */
export interface DropSettings extends SenderRule {
  /** Milliseconds between two looks. */
  readonly interval: number;
  /** Octets that a message may have. */
  readonly sizeLimit: number;
}

/** What a drop box is made of. */
export interface DropBoxOptions extends DropSettings, Omit<DropFolderOptions, "files" | "uid"> {
  readonly runtime: Pick<Runtime, "network" | "files" | "clock" | "random">;
  /** Where nudges are heard. */
  readonly nudge: string;
  /** Takes a message: {@link Mta.submit}. */
  readonly submit: (
    envelope: SubmitEnvelope,
    message: SubmitMessage,
    options: SubmitOptions,
  ) => Promise<Submitted>;
  /** The name of a user of this machine; `null` where nobody knows. Asked for each mail. */
  readonly nameOf: (uid: number) => Promise<string | null>;
  /** Tells those who watch. */
  readonly emit: (fact: MtaFact) => void;
}
