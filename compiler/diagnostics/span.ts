// Places in the source text. Everything inside the compiler uses offsets; lines and columns are
// worked out once, when a diagnostic is printed.

/** A range of UTF-16 code units of the source text, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What the compiler is given: the path is only ever printed. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** The texts that a list of diagnostics is about, each with its lines. */
export class Sources {
  readonly #main: Source;
  readonly #lines = new Map<Source, LineMap>();

  /** `main` is that of diagnostics that name none. */
  constructor(main: Source) {
    this.#main = main;
  }

  of({ source = this.#main }: { readonly source?: Source }): { source: Source; lines: LineMap } {
    const lines = this.#lines.get(source) ?? new LineMap(source.text);
    this.#lines.set(source, lines);
    return { source, lines };
  }
}

/** A position as people count: both from 1, the column in UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds lines and columns of offsets in one text. */
export class LineMap {
  readonly #text: string;
  readonly #starts: number[] = [0];

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
      this.#starts.push(at + 1);
    }
    // Editors do not show a byte order mark, so it must not shift the columns of the first line.
    if (text.charCodeAt(0) === 0xfeff) this.#starts[0] = 1;
  }

  /** The position of an offset; offsets past the end give the end of the text. */
  position(offset: number): Position {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#start(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    const column = Math.min(offset, this.#text.length) - this.#start(low) + 1;
    return { line: low + 1, column: Math.max(column, 1) };
  }

  /** The text of a line (from 1) without its line end. */
  lineText(line: number): string {
    const start = this.#start(line - 1);
    const next = this.#starts[line];
    return this.#text.slice(start, next === undefined ? undefined : next - 1).replace(/\r$/, "");
  }

  #start(index: number): number {
    return this.#starts[index] ?? this.#text.length;
  }
}
