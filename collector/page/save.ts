/** A table of text and numbers; the first row names its columns. */
export type Table = readonly (readonly (string | number)[])[];

/** Beginnings that a spreadsheet takes for a formula; anybody may have sent them. */
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

/** Makes the browser save a file. */
export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
