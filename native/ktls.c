#define _GNU_SOURCE
#include "ktls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls-secrets.h"

enum {
    KEY_MAX = 32,
    IV_MAX = 12,
    RANDOM_BYTES = 32,
    RECORD_HEADER_BYTES = 5,
    RECORD_BYTES_MAX = 16384,
    READ = 0, // as OpenSSL's message callback counts directions
    WRITE = 1,
};

// ── Key schedule ────────────────────────────────────────────────────────────────────────────────

static int run_kdf(const char *name, const OSSL_PARAM *params, uint8_t *out, size_t bytes)
{
    int rc = -ENOMEM;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    if (context != NULL) rc = EVP_KDF_derive(context, out, bytes, params) == 1 ? 0 : -EINVAL;
    EVP_KDF_CTX_free(context); // wipes its copy of the secret
    EVP_KDF_free(kdf);
    return rc;
}

static OSSL_PARAM octets(const char *name, const void *bytes, size_t length)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)bytes, length);
}

static OSSL_PARAM text(const char *name, const char *value)
{
    return OSSL_PARAM_construct_utf8_string(name, (char *)value, 0);
}

// HKDF-Expand-Label(secret, label, "", bytes), RFC 8446 §7.1.
static int expand_label(const struct zp_ktls_source *source, const char *label, uint8_t *out,
                        size_t bytes)
{
    static const char prefix[] = "tls13 ";
    const OSSL_PARAM params[] = {
        text(OSSL_KDF_PARAM_MODE, "EXPAND_ONLY"),
        text(OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(source->digest)),
        octets(OSSL_KDF_PARAM_KEY, source->secret, source->secret_bytes),
        octets(OSSL_KDF_PARAM_PREFIX, prefix, sizeof prefix - 1),
        octets(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };
    return run_kdf("TLS13-KDF", params, out, bytes);
}

// key_block of RFC 5246 §6.3, for ciphers without a MAC: both keys, then both IVs.
static int key_block(const struct zp_ktls_source *source, uint8_t *out, size_t bytes)
{
    static const char label[] = "key expansion";
    const OSSL_PARAM params[] = {
        text(OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(source->digest)),
        octets(OSSL_KDF_PARAM_SECRET, source->secret, source->secret_bytes),
        octets(OSSL_KDF_PARAM_SEED, label, sizeof label - 1),
        octets(OSSL_KDF_PARAM_SEED, source->randoms, 2 * RANDOM_BYTES),
        OSSL_PARAM_construct_end(),
    };
    return run_kdf("TLS1-PRF", params, out, bytes);
}

static int derive_12(const struct zp_ktls_source *source, uint8_t *key, size_t key_bytes,
                     uint8_t *iv, size_t iv_bytes)
{
    uint8_t block[2 * (KEY_MAX + IV_MAX)];
    size_t used = 2 * (key_bytes + iv_bytes);
    int rc = key_block(source, block, used);
    if (rc == 0) {
        size_t side = source->of_client ? 0 : 1;
        memcpy(key, block + side * key_bytes, key_bytes);
        memcpy(iv, block + 2 * key_bytes + side * iv_bytes, iv_bytes);
    }
    OPENSSL_cleanse(block, sizeof block);
    return rc;
}

static void write_sequence(uint8_t *out, uint64_t sequence)
{
    for (int i = 7; i >= 0; i--, sequence >>= 8) out[i] = (uint8_t)sequence;
}

// The two AES structs are alike but for the length of their keys.
#define FILL_AES(info, key_bytes, is_13, key, iv, number)                                          \
    do {                                                                                           \
        memcpy((info).key, key, key_bytes);                                                        \
        memcpy((info).salt, iv, sizeof(info).salt);                                                \
        write_sequence((info).rec_seq, number);                                                    \
        /* 1.2 sends this part of the nonce along (RFC 5288 §3): the number is as good as any. */  \
        if (is_13) memcpy((info).iv, (iv) + sizeof(info).salt, sizeof(info).iv);                   \
        else write_sequence((info).iv, number);                                                    \
    } while (0)

int zp_ktls_derive(const struct zp_ktls_source *source, struct zp_ktls_info *info)
{
    uint8_t key[KEY_MAX];
    uint8_t iv[IV_MAX];
    bool is_13 = source->version == TLS1_3_VERSION;
    bool is_chacha = source->cipher == TLS_CIPHER_CHACHA20_POLY1305;
    size_t key_bytes = source->cipher == TLS_CIPHER_AES_GCM_128 ? 16 : 32;
    int rc = 0;
    memset(info, 0, sizeof *info);
    if (is_13) {
        rc = expand_label(source, "key", key, key_bytes);
        if (rc == 0) rc = expand_label(source, "iv", iv, IV_MAX);
    } else {
        rc = derive_12(source, key, key_bytes, iv, is_chacha ? IV_MAX : 4);
    }
    if (rc < 0) goto out;

    info->any.version = is_13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
    info->any.cipher_type = (uint16_t)source->cipher;
    if (is_chacha) {
        memcpy(info->chacha.key, key, key_bytes);
        memcpy(info->chacha.iv, iv, IV_MAX);
        write_sequence(info->chacha.rec_seq, source->sequence);
        info->bytes = sizeof info->chacha;
    } else if (source->cipher == TLS_CIPHER_AES_GCM_128) {
        FILL_AES(info->aes128, key_bytes, is_13, key, iv, source->sequence);
        info->bytes = sizeof info->aes128;
    } else {
        FILL_AES(info->aes256, key_bytes, is_13, key, iv, source->sequence);
        info->bytes = sizeof info->aes256;
    }

out:
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(iv, sizeof iv);
    return rc;
}

// ── What is known of a connection ───────────────────────────────────────────────────────────────

struct watch {
    // TLS 1.3 traffic secrets. TLS 1.2 asks the session for its master secret.
    uint8_t secrets[2][ZP_KTLS_SECRET_MAX];
    size_t secret_bytes[2];
    // Records since the keys in force were put in force.
    uint64_t records[2];
    // Input up to the end of the record whose header was read last.
    uint64_t input_bytes;
    // OpenSSL has changed keys again, without telling them.
    bool updated;
};

static int watch_index = -1;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;

// Wipes the traffic secret of a direction, which OpenSSL needs for new keys alone.
static void wipe_secret(SSL *ssl, struct watch *watch, int direction)
{
    bool of_client = (direction == WRITE) != (SSL_is_server(ssl) == 1);
    int secret = of_client ? ZP_TLS_SECRET_CLIENT_TRAFFIC : ZP_TLS_SECRET_SERVER_TRAFFIC;
    zp_tls_secrets_wipe(ssl, secret, secret);
    OPENSSL_cleanse(watch->secrets[direction], ZP_KTLS_SECRET_MAX);
    watch->secret_bytes[direction] = 0;
}

static void free_watch(void *parent, void *watch, CRYPTO_EX_DATA *all, int index, long number,
                       void *argument)
{
    (void)parent, (void)all, (void)index, (void)number, (void)argument;
    OPENSSL_clear_free(watch, sizeof(struct watch));
}

static void make_index(void)
{
    watch_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_watch);
}

