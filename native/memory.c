#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.generated.h"

#define BOUNDARY ((uintptr_t)1 << 32)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HUGE_TRIES_MAX 4

struct mapping {
    struct mapping *next;
    void *address;
    size_t bytes;
    int owner;
};

static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *mappings;

static uintptr_t round_up(uintptr_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

// The first multiple of `align` at or after `base` where `bytes` fit below the next boundary. Twice
// the bytes (plus `align`) from `base` on are always enough to hold the result.
static uintptr_t place(uintptr_t base, size_t bytes, size_t align)
{
    uintptr_t start = round_up(base, align);
    uintptr_t boundary = round_up(start + 1, BOUNDARY);
    return start + bytes <= boundary ? start : boundary;
}

// Reserves too much, keeps the part that lies right and gives back the rest. PROT_NONE until then.
static int reserve(size_t bytes, size_t align, void **address)
{
    size_t reserved_bytes = 2 * bytes + align;
    void *reserved = mmap(NULL, reserved_bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return -errno;

    uintptr_t base = (uintptr_t)reserved;
    uintptr_t start = place(base, bytes, align);
    if (start > base) munmap(reserved, start - base);
    munmap((void *)(start + bytes), base + reserved_bytes - (start + bytes));
    *address = (void *)start;
    return 0;
}

// Maps huge pages that the system keeps (vm.nr_hugepages), where `reserve` finds a place. The place
// is given back first: MAP_FIXED over it would leave a hole for other threads when it fails.
static int map_huge(size_t bytes, void **address)
{
    int rc = -EEXIST;
    for (int tries = 0; rc == -EEXIST && tries < HUGE_TRIES_MAX; tries++) {
        void *place = NULL;
        rc = reserve(bytes, HUGE_PAGE_BYTES, &place);
        if (rc < 0) break;
        munmap(place, bytes);
        // MAP_FIXED_NOREPLACE (4.17) fails with EEXIST when another thread was faster.
        void *start = mmap(place, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED_NOREPLACE, -1, 0);
        rc = start == MAP_FAILED ? -errno : 0;
        if (rc == 0) *address = start;
    }
    return rc;
}

static int map_ordinary(size_t bytes, size_t align, void **address)
{
    void *start = NULL;
    int rc = reserve(bytes, align, &start);
    if (rc < 0) return rc;
    if (mprotect(start, bytes, PROT_READ | PROT_WRITE) < 0) {
        rc = -errno;
        munmap(start, bytes);
        return rc;
    }
    *address = start;
    return 0;
}

int zp_memory_map(int owner, size_t bytes, bool huge, void **address)
{
    size_t align = huge ? HUGE_PAGE_BYTES : (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped_bytes = round_up(bytes, align);
    void *start = NULL;
    struct mapping *mapping = malloc(sizeof *mapping);
    if (mapping == NULL) return -ENOMEM;

    int pages = ZP_PAGES_HUGE;
    int rc = huge ? map_huge(mapped_bytes, &start) : -ENOMEM;
    if (rc < 0) {
        pages = ZP_PAGES_ORDINARY;
        rc = map_ordinary(mapped_bytes, align, &start);
        // Only advice: a kernel without transparent huge pages refuses it and works all the same.
        if (rc == 0 && huge && madvise(start, mapped_bytes, MADV_HUGEPAGE) == 0)
            pages = ZP_PAGES_TRANSPARENT;
    }
    if (rc < 0) {
        free(mapping);
        return rc;
    }

    *mapping = (struct mapping){ .address = start, .bytes = mapped_bytes, .owner = owner };
    pthread_mutex_lock(&mappings_lock);
    mapping->next = mappings;
    mappings = mapping;
    pthread_mutex_unlock(&mappings_lock);
    *address = start;
    return pages;
}

// Takes every mapping for which the address (or, without one, the owner) fits out of the list.
static struct mapping *take(const void *address, int owner)
{
    struct mapping *taken = NULL;
    pthread_mutex_lock(&mappings_lock);
    for (struct mapping **link = &mappings; *link != NULL;) {
        struct mapping *it = *link;
        if (address != NULL ? it->address == address : it->owner == owner) {
            *link = it->next;
            it->next = taken;
            taken = it;
        } else {
            link = &it->next;
        }
    }
    pthread_mutex_unlock(&mappings_lock);
    return taken;
}

static void unmap_all(struct mapping *taken)
{
    while (taken != NULL) {
        struct mapping *next = taken->next;
        munmap(taken->address, taken->bytes);
        free(taken);
        taken = next;
    }
}

int zp_memory_unmap(void *address)
{
    if (address == NULL) return -EINVAL;
    struct mapping *taken = take(address, 0);
    int rc = taken == NULL ? -EINVAL : 0;
    unmap_all(taken);
    return rc;
}

void zp_memory_release(int owner)
{
    unmap_all(take(NULL, owner));
}
