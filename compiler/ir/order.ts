// The order of texts in everything that is generated.

/** Order by UTF-16 code units: the same on every machine, unlike anything with a locale. */
export function compareCodeUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
