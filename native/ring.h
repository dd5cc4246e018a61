// Rings: opening, entering, closing. The kernel is behind them, or epoll.c.
// A ring is known by its handle, 0..ZP_RING_COUNT_MAX - 1.
#ifndef ZP_RING_H
#define ZP_RING_H

#include <stddef.h>
#include <stdint.h>

#include "abi.generated.h"

// Where a ring's memory lies. `offsets` is indexed by ZP_RING_OFFSET_*.
struct zp_ring_memory {
    void *rings;
    size_t rings_bytes;
    void *sqes;
    size_t sqes_bytes;
    uint32_t sq_entries;
    uint32_t cq_entries;
    uint32_t features;
    uint32_t offsets[ZP_RING_OFFSET_COUNT];
};

// Opens a ring for `owner` on ZP_ENGINE_*; entries are powers of two. The calling thread becomes
// the only one that may enter, register and close it. Returns its handle or -errno.
int zp_ring_open(int owner, unsigned sq_entries, unsigned cq_entries, int engine);

// The memory of an open ring, or NULL.
const struct zp_ring_memory *zp_ring_memory(int handle);

// Registers a provided-buffer ring under `group` (5.19); its memory goes to `*address`. Returns 0
// or -errno.
int zp_ring_buffers(int handle, unsigned group, unsigned entries, void **address);

// Makes room for `count` registered files, all empty (5.19). Returns `count`, less when the process
// may open fewer files, or -errno: -EOPNOTSUPP where removal would delay the closing of a socket.
int zp_ring_fixed_files(int handle, unsigned count);

// Submits and waits; see ringEnter in runtime/native.ts. Returns the count submitted or -errno.
int zp_ring_enter(int handle, unsigned to_submit, unsigned min_complete, unsigned timeout_ms);

// ZP_CLOCK_WORDS words that zp_ring_enter refreshes. Valid for the life of the process, or NULL.
uint32_t *zp_ring_clock(int handle);

// A descriptor on which nothing waits goes to another thread; called by the owner's.
void zp_ring_leave(int owner, int fd);

// Cancels what waits in the rings of the calling thread, which is about to end. A dead thread's
// accept that stays armed until the kernel gets to it would be woken in place of its successor's.
void zp_ring_quiesce_thread(void);

// Cancels what waits, closes the ring and unmaps it. 0 or -errno.
int zp_ring_close(int handle);

// The first open ring of `owner` at or after `handle`, or -1.
int zp_ring_of_owner(int owner, int handle);

// Calls `take` for each descriptor that may be recorded nowhere but in the ring: results of accept
// and open completions that nobody has read, and close submissions that the kernel has not taken.
// For the ring of a thread that has ended.
void zp_ring_loose_fds(int handle, void (*take)(int fd, void *context), void *context);

#endif
