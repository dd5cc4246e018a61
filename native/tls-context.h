// What TLS connections are made with: protocol versions, certificates and keys, trusted roots.
// Known by handles; all threads share them. OpenSSL is Node's own: the executable exports it.
#ifndef ZP_TLS_CONTEXT_H
#define ZP_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "abi.generated.h"

// Makes a context; `tls13_only` refuses TLS 1.2. Returns its handle or -errno.
int zp_tls_context_new(bool server, bool tls13_only);

// Takes a certificate, its chain behind it, and its key, all PEM, beside those of other kinds of
// keys. Returns 0 or -EINVAL.
int zp_tls_context_certificate(int handle, const void *chain, size_t chain_bytes, const void *key,
                               size_t key_bytes);

// Takes the certificate, chain and key that another context has. Returns 0 or -EINVAL.
int zp_tls_context_certificate_of(int handle, int other);

// Clients that ask `handle` for a name get `other`'s certificate. `name` is in lower case, "*." at
// its start takes one label. The first entry of a name stays. Returns 0 or -errno.
int zp_tls_context_name(int handle, const char *name, int other);

// Connections that are made with it are to go to the kernel when their handshake is done.
int zp_tls_context_kernel(int handle);

// A client's: verify servers against these PEM certificates. Returns how many it took, or -errno;
// -EINVAL: one of them can't be read.
int zp_tls_context_roots(int handle, const void *pem, size_t bytes);

// Connections and peers that were made with it keep what they need; nobody may make another now.
int zp_tls_context_free(int handle);

// The context behind a handle, or NULL. The caller's thread must know that nobody frees it now.
SSL_CTX *zp_tls_context_at(int handle);
bool zp_tls_context_is_server(int handle);

// Notes why the last call of this thread failed, and empties OpenSSL's queue of errors.
void zp_tls_note_error(const SSL *ssl);

// The calling thread's last reason, "" when there is none.
const char *zp_tls_error(void);

#endif
