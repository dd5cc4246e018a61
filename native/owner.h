// Who owns which descriptor: sockets are process-wide, but a worker thread can die alone.
#ifndef ZP_OWNER_H
#define ZP_OWNER_H

#include <stdint.h>

#include "abi.generated.h"

// One byte for each descriptor: 0 is nobody, n is owner n - 1. Written by the owning thread, in
// JavaScript too; the pages are backed when they are first touched.
extern uint8_t zp_owners[ZP_OWNER_TABLE_BYTES];

// Enters a descriptor that the calling thread has just opened for `owner`. Returns `fd`, so that an
// error passes through.
int zp_owner_set(int fd, int owner);

// Strikes the descriptor out of the table, then closes it. Returns 0 or -errno.
int zp_owner_close(int fd);

// Closes every descriptor of a dead worker, its rings, memory and TLS connections. Returns how many
// descriptors it closed, rings not counted.
int zp_owner_release(int owner);

#endif
