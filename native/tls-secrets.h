// Wipes the secrets of a TLS 1.3 connection where OpenSSL leaves them. It keeps the whole key
// schedule (RFC 8446 §7.1) in the SSL and gives that memory back as it is; keys and sessions it
// wipes itself, but for what is left of them on the stack.
//
// No function of OpenSSL's tells where they lie, so that is looked for once, in the first handshake
// of the process, and believed only when what is found proves to be a key schedule. Where it does
// not, or the memory is not malloc's, nothing is wiped.
#ifndef ZP_TLS_SECRETS_H
#define ZP_TLS_SECRETS_H

#include <openssl/ssl.h>

// In OpenSSL's order, the ones that are named here. From and up to one of them may be wiped.
enum zp_tls_secret {
    ZP_TLS_SECRET_EARLY,
    ZP_TLS_SECRET_HANDSHAKE,
    ZP_TLS_SECRET_MASTER,
    ZP_TLS_SECRET_RESUMPTION,
    ZP_TLS_SECRET_CLIENT_FINISHED,
    ZP_TLS_SECRET_SERVER_FINISHED,
    ZP_TLS_HASH_SERVER_FINISHED, // of what was said, and so is the next
    ZP_TLS_HASH_SERVER_HELLO,
    ZP_TLS_SECRET_CLIENT_TRAFFIC,
    ZP_TLS_SECRET_SERVER_TRAFFIC,
    ZP_TLS_SECRET_EXPORTER,
    ZP_TLS_SECRET_COUNT,
};

// To be called when a handshake is done: wipes what was for that alone.
void zp_tls_secrets_shaken(SSL *ssl);

// Wipes those from `first` to `last`; `ssl` can't do any more what it needs them for.
void zp_tls_secrets_wipe(SSL *ssl, enum zp_tls_secret first, enum zp_tls_secret last);

// Wipes what OpenSSL's functions have left on the stack, some of which hold keys there.
void zp_tls_secrets_wipe_stack(void);

#endif
