#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "epoll.h"
#include "memory.h"
#include "uring.h"

enum ring_state { RING_FREE = 0, RING_BUSY, RING_OPEN };

struct ring {
    atomic_int state;
    int fd;
    // The descriptor to enter with: an index into the thread's registered rings (5.18), which saves
    // the kernel a look-up in the shared descriptor table, or `fd`.
    int enter_fd;
    unsigned enter_flags;
    int owner;
    pid_t thread;
    struct zp_epoll *epoll; // behind the queues instead of the kernel; or NULL
    struct zp_ring_memory memory;
    // On a cache line of its own: one thread writes it every turn.
    _Alignas(64) uint32_t clock[16];
};

_Static_assert(ZP_CLOCK_WORDS <= 16, "the clock words fit their cache line");

static pthread_mutex_t rings_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring rings[ZP_RING_COUNT_MAX];
static _Thread_local pid_t thread_id;

static pid_t this_thread(void)
{
    if (thread_id == 0) thread_id = (pid_t)syscall(SYS_gettid);
    return thread_id;
}

static struct ring *ring_at(int handle)
{
    if (handle < 0 || handle >= ZP_RING_COUNT_MAX) return NULL;
    struct ring *ring = &rings[handle];
    return atomic_load_explicit(&ring->state, memory_order_acquire) == RING_OPEN ? ring : NULL;
}

// ── Opening and closing ────────────────────────────────────────────────────────────────────────

static int claim(void)
{
    int handle = -EMFILE;
    pthread_mutex_lock(&rings_lock);
    for (int i = 0; i < ZP_RING_COUNT_MAX; i++) {
        if (atomic_load_explicit(&rings[i].state, memory_order_relaxed) != RING_FREE) continue;
        atomic_store_explicit(&rings[i].state, RING_BUSY, memory_order_relaxed);
        handle = i;
        break;
    }
    pthread_mutex_unlock(&rings_lock);
    return handle;
}

static void unmap_ring(struct zp_ring_memory *memory)
{
    if (memory->rings != NULL) munmap(memory->rings, memory->rings_bytes);
    if (memory->sqes != NULL) munmap(memory->sqes, memory->sqes_bytes);
    *memory = (struct zp_ring_memory){ 0 };
}

static int map_part(int fd, size_t bytes, off_t part, void **address)
{
    void *start =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, part);
    if (start == MAP_FAILED) return -errno;
    *address = start;
    return 0;
}

static void set_offsets(struct zp_ring_memory *memory, const struct io_uring_params *params)
{
    uint32_t *offsets = memory->offsets;
    offsets[ZP_RING_OFFSET_SQ_HEAD] = params->sq_off.head;
    offsets[ZP_RING_OFFSET_SQ_TAIL] = params->sq_off.tail;
    offsets[ZP_RING_OFFSET_SQ_MASK] = params->sq_off.ring_mask;
    offsets[ZP_RING_OFFSET_SQ_ENTRIES] = params->sq_off.ring_entries;
    offsets[ZP_RING_OFFSET_SQ_ARRAY] = params->sq_off.array;
    offsets[ZP_RING_OFFSET_CQ_HEAD] = params->cq_off.head;
    offsets[ZP_RING_OFFSET_CQ_TAIL] = params->cq_off.tail;
    offsets[ZP_RING_OFFSET_CQ_MASK] = params->cq_off.ring_mask;
    offsets[ZP_RING_OFFSET_CQ_ENTRIES] = params->cq_off.ring_entries;
    offsets[ZP_RING_OFFSET_CQ_CQES] = params->cq_off.cqes;
}

static uint32_t *word_at(const struct zp_ring_memory *memory, int offset)
{
    return (uint32_t *)((char *)memory->rings + memory->offsets[offset]);
}

static int map_ring(int fd, const struct io_uring_params *params, struct zp_ring_memory *memory)
{
    size_t sq_end = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t cq_end = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    memory->rings_bytes = sq_end > cq_end ? sq_end : cq_end;
    memory->sqes_bytes = params->sq_entries * sizeof(struct io_uring_sqe);
    memory->sq_entries = params->sq_entries;
    memory->cq_entries = params->cq_entries;
    memory->features = params->features;
    set_offsets(memory, params);

    // IORING_FEAT_SINGLE_MMAP (5.4): one mapping holds both rings.
    int rc = map_part(fd, memory->rings_bytes, IORING_OFF_SQ_RING, &memory->rings);
    if (rc == 0) rc = map_part(fd, memory->sqes_bytes, IORING_OFF_SQES, &memory->sqes);
    if (rc < 0) {
        unmap_ring(memory);
        return rc;
    }
    uint32_t *array = word_at(memory, ZP_RING_OFFSET_SQ_ARRAY);
    for (uint32_t i = 0; i < memory->sq_entries; i++) array[i] = i;
    return 0;
}

