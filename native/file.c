#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

// O_NONBLOCK: opening a pipe must not wait for its writer. O_NOCTTY: no terminal becomes ours.
#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

int zp_file_open_root(const char *path)
{
    struct stat status;
    int rc = 0;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) return fd;
    if (errno != ENOTDIR) return -errno;

    fd = open(path, READ_FLAGS);
    if (fd < 0) return -errno;
    if (fstat(fd, &status) < 0) rc = -errno;
    else if (!S_ISREG(status.st_mode)) rc = -EINVAL;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int zp_file_status(int fd, double *words)
{
    struct stat status;
    if (fstat(fd, &status) < 0) return -errno;
    words[ZP_FILE_STATUS_SIZE] = (double)status.st_size;
    words[ZP_FILE_STATUS_MTIME_SECS] = (double)status.st_mtim.tv_sec;
    words[ZP_FILE_STATUS_MTIME_NANOS] = (double)status.st_mtim.tv_nsec;
    words[ZP_FILE_STATUS_IS_REGULAR] = S_ISREG(status.st_mode) ? 1 : 0;
    words[ZP_FILE_STATUS_IS_DIRECTORY] = S_ISDIR(status.st_mode) ? 1 : 0;
    return 0;
}

int zp_file_send(int socket_fd, int file_fd, int64_t offset, uint32_t count)
{
    off_t position = offset;
    ssize_t sent;
    do {
        sent = sendfile(socket_fd, file_fd, &position, count);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (int)sent;
}
