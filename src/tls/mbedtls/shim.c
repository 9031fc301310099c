/* What the program needs of Mbed TLS 2.28 and 3.6, for ffi.rs beside it.
 *
 * The structures of the library stay on this side, since their fields differ from
 * version to version and with the options that the library was built with. There
 * is no policy here: versions, suites, times and judgements are handed in.
 *
 * Rules: nothing is kept between calls but what a handle owns; a handle is used by
 * one thread at a time, and so is the library (ffi.rs has a lock); every function
 * that can fail gives 0 or an error code of the library's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if !__has_include(<mbedtls/version.h>)
#error "no headers of Mbed TLS: install libmbedtls-dev, or set MBEDTLS_DIR to where it is installed"
#endif
#endif

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER >= 0x021C0000 && MBEDTLS_VERSION_NUMBER < 0x021D0000
#define IS_2_28
#elif MBEDTLS_VERSION_NUMBER < 0x03060100 || MBEDTLS_VERSION_NUMBER >= 0x03070000
#error "this version of Mbed TLS is not supported: 2.28 is, and 3.6 from 3.6.1 on"
#endif

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>

#if !defined(MBEDTLS_SSL_CLI_C) || !defined(MBEDTLS_SSL_SRV_C) || !defined(MBEDTLS_SSL_PROTO_TLS1_2)
#error "this Mbed TLS was built without TLS 1.2, without clients or without servers"
#endif
#if !defined(MBEDTLS_HAVE_TIME_DATE)
#error "this Mbed TLS was built without MBEDTLS_HAVE_TIME_DATE: it takes expired certificates"
#endif
#if !defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE) || !defined(MBEDTLS_SSL_SERVER_NAME_INDICATION)
#error "this Mbed TLS was built without MBEDTLS_SSL_KEEP_PEER_CERTIFICATE or MBEDTLS_SSL_SERVER_NAME_INDICATION"
#endif
#if !defined(MBEDTLS_SSL_TICKET_C) || !defined(MBEDTLS_SSL_SESSION_TICKETS)
#error "this Mbed TLS was built without session tickets"
#endif
#if !defined(MBEDTLS_ERROR_C) || !defined(MBEDTLS_VERSION_C)
#error "this Mbed TLS was built without MBEDTLS_ERROR_C or MBEDTLS_VERSION_C"
#endif
#if defined(IS_2_28) && defined(MBEDTLS_USE_PSA_CRYPTO)
#error "this Mbed TLS 2.28 was built with MBEDTLS_USE_PSA_CRYPTO, which limits the connections"
#endif
#if !defined(IS_2_28) && !defined(MBEDTLS_PSA_KEY_STORE_DYNAMIC)
#error "this Mbed TLS was built without MBEDTLS_PSA_KEY_STORE_DYNAMIC, which limits the connections"
#endif

#if defined(IS_2_28)
#define MBEDTLS_PRIVATE(field) field
#else
#include <psa/crypto.h>
#endif

/* Numbers that ffi.rs and verify.rs know as well. */
_Static_assert(MBEDTLS_ERR_SSL_WANT_READ == -0x6900, "WANT_READ");
_Static_assert(MBEDTLS_ERR_SSL_WANT_WRITE == -0x6880, "WANT_WRITE");
_Static_assert(MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY == -0x7880, "PEER_CLOSE_NOTIFY");
_Static_assert(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE == -0x7780, "FATAL_ALERT_MESSAGE");
_Static_assert(MBEDTLS_X509_BADCERT_EXPIRED == 0x01 && MBEDTLS_X509_BADCERT_CN_MISMATCH == 0x04 &&
               MBEDTLS_X509_BADCERT_NOT_TRUSTED == 0x08 && MBEDTLS_X509_BADCERT_OTHER == 0x100 &&
               MBEDTLS_X509_BADCERT_FUTURE == 0x200 && MBEDTLS_X509_BADCERT_KEY_USAGE == 0x800 &&
               MBEDTLS_X509_BADCERT_EXT_KEY_USAGE == 0x1000 && MBEDTLS_X509_BADCERT_BAD_MD == 0x4000 &&
               MBEDTLS_X509_BADCERT_BAD_PK == 0x8000 && MBEDTLS_X509_BADCERT_BAD_KEY == 0x10000, "BADCERT");

/* Gives random octets; 0, or something else if there are none. */
typedef int shim_random(unsigned char *octets, size_t count);

/* Judges a certificate of the peer's, the first one of his chain last: which of the
 * faults that were found in it, and of what was judged in those above it, count. */
typedef uint32_t shim_judge(const void *context, const unsigned char *der, size_t octets,
                            int is_first, uint32_t own_faults, uint32_t faults_above);

