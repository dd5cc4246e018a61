// TCP sockets and their addresses. Every call returns a value >= 0 or -errno.
#ifndef ZP_SOCKET_H
#define ZP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.generated.h"

// A non-blocking socket that listens on a literal address, with SO_REUSEADDR, SO_REUSEPORT and
// TCP_NODELAY (which accepted sockets inherit). "::" takes IPv4 clients too (IPV6_V6ONLY off); any
// other IPv6 address is IPv6 only.
int zp_socket_listen(const char *address, int port, int backlog);

// Lets a classic BPF program (`count` times struct sock_filter, at most ZP_FILTER_COUNT_MAX) choose
// the socket of the listener's group that a new connection goes to (SO_ATTACH_REUSEPORT_CBPF, 4.5).
// None: the kernel's hash chooses again (SO_DETACH_REUSEPORT_BPF, 5.3).
int zp_socket_attach_filter(int fd, const uint8_t *filter, unsigned count);

// Takes over a listening TCP socket that another process has made: non-blocking from now on, closed
// on exec, with the options of every connection. Writes its own sockaddr (at most
// ZP_SOCKADDR_BYTES_MAX) and returns the length. -EINVAL: it is something else.
int zp_socket_adopt(int fd, uint8_t *memory);

// Sends a datagram to a Unix socket; "@" begins an abstract name. 0 or -errno.
int zp_socket_notify(const char *address, const char *text);

// The port a socket is bound to.
int zp_socket_port(int fd);

// A non-blocking TCP socket with TCP_NODELAY.
int zp_socket_open(bool ipv6);

// Sends a FIN. Not through the ring: it hands SHUTDOWN to a thread that looks the descriptor up
// late, when it may be another connection's.
int zp_socket_shutdown_write(int fd);

// 1 when a receive would bring something now: bytes, an end or an error. Otherwise 0.
int zp_socket_readable(int fd);

// Bytes that have been sent and that the peer has not acknowledged.
int zp_socket_unacknowledged(int fd);

// Writes a sockaddr (at most ZP_SOCKADDR_BYTES_MAX) for a literal address; returns its length.
int zp_socket_write_address(void *memory, const char *address, int port);

// Writes the peer's address as text, at most ZP_ADDRESS_TEXT_BYTES_MAX bytes and without a NUL at
// the end of the returned length. IPv4-mapped addresses are written as IPv4.
int zp_socket_peer(int fd, char *text);

#endif
