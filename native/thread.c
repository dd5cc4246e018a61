#define _GNU_SOURCE
#include "thread.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi.generated.h"

int zp_thread_cpus(int cpus[ZP_CPU_COUNT_MAX])
{
    int count = 0;
    size_t bytes = CPU_ALLOC_SIZE(ZP_CPU_COUNT_MAX);
    cpu_set_t *set = CPU_ALLOC(ZP_CPU_COUNT_MAX);
    if (set == NULL) return -ENOMEM;
    CPU_ZERO_S(bytes, set);
    if (sched_getaffinity(0, bytes, set) < 0) {
        count = -errno;
        goto out;
    }
    for (int cpu = 0; cpu < ZP_CPU_COUNT_MAX; cpu++) {
        if (CPU_ISSET_S(cpu, bytes, set)) cpus[count++] = cpu;
    }

out:
    CPU_FREE(set);
    return count;
}

int zp_thread_pin(int cpu)
{
    int rc = 0;
    size_t bytes = CPU_ALLOC_SIZE(ZP_CPU_COUNT_MAX);
    cpu_set_t *set = CPU_ALLOC(ZP_CPU_COUNT_MAX);
    if (set == NULL) return -ENOMEM;
    CPU_ZERO_S(bytes, set);
    if (cpu < 0 || cpu >= ZP_CPU_COUNT_MAX) {
        rc = -EINVAL;
        goto out;
    }
    CPU_SET_S(cpu, bytes, set);
    if (sched_setaffinity(0, bytes, set) < 0) rc = -errno;

out:
    CPU_FREE(set);
    return rc;
}

int zp_thread_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    rlim_t most = limit.rlim_max < ZP_OWNER_TABLE_BYTES ? limit.rlim_max : ZP_OWNER_TABLE_BYTES;
    if (limit.rlim_cur < most) {
        limit.rlim_cur = most;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    }
    return (int)(limit.rlim_cur < INT32_MAX ? limit.rlim_cur : INT32_MAX);
}

int zp_thread_open_files(void)
{
    // Not counted: ".", ".." and the descriptor that reads the directory.
    int count = -3;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) return -errno;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

void zp_thread_exit(int status)
{
    _exit(status);
}

int zp_thread_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int zp_thread_signal(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);
    if (written < 0) return -errno;
    return written == sizeof one ? 0 : -EINVAL;
}
