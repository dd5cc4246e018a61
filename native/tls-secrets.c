#define _GNU_SOURCE
#include "tls-secrets.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
    FIELD_BYTES = EVP_MAX_MD_SIZE,
    SCHEDULE_BYTES = ZP_TLS_SECRET_COUNT * FIELD_BYTES,
    // More than their calls go down.
    STACK_BYTES = 32 << 10,
    NOT_LOOKED_FOR = 0, // the SSL does not begin with them
    NOT_FOUND = -1,
};

static atomic_int schedule_at; // within an SSL

// The client's Finished, which is made of a secret and a hash of the schedule (RFC 8446 §4.4.4).
static bool proves_finished(const SSL *ssl, const uint8_t *schedule, const EVP_MD *digest)
{
    uint8_t sent[EVP_MAX_MD_SIZE];
    uint8_t made[EVP_MAX_MD_SIZE];
    const uint8_t *secret = schedule + ZP_TLS_SECRET_CLIENT_FINISHED * FIELD_BYTES;
    const uint8_t *hash = schedule + ZP_TLS_HASH_SERVER_FINISHED * FIELD_BYTES;
    int hash_bytes = EVP_MD_get_size(digest);
    size_t bytes = SSL_is_server(ssl) ? SSL_get_peer_finished(ssl, sent, sizeof sent) :
                                        SSL_get_finished(ssl, sent, sizeof sent);
    return bytes == (size_t)hash_bytes &&
           HMAC(digest, secret, hash_bytes, hash, bytes, made, NULL) != NULL &&
           memcmp(sent, made, bytes) == 0;
}

// Whether each field has a value of the hash's size, and nothing behind it.
static bool has_fields(const uint8_t *schedule, size_t hash_bytes)
{
    static const uint8_t zeros[FIELD_BYTES];
    for (int i = 0; i < ZP_TLS_SECRET_COUNT; i++) {
        const uint8_t *field = schedule + i * FIELD_BYTES;
        if (memcmp(field, zeros, hash_bytes) == 0) return false;
        if (memcmp(field + hash_bytes, zeros, FIELD_BYTES - hash_bytes) != 0) return false;
    }
    return true;
}

static int find_schedule(const SSL *ssl)
{
    static const uint8_t zeros[FIELD_BYTES];
    uint8_t early[EVP_MAX_MD_SIZE];
    CRYPTO_malloc_fn allocate = NULL;
    CRYPTO_get_mem_functions(&allocate, NULL, NULL);
    if (allocate != CRYPTO_malloc) return NOT_FOUND;
    const EVP_MD *digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
    int bytes = digest == NULL ? 0 : EVP_MD_get_size(digest);
    // Without a key shared before, the early secret is the same for all.
    if (bytes <= 0 || HMAC(digest, zeros, bytes, zeros, (size_t)bytes, early, NULL) == NULL)
        return NOT_FOUND;
    const uint8_t *memory = (const uint8_t *)ssl;
    size_t memory_bytes = malloc_usable_size((void *)ssl);
    const uint8_t *found = memmem(memory, memory_bytes, early, (size_t)bytes);
    if (found == NULL || memory_bytes - (size_t)(found - memory) < SCHEDULE_BYTES) return NOT_FOUND;
    bool is_proved = has_fields(found, (size_t)bytes) && proves_finished(ssl, found, digest);
    return is_proved ? (int)(found - memory) : NOT_FOUND;
}

void zp_tls_secrets_shaken(SSL *ssl)
{
    zp_tls_secrets_wipe_stack();
    if (SSL_version(ssl) != TLS1_3_VERSION) return;
    if (atomic_load(&schedule_at) == NOT_LOOKED_FOR && !SSL_session_reused(ssl))
        atomic_store(&schedule_at, find_schedule(ssl));
    zp_tls_secrets_wipe(ssl, ZP_TLS_SECRET_EARLY, ZP_TLS_SECRET_MASTER);
}

void zp_tls_secrets_wipe(SSL *ssl, enum zp_tls_secret first, enum zp_tls_secret last)
{
    int at = atomic_load(&schedule_at);
    if (at <= 0) return;
    uint8_t *schedule = (uint8_t *)ssl + at;
    OPENSSL_cleanse(schedule + first * FIELD_BYTES, (size_t)(last + 1 - first) * FIELD_BYTES);
}

__attribute__((noinline)) void zp_tls_secrets_wipe_stack(void)
{
    uint8_t stack[STACK_BYTES];
    OPENSSL_cleanse(stack, sizeof stack);
}
