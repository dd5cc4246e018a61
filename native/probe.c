#define _GNU_SOURCE
#include "probe.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "uring.h"

// What runtime/data/ submits, and nothing else: a test compares.
static const uint8_t opcodes_needed[] = {
    IORING_OP_ACCEPT,   IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,        IORING_OP_CONNECT,
    IORING_OP_OPENAT2,  IORING_OP_POLL_ADD,     IORING_OP_FILES_UPDATE, IORING_OP_READ,
    IORING_OP_RECV,     IORING_OP_SEND,         IORING_OP_SENDMSG,
};

// IORING_REGISTER_PROBE (5.6). Returns 0, -ENOSYS for a missing opcode (in `*missing`), or -errno.
static int probe_opcodes(int fd, int *missing)
{
    enum { OPCODES = 256 };
    *missing = -1;
    size_t bytes = sizeof(struct io_uring_probe) + OPCODES * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = calloc(1, bytes);
    if (probe == NULL) return -ENOMEM;

    int rc = zp_uring_register(fd, IORING_REGISTER_PROBE, probe, OPCODES);
    if (rc < 0) goto out;
    rc = 0;
    for (size_t i = 0; i < sizeof opcodes_needed; i++) {
        uint8_t opcode = opcodes_needed[i];
        bool known = opcode <= probe->last_op;
        if (known && (probe->ops[opcode].flags & IO_URING_OP_SUPPORTED)) continue;
        *missing = opcode;
        rc = -ENOSYS;
        goto out;
    }

out:
    free(probe);
    return rc;
}

static int probe_buffer_ring(int fd)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    struct io_uring_buf_reg request = { .ring_addr = (uintptr_t)memory, .ring_entries = 1 };
    int rc = zp_uring_register(fd, IORING_REGISTER_PBUF_RING, &request, 1);
    if (rc == 0) zp_uring_register(fd, IORING_UNREGISTER_PBUF_RING, &request, 1);
    munmap(memory, 4096);
    return rc;
}

// The value of sysctl kernel.io_uring_disabled (6.6), or 0 when there is none.
static int uring_disabled(void)
{
    int value = 0;
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%d", &value) != 1) value = 0;
    fclose(file);
    return value;
}

#define SAY(field, ...) snprintf(field, sizeof field, __VA_ARGS__)

static void explain_setup(int error, struct zp_probe *probe)
{
    struct utsname system = { 0 };
    uname(&system);
    int disabled = uring_disabled();
    if (error == EPERM && disabled != 0) {
        SAY(probe->cause, "io_uring is disabled: sysctl kernel.io_uring_disabled is %d.", disabled);
        SAY(probe->remedy, "Run \"sysctl kernel.io_uring_disabled=0\" on the host.");
    } else if (error == EPERM || error == EACCES) {
        SAY(probe->cause, "io_uring is forbidden, most likely by a container's seccomp profile.");
        SAY(probe->remedy, "Allow io_uring_setup, io_uring_enter and io_uring_register in the "
                           "profile, for example with \"--security-opt seccomp=FILE\".");
    } else if (error == ENOSYS) {
        SAY(probe->cause, "This kernel (%.64s) has no io_uring, or a sandbox hides it.",
            system.release);
        SAY(probe->remedy, "Run a kernel from 6.1 on with CONFIG_IO_URING, outside the sandbox.");
    } else if (error == EINVAL) {
        SAY(probe->cause, "This kernel (%.64s) is older than 6.1.", system.release);
        SAY(probe->remedy, "Upgrade the kernel to 6.1 or newer.");
    } else {
        SAY(probe->cause, "io_uring_setup failed: %.64s.", strerror(error));
        SAY(probe->remedy, "Raise the limits for open files and locked memory, then start again.");
    }
}

int zp_probe_kernel(struct zp_probe *probe)
{
    *probe = (struct zp_probe){ 0 };
    int missing = -1;
    struct io_uring_params params = { .flags = ZP_URING_SETUP_FLAGS, .cq_entries = 4 };
    int fd = zp_uring_setup(2, &params);
    int rc = fd;
    if (fd < 0) {
        explain_setup(-fd, probe);
        goto out;
    }

    const char *upgrade = "Upgrade the kernel to 6.1 or newer, or lift the sandbox's restrictions.";
    rc = -ENOSYS;
    if ((params.features & ZP_URING_FEATURES) != ZP_URING_FEATURES) {
        SAY(probe->cause, "io_uring lacks features: it has %#x and needs %#x.",
            (unsigned)params.features, (unsigned)ZP_URING_FEATURES);
        SAY(probe->remedy, "%s", upgrade);
        goto out;
    }
    rc = probe_opcodes(fd, &missing);
    if (rc < 0) {
        if (missing >= 0) SAY(probe->cause, "io_uring lacks the operation number %d.", missing);
        else SAY(probe->cause, "io_uring cannot be probed: %.64s.", strerror(-rc));
        SAY(probe->remedy, "%s", upgrade);
        goto out;
    }
    rc = probe_buffer_ring(fd);
    if (rc < 0) {
        SAY(probe->cause, "io_uring refuses provided-buffer rings: %.64s.", strerror(-rc));
        SAY(probe->remedy, "%s", upgrade);
    }

out:
    if (fd >= 0) close(fd);
    return rc;
}
