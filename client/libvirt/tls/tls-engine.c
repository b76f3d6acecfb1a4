/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/tls-engine.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "local-socket.h"
#include "log.h"
#include "syscalls.h"
#include "tls/tls-users.h"

/* What is read at once of either side; more waits there. */
#define BUFFER_BYTES 65536

/* What a server of libvirt's says, once a client's certificate is found good. */
#define WELCOME "\1"

/* What has come from one side goes to the other before more is read. */
typedef struct Way {
        size_t n, written;
        char buffer[BUFFER_BYTES];
} Way;

typedef struct Ways {
        Way in, out;
} Ways;

typedef struct Engine {
        gnutls_certificate_credentials_t credentials;
        gnutls_session_t session;
        const TlsLogin *login;
        int socket;
        gint64 deadline; /* of g_get_monotonic_time */
} Engine;

static gnutls_datum_t datum_of(GBytes *bytes) {
        gsize size;
        gconstpointer data = g_bytes_get_data(bytes, &size);
        return (gnutls_datum_t){ .data = (unsigned char *) data, .size = (unsigned int) size };
}

static bool check(int r, const char *what) {
        if (r < 0)
                log_error("%s: %s", what, gnutls_strerror(r));
        return r >= 0;
}

static bool read_files(Engine *engine, const TlsFiles *files) {
        gnutls_datum_t certificate = datum_of(files->certificate), key = datum_of(files->key),
                       authorities = datum_of(files->authorities);
        bool fine = check(gnutls_certificate_allocate_credentials(&engine->credentials), "TLS cannot begin") &&
                    check(gnutls_certificate_set_x509_trust_mem(engine->credentials, &authorities, GNUTLS_X509_FMT_PEM),
                          "the authorities cannot be used") &&
                    check(gnutls_certificate_set_x509_key_mem(engine->credentials, &certificate, &key, GNUTLS_X509_FMT_PEM),
                          "the server's certificate and key cannot be used");
        if (fine && files->revoked) {
                gnutls_datum_t revoked = datum_of(files->revoked);
                fine = check(gnutls_certificate_set_x509_crl_mem(engine->credentials, &revoked, GNUTLS_X509_FMT_PEM),
                             "the list of revoked certificates cannot be used");
        }
        return fine;
}

static bool begin(Engine *engine) {
        const int flags = fcntl(engine->socket, F_GETFL);
        if (flags < 0 || fcntl(engine->socket, F_SETFL, flags | O_NONBLOCK) < 0) {
                log_error("a client's socket cannot be used: %s", g_strerror(errno));
                return false;
        }
        bool fine = check(gnutls_init(&engine->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL),
                          "TLS cannot begin") &&
                    check(gnutls_set_default_priority(engine->session), "TLS cannot begin") &&
                    check(gnutls_credentials_set(engine->session, GNUTLS_CRD_CERTIFICATE, engine->credentials),
                          "TLS cannot begin");
        if (fine) {
                gnutls_certificate_server_set_request(engine->session, engine->login->needs_certificate ? GNUTLS_CERT_REQUIRE
                                                                                                        : GNUTLS_CERT_REQUEST);
                gnutls_transport_set_int(engine->session, engine->socket);
        }
        return fine;
}

/* Until the client's socket may be read, or written, or it has taken too long. */
static bool wait_for(const Engine *engine, short events) {
        gint64 left = (engine->deadline - g_get_monotonic_time() + 999) / 1000;
        struct pollfd poll_for = { .fd = engine->socket, .events = events };
        int r = left > 0 ? poll(&poll_for, 1, (int) left) : 0;
        if (r == 0)
                log_warning("a client has not shown a certificate within %d seconds, and is sent away", TLS_HANDSHAKE_SECONDS);
        return r > 0 || (r < 0 && errno == EINTR);
}

