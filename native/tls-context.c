#define _GNU_SOURCE
#include "tls-context.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "ktls.h"
#include "tls-tickets.h"
#include "tls.h"

// Mozilla's "intermediate" list without finite-field Diffie-Hellman, whose handshakes cost the
// server far more than the client that asks for them. The client's order decides.
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"
// OpenSSL 3.5 has the hybrid group; older ones refuse the whole list for it.
#define GROUPS_HYBRID "X25519MLKEM768:" GROUPS
// No SHA-1, which OpenSSL still offers by default.
#define SIGNATURES                                                                                 \
    "ed25519:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:" \
    "RSA+SHA256:RSA+SHA384:RSA+SHA512"

struct entry {
    char *name;
    SSL_CTX *context; // NULL: the context that holds the entry
};

// Goes with its SSL_CTX, through `ex_data`, when the last connection has let go of that.
struct names {
    size_t count;
    struct entry *entries; // sorted
};

struct context {
    SSL_CTX *ssl;
    struct names *names;
    bool server;
};

static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct context contexts[ZP_TLS_CONTEXT_COUNT_MAX];
static pthread_once_t names_once = PTHREAD_ONCE_INIT;
static int names_index = -1;
static _Thread_local char error_text[ZP_TLS_ERROR_BYTES_MAX];

// ── Errors ─────────────────────────────────────────────────────────────────────────────────────

void zp_tls_note_error(const SSL *ssl)
{
    const char *reason = NULL;
    if (ssl != NULL && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0) {
        long verdict = SSL_get_verify_result(ssl);
        if (verdict != X509_V_OK) reason = X509_verify_cert_error_string(verdict);
    }
    if (reason == NULL) reason = ERR_reason_error_string(ERR_peek_error());
    snprintf(error_text, sizeof error_text, "%s", reason == NULL ? "" : reason);
    ERR_clear_error();
}

const char *zp_tls_error(void) { return error_text; }

// ── Names ──────────────────────────────────────────────────────────────────────────────────────

static void free_names(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                       void *pointer)
{
    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    struct names *names = data;
    if (names == NULL) return;
    for (size_t i = 0; i < names->count; i++) {
        free(names->entries[i].name);
        SSL_CTX_free(names->entries[i].context);
    }
    free(names->entries);
    free(names);
}

static void make_names_index(void)
{
    names_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_names);
}

// Where `name` stands, or would have to be put in. True: it stands there.
static bool find_name(const struct names *names, const char *name, size_t *at)
{
    size_t low = 0;
    size_t high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcasecmp(name, names->entries[middle].name);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    *at = low;
    return false;
}

// The first label of `name` replaced by "*", or NULL when there is none to replace.
static const char *wildcard_of(const char *name, char *text, size_t bytes)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || dot == name) return NULL;
    int length = snprintf(text, bytes, "*%s", dot);
    return length > 0 && (size_t)length < bytes ? text : NULL;
}

// Never refuses: a name nobody knows gets the default certificate.
static int choose_certificate(SSL *ssl, int *alert, void *argument)
{
    (void)alert;
    const struct names *names = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char text[256];
    size_t at = 0;
    if (name == NULL) return SSL_TLSEXT_ERR_NOACK;
    if (!find_name(names, name, &at)) {
        name = wildcard_of(name, text, sizeof text);
        if (name == NULL || !find_name(names, name, &at)) return SSL_TLSEXT_ERR_NOACK;
    }
    SSL_CTX *chosen = names->entries[at].context;
    if (chosen != NULL) SSL_set_SSL_CTX(ssl, chosen);
    return SSL_TLSEXT_ERR_OK;
}

static int add_name(struct names *names, const char *name, SSL_CTX *context)
{
    size_t at = 0;
    if (find_name(names, name, &at)) return 0;
    struct entry *entries = realloc(names->entries, (names->count + 1) * sizeof *entries);
    if (entries == NULL) return -ENOMEM;
    names->entries = entries;
    char *copy = strdup(name);
    if (copy == NULL) return -ENOMEM;
    memmove(entries + at + 1, entries + at, (names->count - at) * sizeof *entries);
    if (context != NULL) SSL_CTX_up_ref(context);
    entries[at] = (struct entry){ .name = copy, .context = context };
    names->count++;
    return 0;
}

