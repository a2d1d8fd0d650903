/**
 * What a filter wants changed, as changes to a message. The filter counts fields as sendmail and Postfix have them:
 * where it puts a field in, our own Received counts as the first; where it changes one, it does not, as the filter
 * has not seen it. Pure.
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";
import type { Change } from "../policy.ts";
import { type MilterEdit, trimNewlines } from "./reply.ts";

/** A change but of the body, which comes in pieces. */
export type SmallEdit = Exclude<MilterEdit, { readonly reply: "replace-body" }>;

/** Where our own Received stands, which a filter is not shown; -1: nowhere. */
export function ownReceived(fields: readonly RawField[]): number {
  return fields.findIndex(({ name }) => name.toLowerCase() === "received");
}

/**
 * The changes.
 *
 * @param fields of the message. @param leadingSpace whether values have the white space behind the colon.
 */
export function changesOf(
  edits: readonly SmallEdit[],
  fields: readonly RawField[],
  leadingSpace: boolean,
): Change[] {
  const head = new EditedHead(fields, leadingSpace);
  return edits.flatMap((edit): Change[] => {
    switch (edit.reply) {
      case "add-header":
        return head.insert(Infinity, edit.name, edit.value);
      case "insert-header":
        return head.insert(edit.index, edit.name, edit.value);
      case "change-header":
        return head.replace(edit.index, edit.name, edit.value);
      case "add-recipient":
        return [{ change: "add-recipient", recipient: edit.address }];
      case "delete-recipient":
        return [{ change: "remove-recipient", recipient: edit.address }];
      case "change-sender":
        return [{ change: "replace-sender", sender: edit.sender }];
      case "quarantine":
        return [{ change: "quarantine", reason: edit.reason }];
    }
  });
}

/** What stands in place of the name of our own Received, which no field can have. */
const OWN = "\0";

/** The names of the fields as they are after each change. */
class EditedHead {
  readonly #names: string[];
  readonly #leadingSpace: boolean;

  constructor(fields: readonly RawField[], leadingSpace: boolean) {
    const own = ownReceived(fields);
    this.#names = fields.map(({ name }, index) => index === own ? OWN : name.toLowerCase());
    this.#leadingSpace = leadingSpace;
  }

  insert(index: number, name: string, value: string): Change[] {
    const at = Math.min(index, this.#names.length);
    this.#names.splice(at, 0, name.toLowerCase());
    const change = { change: "insert-field", index: at, name, ...this.#value(value) } as const;
    return [change];
  }

  /** smfi_chgheader of libmilter: what is not there is added, and an empty value takes a field out. */
  replace(index: number, name: string, value: string): Change[] {
    const key = name.toLowerCase();
    const at = this.#find(key, index);
    const occurrence = index + (key === "received" && this.#isBelowOwn(at) ? 1 : 0);
    if (at === -1) return value === "" ? [] : this.insert(Infinity, name, value);
    if (value !== "") {
      return [{ change: "replace-field", name, occurrence, ...this.#value(value) }];
    }
    this.#names.splice(at, 1);
    return [{ change: "replace-field", name, occurrence, value: null }];
  }

  /** Our trace field is the filter's to see nothing of, and not to change, wherever it put others. */
  #isBelowOwn(at: number): boolean {
    return this.#names.lastIndexOf(OWN, at) !== -1;
  }

  #find(key: string, index: number): number {
    let left = index;
    return this.#names.findIndex((name) => name === key && --left === 0);
  }

  /** As the filter folded it, with CRLF, and a space behind the colon where the filter leaves that to us. */
  #value(text: string): { readonly value: string; readonly verbatim: true } {
    const lines = trimNewlines(text).replace(/\r\n|\r|\n/g, "\r\n");
    return { value: this.#leadingSpace ? lines : ` ${lines}`, verbatim: true };
  }
}
