#define _GNU_SOURCE
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "ktls.h"
#include "tls-context.h"
#include "tls-secrets.h"

// A record is longer than its content by at most this, and by an answer to a key update before it.
#define RECORD_GROWTH_MAX 256

struct peer {
    SSL_CTX *context;
    SSL_SESSION *session;
    char host[256];
};

// `input` and `output` are set during a step alone.
struct connection {
    SSL *ssl;
    struct peer *peer;
    const uint8_t *input;
    size_t input_left;
    uint8_t *output;
    size_t output_left;
    uint32_t messages;
    bool kernel_seals;
};

struct table {
    struct connection **connections;
    int connection_count;
    int first_free;
    struct peer **peers;
    int peer_count;
};

static struct table tables[ZP_OWNER_MAX + 1];
// Connections on their way from one owner to another, by descriptor.
static _Atomic(struct connection *) left[ZP_OWNER_TABLE_BYTES];
static atomic_int living; // connections that have been made and not freed
// Stands there for those whose TLS is all in the kernel.
static struct connection in_kernel;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

// ── The BIO between OpenSSL and the memory of a step ───────────────────────────────────────────

static int bio_read(BIO *bio, char *to, int bytes)
{
    struct connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (connection->input_left == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = (size_t)bytes < connection->input_left ? (size_t)bytes : connection->input_left;
    memcpy(to, connection->input, count);
    connection->input += count;
    connection->input_left -= count;
    return (int)count;
}

static int bio_write(BIO *bio, const char *from, int bytes)
{
    struct connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (connection->output_left == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    size_t count =
        (size_t)bytes < connection->output_left ? (size_t)bytes : connection->output_left;
    memcpy(connection->output, from, count);
    connection->output += count;
    connection->output_left -= count;
    return (int)count;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "zproxy");
    if (made == NULL) return;
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    method = made;
}

// ── Tables ─────────────────────────────────────────────────────────────────────────────────────

static struct connection *connection_at(int owner, int64_t handle)
{
    const struct table *table = &tables[owner];
    return handle < 0 || handle >= table->connection_count ? NULL : table->connections[handle];
}

static int enter(struct table *table, struct connection *connection)
{
    int handle = table->first_free;
    while (handle < table->connection_count && table->connections[handle] != NULL) handle++;
    if (handle == table->connection_count) {
        int count = handle == 0 ? 64 : handle * 2;
        struct connection **grown =
            realloc(table->connections, (size_t)count * sizeof *table->connections);
        if (grown == NULL) return -ENOMEM;
        memset(grown + handle, 0, (size_t)(count - handle) * sizeof *grown);
        table->connections = grown;
        table->connection_count = count;
    }
    table->connections[handle] = connection;
    table->first_free = handle + 1;
    return handle;
}

// Counts what a peer may send without end: key updates, tickets, attempts at renegotiation.
static void count_message(int writing, int version, int type, const void *bytes, size_t count,
                          SSL *ssl, void *argument)
{
    (void)version;
    struct connection *connection = argument;
    zp_ktls_note(ssl, writing, type, bytes, count);
    if (!writing && type == SSL3_RT_HANDSHAKE) connection->messages++;
}

static void drop(struct connection *connection)
{
    if (connection == NULL || connection == &in_kernel) return;
    // Or OpenSSL would spoil the session that is kept for the next connection.
    if (connection->ssl != NULL) {
        SSL_set_shutdown(connection->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        zp_tls_secrets_wipe(connection->ssl, ZP_TLS_SECRET_EARLY, ZP_TLS_SECRET_EXPORTER);
    }
    SSL_free(connection->ssl);
    zp_tls_secrets_wipe_stack();
    free(connection);
    atomic_fetch_sub(&living, 1);
}

static int open_connection(int owner, SSL_CTX *context, struct peer *peer)
{
    int rc = -ENOMEM;
    pthread_once(&method_once, make_method);
    if (method == NULL) return -ENOMEM;
    ERR_clear_error();
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return -ENOMEM;
    atomic_fetch_add(&living, 1);
    connection->ssl = SSL_new(context);
    BIO *bio = BIO_new(method);
    if (connection->ssl == NULL || bio == NULL) goto out;
    BIO_set_data(bio, connection);
    BIO_set_init(bio, 1);
    SSL_set_bio(connection->ssl, bio, bio);
    bio = NULL; // the connection's now
    connection->peer = peer;
    SSL_set_app_data(connection->ssl, connection);
    SSL_set_msg_callback(connection->ssl, count_message);
    SSL_set_msg_callback_arg(connection->ssl, connection);
    rc = zp_ktls_watch(connection->ssl);
    if (rc == 0) rc = enter(&tables[owner], connection);
out:
    zp_tls_note_error(NULL);
    BIO_free(bio);
    if (rc < 0) drop(connection);
    return rc;
}

int zp_tls_accept(int owner, int context)
{
    if (!zp_tls_context_is_server(context)) return -EINVAL;
    int handle = open_connection(owner, zp_tls_context_at(context), NULL);
    if (handle >= 0) SSL_set_accept_state(tables[owner].connections[handle]->ssl);
    return handle;
}

// Takes a connection out of its owner's table; NULL: there is none.
static struct connection *take_out(int owner, int handle)
{
    struct table *table = &tables[owner];
    struct connection *connection = connection_at(owner, handle);
    if (connection == NULL) return NULL;
    table->connections[handle] = NULL;
    if (handle < table->first_free) table->first_free = handle;
    return connection;
}

int zp_tls_free(int owner, int handle)
{
    struct connection *connection = take_out(owner, handle);
    if (connection == NULL) return -EINVAL;
    drop(connection);
    return 0;
}

int zp_tls_leave(int owner, int handle, int fd)
{
    if (fd < 0 || fd >= ZP_OWNER_TABLE_BYTES) return -EINVAL;
    struct connection *connection = &in_kernel;
    if (handle != ZP_TLS_IN_KERNEL) {
        connection = take_out(owner, handle);
        if (connection == NULL) return -EINVAL;
        connection->peer = NULL; // its owner's, and of no use to a server
    }
    drop(atomic_exchange(&left[fd], connection));
    return 0;
}

int zp_tls_take_up(int owner, int fd)
{
    if (fd < 0 || fd >= ZP_OWNER_TABLE_BYTES) return -EINVAL;
    struct connection *connection = atomic_exchange(&left[fd], NULL);
    if (connection == NULL) return -ENOENT;
    if (connection == &in_kernel) return ZP_TLS_IN_KERNEL;
    connection->messages = 0;
    int handle = enter(&tables[owner], connection);
    if (handle < 0) drop(connection);
    return handle;
}

int zp_tls_count(void) { return atomic_load(&living); }

void zp_tls_forget(int fd)
{
    if (fd < 0 || fd >= ZP_OWNER_TABLE_BYTES || atomic_load(&left[fd]) == NULL) return;
    drop(atomic_exchange(&left[fd], NULL));
}

void zp_tls_release(int owner)
{
    struct table *table = &tables[owner];
    for (int handle = 0; handle < table->connection_count; handle++)
        if (table->connections[handle] != NULL) zp_tls_free(owner, handle);
    for (int i = 0; i < table->peer_count; i++) {
        SSL_SESSION_free(table->peers[i]->session);
        SSL_CTX_free(table->peers[i]->context);
        free(table->peers[i]);
    }
    free(table->connections);
    free(table->peers);
    *table = (struct table){ 0 };
}

// ── Towards upstreams ──────────────────────────────────────────────────────────────────────────

// Keeps a session that the server offers; the next connection to it may resume there.
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct connection *connection = SSL_get_app_data(ssl);
    if (connection == NULL || connection->peer == NULL) return 0;
    SSL_SESSION_free(connection->peer->session);
    connection->peer->session = session;
    return 1;
}

void zp_tls_keep_sessions(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
}

int zp_tls_peer(int owner, int context, const char *host)
{
    struct table *table = &tables[owner];
    SSL_CTX *ssl = zp_tls_context_at(context);
    if (ssl == NULL || zp_tls_context_is_server(context)) return -EINVAL;
    if (strlen(host) >= sizeof ((struct peer *)NULL)->host) return -ENAMETOOLONG;
    struct peer **grown =
        realloc(table->peers, (size_t)(table->peer_count + 1) * sizeof *table->peers);
    if (grown == NULL) return -ENOMEM;
    table->peers = grown;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) return -ENOMEM;
    strcpy(peer->host, host);
    SSL_CTX_up_ref(ssl);
    peer->context = ssl;
    table->peers[table->peer_count] = peer;
    return table->peer_count++;
}

