// The io_uring system calls as -errno, and what every ring of zproxy is opened with.
#ifndef ZP_URING_H
#define ZP_URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

// 6.1: DEFER_TASKRUN, completions are made only when the worker enters. 6.0: SINGLE_ISSUER.
// 5.18: SUBMIT_ALL. 5.5: CQSIZE.
#define ZP_URING_SETUP_FLAGS                                                              \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | \
     IORING_SETUP_CQSIZE)
#define ZP_URING_FEATURES \
    (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG)

// 6.14, for what came just before it: since 6.13 a registered file that is removed is let go when
// its own operations have ended, not those of every file that was there before.
#ifndef IORING_FEAT_RW_ATTR
#define IORING_FEAT_RW_ATTR (1U << 16)
#endif

static inline int zp_uring_setup(unsigned entries, struct io_uring_params *params)
{
    long rc = syscall(SYS_io_uring_setup, entries, params);
    return rc < 0 ? -errno : (int)rc;
}

static inline int zp_uring_register(int fd, unsigned opcode, void *argument, unsigned count)
{
    long rc = syscall(SYS_io_uring_register, fd, opcode, argument, count);
    return rc < 0 ? -errno : (int)rc;
}

// `flags` must hold IORING_ENTER_EXT_ARG (5.11).
static inline int zp_uring_enter(int fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                                 const struct io_uring_getevents_arg *argument)
{
    long rc = syscall(SYS_io_uring_enter, fd, to_submit, min_complete, flags, argument,
                      sizeof *argument);
    return rc < 0 ? -errno : (int)rc;
}

#endif
