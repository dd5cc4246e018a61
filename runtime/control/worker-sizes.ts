// How large a worker is. The host check asks whether this machine has room for so much.

import type { BufferCounts } from "../data/buffers.ts";

export const SQ_ENTRIES = 4096;
export const CQ_ENTRIES = 16384;

/** Clients' and upstreams'; a test makes it small. */
export const CONNECTIONS_MAX = Number(process.env.ZPROXY_TEST_CONNECTIONS ?? 65536);

/** Small buffers of 4 KiB; a test makes them few. */
const BUFFERS_SMALL = Number(process.env.ZPROXY_TEST_BUFFERS ?? 16384);

export const BUFFER_RING_ENTRIES = BUFFERS_SMALL / 64;

/** Addresses of one name that are used. */
export const ADDRESSES_MAX = 64;

/** Address space, not memory: pages are backed when they are first used. */
export const BUFFER_COUNTS: BufferCounts = {
  small: BUFFERS_SMALL,
  large: BUFFERS_SMALL / 4,
  multishot: BUFFERS_SMALL / 16,
};
