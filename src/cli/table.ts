/** Aligns columns of text, each as wide as its widest cell. */

/** A column is aligned to the right if each cell below its head is a whole number, or `-`, which stands for no number. */
export function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const count = Math.max(0, ...rows.map(({ length }) => length));
  const columns = Array.from({ length: count }, (_, column) => rows.map((row) => row[column] ?? ''));
  const widths = columns.map((cells) => Math.max(...cells.map(({ length }) => length)));
  const numeric = columns.map(([, ...cells]) => cells.length > 0 && cells.every((cell) => /^(?:\d+|-)$/.test(cell)));
  return rows.map((row) =>
    row
      .map((cell, column) => (numeric[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
