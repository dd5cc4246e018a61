// The keys of session tickets: one set for all servers' contexts of the process, so that every
// worker resumes what another one began, and new contexts what old ones did. Made here, changed
// now and then, and never handed out. What a ticket holds stays in freed memory, without the master
// secret: the keys mask that.
#ifndef ZP_TLS_TICKETS_H
#define ZP_TLS_TICKETS_H

#include <openssl/ssl.h>

enum {
    // How long a session may be resumed. A key seals for as long, if the keys change at this pace,
    // and the key before it, which still opens, has then opened the last of its sessions.
    ZP_TLS_SESSION_SECS = 7200,
};

// Has the tickets of a server's context sealed and opened here. Returns 0 or -errno.
int zp_tls_tickets_prepare(SSL_CTX *context);

// Makes new keys for new tickets. The ones before open theirs until the next change, then they are
// wiped. Returns 0 or -EIO: there was no randomness, and all stays as it is.
int zp_tls_tickets_change(void);

#endif
