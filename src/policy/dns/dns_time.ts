/**
 * Questions to DNS that a client waits for have less time than those of a delivery, which nobody waits for.
 *
 * @module
 */

/** Milliseconds that questions about one client may take, where nothing is said. */
export const DEFAULT_DNS_TIMEOUT = 8000;