// IORING_REGISTER_RING_FDS (5.18) for the calling thread. Without it the ring works, a bit slower.
static void register_ring(struct ring *ring)
{
    struct io_uring_rsrc_update update = { .offset = ~0u, .data = (unsigned)ring->fd };
    ring->enter_fd = ring->fd;
    ring->enter_flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    if (zp_uring_register(ring->fd, IORING_REGISTER_RING_FDS, &update, 1) != 1) return;
    ring->enter_fd = (int)update.offset;
    ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
}

static void unregister_ring(struct ring *ring)
{
    if (!(ring->enter_flags & IORING_ENTER_REGISTERED_RING)) return;
    struct io_uring_rsrc_update update = { .offset = (unsigned)ring->enter_fd };
    zp_uring_register(ring->fd, IORING_UNREGISTER_RING_FDS, &update, 1);
}

static void refresh_clock(uint32_t *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t microseconds = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    clock[ZP_CLOCK_MONOTONIC_MS] = (uint32_t)(microseconds / 1000);
    clock[ZP_CLOCK_MONOTONIC_US] = (uint32_t)microseconds;
    // Date headers and log records need no more than the coarse clock's few milliseconds.
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    clock[ZP_CLOCK_REALTIME_SECS] = (uint32_t)now.tv_sec;
    clock[ZP_CLOCK_REALTIME_MILLIS] = (uint32_t)(now.tv_nsec / 1000000);
}

static int open_uring(struct ring *ring, unsigned sq_entries, unsigned cq_entries)
{
    struct io_uring_params params = { .flags = ZP_URING_SETUP_FLAGS, .cq_entries = cq_entries };
    int fd = zp_uring_setup(sq_entries, &params);
    if (fd < 0) return fd;
    int rc = -ENOSYS;
    if ((params.features & ZP_URING_FEATURES) == ZP_URING_FEATURES) {
        rc = map_ring(fd, &params, &ring->memory);
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    ring->fd = fd;
    register_ring(ring);
    return 0;
}

int zp_ring_open(int owner, unsigned sq_entries, unsigned cq_entries, int engine)
{
    int handle = claim();
    if (handle < 0) return handle;
    struct ring *ring = &rings[handle];
    ring->epoll = NULL;
    int rc = engine == ZP_ENGINE_EPOLL
                 ? zp_epoll_open(sq_entries, cq_entries, &ring->memory, &ring->epoll)
                 : open_uring(ring, sq_entries, cq_entries);
    if (rc == 0) {
        ring->owner = owner;
        ring->thread = this_thread();
        refresh_clock(ring->clock);
    }
    atomic_store_explicit(&ring->state, rc < 0 ? RING_FREE : RING_OPEN, memory_order_release);
    return rc < 0 ? rc : handle;
}

const struct zp_ring_memory *zp_ring_memory(int handle)
{
    const struct ring *ring = ring_at(handle);
    return ring == NULL ? NULL : &ring->memory;
}

uint32_t *zp_ring_clock(int handle)
{
    struct ring *ring = ring_at(handle);
    return ring == NULL ? NULL : ring->clock;
}

// Cancels what waits, a multishot accept for example, so that its socket is really free when the
// ring is closed (IORING_REGISTER_SYNC_CANCEL, 6.0); the kernel alone would get to it later. What a
// kernel thread is executing ends on its own, or at the latest when this thread does.
static void cancel_all(const struct ring *ring)
{
    struct io_uring_sync_cancel_reg request = {
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
        .timeout = { .tv_sec = 1 },
    };
    zp_uring_register(ring->fd, IORING_REGISTER_SYNC_CANCEL, &request, 1);
    // With DEFER_TASKRUN the cancelled requests let go of their files here.
    struct __kernel_timespec no_wait = { 0 };
    struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&no_wait };
    zp_uring_enter(ring->enter_fd, 0, 0, ring->enter_flags, &argument);
}

void zp_ring_quiesce_thread(void)
{
    for (int handle = 0; handle < ZP_RING_COUNT_MAX; handle++) {
        const struct ring *ring = ring_at(handle);
        if (ring == NULL || ring->epoll != NULL) continue;
        if (ring->thread == this_thread()) cancel_all(ring);
    }
}

int zp_ring_close(int handle)
{
    struct ring *ring = ring_at(handle);
    if (ring == NULL) return -EBADF;
    int open = RING_OPEN;
    if (!atomic_compare_exchange_strong(&ring->state, &open, RING_BUSY)) return -EBADF;

    // Another thread closes only for a worker that has ended, whose end was zp_ring_quiesce_thread.
    int rc = 0;
    if (ring->epoll != NULL) {
        rc = zp_epoll_close(ring->epoll);
    } else {
        if (ring->thread == this_thread()) {
            cancel_all(ring);
            unregister_ring(ring);
        }
        if (close(ring->fd) < 0) rc = -errno;
    }
    unmap_ring(&ring->memory);
    atomic_store_explicit(&ring->state, RING_FREE, memory_order_release);
    return rc;
}

// ── Use ────────────────────────────────────────────────────────────────────────────────────────