// Names are asked for (RFC 6066) and verified; addresses are verified only.
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool literal =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    if (literal) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

int zp_tls_connect(int owner, int peer_handle)
{
    const struct table *table = &tables[owner];
    if (peer_handle < 0 || peer_handle >= table->peer_count) return -EINVAL;
    struct peer *peer = table->peers[peer_handle];
    int handle = open_connection(owner, peer->context, peer);
    if (handle < 0) return handle;
    SSL *ssl = table->connections[handle]->ssl;
    SSL_set_connect_state(ssl);
    bool ready = expect_host(ssl, peer->host);
    if (ready && peer->session != NULL) ready = SSL_set_session(ssl, peer->session) == 1;
    if (ready) return handle;
    zp_tls_note_error(NULL);
    zp_tls_free(owner, handle);
    return -EINVAL;
}

// ── Steps ──────────────────────────────────────────────────────────────────────────────────────

static int outcome(const struct connection *connection, int result)
{
    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ: return ZP_TLS_WANT_INPUT;
    case SSL_ERROR_WANT_WRITE: return ZP_TLS_WANT_OUTPUT;
    case SSL_ERROR_ZERO_RETURN: return ZP_TLS_ENDED;
    default: return -EPROTO;
    }
}

static int handshake(struct connection *connection)
{
    int result = SSL_do_handshake(connection->ssl);
    if (result != 1) return outcome(connection, result);
    connection->messages = 0;
    zp_tls_secrets_shaken(connection->ssl);
    return ZP_TLS_DONE;
}

