// Long because all operations share what is known of a descriptor, and nothing else does.

#define _GNU_SOURCE
#include "epoll.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// What one turn takes from epoll, and from one listener.
#define EVENTS_MAX 256
#define ACCEPTS_MAX 64
#define BUFFER_GROUPS 16

// An operation that could not be done at once waits here for its descriptor.
struct waiting {
    bool armed;
    struct io_uring_sqe sqe;
};

enum { IN, OUT, WATCH, DIRECTIONS };

struct descriptor {
    struct waiting waiting[DIRECTIONS];
    bool registered; // in the epoll set
    // Edge-triggered: what is known since the last event. Unknown counts as ready.
    bool blocked_in;
    bool blocked_out;
    bool ended; // a FIN or an error was announced, for which no further event comes
};

struct buffer_group {
    struct io_uring_buf_ring *ring;
    uint16_t mask;
    uint16_t head;
};

struct zp_epoll {
    int fd;
    uint32_t *words; // the queues' memory
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    uint32_t sq_mask;
    uint32_t cq_mask;
    struct descriptor *descriptors;
    int descriptor_count;
    struct buffer_group groups[BUFFER_GROUPS];
    uint32_t reserved; // room in the CQ for events that have been taken and not looked at
    struct epoll_event events[EVENTS_MAX];
};

// The queues' words, as u32 indexes: word i is what ZP_RING_OFFSET_* i speaks of.
enum {
    SQ_HEAD = ZP_RING_OFFSET_SQ_HEAD,
    SQ_TAIL = ZP_RING_OFFSET_SQ_TAIL,
    CQ_HEAD = ZP_RING_OFFSET_CQ_HEAD,
    CQ_TAIL = ZP_RING_OFFSET_CQ_TAIL,
    QUEUE_WORDS = 16
};

_Static_assert(ZP_RING_OFFSET_COUNT <= QUEUE_WORDS, "each offset has its word");

// ── Completions and descriptors ────────────────────────────────────────────────────────────────

static uint32_t completion_room(const struct zp_epoll *engine)
{
    // JavaScript writes the head: a wild one must not make room that is not there.
    uint32_t used = engine->words[CQ_TAIL] - engine->words[CQ_HEAD];
    return used > engine->cq_mask ? 0 : engine->cq_mask + 1 - used;
}

static void complete(struct zp_epoll *engine, uint64_t user_data, int result, unsigned flags)
{
    uint32_t tail = engine->words[CQ_TAIL];
    engine->cqes[tail & engine->cq_mask] =
        (struct io_uring_cqe){ .user_data = user_data, .res = result, .flags = flags };
    engine->words[CQ_TAIL] = tail + 1;
}

// The state of `fd`, or NULL when there is no memory for it or it is no descriptor.
static struct descriptor *descriptor_of(struct zp_epoll *engine, int fd)
{
    if (fd < 0 || fd >= ZP_OWNER_TABLE_BYTES) return NULL;
    if (fd >= engine->descriptor_count) {
        int count = engine->descriptor_count;
        while (count <= fd) count *= 2;
        struct descriptor *grown = realloc(engine->descriptors, (size_t)count * sizeof *grown);
        if (grown == NULL) return NULL;
        size_t added = (size_t)(count - engine->descriptor_count);
        memset(grown + engine->descriptor_count, 0, added * sizeof *grown);
        engine->descriptors = grown;
        engine->descriptor_count = count;
    }
    return &engine->descriptors[fd];
}

// A descriptor's number has been given away anew.
static void forget(struct zp_epoll *engine, int fd)
{
    if (fd >= 0 && fd < engine->descriptor_count) {
        memset(&engine->descriptors[fd], 0, sizeof engine->descriptors[fd]);
    }
}

// Parks an operation until its descriptor is ready. Listeners are level-triggered: one turn need
// not take all that waits. 0 or -errno.
static int wait_for(struct zp_epoll *engine, const struct io_uring_sqe *sqe, int direction)
{
    struct descriptor *descriptor = descriptor_of(engine, sqe->fd);
    if (descriptor == NULL) return -EBADF;
    if (descriptor->waiting[direction].armed) return -EBUSY;
    if (!descriptor->registered) {
        uint32_t all = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        struct epoll_event event = { .events = sqe->opcode == IORING_OP_ACCEPT ? EPOLLIN : all };
        event.data.fd = sqe->fd;
        if (epoll_ctl(engine->fd, EPOLL_CTL_ADD, sqe->fd, &event) < 0) return -errno;
        descriptor->registered = true;
    }
    descriptor->waiting[direction] = (struct waiting){ .armed = true, .sqe = *sqe };
    return 0;
}

