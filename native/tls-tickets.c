#define _GNU_SOURCE
#include "tls-tickets.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

enum {
    NAME_BYTES = 16, // RFC 5077 section 4, and OpenSSL's callback
    KEY_BYTES = 32,
    REFUSED = -1,
    NO_KEY = 0,
    OPENED = 1,
    OPENED_AND_RENEWED = 2,
};

struct ticket_key {
    unsigned char name[NAME_BYTES];
    unsigned char cipher[KEY_BYTES];
    unsigned char mac[KEY_BYTES];
    bool there;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ticket_key current;
static struct ticket_key previous;

int zp_tls_tickets_change(void)
{
    struct ticket_key fresh = { .there = true };
    int rc = -EIO;
    if (RAND_bytes(fresh.name, sizeof fresh.name) == 1 &&
        RAND_priv_bytes(fresh.cipher, sizeof fresh.cipher) == 1 &&
        RAND_priv_bytes(fresh.mac, sizeof fresh.mac) == 1) {
        pthread_mutex_lock(&lock);
        previous = current; // over the one before it: nothing of that stays
        current = fresh;
        pthread_mutex_unlock(&lock);
        rc = 0;
    }
    OPENSSL_cleanse(&fresh, sizeof fresh);
    return rc;
}

// A copy of the key for a new ticket (`name` is NULL), or of the one that sealed an old one.
static int find_key(const unsigned char *name, struct ticket_key *key)
{
    int rc = NO_KEY;
    pthread_mutex_lock(&lock);
    if (name == NULL || CRYPTO_memcmp(name, current.name, NAME_BYTES) == 0) {
        *key = current;
        rc = OPENED;
    } else if (previous.there && CRYPTO_memcmp(name, previous.name, NAME_BYTES) == 0) {
        *key = previous;
        rc = OPENED_AND_RENEWED;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

// AES-256-CBC and HMAC-SHA-256, as RFC 5077 section 4 recommends.
static bool set_keys(const struct ticket_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, bool seals)
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seals) == 1 &&
           EVP_MAC_init(mac, key->mac, sizeof key->mac, params) == 1;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    struct ticket_key key;
    int rc = find_key(seals ? NULL : name, &key);
    if (rc == NO_KEY) return rc;
    if (seals) memcpy(name, key.name, NAME_BYTES);
    bool ready = !seals || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1;
    if (!ready || !set_keys(&key, iv, cipher, mac, seals)) rc = REFUSED;
    OPENSSL_cleanse(&key, sizeof key);
    // With TLS 1.3 a ticket is to be used once (RFC 8446 appendix C.4).
    return rc == OPENED && !seals && SSL_version(ssl) == TLS1_3_VERSION ? OPENED_AND_RENEWED : rc;
}

int zp_tls_tickets_prepare(SSL_CTX *context)
{
    pthread_mutex_lock(&lock);
    bool there = current.there;
    pthread_mutex_unlock(&lock);
    // Contexts are the main thread's to make: nobody else makes the first keys at the same time.
    int rc = there ? 0 : zp_tls_tickets_change();
    if (rc < 0) return rc;
    SSL_CTX_set_timeout(context, ZP_TLS_SESSION_SECS);
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1 ? 0 : -EINVAL;
}
