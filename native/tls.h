// TLS connections in user space: bytes of records in, bytes of records out, no descriptor. Known by
// a handle among their owner's; only the owner's thread uses them, and the main thread once that
// has ended.
#ifndef ZP_TLS_H
#define ZP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "abi.generated.h"

// A server's side. Returns the connection's handle or -errno.
int zp_tls_accept(int owner, int context);

// Connections of such a context, a client's, keep the last session of their peer.
void zp_tls_keep_sessions(SSL_CTX *context);

// A server to connect to, whose last session is kept for resumption: `host` is asked for and
// verified as the context says. Returns its handle among the owner's peers, or -errno.
int zp_tls_peer(int owner, int context, const char *host);

// A client's side. Returns the connection's handle or -errno.
int zp_tls_connect(int owner, int peer);

// One step: see tlsStep in runtime/native.ts. All ranges in `words` have been checked against
// `memory`.
int zp_tls_step(int owner, uint8_t *memory, uint32_t *words);

struct zp_tls_facts {
    const char *version;
    const char *cipher;
    const char *server_name;
    int resumed;
};

// Facts about a connection whose handshake is done; 0 or -EINVAL. The texts live as long as it.
int zp_tls_facts(int owner, int handle, struct zp_tls_facts *facts);

// Gives a direction of the connection to the kernel: see zp_ktls_start.
int zp_tls_to_kernel(int owner, int handle, int fd, bool input);

// See zp_ktls_input_rest.
int zp_tls_input_rest(int owner, int handle);

int zp_tls_free(int owner, int handle);

// Leaves a connection, or ZP_TLS_IN_KERNEL, to whoever gets its descriptor next. 0 or -EINVAL.
int zp_tls_leave(int owner, int handle, int fd);

// Takes up what was left with a descriptor, in any thread. Returns its handle or -errno; -ENOENT:
// nothing was.
int zp_tls_take_up(int owner, int fd);

// Frees what was left with a descriptor that is closed instead.
void zp_tls_forget(int fd);

// Connections of all owners that have been made and not freed, those on their way included.
int zp_tls_count(void);

// Frees every connection and peer of a dead worker.
void zp_tls_release(int owner);

#endif