int zp_ring_buffers(int handle, unsigned group, unsigned entries, void **address)
{
    const struct ring *ring = ring_at(handle);
    if (ring == NULL) return -EBADF;
    if (ring->thread != this_thread()) return -EEXIST;
    void *memory = NULL;
    int rc = zp_memory_map(ring->owner, entries * sizeof(struct io_uring_buf), false, &memory);
    if (rc < 0) return rc;

    if (ring->epoll != NULL) {
        rc = zp_epoll_buffers(ring->epoll, group, entries, memory);
        goto out;
    }
    struct io_uring_buf_reg request = {
        .ring_addr = (uintptr_t)memory,
        .ring_entries = entries,
        .bgid = (uint16_t)group,
    };
    rc = zp_uring_register(ring->fd, IORING_REGISTER_PBUF_RING, &request, 1);

out:
    if (rc < 0) zp_memory_unmap(memory);
    else *address = memory;
    return rc < 0 ? rc : 0;
}

int zp_ring_fixed_files(int handle, unsigned count)
{
    const struct ring *ring = ring_at(handle);
    if (ring == NULL) return -EBADF;
    if (!(ring->memory.features & IORING_FEAT_RW_ATTR)) return -EOPNOTSUPP;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < count) {
        count = (unsigned)limit.rlim_cur;
    }
    struct io_uring_rsrc_register request = { .nr = count, .flags = IORING_RSRC_REGISTER_SPARSE };
    int rc = zp_uring_register(ring->fd, IORING_REGISTER_FILES2, &request, sizeof request);
    return rc < 0 ? rc : (int)count;
}

int zp_ring_enter(int handle, unsigned to_submit, unsigned min_complete, unsigned timeout_ms)
{
    struct ring *ring = ring_at(handle);
    if (ring == NULL) return -EBADF;
    // A registered ring's index means another ring in another thread, so this is checked here.
    if (ring->thread != this_thread()) return -EEXIST;

    if (ring->epoll != NULL) {
        int submitted = zp_epoll_enter(ring->epoll, to_submit, min_complete, timeout_ms);
        refresh_clock(ring->clock);
        return submitted;
    }
    struct __kernel_timespec timeout = {
        .tv_sec = timeout_ms / 1000,
        .tv_nsec = (long long)(timeout_ms % 1000) * 1000000,
    };
    struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&timeout };
    int rc = zp_uring_enter(ring->enter_fd, to_submit, min_complete, ring->enter_flags, &argument);
    refresh_clock(ring->clock);
    // Nothing came in time, or a signal came first: the caller looks at its queue and comes back.
    return rc == -ETIME || rc == -EINTR ? 0 : rc;
}

// ── Release ────────────────────────────────────────────────────────────────────────────────────

int zp_ring_of_owner(int owner, int handle)
{
    for (int i = handle; i < ZP_RING_COUNT_MAX; i++) {
        const struct ring *ring = ring_at(i);
        if (ring != NULL && ring->owner == owner) return i;
    }
    return -1;
}

void zp_ring_leave(int owner, int fd)
{
    int handle = zp_ring_of_owner(owner, 0);
    const struct ring *ring = ring_at(handle);
    if (ring != NULL && ring->epoll != NULL) zp_epoll_leave(ring->epoll, fd);
}

void zp_ring_loose_fds(int handle, void (*take)(int fd, void *context), void *context)
{
    const struct zp_ring_memory *memory = zp_ring_memory(handle);
    if (memory == NULL) return;

    // JavaScript wrote some of these words, so counts are bounded and indexes masked.
    const struct io_uring_cqe *cqes = (void *)word_at(memory, ZP_RING_OFFSET_CQ_CQES);
    uint32_t head = *word_at(memory, ZP_RING_OFFSET_CQ_HEAD);
    uint32_t tail = __atomic_load_n(word_at(memory, ZP_RING_OFFSET_CQ_TAIL), __ATOMIC_ACQUIRE);
    if (tail - head > memory->cq_entries) head = tail - memory->cq_entries;
    for (; head != tail; head++) {
        const struct io_uring_cqe *cqe = &cqes[head & (memory->cq_entries - 1)];
        unsigned op = (unsigned)(cqe->user_data >> (32 + ZP_USER_DATA_OP_SHIFT));
        if ((op == ZP_USER_OP_ACCEPT || op == ZP_USER_OP_FILE_OPEN) && cqe->res >= 0) {
            take(cqe->res, context);
        }
    }

    const struct io_uring_sqe *sqes = memory->sqes;
    head = __atomic_load_n(word_at(memory, ZP_RING_OFFSET_SQ_HEAD), __ATOMIC_ACQUIRE);
    tail = *word_at(memory, ZP_RING_OFFSET_SQ_TAIL);
    if (tail - head > memory->sq_entries) tail = head;
    for (; head != tail; head++) {
        const struct io_uring_sqe *sqe = &sqes[head & (memory->sq_entries - 1)];
        if (sqe->opcode == IORING_OP_CLOSE && sqe->fd >= 0) take(sqe->fd, context);
    }
}