static bool shake_hands(const Engine *engine) {
        int r;
        /* What is not fatal, such as warnings, could come without an end. */
        while ((r = gnutls_handshake(engine->session)) == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
                if (!wait_for(engine, gnutls_record_get_direction(engine->session) ? POLLOUT : POLLIN))
                        return false;
        if (r < 0)
                log_warning("a client is refused: it speaks no TLS with this machine: %s", gnutls_strerror(r));
        return r >= 0;
}

/* One that the authorities have given to a client, and not taken back; or none, where none is needed. */
static bool verify(const Engine *engine) {
        gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *) GNUTLS_KP_TLS_WWW_CLIENT };
        gnutls_datum_t said = { 0 };
        unsigned int status = 0, n = 0;
        if (!engine->login->needs_certificate && !gnutls_certificate_get_peers(engine->session, &n))
                return true;
        if (!check(gnutls_certificate_verify_peers(engine->session, &purpose, 1, &status),
                   "a client's certificate cannot be checked"))
                return false;
        if (status == 0)
                return true;
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &said, 0);
        log_warning("a client is sent away by its certificate: %s",
                    said.data ? g_strchomp((char *) said.data) : "it is not trusted");
        gnutls_free(said.data);
        return false;
}

/* Whose the certificate is, to be freed by gnutls_free; NULL where that cannot be told. */
static char *read_name(const Engine *engine) {
        unsigned int n = 0;
        const gnutls_datum_t *chain = gnutls_certificate_get_peers(engine->session, &n);
        gnutls_x509_crt_t certificate = NULL;
        gnutls_datum_t name = { 0 };
        bool fine = n > 0 && chain && check(gnutls_x509_crt_init(&certificate), "a client's certificate cannot be read") &&
                    check(gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER),
                          "a client's certificate cannot be read") &&
                    check(gnutls_x509_crt_get_dn2(certificate, &name), "the name of a client's certificate cannot be read");
        if (certificate)
                gnutls_x509_crt_deinit(certificate);
        if (fine && name.size > 0 && name.size <= TLS_USERS_NAME_BYTES_MAX && strlen((char *) name.data) == name.size)
                return (char *) name.data;
        if (fine)
                log_warning("a client is sent away: its certificate has no name, or one of more than %d bytes",
                            TLS_USERS_NAME_BYTES_MAX);
        gnutls_free(name.data);
        return NULL;
}

/* What the client is connected with, by whom it is known to be; -1 where that is not to be had, which the front has told. */
static int hear_front(int front, int flags) {
        char byte;
        LocalFds fds = { .n = 0 };
        local_socket_receive(front, &byte, sizeof byte, &fds, 1, flags, NULL);
        return fds.n > 0 ? fds.list[0] : -1;
}

static int ask_front(const Engine *engine, int front) {
        char *name = read_name(engine);
        bool is_sent = name && send(front, name, strlen(name), MSG_NOSIGNAL) > 0;
        gnutls_free(name);
        return is_sent ? hear_front(front, 0) : -1;
}

