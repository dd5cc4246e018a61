#define _GNU_SOURCE
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Reads a literal address. Returns the length of the sockaddr, or -EINVAL.
static int parse(const char *text, int port, union address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        return sizeof address->v4;
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)port);
        return sizeof address->v6;
    }
    return -EINVAL;
}

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

// What every connection has; those that are accepted take it over from their listener. A peer that
// has vanished without a word, as when its power goes, would keep a tunnel for ever: the kernel
// asks after a silent minute, and gives it up a minute later.
static int set_connection_options(int fd)
{
    int rc = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0) rc = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (rc == 0) rc = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    if (rc == 0) rc = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 20);
    if (rc == 0) rc = set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    return rc;
}

static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) return -errno;
    int rc = set_connection_options(fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

// Binds a listener. With SO_REUSEPORT the kernel may pick, for port 0, a port that another process
// listens on with the option too: there it is set when the port is ours alone.
static int bind_listener(int fd, const union address *address, int length, bool port_given)
{
    int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && port_given) rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && address->any.sa_family == AF_INET6) {
        bool wildcard = IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
        rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, wildcard ? 0 : 1);
    }
    if (rc == 0 && bind(fd, &address->any, (socklen_t)length) < 0) rc = -errno;
    if (rc == 0 && !port_given) rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return rc;
}

int zp_socket_listen(const char *text, int port, int backlog)
{
    union address address;
    int length = parse(text, port, &address);
    if (length < 0) return length;
    int fd = open_socket(address.any.sa_family);
    if (fd < 0) return fd;

    int rc = bind_listener(fd, &address, length, port != 0);
    if (rc == 0 && listen(fd, backlog) < 0) rc = -errno;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int zp_socket_attach_filter(int fd, const uint8_t *filter, unsigned count)
{
    struct sock_filter program[ZP_FILTER_COUNT_MAX];
    if (count > ZP_FILTER_COUNT_MAX) return -EINVAL;
    if (count == 0) {
        int none = 0;
        int gone = setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof none);
        return gone < 0 ? -errno : 0;
    }
    // The bytes come from JavaScript and may lie anywhere.
    memcpy(program, filter, count * sizeof *program);
    struct sock_fprog request = { .len = (unsigned short)count, .filter = program };
    int rc = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &request, sizeof request);
    return rc < 0 ? -errno : 0;
}

int zp_socket_adopt(int fd, uint8_t *memory)
{
    union address address = { .any.sa_family = AF_UNSPEC };
    socklen_t length = sizeof address;
    int listening = 0;
    socklen_t bytes = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) < 0) return -errno;
    if (listening == 0 || getsockname(fd, &address.any, &length) < 0) return -EINVAL;
    int family = address.any.sa_family;
    if (family != AF_INET && family != AF_INET6) return -EINVAL;

    int rc = set_connection_options(fd);
    if (rc < 0) return rc == -EOPNOTSUPP ? -EINVAL : rc;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    memcpy(memory, &address, length);
    return (int)length;
}

int zp_socket_notify(const char *name, const char *text)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof address.sun_path) return -EINVAL;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@') address.sun_path[0] = 0;

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent =
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, bytes);
    int rc = sent < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int zp_socket_port(int fd)
{
    union address address = { .any.sa_family = AF_UNSPEC };
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) < 0) return -errno;
    if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
    if (address.any.sa_family == AF_INET6) return ntohs(address.v6.sin6_port);
    return -EAFNOSUPPORT;
}

int zp_socket_open(bool ipv6)
{
    return open_socket(ipv6 ? AF_INET6 : AF_INET);
}

int zp_socket_write_address(void *memory, const char *text, int port)
{
    union address address;
    int length = parse(text, port, &address);
    if (length > 0) memcpy(memory, &address, (size_t)length);
    return length;
}

int zp_socket_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

int zp_socket_readable(int fd)
{
    struct pollfd request = { .fd = fd, .events = POLLIN };
    int count = poll(&request, 1, 0);
    return count < 0 ? -errno : count;
}

int zp_socket_unacknowledged(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -errno : bytes;
}

int zp_socket_peer(int fd, char *text)
{
    union address address = { .any.sa_family = AF_UNSPEC };
    socklen_t length = sizeof address;
    char printed[INET6_ADDRSTRLEN];
    if (getpeername(fd, &address.any, &length) < 0) return -errno;

    const void *binary = NULL;
    int family = address.any.sa_family;
    if (family == AF_INET) {
        binary = &address.v4.sin_addr;
    } else if (family == AF_INET6) {
        binary = &address.v6.sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr)) {
            family = AF_INET;
            binary = &address.v6.sin6_addr.s6_addr[12];
        }
    } else {
        return -EAFNOSUPPORT;
    }
    if (inet_ntop(family, binary, printed, sizeof printed) == NULL) return -errno;
    size_t bytes = strlen(printed);
    memcpy(text, printed, bytes);
    return (int)bytes;
}
