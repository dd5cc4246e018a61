// Hands the keys of a TLS connection to the kernel (kTLS), so that its socket takes and gives plain
// text and sendfile(2) encrypts. Secrets never leave this unit: the key log callback stores them
// beside their SSL, the kernel's parameters are derived on the stack, and both are wiped after use.
//
// OpenSSL works on memory here, so it cannot do this itself. What it does not tell, the numbers of
// records that each key has protected, is counted from the record headers that it reports.
#ifndef ZP_KTLS_H
#define ZP_KTLS_H

#include <linux/tls.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZP_KTLS_SECRET_MAX = 48 };

// What the kernel wants to know of one direction; `bytes` of it are used.
struct zp_ktls_info {
    union {
        struct tls_crypto_info any;
        struct tls12_crypto_info_aes_gcm_128 aes128;
        struct tls12_crypto_info_aes_gcm_256 aes256;
        struct tls12_crypto_info_chacha20_poly1305 chacha;
    };
    size_t bytes;
};

// What the parameters of one direction are derived from.
struct zp_ktls_source {
    int version;          // TLS1_2_VERSION or TLS1_3_VERSION
    int cipher;           // TLS_CIPHER_* of linux/tls.h
    const EVP_MD *digest; // of the key schedule
    const uint8_t *secret; // 1.3: the direction's traffic secret; 1.2: the master secret
    size_t secret_bytes;
    const uint8_t *randoms; // 1.2: the server's random, then the client's
    bool of_client;         // the keys that the client writes with
    uint64_t sequence;      // records that were protected with them before
};

// Fills `info` or returns -errno. RFC 8446 §7.3; RFC 5246 §6.3 with RFC 5288 §3 and RFC 7905 §2.
int zp_ktls_derive(const struct zp_ktls_source *source, struct zp_ktls_info *info);

// Whether the kernel has kTLS (TCP_ULP, module tls): 0, or -ENOENT when it has not. Asking as root
// loads the module.
int zp_ktls_probe(void);

// Makes a connected socket one that can be given keys. Not later than that: once the peer's FIN has
// come the kernel refuses (-ENOTCONN). -ENOENT: the kernel has no kTLS.
int zp_ktls_attach(int fd);

// For a context whose connections are to go to the kernel.
void zp_ktls_prepare(SSL_CTX *context);

// Watches a connection of such a context, from before its handshake on; does nothing for others.
// What it keeps lives as long as `ssl`, or until zp_ktls_forget. Returns 0 or -ENOMEM.
int zp_ktls_watch(SSL *ssl);

// To be called from the connection's message callback.
void zp_ktls_note(const SSL *ssl, int writing, int type, const void *bytes, size_t count);

// Bytes until the input that `ssl` has read ends with a record: 0 at the border of two records. Of
// a record whose header is incomplete, it is what the header lacks.
int zp_ktls_input_rest(SSL *ssl);

// Gives one direction (TLS_TX or TLS_RX) of an attached socket to the kernel, when the handshake is
// complete. TLS_TX: all that `ssl` has written must have gone into the socket. TLS_RX: all that it
// was given must be read. After that `ssl` can't change the direction's keys any more: the secret
// for it is wiped. -EAGAIN: the input does not end with a record, or `ssl` holds some of it still;
// to be tried again. After all other errors what zp_ktls_watch keeps is wiped, and `ssl` goes on.
// -EOPNOTSUPP: not this cipher, version or extension.
int zp_ktls_start(SSL *ssl, int fd, int direction);

// Wipes what zp_ktls_watch keeps.
void zp_ktls_forget(SSL *ssl);

// Reads the record that made a receive fail with EIO: no data, but an alert or a message of the
// handshake. Returns its type (TLS ContentType) << 16 | first byte << 8 | second byte, or -errno.
int zp_ktls_read_control(int fd);

#endif
