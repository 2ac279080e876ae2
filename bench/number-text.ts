/** A number as the tables show it: three to four digits that count, thousands apart. NaN is a dash. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1_000) return String(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  const rounded = size >= 10_000 ? Math.round(value / 100) * 100 : value;
  return rounded.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, digits === 0 ? ' ' : '');
}
