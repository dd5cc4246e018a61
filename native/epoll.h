// The same queues without io_uring, for kernels and containers that refuse it: reads the same SQEs
// and writes the same CQEs, with epoll and non-blocking calls. It knows the operations that the
// runtime uses. What a thread submits is done inside its `zp_epoll_enter`, so opening and reading a
// file that is not in the page cache blocks the thread.
#ifndef ZP_EPOLL_H
#define ZP_EPOLL_H

#include "ring.h"

struct zp_epoll;

// Makes an engine and its queues; entries are powers of two. 0 or -errno.
int zp_epoll_open(unsigned sq_entries, unsigned cq_entries, struct zp_ring_memory *memory,
                  struct zp_epoll **engine);

// Takes struct io_uring_buf_ring at `memory` as the buffers of `group`. 0 or -errno.
int zp_epoll_buffers(struct zp_epoll *engine, unsigned group, unsigned entries, void *memory);

// Like zp_ring_enter, but may return before `min_complete` completions are there.
int zp_epoll_enter(struct zp_epoll *engine, unsigned to_submit, unsigned min_complete,
                   unsigned timeout_ms);

// A descriptor on which nothing waits goes to another thread: its events do not come here any more.
void zp_epoll_leave(struct zp_epoll *engine, int fd);

// Forgets what waits; the queues stay mapped. 0 or -errno.
int zp_epoll_close(struct zp_epoll *engine);

#endif
