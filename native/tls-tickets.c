#define _GNU_SOURCE
#include "tls-tickets.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>

enum {
    NAME_BYTES = 16, // RFC 5077 section 4, and OpenSSL's callback
    KEY_BYTES = 32,
    NONCE_BYTES = 16, // a block of AES
    REFUSED = -1,
    NO_KEY = 0,
    OPENED = 1,
    OPENED_AND_RENEWED = 2,
};

struct ticket_key {
    unsigned char name[NAME_BYTES];
    unsigned char cipher[KEY_BYTES];
    unsigned char mac[KEY_BYTES];
    unsigned char mask[KEY_BYTES];
    bool there;
};

// OpenSSL gives back the memory that holds a ticket's content as it is: before sealing, and after
// opening. So the master secret is masked there, and in the session between two callbacks.
struct sealing {
    struct ticket_key key;
    unsigned char mask[EVP_MAX_MD_SIZE];
    unsigned char nonce[NONCE_BYTES]; // of the mask and of the cipher
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ticket_key current;
static struct ticket_key previous;
static _Thread_local struct sealing sealing;

int zp_tls_tickets_change(void)
{
    struct ticket_key fresh = { .there = true };
    int rc = -EIO;
    if (RAND_bytes(fresh.name, sizeof fresh.name) == 1 &&
        RAND_priv_bytes(fresh.cipher, sizeof fresh.cipher) == 1 &&
        RAND_priv_bytes(fresh.mac, sizeof fresh.mac) == 1 &&
        RAND_priv_bytes(fresh.mask, sizeof fresh.mask) == 1) {
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

// A session's mask is made of the nonce that its ticket carries.
static bool make_mask(SSL_SESSION *session, const struct ticket_key *key, unsigned char *mask)
{
    void *nonce = NULL;
    size_t bytes = 0;
    return SSL_SESSION_get0_ticket_appdata(session, &nonce, &bytes) == 1 && bytes == NONCE_BYTES &&
           HMAC(EVP_sha512(), key->mask, sizeof key->mask, nonce, bytes, mask, NULL) != NULL;
}

// Masks the master secret, or takes the mask off.
static bool apply_mask(SSL_SESSION *session, const unsigned char *mask)
{
    unsigned char master[EVP_MAX_MD_SIZE];
    size_t bytes = SSL_SESSION_get_master_key(session, master, sizeof master);
    for (size_t i = 0; i < bytes; i++) master[i] ^= mask[i];
    bool done = SSL_SESSION_set1_master_key(session, master, bytes) == 1;
    OPENSSL_cleanse(master, sizeof master);
    return done;
}

// A ticket is about to be written.
static int before_ticket(SSL *ssl, void *argument)
{
    (void)argument;
    SSL_SESSION *session = SSL_get_session(ssl);
    find_key(NULL, &sealing.key);
    return RAND_bytes(sealing.nonce, NONCE_BYTES) == 1 &&
           SSL_SESSION_set1_ticket_appdata(session, sealing.nonce, NONCE_BYTES) == 1 &&
           make_mask(session, &sealing.key, sealing.mask) && apply_mask(session, sealing.mask);
}

// It is written, and to be sealed.
static int seal_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                       EVP_MAC_CTX *mac)
{
    memcpy(name, sealing.key.name, NAME_BYTES);
    memcpy(iv, sealing.nonce, NONCE_BYTES);
    bool done = apply_mask(SSL_get_session(ssl), sealing.mask) &&
                set_keys(&sealing.key, iv, cipher, mac, true);
    OPENSSL_cleanse(&sealing, sizeof sealing);
    return done ? OPENED : REFUSED;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    struct ticket_key key;
    if (seals) return seal_ticket(ssl, name, iv, cipher, mac);
    int rc = find_key(name, &key);
    if (rc == NO_KEY) return rc;
    if (!set_keys(&key, iv, cipher, mac, false)) rc = REFUSED;
    OPENSSL_cleanse(&key, sizeof key);
    // With TLS 1.3 a ticket is to be used once (RFC 8446 appendix C.4).
    return rc == OPENED && SSL_version(ssl) == TLS1_3_VERSION ? OPENED_AND_RENEWED : rc;
}

// A ticket has been opened, or not.
static SSL_TICKET_RETURN after_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                      size_t name_bytes, SSL_TICKET_STATUS status, void *argument)
{
    (void)ssl, (void)argument;
    struct ticket_key key;
    unsigned char mask[EVP_MAX_MD_SIZE];
    bool renews = status == SSL_TICKET_SUCCESS_RENEW;
    SSL_TICKET_RETURN rc = SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!renews && status != SSL_TICKET_SUCCESS) return rc;
    if (name_bytes == NAME_BYTES && find_key(name, &key) != NO_KEY &&
        make_mask(session, &key, mask) && apply_mask(session, mask))
        rc = renews ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
    OPENSSL_cleanse(&key, sizeof key);
    OPENSSL_cleanse(mask, sizeof mask);
    return rc;
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
    bool done = SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1 &&
                SSL_CTX_set_session_ticket_cb(context, before_ticket, after_ticket, NULL) == 1;
    return done ? 0 : -EINVAL;
}