// Records in, content out, until one of them ends.
static int open_records(struct connection *connection, uint8_t *plain, uint32_t *plain_bytes)
{
    size_t room = *plain_bytes;
    size_t made = 0;
    int rc = ZP_TLS_DONE;
    while (made < room) {
        size_t count = 0;
        int result = SSL_read_ex(connection->ssl, plain + made, room - made, &count);
        if (result != 1) {
            rc = outcome(connection, result);
            break;
        }
        made += count;
        // Asking for what has not come costs OpenSSL a buffer and a walk through its layers.
        if (connection->input_left == 0 && SSL_pending(connection->ssl) == 0) break;
    }
    *plain_bytes = (uint32_t)made;
    // The answer to that, and what follows, would have to be sealed with new keys.
    if (connection->kernel_seals && SSL_get_key_update_type(connection->ssl) != SSL_KEY_UPDATE_NONE)
        return -EPROTO;
    if (rc == ZP_TLS_DONE && connection->input_left == 0 && SSL_pending(connection->ssl) == 0)
        rc = ZP_TLS_WANT_INPUT;
    return rc;
}

// Content in, whole records out, as many as there is room for.
static int seal_records(struct connection *connection, const uint8_t *plain, uint32_t *plain_bytes,
                        uint32_t record_bytes)
{
    size_t left = *plain_bytes;
    int rc = ZP_TLS_DONE;
    while (left > 0) {
        size_t count = left < record_bytes ? left : record_bytes;
        if (connection->output_left < count + RECORD_GROWTH_MAX) {
            rc = ZP_TLS_WANT_OUTPUT;
            break;
        }
        size_t written = 0;
        if (SSL_write_ex(connection->ssl, plain, count, &written) != 1 || written != count) {
            rc = -EPROTO;
            break;
        }
        plain += count;
        left -= count;
    }
    *plain_bytes -= (uint32_t)left;
    return rc;
}

