// Anonymous memory that belongs to an owner (a worker) until the owner is released.
#ifndef ZP_MEMORY_H
#define ZP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

// Maps `bytes` (rounded up to pages) for `owner`; the address goes to `*address`. The mapping never
// straddles a 4 GiB boundary, so the high word of every address in it is the same. Pages are backed
// when they are first touched. `huge`: MAP_HUGETLB pages when the system has reserved enough of
// them, else ordinary pages with MADV_HUGEPAGE. Returns which it became (ZP_PAGES_*) or -errno.
int zp_memory_map(int owner, size_t bytes, bool huge, void **address);

// Unmaps one mapping of zp_memory_map. Returns 0, or -EINVAL for an address that it did not return.
int zp_memory_unmap(void *address);

// Unmaps everything that `owner` still has.
void zp_memory_release(int owner);

#endif
