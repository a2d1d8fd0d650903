/**
 * Errors of the machine: what adapters throw, and how to tell them apart. Nothing here fails.
 *
 * @module
 */

/** An error as adapters throw it: a message for people and an errno name for programs. */
export class SystemError extends Error {
  /** The errno name, such as `"ENOSPC"`. */
  readonly code: string;

  /** Of an errno name and a message that says what failed, and on what. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SystemError";
    this.code = code;
  }
}

/** The errno name an adapter's error carries, or `undefined`. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}