int zp_tls_step(int owner, uint8_t *memory, uint32_t *words)
{
    struct connection *connection = connection_at(owner, words[ZP_TLS_WORD_HANDLE]);
    if (connection == NULL) return -EINVAL;
    connection->input = memory + words[ZP_TLS_WORD_INPUT];
    connection->input_left = words[ZP_TLS_WORD_INPUT_BYTES];
    connection->output = memory + words[ZP_TLS_WORD_OUTPUT];
    connection->output_left = words[ZP_TLS_WORD_OUTPUT_BYTES];
    uint8_t *plain = memory + words[ZP_TLS_WORD_PLAIN];
    uint32_t *plain_bytes = &words[ZP_TLS_WORD_PLAIN_BYTES];
    uint32_t record_bytes = words[ZP_TLS_WORD_RECORD_BYTES];
    int rc = -EINVAL;
    if (ERR_peek_error() != 0) ERR_clear_error(); // to look costs less than to clear
    switch (words[ZP_TLS_WORD_OP]) {
    case ZP_TLS_HANDSHAKE: rc = handshake(connection); break;
    case ZP_TLS_OPEN: rc = open_records(connection, plain, plain_bytes); break;
    case ZP_TLS_SEAL:
        if (record_bytes == 0 || record_bytes > SSL3_RT_MAX_PLAIN_LENGTH) break;
        rc = seal_records(connection, plain, plain_bytes, record_bytes);
        break;
    case ZP_TLS_END:
        // 0: ours is out, the peer's has not come. That is all we want of it.
        rc = SSL_shutdown(connection->ssl) < 0 ? -EPROTO : ZP_TLS_DONE;
        break;
    }
    if (rc == -EPROTO) zp_tls_note_error(connection->ssl);
    words[ZP_TLS_WORD_INPUT_BYTES] -= (uint32_t)connection->input_left;
    words[ZP_TLS_WORD_OUTPUT_BYTES] -= (uint32_t)connection->output_left;
    words[ZP_TLS_WORD_MESSAGES] = connection->messages;
    words[ZP_TLS_WORD_HELD] = (uint32_t)SSL_has_pending(connection->ssl);
    connection->input_left = 0;
    connection->output_left = 0;
    return rc;
}

int zp_tls_facts(int owner, int handle, struct zp_tls_facts *facts)
{
    const struct connection *connection = connection_at(owner, handle);
    if (connection == NULL || !SSL_is_init_finished(connection->ssl)) return -EINVAL;
    const SSL *ssl = connection->ssl;
    *facts = (struct zp_tls_facts){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
        .resumed = SSL_session_reused(ssl),
    };
    if (facts->server_name == NULL) facts->server_name = "";
    return 0;
}

int zp_tls_to_kernel(int owner, int handle, int fd, bool input)
{
    struct connection *connection = connection_at(owner, handle);
    if (connection == NULL) return -EINVAL;
    ERR_clear_error();
    int rc = zp_ktls_start(connection->ssl, fd, input ? TLS_RX : TLS_TX);
    zp_tls_note_error(NULL);
    if (rc == 0 && !input) connection->kernel_seals = true;
    return rc;
}

int zp_tls_input_rest(int owner, int handle)
{
    struct connection *connection = connection_at(owner, handle);
    return connection == NULL ? -EINVAL : zp_ktls_input_rest(connection->ssl);
}
