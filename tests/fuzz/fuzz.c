/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"

/* The user "nobody": inputs name files, sockets and processes. */
#define NOBODY 65534

/* Values in a container that the input decides. */
#define ITEMS_MAX 4

/* How deep variants that the input decides may nest. */
#define DEPTH_MAX 4

static char *folder;

static void remove_folder(void) {
        const char *arguments[] = { "rm", "-rf", "--", folder, NULL };
        g_spawn_sync(NULL, (char **) arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

static void drop_rights(void) {
        if (geteuid() != 0)
                return;
        g_assert_cmpint(setgroups(0, NULL), ==, 0);
        g_assert_cmpint(setresgid(NOBODY, NOBODY, NOBODY), ==, 0);
        g_assert_cmpint(setresuid(NOBODY, NOBODY, NOBODY), ==, 0);
        /* For the leak detector, which looks into its own process. */
        g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
}

/* What a library complains of is a fault of ours. */
static void on_log(const char *domain, GLogLevelFlags level, const char *message, void *unused) {
        (void) unused;
        fprintf(stderr, "%s: %s\n", domain ? domain : "", message);
        if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
                abort();
}

const char *fuzz_folder(void) {
        if (folder)
                return folder;
        g_log_set_default_handler(on_log, NULL);
        drop_rights();
        folder = g_build_filename(g_get_tmp_dir(), "fuzz.XXXXXX", NULL);
        g_assert_nonnull(mkdtemp(folder));
        atexit(remove_folder);
        return folder;
}

void fuzz_settle(sd_event *event) {
        for (unsigned n = 0; n < FUZZ_EVENTS_MAX && sd_event_run(event, 0) > 0; n++)
                ;
}

void fuzz_bus_pair(sd_event *event, sd_bus **client, sd_bus **server) {
        int pair[2];
        sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 10);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        sd_bus **ends[] = { client, server };
        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
                g_assert_cmpint(sd_bus_new(ends[i]), >=, 0);
                g_assert_cmpint(sd_bus_set_fd(*ends[i], pair[i], pair[i]), >=, 0);
                g_assert_cmpint(sd_bus_negotiate_fds(*ends[i], true), >=, 0);
        }
        g_assert_cmpint(sd_bus_set_server(*server, true, id), >=, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
                g_assert_cmpint(sd_bus_start(*ends[i]), >=, 0);
                g_assert_cmpint(sd_bus_attach_event(*ends[i], event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
        }
}

/* Decisions */

uint8_t bytes_take(Bytes *bytes) {
        if (bytes->left == 0)
                return 0;
        bytes->left--;
        return *bytes->at++;
}

size_t bytes_pick(Bytes *bytes, size_t n) {
        return n < 2 ? 0 : (n <= 256 ? bytes_take(bytes) : bytes_take(bytes) << 8 | bytes_take(bytes)) % n;
}

static uint64_t take_number(Bytes *bytes) {
        static const uint64_t special[] = { 0, 1, 2, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, 1 << 20 };
        uint8_t kind = bytes_take(bytes);
        return kind < G_N_ELEMENTS(special) ? special[kind] : kind;
}

/* A word that is known, or one of the input's own bytes that is a string to D-Bus. */
static char *take_string(Bytes *bytes, const char *const *words) {
        size_t n = g_strv_length((char **) words), which = bytes_pick(bytes, n + 1);
        if (which < n)
                return g_strdup(words[which]);
        g_autofree char *own = g_malloc0(16);
        for (size_t i = 0, length = bytes_pick(bytes, 16); i < length; i++)
                own[i] = (char) bytes_take(bytes);
        return g_utf8_make_valid(own, -1);
}

static int append_any(Bytes *bytes, sd_bus_message *message, const char *signature, size_t length, const char *const *words,
                      unsigned depth);

static int append_string(Bytes *bytes, sd_bus_message *message, char type, const char *const *words) {
        g_autofree char *text = take_string(bytes, words);
        if (type == 'o' && !sd_bus_object_path_is_valid(text))
                return sd_bus_message_append_basic(message, type, "/org/virtbus1/test");
        return sd_bus_message_append_basic(message, type, type == 'g' ? "s" : text);
}

static int append_variant(Bytes *bytes, sd_bus_message *message, const char *const *words, unsigned depth) {
        static const char *const types[] = { "s", "u", "b", "t", "x", "i", "d", "as", "ay", "a{sv}", "v", "o", "(ss)", "q" };
        const char *type = depth > DEPTH_MAX ? "s" : types[bytes_pick(bytes, G_N_ELEMENTS(types))];
        int r = sd_bus_message_open_container(message, 'v', type);
        if (r >= 0)
                r = append_any(bytes, message, type, strlen(type), words, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_container(Bytes *bytes, sd_bus_message *message, char type, const char *contents, size_t length, size_t n,
                            const char *const *words, unsigned depth) {
        g_autofree char *inner = g_strndup(contents, length);
        int r = sd_bus_message_open_container(message, type, inner);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_any(bytes, message, inner, length, words, depth);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* The length of the first complete type. */
static size_t type_length(const char *signature) {
        if (*signature == 'a')
                return 1 + type_length(signature + 1);
        if (*signature != '(' && *signature != '{')
                return 1;
        size_t n = 1;
        while (signature[n] != ')' && signature[n] != '}')
                n += type_length(signature + n);
        return n + 1;
}

static int append_one(Bytes *bytes, sd_bus_message *message, const char *type, size_t length, const char *const *words,
                      unsigned depth) {
        uint64_t number;
        double real;
        int boolean, fd;
        switch (*type) {
        case 's':
        case 'o':
        case 'g':
                return append_string(bytes, message, *type, words);
        case 'v':
                return append_variant(bytes, message, words, depth);
        case 'a':
                return type[1] == '{' ? append_container(bytes, message, 'a', type + 1, length - 1, bytes_pick(bytes, ITEMS_MAX),
                                                         words, depth)
                                      : append_container(bytes, message, 'a', type + 1, length - 1, bytes_pick(bytes, ITEMS_MAX),
                                                         words, depth);
        case '(':
                return append_container(bytes, message, 'r', type + 1, length - 2, 1, words, depth);
        case '{':
                return append_container(bytes, message, 'e', type + 1, length - 2, 1, words, depth);
        case 'b':
                boolean = bytes_take(bytes) & 1;
                return sd_bus_message_append_basic(message, 'b', &boolean);
        case 'd':
                real = (double) take_number(bytes);
                return sd_bus_message_append_basic(message, 'd', &real);
        case 'h':
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
                int r = sd_bus_message_append_basic(message, 'h', &fd);
                close(fd);
                return r;
        default:
                number = take_number(bytes); /* little-endian or not, some of its bytes are the number */
                return sd_bus_message_append_basic(message, *type, &number);
        }
}

static int append_any(Bytes *bytes, sd_bus_message *message, const char *signature, size_t length, const char *const *words,
                      unsigned depth) {
        int r = 0;
        for (size_t at = 0, n; r >= 0 && at < length; at += n) {
                n = type_length(signature + at);
                r = append_one(bytes, message, signature + at, n, words, depth);
        }
        return r;
}

int bytes_append(Bytes *bytes, sd_bus_message *message, const char *signature, const char *const *words) {
        return append_any(bytes, message, signature, strlen(signature), words, 0);
}

/* Checks */

bool fuzz_is_readable(sd_bus_message *message, const char *signature) {
        return sd_bus_message_has_signature(message, signature) && (!*signature || sd_bus_message_skip(message, signature) >= 0);
}

void fuzz_check_error(const GError *error) {
        g_assert_nonnull(error);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
}