static void stop_waiting(struct zp_epoll *engine, struct descriptor *descriptor, int direction)
{
    struct waiting *waiting = &descriptor->waiting[direction];
    waiting->armed = false;
    if (waiting->sqe.opcode != IORING_OP_ACCEPT) return;
    epoll_ctl(engine->fd, EPOLL_CTL_DEL, waiting->sqe.fd, NULL);
    descriptor->registered = false;
}

// ── Operations: each returns its result, or -EAGAIN when it has to wait ────────────────────────

static int poll_now(int fd, unsigned events)
{
    struct pollfd request = { .fd = fd, .events = (short)events };
    int count = poll(&request, 1, 0);
    if (count < 0) return errno == EINTR ? -EAGAIN : -errno;
    return count == 0 ? -EAGAIN : request.revents;
}

static int receive_into(const struct io_uring_sqe *sqe, uint64_t address, size_t length)
{
    ssize_t received;
    void *bytes = (void *)(uintptr_t)address;
    // An eventfd, which is in blocking mode; nobody else reads it.
    if (sqe->opcode == IORING_OP_READ && poll_now(sqe->fd, POLLIN) == -EAGAIN) return -EAGAIN;
    do {
        if (sqe->opcode == IORING_OP_READ) {
            received = read(sqe->fd, bytes, length);
        } else {
            received = recv(sqe->fd, bytes, length, (int)sqe->msg_flags | MSG_DONTWAIT);
        }
    } while (received < 0 && errno == EINTR);
    return received < 0 ? -errno : (int)received;
}

static int receive(struct zp_epoll *engine, const struct io_uring_sqe *sqe, unsigned *flags)
{
    struct descriptor *descriptor = descriptor_of(engine, sqe->fd);
    if (descriptor == NULL) return -EBADF;
    if (descriptor->blocked_in) return -EAGAIN;

    uint64_t address = sqe->addr;
    uint32_t length = sqe->len;
    struct buffer_group *group = NULL;
    uint16_t buffer = 0;
    if (sqe->flags & IOSQE_BUFFER_SELECT) {
        if (sqe->buf_group >= BUFFER_GROUPS) return -ENOBUFS;
        group = &engine->groups[sqe->buf_group];
        if (group->ring == NULL || group->head == group->ring->tail) return -ENOBUFS;
        const struct io_uring_buf *entry = &group->ring->bufs[group->head & group->mask];
        address = entry->addr;
        length = entry->len;
        buffer = entry->bid;
    }
    int received = receive_into(sqe, address, length);
    if (received == -EAGAIN) descriptor->blocked_in = true;
    if (received <= 0) return received;

    // Less than asked for: nothing is left, and an event tells when more is there. Kernel TLS also
    // ends a receive where an alert begins, and makes an event of the record that it turns to then.
    if ((uint32_t)received < length && !descriptor->ended) descriptor->blocked_in = true;
    if (group != NULL) {
        group->head++;
        *flags = IORING_CQE_F_BUFFER | (unsigned)buffer << IORING_CQE_BUFFER_SHIFT;
    }
    if (sqe->opcode != IORING_OP_RECV) return received;
    // io_uring also knows of a FIN that no event has announced yet.
    int rest = 0;
    bool filled = (uint32_t)received == length && ioctl(sqe->fd, FIONREAD, &rest) == 0;
    if (descriptor->ended || (filled && rest > 0)) *flags |= IORING_CQE_F_SOCK_NONEMPTY;
    return received;
}