/* What one call may read and write; the call moves the pointers on. */
struct shim_io {
    const unsigned char *input;
    size_t input_octets;
    unsigned char *output;
    size_t output_room;
};

struct shim_config {
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    mbedtls_x509_crt authorities;
    mbedtls_ssl_ticket_context tickets;
    int *suites;
    shim_random *random;
    shim_judge *judge;
    const void *judge_context;
};

struct shim_connection {
    mbedtls_ssl_context ssl;
    const struct shim_config *config;
    struct shim_io *io; /* during a call only */
    uint32_t faults;    /* judged so far in this chain */
};

/* The library. */

int shim_lowest_version(void) {
#if defined(IS_2_28) && defined(MBEDTLS_SSL_PROTO_TLS1)
    return 0x0301;
#elif defined(IS_2_28) && defined(MBEDTLS_SSL_PROTO_TLS1_1)
    return 0x0302;
#else
    return 0x0303;
#endif
}

int shim_highest_version(void) {
#if !defined(IS_2_28) && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    return 0x0304;
#else
    return 0x0303;
#endif
}

/* At least 18 octets: the version of the library that is there now. */
void shim_version_text(char *text) { mbedtls_version_get_string(text); }

/* Whether its structures are those that this file was compiled for: they differ
 * between minor versions only. */
int shim_is_same_version(void) {
    return mbedtls_version_get_number() >> 16 == MBEDTLS_VERSION_NUMBER >> 16;
}

void shim_error_text(int error, char *text, size_t room) { mbedtls_strerror(error, text, room); }

/* Configurations. */

static int draw(void *context, unsigned char *octets, size_t count) {
    struct shim_config *config = context;
    return config->random(octets, count) == 0 ? 0 : MBEDTLS_ERR_SSL_NO_RNG;
}

static int read_key(mbedtls_pk_context *key, const unsigned char *der, size_t octets,
                    struct shim_config *config) {
#if defined(IS_2_28)
    (void)config;
    return mbedtls_pk_parse_key(key, der, octets, NULL, 0);
#else
    return mbedtls_pk_parse_key(key, der, octets, NULL, 0, draw, config);
#endif
}