static bool welcome(const Engine *engine) {
        ssize_t r;
        while ((r = gnutls_record_send(engine->session, WELCOME, strlen(WELCOME))) == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
                if (!wait_for(engine, POLLOUT))
                        return false;
        return r > 0;
}

static bool has_more(const Way *way) {
        return way->written < way->n;
}

/* Whether it goes on: N is what was read or written, or FAILED where it will be some other time. */
static bool took(Way *way, ssize_t n) {
        way->n = n > 0 ? (size_t) n : 0;
        way->written = 0;
        return n > 0;
}

static bool would_wait(ssize_t n) {
        return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

static bool must_try_again(void) {
        return errno == EAGAIN || errno == EINTR;
}

static bool read_client(const Engine *engine, Way *way) {
        ssize_t n = gnutls_record_recv(engine->session, way->buffer, sizeof way->buffer);
        return would_wait(n) || took(way, n);
}

static bool write_client(const Engine *engine, Way *way) {
        ssize_t n = gnutls_record_send(engine->session, way->buffer + way->written, way->n - way->written);
        way->written += n > 0 ? (size_t) n : 0;
        return n > 0 || would_wait(n);
}

static bool read_service(int service, Way *way) {
        ssize_t n = recv(service, way->buffer, sizeof way->buffer, MSG_DONTWAIT);
        return (n < 0 && must_try_again()) || took(way, n);
}

static bool write_service(int service, Way *way) {
        ssize_t n = send(service, way->buffer + way->written, way->n - way->written, MSG_DONTWAIT | MSG_NOSIGNAL);
        way->written += n > 0 ? (size_t) n : 0;
        return n > 0 || (n < 0 && must_try_again());
}

/* A side that nothing is wanted of is not looked at: that it has ended would be told again and again. */
static struct pollfd look_at(int fd, bool to_read, bool to_write) {
        return (struct pollfd){ .fd = to_read || to_write ? fd : -1,
                                .events = (short) ((to_read ? POLLIN : 0) | (to_write ? POLLOUT : 0)) };
}

/* Until either side ends; what the service said last is told. Returns whether the client is still there. NEXT (may be NULL):
 * who is waited for with what comes after this service, FRONT: that is sent before the client is told so, and what it says then
 * is the next one's to read. */
static bool relay(const Engine *engine, int service, Ways *ways, int front, int *next) {
        Way *in = &ways->in, *out = &ways->out;
        bool goes_on = true, service_ended = false;
        while (goes_on && !(service_ended && !has_more(out))) {
                const bool in_waits = has_more(in), out_waits = has_more(out), is_heard = !in_waits && !(next && *next >= 0),
                           has_come = is_heard && gnutls_record_check_pending(engine->session) > 0;
                struct pollfd polls[] = { look_at(engine->socket, is_heard, out_waits),
                                          look_at(service, !out_waits && !service_ended, in_waits && !service_ended) };
                if (poll(polls, G_N_ELEMENTS(polls), has_come ? 0 : -1) < 0 && errno != EINTR)
                        return false;
                if (in_waits && polls[1].revents)
                        goes_on = write_service(service, in);
                else if (is_heard && (has_come || polls[0].revents))
                        goes_on = read_client(engine, in);
                if (goes_on && out_waits && polls[0].revents)
                        goes_on = write_client(engine, out);
                else if (goes_on && !out_waits && polls[1].revents)
                        service_ended = !read_service(service, out);
                if (next && *next < 0 && has_more(out))
                        *next = hear_front(front, MSG_DONTWAIT);
        }
        return goes_on;
}

/* Once TLS is spoken: whom the client speaks with when it is known. What it has said before that to nobody ends it. */
static int log_in(const Engine *engine, int front, Ways *ways) {
        if (engine->login->socket < 0) {
                int service = ask_front(engine, front);
                return service >= 0 && welcome(engine) ? service : -1;
        }
        int service = -1;
        return welcome(engine) && relay(engine, engine->login->socket, ways, front, &service) && !has_more(&ways->in) ? service
                                                                                                                      : -1;
}

int tls_engine_run(int socket, const TlsFiles *files, const TlsLogin *login, int front) {
        Engine engine = { .login = login,
                          .socket = socket,
                          .deadline = g_get_monotonic_time() + TLS_HANDSHAKE_SECONDS * G_TIME_SPAN_SECOND };
        static Ways ways;
        int service = -1, status = EXIT_FAILURE;
        bool fine = read_files(&engine, files);
        if (fine) {
                int r = syscalls_restrict(&(Syscalls){ 0 });
                fine = r >= 0 || r == -EOPNOTSUPP;
                if (!fine)
                        log_error("cannot filter system calls: %s", g_strerror(-r));
        }
        if (fine && begin(&engine) && shake_hands(&engine) && verify(&engine) && (service = log_in(&engine, front, &ways)) >= 0) {
                if (relay(&engine, service, &ways, -1, NULL))
                        gnutls_bye(engine.session, GNUTLS_SHUT_WR);
                status = EXIT_SUCCESS;
        }
        if (engine.session)
                gnutls_deinit(engine.session);
        if (engine.credentials)
                gnutls_certificate_free_credentials(engine.credentials);
        return status;
}
