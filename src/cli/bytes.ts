const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** e.g. `27.4 MiB` */
export function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}

const PREFIXES = ["", "K", "M", "G", "T"];

/** `8GB` is 8e9, `8GiB` is 8 * 2^30; without a unit, bytes. @returns NaN for what is no amount above 0 */
export function parseBytes(text: string): number {
  const [, amount, prefix, binary] = /^(\d+(?:\.\d+)?) ?(?:([KMGT])(i?))?B?$/i.exec(text.trim()) ?? [];
  if (amount === undefined) return Number.NaN;
  const bytes = Math.round(Number(amount) * (binary ? 1024 : 1000) ** PREFIXES.indexOf((prefix ?? "").toUpperCase()));
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : Number.NaN;
}