static struct watch *watch_of(const SSL *ssl)
{
    return watch_index < 0 ? NULL : SSL_get_ex_data(ssl, watch_index);
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

// Returns the number of bytes, 0 when the text is no hexadecimal number of a secret's length.
static size_t read_hex(const char *text, uint8_t out[ZP_KTLS_SECRET_MAX])
{
    size_t length = strlen(text);
    if (length % 2 != 0 || length > 2 * ZP_KTLS_SECRET_MAX) return 0;
    for (size_t i = 0; i < length / 2; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return length / 2;
}

// A line of the key log: "LABEL CLIENT_RANDOM SECRET", in the moment the secret is put in force.
static void on_key_log(const SSL *ssl, const char *line)
{
    static const char *const labels[] = { "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 " };
    struct watch *watch = watch_of(ssl);
    if (watch == NULL) return;
    for (int side = 0; side < 2; side++) {
        size_t length = strlen(labels[side]);
        if (strncmp(line, labels[side], length) != 0) continue;
        const char *secret = strchr(line + length, ' ');
        bool is_ours = (side == 1) == (SSL_is_server(ssl) == 1);
        int direction = is_ours ? WRITE : READ;
        watch->secret_bytes[direction] =
            secret == NULL ? 0 : read_hex(secret + 1, watch->secrets[direction]);
        watch->records[direction] = 0;
    }
}

void zp_ktls_note(const SSL *ssl, int direction, int type, const void *bytes, size_t count)
{
    struct watch *watch = watch_of(ssl);
    const uint8_t *message = bytes;
    if (watch == NULL) return;
    if (type == SSL3_RT_HANDSHAKE && count > 0 && message[0] == SSL3_MT_KEY_UPDATE) {
        watch->updated = true;
    }
    if (type != SSL3_RT_HEADER || count < RECORD_HEADER_BYTES) return;
    if (direction == READ) {
        watch->input_bytes += RECORD_HEADER_BYTES + ((size_t)message[3] << 8 | message[4]);
    }
    // In TLS 1.2 this record puts new keys in force; in 1.3 it means nothing.
    if (message[0] == SSL3_RT_CHANGE_CIPHER_SPEC) watch->records[direction] = 0;
    else watch->records[direction]++;
}

void zp_ktls_prepare(SSL_CTX *context)
{
    SSL_CTX_set_keylog_callback(context, on_key_log);
}

int zp_ktls_watch(SSL *ssl)
{
    if (SSL_CTX_get_keylog_callback(SSL_get_SSL_CTX(ssl)) == NULL) return 0;
    pthread_once(&watch_once, make_index);
    if (watch_index < 0) return -ENOMEM;
    struct watch *watch = OPENSSL_zalloc(sizeof *watch);
    if (watch == NULL || SSL_set_ex_data(ssl, watch_index, watch) != 1) {
        OPENSSL_free(watch);
        return -ENOMEM;
    }
    return 0;
}

void zp_ktls_forget(SSL *ssl)
{
    struct watch *watch = watch_of(ssl);
    if (watch == NULL) return;
    SSL_set_ex_data(ssl, watch_index, NULL);
    OPENSSL_clear_free(watch, sizeof *watch);
}

int zp_ktls_input_rest(SSL *ssl)
{
    const struct watch *watch = watch_of(ssl);
    if (watch == NULL) return 0;
    uint64_t read = BIO_number_read(SSL_get_rbio(ssl));
    if (read <= watch->input_bytes) return (int)(watch->input_bytes - read);
    return RECORD_HEADER_BYTES - (int)(read - watch->input_bytes);
}

// ── The kernel ──────────────────────────────────────────────────────────────────────────────────

int zp_ktls_attach(int fd)
{
    // TCP_ULP: 4.13, needs module tls, which only root makes the kernel load.
    return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls" - 1) < 0 ? -errno : 0;
}

int zp_ktls_probe(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) return -errno;
    int rc = zp_ktls_attach(fd);
    close(fd);
    return rc == -ENOTCONN ? 0 : rc; // found, and only for connected sockets
}

// The kernel's number for a cipher, or -EOPNOTSUPP.
static int cipher_of(const SSL_CIPHER *cipher)
{
    switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm: return TLS_CIPHER_AES_GCM_128;
    case NID_aes_256_gcm: return TLS_CIPHER_AES_GCM_256;
    case NID_chacha20_poly1305: return TLS_CIPHER_CHACHA20_POLY1305; // 5.11
    default: return -EOPNOTSUPP;
    }
}

