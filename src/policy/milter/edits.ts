/**
 * What a filter wants changed, as changes to a message. The filter counts fields as sendmail and Postfix have them:
 * where it puts a field in, our own Received counts as the first; where it changes one, it does not, as the filter
 * has not seen it. Pure.
 *
 * @module
 */

import { concat } from "../../bytes.ts";
import type { RawField } from "../../message/header.ts";
import type { Change } from "../policy.ts";
import type { MilterEdit } from "./reply.ts";

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
  edits: readonly MilterEdit[],
  fields: readonly RawField[],
  leadingSpace: boolean,
): Change[] {
  const head = new EditedHead(fields, leadingSpace);
  const body: Uint8Array[] = [];
  let replaced = false;
  const changes = edits.flatMap((edit): Change[] => {
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
      case "replace-body":
        replaced = true;
        body.push(edit.octets);
        return [];
    }
  });
  if (replaced) changes.push({ change: "replace-body", body: concat(body) });
  return changes;
}

/** The names of the fields as they are after each change. */
class EditedHead {
  readonly #names: string[];
  readonly #leadingSpace: boolean;

  constructor(fields: readonly RawField[], leadingSpace: boolean) {
    this.#names = fields.map(({ name }) => name.toLowerCase());
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
    const occurrence = key === "received" ? index + 1 : index;
    const at = this.#find(key, occurrence);
    if (at === -1) return value === "" ? [] : this.insert(Infinity, name, value);
    if (value !== "") {
      return [{ change: "replace-field", name, occurrence, ...this.#value(value) }];
    }
    this.#names.splice(at, 1);
    return [{ change: "replace-field", name, occurrence, value: null }];
  }

  #find(key: string, occurrence: number): number {
    let left = occurrence;
    return this.#names.findIndex((name) => name === key && --left === 0);
  }

  /** As the filter folded it, with CRLF, and a space behind the colon where the filter leaves that to us. */
  #value(text: string): { readonly value: string; readonly verbatim: true } {
    const lines = text.replace(/[\r\n]+$/, "").replace(/\r\n|\r|\n/g, "\r\n");
    return { value: this.#leadingSpace ? lines : ` ${lines}`, verbatim: true };
  }
}
