#define _GNU_SOURCE
#include "owner.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "ring.h"
#include "tls.h"

uint8_t zp_owners[ZP_OWNER_TABLE_BYTES];

int zp_owner_set(int fd, int owner)
{
    if (fd >= 0 && fd < ZP_OWNER_TABLE_BYTES) zp_owners[fd] = (uint8_t)(owner + 1);
    return fd;
}

int zp_owner_close(int fd)
{
    // First the tables: as soon as the number is free another thread may enter it for itself.
    zp_tls_forget(fd);
    if (fd >= 0 && fd < ZP_OWNER_TABLE_BYTES) zp_owners[fd] = 0;
    return close(fd) < 0 ? -errno : 0;
}

struct release {
    int owner;
    int closed;
};

// A descriptor that only the dead worker's ring knows goes into the table, from where it is closed
// once, also when the worker had entered it already. Somebody else's number is left alone.
static void take_loose(int fd, void *context)
{
    struct release *release = context;
    if (fd >= ZP_OWNER_TABLE_BYTES) {
        if (close(fd) == 0) release->closed++;
    } else if (zp_owners[fd] == 0) {
        zp_owner_set(fd, release->owner);
    }
}

int zp_owner_release(int owner)
{
    struct release release = { .owner = owner };
    int handle = zp_ring_of_owner(owner, 0);
    while (handle >= 0) {
        zp_ring_loose_fds(handle, take_loose, &release);
        handle = zp_ring_of_owner(owner, handle + 1);
    }

    const uint8_t *end = zp_owners + ZP_OWNER_TABLE_BYTES;
    const uint8_t *at = zp_owners;
    while ((at = memchr(at, owner + 1, (size_t)(end - at))) != NULL) {
        if (zp_owner_close((int)(at - zp_owners)) == 0) release.closed++;
        at++;
    }

    while ((handle = zp_ring_of_owner(owner, 0)) >= 0) zp_ring_close(handle);
    zp_memory_release(owner);
    zp_tls_release(owner);
    return release.closed;
}