int zp_tls_context_name(int handle, const char *name, int other)
{
    SSL_CTX *chosen = zp_tls_context_at(other);
    if (zp_tls_context_at(handle) == NULL || chosen == NULL) return -EINVAL;
    return add_name(contexts[handle].names, name, handle == other ? NULL : chosen);
}

// ── Contexts ───────────────────────────────────────────────────────────────────────────────────

SSL_CTX *zp_tls_context_at(int handle)
{
    return handle < 0 || handle >= ZP_TLS_CONTEXT_COUNT_MAX ? NULL : contexts[handle].ssl;
}

bool zp_tls_context_is_server(int handle)
{
    return zp_tls_context_at(handle) != NULL && contexts[handle].server;
}

static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
                           const unsigned char *offered, unsigned offered_bytes, void *argument)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)argument;
    // RFC 7301 section 3.2: without a protocol in common the handshake fails.
    int rc = SSL_select_next_proto((unsigned char **)chosen, chosen_bytes, ours, sizeof ours - 1,
                                   offered, offered_bytes);
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_up(SSL_CTX *ssl, bool tls13_only)
{
    // Buffers of idle connections are given back. An unlisted option: no renegotiation (RFC 5746
    // is no cure for its cost), no compression (CRIME).
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_min_proto_version(ssl, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1 &&
           (SSL_CTX_set1_groups_list(ssl, GROUPS_HYBRID) == 1 ||
            SSL_CTX_set1_groups_list(ssl, GROUPS) == 1) &&
           SSL_CTX_set1_sigalgs_list(ssl, SIGNATURES) == 1;
}

static bool set_up_server(SSL_CTX *ssl, struct names *names)
{
    static const unsigned char session_context[] = "zproxy";
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ssl, names);
    return SSL_CTX_set_session_id_context(ssl, session_context, sizeof session_context - 1) == 1 &&
           zp_tls_tickets_prepare(ssl) == 0;
}

static bool set_up_client(SSL_CTX *ssl)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    zp_tls_keep_sessions(ssl);
    return SSL_CTX_set_alpn_protos(ssl, protocols, sizeof protocols - 1) == 0;
}

static int enter(struct context context)
{
    int handle = -EMFILE;
    pthread_mutex_lock(&contexts_lock);
    for (int i = 0; i < ZP_TLS_CONTEXT_COUNT_MAX; i++) {
        if (contexts[i].ssl != NULL) continue;
        contexts[i] = context;
        handle = i;
        break;
    }
    pthread_mutex_unlock(&contexts_lock);
    return handle;
}

int zp_tls_context_new(bool server, bool tls13_only)
{
    int rc = -ENOMEM;
    pthread_once(&names_once, make_names_index);
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    struct names *names = calloc(1, sizeof *names);
    if (ssl == NULL || names == NULL) goto out;
    if (SSL_CTX_set_ex_data(ssl, names_index, names) != 1) goto out;
    struct context context = { .ssl = ssl, .names = names, .server = server };
    names = NULL; // the context's now

    rc = -EINVAL;
    if (!set_up(ssl, tls13_only)) goto out;
    if (!(server ? set_up_server(ssl, context.names) : set_up_client(ssl))) goto out;
    rc = enter(context);
out:
    if (rc < 0) {
        zp_tls_note_error(NULL);
        free(names);
        SSL_CTX_free(ssl);
    }
    ERR_clear_error();
    return rc;
}

int zp_tls_context_free(int handle)
{
    if (zp_tls_context_at(handle) == NULL) return -EINVAL;
    pthread_mutex_lock(&contexts_lock);
    SSL_CTX *ssl = contexts[handle].ssl;
    contexts[handle] = (struct context){ 0 };
    pthread_mutex_unlock(&contexts_lock);
    SSL_CTX_free(ssl);
    return 0;
}

