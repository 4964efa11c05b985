/** A table of text and numbers; the first row names its columns. */
export type Table = readonly (readonly (string | number)[])[];

/** What a spreadsheet would take for a formula, and anybody may have sent it. */
const FORMULA = /^[=+\-@\t\r]/;

/** A table as CSV (RFC 4180). */
export function csvOf(table: Table): string {
  return table.map((row) => `${row.map(cellOf).join(',')}\r\n`).join('');
}

function cellOf(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands a file to the reader. */
export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
