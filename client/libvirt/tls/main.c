/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbus-libvirt-tls: lets in a client of libvirt's that comes by TLS, as the user of this machine whom its certificate's
 * name, or what it has proven by SASL, stands for. systemd starts it for each client, which is its standard input.
 *
 * Two or three processes: one that speaks with the client and has no rights; with SASL one that hears who the client is; and
 * this one, which never reads a byte of the client's, and becomes that user before it connects with the service's socket. Who
 * is connected there is known by the kernel's word. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local-socket.h"
#include "log.h"
#include "program.h"
#include "tls/sasl-login.h"
#include "tls/tls-engine.h"
#include "tls/tls-users.h"

/* Whom what speaks with the client runs as. */
#define ENGINE_USER "virtbus-libvirt"

/* Whom what hears passwords runs as: their file is its group's to read. */
#define LOGIN_USER "virtbus-sasl"

/* The most bytes that a certificate, a key or a list of them may have. */
#define PEM_BYTES_MAX (1024 * 1024)

typedef struct Options {
        char *certificate, *key, *authorities, *revoked, *users, *socket, *sasl_users, *sasl_config;
        gboolean sasl, no_certificates;
} Options;

/* A file that root alone may have written; IS_SECRET: and that not everybody may read. NULL with ERROR, or, with OPTIONAL,
 * without where it is not there. */
static GBytes *read_file(const char *path, size_t max, bool is_secret, bool optional, GError **error) {
        struct stat info;
        g_autofree char *text = NULL;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n = 0;
        size_t size = 0;
        if (fd < 0 && errno == ENOENT && optional)
                return NULL;
        if (fd < 0 || fstat(fd, &info) < 0)
                g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s cannot be read: %s", path,
                            g_strerror(errno));
        else if (!S_ISREG(info.st_mode) || info.st_uid != 0 || info.st_mode & 022 || (is_secret && info.st_mode & 07))
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM,
                            "%s must be a file of root's that nobody else may %s: chown root, chmod %s", path,
                            is_secret ? "read" : "write", is_secret ? "0600" : "0644");
        else if (info.st_size > (off_t) max)
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s has more than %zu bytes", path, max);
        else {
                size = (size_t) info.st_size;
                text = g_malloc0(size + 1);
                n = read(fd, text, size);
                if (n != (ssize_t) size)
                        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s cannot be read", path);
        }
        if (fd >= 0)
                close(fd);
        return text && n == (ssize_t) size ? g_bytes_new_take(g_steal_pointer(&text), size + 1) : NULL;
}

/* PEM, without the zero at its end. */
static GBytes *read_pem(const char *path, bool is_secret, bool optional, GError **error) {
        g_autoptr(GBytes) all = read_file(path, PEM_BYTES_MAX, is_secret, optional, error);
        return all ? g_bytes_new_from_bytes(all, 0, g_bytes_get_size(all) - 1) : NULL;
}

static bool read_files(const Options *options, TlsFiles *files, GError **error) {
        files->certificate = read_pem(options->certificate, false, false, error);
        files->key = files->certificate ? read_pem(options->key, true, false, error) : NULL;
        files->authorities = files->key ? read_pem(options->authorities, false, false, error) : NULL;
        if (!files->authorities)
                return false;
        g_autoptr(GError) failure = NULL;
        files->revoked = read_pem(options->revoked, false, true, &failure);
        if (failure)
                g_propagate_error(error, g_steal_pointer(&failure));
        return !*error;
}

static void free_files(TlsFiles *files) {
        g_clear_pointer(&files->certificate, g_bytes_unref);
        g_clear_pointer(&files->key, g_bytes_unref);
        g_clear_pointer(&files->authorities, g_bytes_unref);
        g_clear_pointer(&files->revoked, g_bytes_unref);
}

