/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/sasl-login.h"

#include <errno.h>
#include <poll.h>
#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "syscalls.h"
#include "tls/sasl-talk.h"
#include "tls/tls-users.h"

/* Kerberos' principal is libvirt/HOST, and the configuration libvirt.conf, as libvirt's are. */
#define SERVICE "libvirt"

/* TLS hides what is said: mechanisms need not, and those that say a password are fine. */
#define TLS_STRENGTH 256 /* bits */

#define BUFFER_BYTES 16384

typedef struct Login {
        sasl_conn_t *connection;
        int socket, front;
} Login;

/* Why a login fails is for the administrator; what the library says at higher levels may hold passwords. */
static int on_log(void *data, int level, const char *text) {
        (void) data;
        if (level == SASL_LOG_ERR || level == SASL_LOG_FAIL)
                log_warning("SASL: %s", text);
        return SASL_OK;
}

static int on_folder(void *data, char **path) {
        *path = strdup(data);
        return *path ? SASL_OK : SASL_NOMEM;
}

static const char *find_mechanisms(void *data) {
        const Login *login = data;
        const char *list = NULL;
        int r = sasl_listmech(login->connection, NULL, "", ",", "", &list, NULL, NULL);
        if (r == SASL_OK && list && *list)
                return list;
        log_error("SASL has no mechanism: see mech_list in libvirt.conf, and that its modules are installed");
        return NULL;
}

/* Asks the front for the user that has this name. */
static bool is_let_in(const Login *login, const char *name) {
        char byte;
        size_t size = strlen(name);
        return size > 0 && size <= TLS_USERS_NAME_BYTES_MAX && send(login->front, name, size, MSG_NOSIGNAL) == (ssize_t) size &&
               recv(login->front, &byte, sizeof byte, 0) == sizeof byte;
}

static SaslTalkState do_step(void *data, const char *mechanism, const char *in, unsigned in_size, const char **out,
                             unsigned *out_size) {
        const Login *login = data;
        const void *name = NULL;
        int r = mechanism ? sasl_server_start(login->connection, mechanism, in, in_size, out, out_size)
                          : sasl_server_step(login->connection, in, in_size, out, out_size);
        if (r == SASL_CONTINUE)
                return SASL_TALK_GOES_ON;
        if (r != SASL_OK) {
                log_warning("a client is sent away, as SASL does not prove who it is: %s", sasl_errstring(r, NULL, NULL));
                return SASL_TALK_FAILED;
        }
        return sasl_getprop(login->connection, SASL_USERNAME, &name) == SASL_OK && name && is_let_in(login, name)
                               ? SASL_TALK_PROVEN
                               : SASL_TALK_FAILED;
}

static bool check(int r, const char *what) {
        if (r != SASL_OK)
                log_error("%s: %s", what, sasl_errstring(r, NULL, NULL));
        return r == SASL_OK;
}

static bool begin(Login *login, const char *folder) {
        const sasl_ssf_t strength = TLS_STRENGTH;
        const sasl_security_properties_t properties = { .security_flags = SASL_SEC_NOANONYMOUS };
        const sasl_callback_t callbacks[] = {
                { SASL_CB_LOG, (int (*)(void))(void (*)(void)) on_log, NULL },
                { folder ? SASL_CB_GETCONFPATH : SASL_CB_LIST_END, (int (*)(void))(void (*)(void)) on_folder, (void *) folder },
                { SASL_CB_LIST_END, NULL, NULL },
        };
        static sasl_callback_t kept[G_N_ELEMENTS(callbacks)]; /* the library has no copy */
        memcpy(kept, callbacks, sizeof kept);
        return check(sasl_server_init(kept, SERVICE), "SASL cannot begin") &&
               check(sasl_server_new(SERVICE, NULL, NULL, NULL, NULL, NULL, SASL_SUCCESS_DATA, &login->connection),
                     "SASL cannot begin") &&
               check(sasl_setprop(login->connection, SASL_SSF_EXTERNAL, &strength), "SASL cannot begin") &&
               check(sasl_setprop(login->connection, SASL_SEC_PROPS, &properties), "SASL cannot begin");
}

/* Until there are bytes; 0 at the end, or where it has taken too long. */
static size_t read_some(const Login *login, gint64 deadline, void *buffer, size_t size) {
        for (;;) {
                gint64 left = (deadline - g_get_monotonic_time() + 999) / 1000;
                int r = left > 0 ? poll(&(struct pollfd){ .fd = login->socket, .events = POLLIN }, 1, (int) left) : 0;
                if (r == 0)
                        log_warning("a client has not proven who it is within %d seconds, and is sent away", SASL_LOGIN_SECONDS);
                ssize_t n = r > 0 ? recv(login->socket, buffer, size, 0) : -1;
                if (r == 0 || n >= 0 || errno != EINTR)
                        return n > 0 ? (size_t) n : 0;
        }
}

/* What waits for it reads it before it wants anything more. */
static bool write_all(const Login *login, const GByteArray *bytes) {
        for (size_t done = 0; done < bytes->len;) {
                ssize_t n = send(login->socket, bytes->data + done, bytes->len - done, MSG_NOSIGNAL);
                if (n < 0 && errno != EINTR)
                        return false;
                done += n > 0 ? (size_t) n : 0;
        }
        return true;
}

static bool talk(const Login *login) {
        static char buffer[BUFFER_BYTES];
        const SaslTalkServer server = { find_mechanisms, do_step, (void *) login };
        const gint64 deadline = g_get_monotonic_time() + SASL_LOGIN_SECONDS * G_TIME_SPAN_SECOND;
        g_autoptr(SaslTalk) talk = sasl_talk_new(&server);
        g_autoptr(GByteArray) answer = g_byte_array_new();
        SaslTalkState state = SASL_TALK_GOES_ON;
        size_t n;
        while (state == SASL_TALK_GOES_ON && (n = read_some(login, deadline, buffer, sizeof buffer)) > 0) {
                state = sasl_talk_take(talk, buffer, n, answer);
                if (!write_all(login, answer))
                        return false;
                g_byte_array_set_size(answer, 0);
        }
        return state == SASL_TALK_PROVEN;
}

int sasl_login_run(int socket, int front, const char *folder) {
        Login login = { .socket = socket, .front = front };
        bool fine = begin(&login, folder);
        if (fine) {
                int r = syscalls_restrict(&(Syscalls){ .unix_sockets = true }); /* saslauthd has one */
                fine = r >= 0 || r == -EOPNOTSUPP;
                if (!fine)
                        log_error("cannot filter system calls: %s", g_strerror(-r));
        }
        fine = fine && talk(&login);
        sasl_dispose(&login.connection);
        return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
