// Holds native/abi.ts against the headers of the system. No code: it compiles or it does not.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define ZP_ABI_ASSERT
#include "abi.generated.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "u64 fields are written low word first");
_Static_assert(sizeof(void *) == 8, "addresses are two u32 words");