static int check_eligible(SSL *ssl, const struct watch *watch, int direction)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const SSL_SESSION *session = SSL_get_session(ssl);
    int version = SSL_version(ssl);
    if (watch == NULL || cipher == NULL || session == NULL) return -EINVAL;
    if (SSL_is_init_finished(ssl) != 1) return -EINVAL;
    if (version != TLS1_2_VERSION && version != TLS1_3_VERSION) return -EOPNOTSUPP;
    if (watch->updated) return -EOPNOTSUPP;
    // The kernel would send larger records than were agreed on (RFC 6066 §4).
    if (SSL_SESSION_get_max_fragment_length(session) != TLSEXT_max_fragment_length_DISABLED) {
        return -EOPNOTSUPP;
    }
    if (direction == TLS_RX && (zp_ktls_input_rest(ssl) != 0 || SSL_has_pending(ssl) ||
                                BIO_pending(SSL_get_rbio(ssl)) > 0)) {
        return -EAGAIN;
    }
    return cipher_of(cipher);
}

int zp_ktls_start(SSL *ssl, int fd, int direction)
{
    uint8_t randoms[2 * RANDOM_BYTES];
    uint8_t master[ZP_KTLS_SECRET_MAX];
    struct zp_ktls_info info = { .bytes = 0 };
    struct watch *watch = watch_of(ssl);
    int side = direction == TLS_TX ? WRITE : READ;
    int rc = check_eligible(ssl, watch, direction);
    if (rc < 0) goto out;

    struct zp_ktls_source source = {
        .version = SSL_version(ssl),
        .cipher = rc,
        .digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl)),
        .secret = watch->secrets[side],
        .secret_bytes = watch->secret_bytes[side],
        .randoms = randoms,
        .of_client = (side == WRITE) != (SSL_is_server(ssl) == 1),
        .sequence = watch->records[side],
    };
    if (source.version == TLS1_2_VERSION) {
        SSL_get_server_random(ssl, randoms, RANDOM_BYTES);
        SSL_get_client_random(ssl, randoms + RANDOM_BYTES, RANDOM_BYTES);
        source.secret = master;
        source.secret_bytes =
            SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    }
    rc = source.secret_bytes == 0 ? -EINVAL : zp_ktls_derive(&source, &info);
    if (rc < 0) goto out;
    // TLS_TX: 4.13, TLS_RX: 4.17; with TLS 1.3: 5.1.
    if (setsockopt(fd, SOL_TLS, direction, &info, (socklen_t)info.bytes) < 0) {
        rc = errno == ENOENT ? -EOPNOTSUPP : -errno; // its crypto has not got the cipher
        goto out;
    }
    wipe_secret(ssl, watch, side);

out:
    OPENSSL_cleanse(master, sizeof master);
    OPENSSL_cleanse(&info, sizeof info);
    if (rc < 0 && rc != -EAGAIN) zp_ktls_forget(ssl);
    return rc;
}

// ── Records that are no data ────────────────────────────────────────────────────────────────────

int zp_ktls_read_control(int fd)
{
    uint8_t record[RECORD_BYTES_MAX];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(1)];
    } control;
    struct iovec piece = { .iov_base = record, .iov_len = sizeof record };
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t bytes = recvmsg(fd, &message, MSG_DONTWAIT);
    if (bytes < 0) return -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (bytes < 2 || header == NULL || header->cmsg_level != SOL_TLS ||
        header->cmsg_type != TLS_GET_RECORD_TYPE) {
        return -EBADMSG;
    }
    return *(const uint8_t *)CMSG_DATA(header) << 16 | record[0] << 8 | record[1];
}
