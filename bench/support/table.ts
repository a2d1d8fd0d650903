/**
 * Tables in Markdown, and numbers as people read them. Pure.
 *
 * @module
 */

/**
 * A table whose columns are as wide as their widest cell, as `deno fmt` writes it.
 *
 * @param head the columns' names; rows with fewer cells are filled up.
 */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((cells) =>
    head.map((_, column) => (cells[column] ?? "").replaceAll("|", "\\|"))
  );
  const widths = head.map((_, column) =>
    Math.max(3, ...lines.map((cells) => [...cells[column]!].length))
  );
  const row = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, column) => cell + pad(widths[column]! - [...cell].length)).join(" | ")
    } |`;
  const rule = row(widths.map((width) => "-".repeat(width)));
  return [row(lines[0]!), rule, ...lines.slice(1).map(row)].join("\n");
}

function pad(count: number): string {
  return " ".repeat(Math.max(0, count));
}

/** A number with three figures that matter, and commas: 12,345, 876, 12.3, 0.0456; 12 where it is whole. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toFixed(digits);
}

/** A share of one in per cent: `23 %`. */
export function formatShare(value: number): string {
  return `${Math.round(value * 100)} %`;
}

/** A change in per cent, with its sign: `+4.2 %`, `-12 %`. */
export function formatChange(value: number): string {
  const percent = value * 100;
  const text = Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0);
  return `${percent < 0 ? "-" : "+"}${text} %`;
}