static int send_some(struct zp_epoll *engine, const struct io_uring_sqe *sqe)
{
    struct descriptor *descriptor = descriptor_of(engine, sqe->fd);
    if (descriptor == NULL) return -EBADF;
    if (descriptor->blocked_out) return -EAGAIN;

    ssize_t sent;
    const void *bytes = (const void *)(uintptr_t)sqe->addr;
    int flags = (int)sqe->msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    do {
        sent = sqe->opcode == IORING_OP_SENDMSG ? sendmsg(sqe->fd, bytes, flags)
                                                : send(sqe->fd, bytes, sqe->len, flags);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN) descriptor->blocked_out = true;
    return sent < 0 ? -errno : (int)sent;
}

static int begin_connect(struct zp_epoll *engine, const struct io_uring_sqe *sqe)
{
    forget(engine, sqe->fd);
    const struct sockaddr *address = (const struct sockaddr *)(uintptr_t)sqe->addr;
    if (connect(sqe->fd, address, (socklen_t)sqe->off) == 0) return 0;
    return errno == EINPROGRESS ? -EAGAIN : -errno;
}

static int finish_connect(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

// Accepts one connection, or with IORING_ACCEPT_MULTISHOT as many as wait, within bounds. Returns
// -EAGAIN to go on waiting; else the last result, which ends the operation.
static int accept_some(struct zp_epoll *engine, const struct io_uring_sqe *sqe)
{
    bool multishot = sqe->ioprio & IORING_ACCEPT_MULTISHOT;
    for (int count = 0; count < ACCEPTS_MAX; count++) {
        if (completion_room(engine) <= engine->reserved + 1) break;
        int fd = accept4(sqe->fd, NULL, NULL, (int)sqe->accept_flags);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (fd < 0) return -errno;
        forget(engine, fd);
        if (!multishot) return fd;
        complete(engine, sqe->user_data, fd, IORING_CQE_F_MORE);
    }
    return -EAGAIN;
}

static int read_some(struct zp_epoll *engine, const struct io_uring_sqe *sqe, unsigned *flags)
{
    ssize_t count;
    do {
        count = pread(sqe->fd, (void *)(uintptr_t)sqe->addr, sqe->len, (off_t)sqe->off);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == ESPIPE) return receive(engine, sqe, flags);
    return count < 0 ? -errno : (int)count;
}

static int open_file(const struct io_uring_sqe *sqe)
{
    long fd;
    do {
        fd = syscall(SYS_openat2, sqe->fd, (const void *)(uintptr_t)sqe->addr,
                     (const void *)(uintptr_t)sqe->addr2, (size_t)sqe->len);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : (int)fd;
}

static bool matches(const struct io_uring_sqe *cancel, const struct io_uring_sqe *sqe)
{
    if (cancel->cancel_flags & IORING_ASYNC_CANCEL_FD) return sqe->fd == cancel->fd;
    return sqe->user_data == cancel->addr;
}

// Returns what io_uring does: 0 for the one operation that was found, their count with
// IORING_ASYNC_CANCEL_ALL, or -ENOENT.
static int cancel(struct zp_epoll *engine, const struct io_uring_sqe *sqe)
{
    int count = 0;
    bool by_fd = sqe->cancel_flags & IORING_ASYNC_CANCEL_FD;
    int from = by_fd && sqe->fd >= 0 ? sqe->fd : 0;
    int to = by_fd && sqe->fd < engine->descriptor_count ? from + 1 : engine->descriptor_count;
    for (int fd = from; fd < to; fd++) {
        struct descriptor *descriptor = &engine->descriptors[fd];
        for (int direction = 0; direction < DIRECTIONS; direction++) {
            struct waiting *waiting = &descriptor->waiting[direction];
            if (!waiting->armed || !matches(sqe, &waiting->sqe)) continue;
            stop_waiting(engine, descriptor, direction);
            complete(engine, waiting->sqe.user_data, -ECANCELED, 0);
            if (!(sqe->cancel_flags & IORING_ASYNC_CANCEL_ALL)) return 0;
            count++;
        }
    }
    return count == 0 ? -ENOENT : count;
}

static int close_file(struct zp_epoll *engine, int fd)
{
    forget(engine, fd); // the kernel takes it out of the epoll set
    return close(fd) < 0 ? -errno : 0;
}

static int direction_of(int opcode)
{
    switch (opcode) {
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_CONNECT:
        return OUT;
    case IORING_OP_POLL_ADD:
        return WATCH;
    default:
        return IN;
    }
}

static int execute(struct zp_epoll *engine, const struct io_uring_sqe *sqe, unsigned *flags)
{
    switch (sqe->opcode) {
    case IORING_OP_NOP:
        return 0;
    case IORING_OP_RECV:
        return receive(engine, sqe, flags);
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
        return send_some(engine, sqe);
    case IORING_OP_CONNECT:
        return begin_connect(engine, sqe);
    case IORING_OP_ACCEPT:
        return accept_some(engine, sqe);
    case IORING_OP_READ:
        return read_some(engine, sqe, flags);
    case IORING_OP_POLL_ADD:
        return poll_now(sqe->fd, sqe->poll32_events);
    case IORING_OP_OPENAT2:
        return open_file(sqe);
    case IORING_OP_ASYNC_CANCEL:
        return cancel(engine, sqe);
    case IORING_OP_CLOSE:
        return close_file(engine, sqe->fd);
    default:
        return -EINVAL;
    }
}

static void submit(struct zp_epoll *engine, const struct io_uring_sqe *sqe)
{
    unsigned flags = 0;
    int result = execute(engine, sqe, &flags);
    if (result == -EAGAIN) {
        result = wait_for(engine, sqe, direction_of(sqe->opcode));
        if (result == 0) return;
    }
    complete(engine, sqe->user_data, result, flags);
}

// ── Events ─────────────────────────────────────────────────────────────────────────────────────

static void go_on(struct zp_epoll *engine, int fd, int direction, uint32_t events)
{
    struct descriptor *descriptor = &engine->descriptors[fd];
    if (!descriptor->waiting[direction].armed) return;
    const struct io_uring_sqe sqe = descriptor->waiting[direction].sqe;
    unsigned flags = 0;
    int result;
    switch (sqe.opcode) {
    case IORING_OP_CONNECT:
        result = finish_connect(fd);
        break;
    case IORING_OP_POLL_ADD:
        result = (int)(events & (sqe.poll32_events | EPOLLERR | EPOLLHUP));
        if (result == 0) result = -EAGAIN;
        break;
    default:
        result = execute(engine, &sqe, &flags);
    }
    if (result == -EAGAIN) return;
    // Accepting may have grown the table.
    stop_waiting(engine, &engine->descriptors[fd], direction);
    complete(engine, sqe.user_data, result, flags);
}

static void on_event(struct zp_epoll *engine, int fd, uint32_t events)
{
    struct descriptor *descriptor = descriptor_of(engine, fd);
    if (descriptor == NULL) return;
    bool failed = events & (EPOLLERR | EPOLLHUP);
    if (failed || (events & EPOLLRDHUP)) descriptor->ended = true;
    if (failed || (events & (EPOLLIN | EPOLLRDHUP))) {
        descriptor->blocked_in = false;
        go_on(engine, fd, IN, events);
    }
    descriptor = &engine->descriptors[fd];
    if (failed || (events & EPOLLOUT)) {
        descriptor->blocked_out = false;
        go_on(engine, fd, OUT, events);
    }
    go_on(engine, fd, WATCH, events);
}

// ── The engine ─────────────────────────────────────────────────────────────────────────────────

static void *map_zeroed(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

// Both queues in one mapping, as io_uring has them: words, the SQ's index array, CQEs.
static int map_queues(struct zp_epoll *engine, struct zp_ring_memory *memory)
{
    uint32_t array = QUEUE_WORDS * sizeof(uint32_t);
    uint32_t cqes = (array + memory->sq_entries * (uint32_t)sizeof(uint32_t) + 63) & ~63u;
    for (uint32_t i = 0; i < ZP_RING_OFFSET_COUNT; i++) {
        memory->offsets[i] = i * (uint32_t)sizeof(uint32_t);
    }
    memory->offsets[ZP_RING_OFFSET_SQ_ARRAY] = array;
    memory->offsets[ZP_RING_OFFSET_CQ_CQES] = cqes;
    memory->rings_bytes = cqes + memory->cq_entries * sizeof(struct io_uring_cqe);
    memory->sqes_bytes = memory->sq_entries * sizeof(struct io_uring_sqe);
    memory->rings = map_zeroed(memory->rings_bytes);
    if (memory->rings == NULL) return -ENOMEM;
    memory->sqes = map_zeroed(memory->sqes_bytes);
    if (memory->sqes == NULL) {
        munmap(memory->rings, memory->rings_bytes);
        return -ENOMEM;
    }
    uint32_t *words = memory->rings;
    words[ZP_RING_OFFSET_SQ_MASK] = engine->sq_mask = memory->sq_entries - 1;
    words[ZP_RING_OFFSET_SQ_ENTRIES] = memory->sq_entries;
    words[ZP_RING_OFFSET_CQ_MASK] = engine->cq_mask = memory->cq_entries - 1;
    words[ZP_RING_OFFSET_CQ_ENTRIES] = memory->cq_entries;
    for (uint32_t i = 0; i < memory->sq_entries; i++) words[QUEUE_WORDS + i] = i;
    engine->words = words;
    engine->sqes = memory->sqes;
    engine->cqes = (struct io_uring_cqe *)((char *)memory->rings + cqes);
    return 0;
}

int zp_epoll_open(unsigned sq_entries, unsigned cq_entries, struct zp_ring_memory *memory,
                  struct zp_epoll **engine)
{
    enum { FIRST_DESCRIPTORS = 1024 };
    *memory = (struct zp_ring_memory){ .sq_entries = sq_entries, .cq_entries = cq_entries };
    int rc = -ENOMEM;
    struct zp_epoll *made = calloc(1, sizeof *made);
    if (made == NULL) return rc;
    made->fd = -1;
    made->descriptors = calloc(FIRST_DESCRIPTORS, sizeof *made->descriptors);
    made->descriptor_count = FIRST_DESCRIPTORS;
    if (made->descriptors == NULL) goto out;
    made->fd = epoll_create1(EPOLL_CLOEXEC);
    rc = made->fd < 0 ? -errno : map_queues(made, memory);

out:
    if (rc < 0) zp_epoll_close(made);
    else *engine = made;
    return rc;
}

int zp_epoll_buffers(struct zp_epoll *engine, unsigned group, unsigned entries, void *memory)
{
    if (group >= BUFFER_GROUPS) return -EINVAL;
    if (engine->groups[group].ring != NULL) return -EEXIST;
    engine->groups[group] =
        (struct buffer_group){ .ring = memory, .mask = (uint16_t)(entries - 1) };
    return 0;
}

int zp_epoll_enter(struct zp_epoll *engine, unsigned to_submit, unsigned min_complete,
                   unsigned timeout_ms)
{
    uint32_t *words = engine->words;
    unsigned submitted = 0;
    // A submission makes one completion, a cancellation one for each direction beside its own.
    while (submitted < to_submit && completion_room(engine) > DIRECTIONS) {
        uint32_t head = words[SQ_HEAD];
        if (head == words[SQ_TAIL]) break;
        const struct io_uring_sqe sqe = engine->sqes[head & engine->sq_mask];
        words[SQ_HEAD] = head + 1;
        submit(engine, &sqe);
        submitted++;
    }

    // No more events than there is room for their completions.
    uint32_t limit = completion_room(engine) / DIRECTIONS;
    if (limit > EVENTS_MAX) limit = EVENTS_MAX;
    bool enough = words[CQ_TAIL] - words[CQ_HEAD] >= min_complete;
    if (limit == 0) return (int)submitted;
    int wait_ms = enough ? 0 : (int)timeout_ms;
    int count = epoll_wait(engine->fd, engine->events, (int)limit, wait_ms);
    if (count < 0) return errno == EINTR ? (int)submitted : -errno;
    for (int i = 0; i < count; i++) {
        engine->reserved = (uint32_t)(count - i - 1) * DIRECTIONS;
        on_event(engine, engine->events[i].data.fd, engine->events[i].events);
    }
    return (int)submitted;
}

void zp_epoll_leave(struct zp_epoll *engine, int fd)
{
    if (fd < 0 || fd >= engine->descriptor_count) return;
    if (engine->descriptors[fd].registered) epoll_ctl(engine->fd, EPOLL_CTL_DEL, fd, NULL);
    forget(engine, fd);
}

int zp_epoll_close(struct zp_epoll *engine)
{
    int rc = engine->fd >= 0 && close(engine->fd) < 0 ? -errno : 0;
    free(engine->descriptors);
    free(engine);
    return rc;
}