/* For good: neither groups nor capabilities are left. */
static bool become(const struct passwd *user, bool with_groups) {
        return (with_groups ? initgroups(user->pw_name, user->pw_gid) : setgroups(0, NULL)) == 0 &&
               setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
               setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static const struct passwd *find_user(const char *name) {
        errno = 0;
        const struct passwd *user = getpwnam(name);
        if (!user)
                log_error("there is no user %s%s%s", name, errno ? ": " : "", errno ? g_strerror(errno) : "");
        return user;
}

/* The client's socket, which is standard input, and perhaps output: neither keeps it. -1 where it is none. */
static int take_client(void) {
        int type = 0, client = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
        socklen_t size = sizeof type;
        if (null >= 0 && getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM)
                client = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (client >= 0 && (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)) {
                close(client);
                client = -1;
        }
        if (null >= 0)
                close(null);
        return client;
}

/* In a process that hears what the client says, and ends with this one. */
static bool become_helper(const char *name, pid_t parent) {
        const struct passwd *user = find_user(name);
        return user && become(user, false) && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
               prctl(PR_SET_DUMPABLE, 0) == 0;
}

/* Connects as the user that the name stands for, whom this process is from then on. */
static bool let_in(const Options *options, const char *name, int engine) {
        g_autoptr(GError) error = NULL;
        const char *path = options->sasl ? options->sasl_users : options->users;
        g_autoptr(GBytes) users = read_file(path, TLS_USERS_BYTES_MAX, false, false, &error);
        g_autofree char *user_name = users ? tls_users_find(g_bytes_get_data(users, NULL), path, name, &error) : NULL;
        const struct passwd *user = user_name ? find_user(user_name) : NULL;
        if (error)
                log_warning("a client is sent away: %s", error->message);
        if (!user)
                return false;
        if (!become(user, true)) {
                log_error("cannot become the user %s: %s", user_name, g_strerror(errno));
                return false;
        }
        int service = local_socket_connect(options->socket, SOCK_STREAM);
        if (service < 0)
                log_error("cannot connect to %s as %s: %s; see that virtbus-libvirt.socket is enabled (virtbus-libvirt(8))",
                          options->socket, user_name, g_strerror(-service));
        bool fine = service >= 0 && local_socket_send(engine, "", 1, &service, 1, 0) == 1;
        if (service >= 0)
                close(service);
        return fine;
}

/* Goes on until what speaks with the client has ended: by this process the service knows who the client is. TELLER: who says the
 * client's name. */
static int serve(const Options *options, int teller, int engine, pid_t pid) {
        char name[TLS_USERS_NAME_BYTES_MAX + 1] = "";
        int status = 0;
        ssize_t n = recv(teller, name, sizeof name - 1, 0);
        if (n > 0 && let_in(options, name, engine) && teller != engine)
                send(teller, "", 1, MSG_NOSIGNAL);
        shutdown(engine, SHUT_WR);
        shutdown(teller, SHUT_WR);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* The ends of what processes talk by; -1 where there is none. */
typedef struct Sockets {
        int front, engine;       /* between this process and what speaks with the client */
        int teller, login;       /* between this process and what hears who that is */
        int of_engine, of_login; /* between those two */
} Sockets;

static bool make_pair(int type, int *one, int *other) {
        int pair[2];
        if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0) {
                log_error("a client cannot be served: %s", g_strerror(errno));
                return false;
        }
        *one = pair[0];
        *other = pair[1];
        return true;
}

static void close_end(int *fd) {
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static int run_engine(const Options *options, int client, const TlsFiles *files, Sockets *sockets, pid_t parent) {
        const TlsLogin login = { .needs_certificate = !options->no_certificates, .socket = sockets->of_engine };
        close_end(&sockets->front);
        close_end(&sockets->teller);
        close_end(&sockets->login);
        close_end(&sockets->of_login);
        return become_helper(ENGINE_USER, parent) ? tls_engine_run(client, files, &login, sockets->engine) : EXIT_FAILURE;
}

static int run_login(const Options *options, Sockets *sockets, pid_t parent) {
        close_end(&sockets->front);
        close_end(&sockets->teller);
        close_end(&sockets->engine);
        close_end(&sockets->of_engine);
        return become_helper(LOGIN_USER, parent) ? sasl_login_run(sockets->of_login, sockets->login, options->sasl_config)
                                                 : EXIT_FAILURE;
}

/* Starts the other processes, and serves the client until its end. */
static int run_processes(const Options *options, int client) {
        g_autoptr(GError) error = NULL;
        TlsFiles files = { 0 };
        Sockets sockets = { -1, -1, -1, -1, -1, -1 };
        if (!make_pair(SOCK_SEQPACKET, &sockets.front, &sockets.engine) ||
            (options->sasl && (!make_pair(SOCK_SEQPACKET, &sockets.teller, &sockets.login) ||
                               !make_pair(SOCK_STREAM, &sockets.of_engine, &sockets.of_login))))
                return EXIT_FAILURE;
        pid_t parent = getpid(), login = options->sasl ? fork() : 1, engine = -1;
        if (login == 0) {
                close(client);
                _exit(run_login(options, &sockets, parent));
        }
        if (login > 0 && !read_files(options, &files, &error)) /* now: what hears passwords knows no key */
                log_error("%s", error->message);
        else if (login > 0 && (engine = fork()) == 0)
                _exit(run_engine(options, client, &files, &sockets, parent));
        else if (engine < 0)
                log_error("a client cannot be served: %s", g_strerror(errno));
        free_files(&files);
        close(client);
        close_end(&sockets.engine);
        close_end(&sockets.login);
        close_end(&sockets.of_engine);
        close_end(&sockets.of_login);
        if (engine < 0)
                return EXIT_FAILURE; /* which ends what has begun */
        return serve(options, options->sasl ? sockets.teller : sockets.front, sockets.front, engine);
}

static int run(const Options *options) {
        if (options->no_certificates && !options->sasl) {
                log_error("--no-certificates is for --sasl alone: clients would be known by nothing");
                return EXIT_FAILURE;
        }
        if (geteuid() != 0) {
                log_error("it becomes the users that its clients are: run it as root, by virtbus-libvirt-tls.socket");
                return EXIT_FAILURE;
        }
        int client = take_client();
        if (client >= 0)
                return run_processes(options, client);
        log_error("its standard input is not a client: it is started by virtbus-libvirt-tls.socket");
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        Options options = {
                .certificate = g_strdup("/etc/pki/libvirt/servercert.pem"),
                .key = g_strdup("/etc/pki/libvirt/private/serverkey.pem"),
                .authorities = g_strdup("/etc/pki/CA/cacert.pem"),
                .revoked = g_strdup("/etc/pki/CA/cacrl.pem"),
                .users = g_strdup("/etc/virtbus/libvirt-tls-users"),
                .socket = g_strdup("/run/virtbus/libvirt-sock"),
                .sasl_users = g_strdup("/etc/virtbus/libvirt-sasl-users"),
        };
        const GOptionEntry entries[] = {
                { "certificate", 0, 0, G_OPTION_ARG_FILENAME, &options.certificate, "The server's certificate", "FILE" },
                { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, "Its key", "FILE" },
                { "ca", 0, 0, G_OPTION_ARG_FILENAME, &options.authorities, "Authorities that clients have certificates of",
                  "FILE" },
                { "crl", 0, 0, G_OPTION_ARG_FILENAME, &options.revoked, "Certificates that are not good any more", "FILE" },
                { "users", 0, 0, G_OPTION_ARG_FILENAME, &options.users, "Whom certificates stand for", "FILE" },
                { "socket", 0, 0, G_OPTION_ARG_FILENAME, &options.socket, "What clients are connected with", "PATH" },
                { "sasl", 0, 0, G_OPTION_ARG_NONE, &options.sasl, "Clients prove by SASL who they are", NULL },
                { "sasl-users", 0, 0, G_OPTION_ARG_FILENAME, &options.sasl_users, "Whom names of SASL stand for", "FILE" },
                { "sasl-config", 0, 0, G_OPTION_ARG_FILENAME, &options.sasl_config, "Where SASL's libvirt.conf is", "FOLDER" },
                { "no-certificates", 0, 0, G_OPTION_ARG_NONE, &options.no_certificates, "With SASL: clients need no certificate",
                  NULL },
                G_OPTION_ENTRY_NULL,
        };
        int status = EXIT_FAILURE;
        if (program_options(entries, "- let in a client of libvirt's that comes by TLS", argc, argv, NULL, &status))
                status = run(&options);
        g_free(options.certificate);
        g_free(options.key);
        g_free(options.authorities);
        g_free(options.revoked);
        g_free(options.users);
        g_free(options.socket);
        g_free(options.sasl_users);
        g_free(options.sasl_config);
        return status;
}