// ── Certificates ───────────────────────────────────────────────────────────────────────────────

// No passphrase: asking for one would block on the terminal.
static int refuse_passphrase(char *text, int bytes, int writing, void *argument)
{
    (void)text, (void)bytes, (void)writing, (void)argument;
    return 0;
}

// Whether reading has stopped because no certificate follows, and not at one that can't be read.
static bool is_end(void)
{
    unsigned long error = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (ended) ERR_clear_error();
    return ended;
}

static bool add_chain(SSL_CTX *context, BIO *pem)
{
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509(pem, NULL, refuse_passphrase, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(context, certificate) == 1) continue;
        X509_free(certificate);
        return false;
    }
    return is_end();
}

int zp_tls_context_certificate(int handle, const void *chain, size_t chain_bytes, const void *key,
                               size_t key_bytes)
{
    SSL_CTX *context = zp_tls_context_at(handle);
    if (context == NULL || chain_bytes > INT_MAX || key_bytes > INT_MAX) return -EINVAL;
    ERR_clear_error();
    X509 *certificate = NULL;
    EVP_PKEY *private_key = NULL;
    BIO *chain_bio = BIO_new_mem_buf(chain, (int)chain_bytes);
    BIO *key_bio = BIO_new_mem_buf(key, (int)key_bytes);
    bool done = false;
    if (chain_bio == NULL || key_bio == NULL) goto out;
    certificate = PEM_read_bio_X509_AUX(chain_bio, NULL, refuse_passphrase, NULL);
    private_key = PEM_read_bio_PrivateKey(key_bio, NULL, refuse_passphrase, NULL);
    if (certificate == NULL || private_key == NULL) goto out;
    done = SSL_CTX_use_certificate(context, certificate) == 1 && add_chain(context, chain_bio) &&
           SSL_CTX_use_PrivateKey(context, private_key) == 1 &&
           SSL_CTX_check_private_key(context) == 1;
out:
    zp_tls_note_error(NULL);
    X509_free(certificate);
    EVP_PKEY_free(private_key);
    BIO_free(chain_bio);
    BIO_free(key_bio);
    return done ? 0 : -EINVAL;
}

int zp_tls_context_certificate_of(int handle, int other)
{
    SSL_CTX *context = zp_tls_context_at(handle);
    SSL_CTX *source = zp_tls_context_at(other);
    if (context == NULL || source == NULL) return -EINVAL;
    STACK_OF(X509) *chain = NULL;
    ERR_clear_error();
    X509 *certificate = SSL_CTX_get0_certificate(source);
    EVP_PKEY *private_key = SSL_CTX_get0_privatekey(source);
    bool done = certificate != NULL && private_key != NULL &&
                SSL_CTX_use_certificate(context, certificate) == 1 &&
                SSL_CTX_get0_chain_certs(source, &chain) == 1 &&
                SSL_CTX_set1_chain(context, chain) == 1 &&
                SSL_CTX_use_PrivateKey(context, private_key) == 1;
    zp_tls_note_error(NULL);
    return done ? 0 : -EINVAL;
}

int zp_tls_context_kernel(int handle)
{
    SSL_CTX *context = zp_tls_context_at(handle);
    if (context == NULL) return -EINVAL;
    zp_ktls_prepare(context);
    return 0;
}

int zp_tls_context_roots(int handle, const void *pem, size_t bytes)
{
    SSL_CTX *context = zp_tls_context_at(handle);
    if (context == NULL || bytes > INT_MAX) return -EINVAL;
    BIO *bio = BIO_new_mem_buf(pem, (int)bytes);
    if (bio == NULL) return -ENOMEM;
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509 *certificate;
    int count = 0;
    ERR_clear_error();
    while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, refuse_passphrase, NULL)) != NULL) {
        if (X509_STORE_add_cert(store, certificate) == 1) count++;
        X509_free(certificate);
    }
    if (!is_end()) count = -EINVAL;
    zp_tls_note_error(NULL);
    BIO_free(bio);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return count;
}
