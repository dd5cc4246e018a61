// What file routes name, and the files below it. Every call returns a value >= 0 or -errno.
#ifndef ZP_FILE_H
#define ZP_FILE_H

#include <stdint.h>

#include "abi.generated.h"

// Opens what a route names: a directory with O_PATH, a regular file for reading. -EINVAL for
// anything else (a device, a pipe, a socket).
int zp_file_open_root(const char *path);

// Writes ZP_FILE_STATUS_WORDS doubles.
int zp_file_status(int fd, double *words);

// sendfile(2) from `offset`, which the descriptor's own position does not follow.
int zp_file_send(int socket_fd, int file_fd, int64_t offset, uint32_t count);

#endif
