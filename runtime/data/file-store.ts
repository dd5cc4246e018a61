// What file routes serve, prepared at start: roots, content types, and for `mode = "memory"` the
// files' bytes in the arena. Loading itself is the control side's work; this is its result.

import { ByteMap } from "./byte-map.ts";
import { ascii, LOWER } from "./bytes.ts";
import { FileEntry, TYPE_BYTES_MAX } from "./file-entry.ts";

const DOT = 0x2e;
const SLASH = 0x2f;
const DEFAULT_TYPE = ascii("application/octet-stream");

export class FileStore {
  private readonly typeOfExtension = new ByteMap();
  private readonly types: Uint8Array[] = [];
  /** An extension that is looked up, in lower case; as long as the longest that has a type. */
  private readonly extension: Uint8Array;
  /** Files of memory routes; their routes know them by index. */
  readonly memory: FileEntry[] = [];
  /** Stands between the parts of an answer with several ranges. */
  readonly boundary: Uint8Array;

  /**
   * `types`: content type by extension, without the dot, lower-case. `boundary`: letters and digits
   * that no file holds, so best random ones.
   */
  constructor(types: ReadonlyMap<string, string>, boundary: string) {
    this.boundary = ascii(boundary);
    this.extension = new Uint8Array(Math.max(0, ...Array.from(types.keys(), (it) => it.length)));
    for (const [extension, type] of types) {
      this.typeOfExtension.set(ascii(extension), this.types.length);
      if (type.length > TYPE_BYTES_MAX) throw new Error(`content type too long: ${type}`);
      this.types.push(ascii(type));
    }
  }

  /** The content type of the path in `bytes[start, end)`, by its extension in any case. */
  typeOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
    let at = end;
    while (at > start && bytes[at - 1] !== DOT && bytes[at - 1] !== SLASH) at--;
    if (at === start || bytes[at - 1] !== DOT) return DEFAULT_TYPE;
    const { extension } = this;
    const length = end - at;
    if (length > extension.length) return DEFAULT_TYPE;
    for (let index = 0; index < length; index++) extension[index] = LOWER[bytes[at + index]!]!;
    const index = this.typeOfExtension.get(extension, 0, length);
    return index < 0 ? DEFAULT_TYPE : this.types[index]!;
  }

  /** Adds a memory file; the caller describes and places it. */
  addMemoryFile(): FileEntry {
    const entry = new FileEntry(0);
    this.memory.push(entry);
    return entry;
  }
}
