// The way to a value in a TOML document: keys of tables, and indexes of array items.

export type KeyPath = readonly (string | number)[];

const BARE_KEY = /^[A-Za-z0-9_-]+$/;

/** One key as TOML writes it: bare where that is possible, else in double quotes. */
export function printKey(key: string): string {
  // JSON and TOML agree on the escapes of basic strings, except for the delete character.
  return BARE_KEY.test(key) ? key : JSON.stringify(key).replaceAll("\x7f", "\\u007F");
}

/** A path as TOML writes it, with indexes in brackets: `upstreams."a.b".servers[0]`. */
export function printKeyPath(path: KeyPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? printKey(step) : `.${printKey(step)}`;
  }
  return text;
}
