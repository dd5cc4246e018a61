// How large a worker is. The host check asks whether this machine has room for so much.

import type { BufferCounts } from "../data/buffers.ts";

export const SQ_ENTRIES = 4096;
export const CQ_ENTRIES = 16384;

/** Clients' and upstreams'; a test makes it small. */
export const CONNECTIONS_MAX = Number(process.env.ZPROXY_TEST_CONNECTIONS ?? 65536);

export const BUFFER_RING_ENTRIES = 256;

/** Addresses of one name that are used. */
export const ADDRESSES_MAX = 64;

/** Address space, not memory: pages are backed when they are first used. */
export const BUFFER_COUNTS: BufferCounts = { small: 16384, large: 4096, multishot: 1024 };