static void limit_groups(mbedtls_ssl_config *ssl) {
#if defined(IS_2_28)
    static const mbedtls_ecp_group_id groups[] = {
        MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1,
        MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_conf_curves(ssl, groups);
#else
    static const uint16_t groups[] = {
        MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
        MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
        MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(ssl, groups);
#endif
}

void shim_config_free(struct shim_config *config) {
    if (config == NULL) return;
    mbedtls_ssl_config_free(&config->ssl);
    mbedtls_ssl_ticket_free(&config->tickets);
    mbedtls_x509_crt_free(&config->authorities);
    mbedtls_pk_free(&config->key);
    mbedtls_x509_crt_free(&config->chain);
    free(config->suites);
    free(config);
}

/* NULL where there is no memory, or with the error set otherwise. */
struct shim_config *shim_config_new(int is_server, shim_random *random, int *error) {
    struct shim_config *config = calloc(1, sizeof *config);
    *error = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    if (config == NULL) return NULL;
    config->random = random;
    mbedtls_ssl_config_init(&config->ssl);
    mbedtls_x509_crt_init(&config->chain);
    mbedtls_pk_init(&config->key);
    mbedtls_x509_crt_init(&config->authorities);
    mbedtls_ssl_ticket_init(&config->tickets);
    *error = 0;
#if !defined(IS_2_28)
    if (psa_crypto_init() != PSA_SUCCESS) *error = MBEDTLS_ERR_SSL_NO_RNG;
#endif
    if (*error == 0)
        *error = mbedtls_ssl_config_defaults(
            &config->ssl, is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
            MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (*error != 0) {
        shim_config_free(config);
        return NULL;
    }
    mbedtls_ssl_conf_rng(&config->ssl, draw, config);
    limit_groups(&config->ssl);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(&config->ssl, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
    if (is_server)
        mbedtls_ssl_conf_cert_req_ca_list(&config->ssl, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
    else
        mbedtls_ssl_conf_session_tickets(&config->ssl, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    return config;
}

/* As they are on the wire, from 0x0301 on. */
void shim_config_versions(struct shim_config *config, int lowest, int highest) {
#if defined(IS_2_28)
    mbedtls_ssl_conf_min_version(&config->ssl, MBEDTLS_SSL_MAJOR_VERSION_3, lowest & 0xFF);
    mbedtls_ssl_conf_max_version(&config->ssl, MBEDTLS_SSL_MAJOR_VERSION_3, highest & 0xFF);
#else
    mbedtls_ssl_conf_min_tls_version(&config->ssl, (mbedtls_ssl_protocol_version)lowest);
    mbedtls_ssl_conf_max_tls_version(&config->ssl, (mbedtls_ssl_protocol_version)highest);
#endif
}

/* By their registered numbers, the preferred one first; once for a configuration.
 * Those that the library does not know are left out, since a client that asked for one
 * would be an internal error. */
int shim_config_suites(struct shim_config *config, const uint16_t *numbers, size_t count) {
    size_t index, known = 0;
    config->suites = calloc(count + 1, sizeof *config->suites); /* ends with 0 */
    if (config->suites == NULL) return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    for (index = 0; index < count; index++)
        if (mbedtls_ssl_ciphersuite_from_id(numbers[index]) != NULL)
            config->suites[known++] = numbers[index];
    mbedtls_ssl_conf_ciphersuites(&config->ssl, config->suites);
    return 0;
}

void shim_config_client_order(struct shim_config *config) {
#if defined(IS_2_28)
    (void)config; /* it is the server's always */
#else
    mbedtls_ssl_conf_preference_order(&config->ssl, MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_CLIENT);
#endif
}

int shim_config_key(struct shim_config *config, const unsigned char *der, size_t octets) {
    return read_key(&config->key, der, octets, config);
}

int shim_config_certificate(struct shim_config *config, const unsigned char *der, size_t octets) {
    return mbedtls_x509_crt_parse_der(&config->chain, der, octets);
}

/* Not 0 if the first certificate is for another key. */
int shim_config_check_pair(struct shim_config *config) {
#if defined(IS_2_28)
    return mbedtls_pk_check_pair(&config->chain.pk, &config->key);
#else
    return mbedtls_pk_check_pair(&config->chain.pk, &config->key, draw, config);
#endif
}

/* Not 0 if the first certificate says what it is for, and servers are not among that:
 * the library would show it to no client. */
int shim_config_check_server(const struct shim_config *config) {
    int error = 0;
    (void)config;
#if !defined(IS_2_28) || defined(MBEDTLS_X509_CHECK_KEY_USAGE)
    error = mbedtls_x509_crt_check_key_usage(&config->chain, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
#endif
#if !defined(IS_2_28) || defined(MBEDTLS_X509_CHECK_EXTENDED_KEY_USAGE)
    if (error == 0)
        error = mbedtls_x509_crt_check_extended_key_usage(&config->chain, MBEDTLS_OID_SERVER_AUTH,
                                                          MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
#endif
    return error;
}

int shim_config_show_identity(struct shim_config *config) {
    return mbedtls_ssl_conf_own_cert(&config->ssl, &config->chain, &config->key);
}

int shim_config_authority(struct shim_config *config, const unsigned char *der, size_t octets) {
    return mbedtls_x509_crt_parse_der(&config->authorities, der, octets);
}

/* Peers need a certificate without faults; without a judge nobody is asked for one. The
 * context has to outlive the configuration's connections. */
void shim_config_verify(struct shim_config *config, shim_judge *judge, const void *context) {
    config->judge = judge;
    config->judge_context = context;
    mbedtls_ssl_conf_authmode(&config->ssl, judge == NULL ? MBEDTLS_SSL_VERIFY_NONE
                                                          : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (judge != NULL) mbedtls_ssl_conf_ca_chain(&config->ssl, &config->authorities, NULL);
}

/* Makes keys for tickets, which are replaced after so many seconds. A session of TLS
 * 1.3 forgets the client's certificate, hence the choice. */
int shim_config_tickets(struct shim_config *config, uint32_t seconds, int with_tls13) {
    int error = mbedtls_ssl_ticket_setup(&config->tickets, draw, config,
                                         MBEDTLS_CIPHER_AES_256_GCM, seconds);
    if (error != 0) return error;
    mbedtls_ssl_conf_session_tickets_cb(&config->ssl, mbedtls_ssl_ticket_write,
                                        mbedtls_ssl_ticket_parse, &config->tickets);
#if !defined(IS_2_28) && defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_new_session_tickets(&config->ssl, with_tls13 ? 1 : 0);
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        &config->ssl, with_tls13 ? MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL
                                 : MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
#else
    (void)with_tls13;
#endif
    return 0;
}

/* Connections. */

static int take(void *context, unsigned char *octets, size_t count) {
    struct shim_io *io = ((struct shim_connection *)context)->io;
    if (io == NULL || io->input_octets == 0) return MBEDTLS_ERR_SSL_WANT_READ;
    if (count > io->input_octets) count = io->input_octets;
    if (count > INT32_MAX) count = INT32_MAX;
    memcpy(octets, io->input, count);
    io->input += count;
    io->input_octets -= count;
    return (int)count;
}

static int give(void *context, const unsigned char *octets, size_t count) {
    struct shim_io *io = ((struct shim_connection *)context)->io;
    if (io == NULL || io->output_room == 0) return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (count > io->output_room) count = io->output_room;
    if (count > INT32_MAX) count = INT32_MAX;
    memcpy(io->output, octets, count);
    io->output += count;
    io->output_room -= count;
    return (int)count;
}

/* Called for each certificate of a chain, the peer's own last. */
static int weigh(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *faults) {
    struct shim_connection *connection = context;
    const struct shim_config *config = connection->config;
    uint32_t judged = config->judge(config->judge_context, certificate->raw.p, certificate->raw.len,
                                    depth == 0, *faults, connection->faults);
    connection->faults = depth == 0 ? 0 : judged;
    *faults = depth == 0 ? judged : 0;
    return 0;
}

void shim_connection_free(struct shim_connection *connection) {
    if (connection == NULL) return;
    mbedtls_ssl_free(&connection->ssl);
    free(connection);
}

/* The name to ask for, or NULL. NULL where there is no memory, or with the error set. */
struct shim_connection *shim_connection_new(const struct shim_config *config, const char *name,
                                            int *error) {
    struct shim_connection *connection = calloc(1, sizeof *connection);
    *error = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    if (connection == NULL) return NULL;
    connection->config = config;
    mbedtls_ssl_init(&connection->ssl);
    *error = mbedtls_ssl_setup(&connection->ssl, &config->ssl);
    if (*error == 0) *error = mbedtls_ssl_set_hostname(&connection->ssl, name);
    if (*error != 0) {
        shim_connection_free(connection);
        return NULL;
    }
    mbedtls_ssl_set_bio(&connection->ssl, connection, give, take, NULL);
    if (config->judge != NULL) mbedtls_ssl_set_verify(&connection->ssl, weigh, connection);
    return connection;
}

int shim_is_secure(const struct shim_connection *connection) {
    return connection->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_HANDSHAKE_OVER;
}

/* One step of the handshake, which must not be over. */
int shim_step(struct shim_connection *connection, struct shim_io *io) {
    int status;
    connection->io = io;
    status = mbedtls_ssl_handshake_step(&connection->ssl);
    connection->io = NULL;
    return status;
}

/* How many octets of plaintext, at least one, or an error. */
int shim_read(struct shim_connection *connection, struct shim_io *io, unsigned char *plain,
              size_t room) {
    int status;
    connection->io = io;
    status = mbedtls_ssl_read(&connection->ssl, plain, room);
    connection->io = NULL;
    return status == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : status;
}

/* How many octets were accepted, one record of them at most, or an error. */
int shim_write(struct shim_connection *connection, struct shim_io *io, const unsigned char *plain,
               size_t octets) {
    int status;
    connection->io = io;
    status = mbedtls_ssl_write(&connection->ssl, plain, octets);
    connection->io = NULL;
    return status;
}

int shim_close(struct shim_connection *connection, struct shim_io *io) {
    int status;
    connection->io = io;
    status = mbedtls_ssl_close_notify(&connection->ssl);
    connection->io = NULL;
    return status;
}

int shim_send_alert(struct shim_connection *connection, struct shim_io *io, unsigned char description) {
    int status;
    connection->io = io;
    status = mbedtls_ssl_send_alert_message(&connection->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                            description);
    connection->io = NULL;
    return status;
}

/* Which alert the peer has sent, right after MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE. */
int shim_received_alert(const struct shim_connection *connection) {
    const unsigned char *message = connection->ssl.MBEDTLS_PRIVATE(in_msg);
    return message == NULL ? -1 : message[1];
}

/* Why the peer's certificate was refused: MBEDTLS_X509_BADCERT_ flags; all of them
 * where no certificate was looked at. */
uint32_t shim_faults(const struct shim_connection *connection) {
    return mbedtls_ssl_get_verify_result(&connection->ssl);
}

int shim_protocol(const struct shim_connection *connection) {
#if defined(IS_2_28)
    return connection->ssl.major_ver << 8 | connection->ssl.minor_ver;
#else
    return (int)mbedtls_ssl_get_version_number(&connection->ssl);
#endif
}

/* Its registered number. */
int shim_suite(const struct shim_connection *connection) {
    return mbedtls_ssl_get_ciphersuite_id(mbedtls_ssl_get_ciphersuite(&connection->ssl));
}

/* The peer's own certificate, or NULL; good until the connection is used again. */
const unsigned char *shim_peer(const struct shim_connection *connection, size_t *octets) {
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&connection->ssl);
    if (peer == NULL) return NULL;
    *octets = peer->raw.len;
    return peer->raw.p;
}
