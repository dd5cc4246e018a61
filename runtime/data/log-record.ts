// What a log record holds, word by word: the worker writes it, the main thread reads it. After the
// words come the bytes of its texts, one behind the other.

// Words of every record.
export const RECORD_LENGTH = 0;
export const RECORD_KIND = 1;
/** The wall clock: seconds, and the milliseconds that go with them. */
export const RECORD_SECS = 2;
export const RECORD_MS = 3;

/** Sentences for the operator, in UTF-8: to be seen to, and good to know. */
export const KIND_WARNING = 1;
export const KIND_NOTICE = 3;
/** A request with its answer. */
export const KIND_REQUEST = 2;

export const SENTENCE_BYTES = 4;
export const SENTENCE_TEXT = 5;

/** The request's id: two words, printed in hexadecimal. */
export const REQUEST_ID_PREFIX = 4;
export const REQUEST_ID_NUMBER = 5;
/** 4 or 6; 0: the client was not known any more. */
export const REQUEST_CLIENT_FAMILY = 6;
/** Four words in network order; of IPv4 only the last counts. */
export const REQUEST_CLIENT = 7;
/** Indexes; -1 is none. */
export const REQUEST_ROUTE = 11;
export const REQUEST_SERVER = 12;
/** 0: nothing was answered. */
export const REQUEST_STATUS = 13;
export const REQUEST_FLAGS = 14;
/** Lengths of the three texts, in their order. */
export const REQUEST_METHOD_BYTES = 15;
export const REQUEST_HOST_BYTES = 16;
export const REQUEST_PATH_BYTES = 17;
/** Doubles, counted in words: bytes for the client, durations in microseconds, -1 for none. */
export const REQUEST_BYTES = 18;
export const REQUEST_TOTAL_US = 20;
export const REQUEST_UPSTREAM_US = 22;
export const REQUEST_TEXT = 24;

/** The path was longer than a record has room for. */
export const FLAG_PATH_CUT = 1;
/** The connection broke before the answer was whole. */
export const FLAG_BROKEN = 2;
