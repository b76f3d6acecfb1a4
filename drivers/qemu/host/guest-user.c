/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/guest-user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errors.h"
#include "qemu/host/host.h"
#include "qemu/host/user-record.h"

/* How often what is left of a user is looked for: what is ended meanwhile may have started something. */
#define END_ROUNDS 16

/* By the kernel's own count: what a file says of who has ended is not asked. getpriority(2) may return -1 without a failure. */
static bool has_processes(uid_t uid) {
        errno = 0;
        return getpriority(PRIO_USER, uid) != -1 || errno != ESRCH;
}

/* Whose numbers others give away: subuid(5), NAME:FIRST:N. Ours may have an entry, which keeps others off. */
#define SUBORDINATE_USERS "/etc/subuid"

static bool overlaps(const GuestUsers *users, uint64_t first, uint64_t n) {
        return first < (uint64_t) users->first + users->n && users->first < first + n;
}

static bool check_users(const GuestUsers *users, GError **error) {
        FILE *file = fopen("/etc/passwd", "re");
        bool is_free = true;
        for (const struct passwd *user; file && is_free && (user = fgetpwent(file));)
                if (overlaps(users, user->pw_uid, 1))
                        is_free = virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                    "VIRTBUS_GUEST_USERS: user '%.64s' of /etc/passwd has the number %u; choose "
                                                    "a range that is nobody's",
                                                    user->pw_name, user->pw_uid);
        if (file)
                fclose(file);
        return is_free;
}

static bool check_ranges(const GuestUsers *users, GError **error) {
        g_autofree char *text = NULL;
        if (!g_file_get_contents(SUBORDINATE_USERS, &text, NULL, NULL))
                return true;
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, ":", -1);
                guint64 first = 0, n = 0;
                if (g_strv_length(words) == 3 && strcmp(words[0], QEMU_USER) != 0 &&
                    g_ascii_string_to_unsigned(words[1], 10, 0, UINT32_MAX, &first, NULL) &&
                    g_ascii_string_to_unsigned(words[2], 10, 0, UINT32_MAX, &n, NULL) && overlaps(users, first, n))
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "VIRTBUS_GUEST_USERS: numbers of the range are in " SUBORDINATE_USERS
                                                 " those of containers of '%.64s' (%.64s); choose a range that is nobody's",
                                                 words[0], *line);
        }
        return true;
}

static bool read_range(GuestUsers *users, const char *range, GError **error) {
        g_auto(GStrv) ends = g_strsplit(range, "-", 3);
        guint64 first = 0, last = 0;
        if (g_strv_length(ends) != 2 ||
            !g_ascii_string_to_unsigned(ends[0], 10, GUEST_USER_LOWEST, GUEST_USER_HIGHEST, &first, NULL) ||
            !g_ascii_string_to_unsigned(ends[1], 10, GUEST_USER_LOWEST, GUEST_USER_HIGHEST, &last, NULL) ||
            last < first + GUEST_USERS_MIN - 1)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "VIRTBUS_GUEST_USERS is '%.64s'; it must be FIRST-LAST, as %u-%u: at least %u numbers "
                                         "of %u to %u",
                                         range, GUEST_USER_FIRST, GUEST_USER_FIRST + GUEST_USERS_MAX - 1, GUEST_USERS_MIN,
                                         GUEST_USER_LOWEST, GUEST_USER_HIGHEST);
        users->first = (uid_t) first;
        users->n = (unsigned) (last - first + 1);
        return true;
}

bool guest_users_open(GuestUsers *users, const char *range, const char *records, GError **error) {
        *users = (GuestUsers){ .first = GUEST_USER_FIRST, .n = GUEST_USERS_MAX };
        bool is_chosen = range && *range;
        if (is_chosen && (!read_range(users, range, error) || !check_users(users, error) || !check_ranges(users, error)))
                return false;
        users->next = (unsigned) (((uint64_t) g_random_int() * users->n) >> 32);
        users->records = g_strdup(records);
        return true;
}

void guest_users_close(GuestUsers *users) {
        g_clear_pointer(&users->records, g_free);
}

/* From the one after the last on: a user that had a guest is the last one to get another. */
uid_t guest_user_take(const Connection *connection, GuestUsers *users, const char *uuid, const char *alias, GError **error) {
        for (unsigned n = 0; n < users->n; n++) {
                g_autoptr(GError) failure = NULL;
                uid_t uid = users->first + users->next;
                g_autofree char *name = g_strdup_printf("%u", uid);
                const Claim claim = {
                        .kind = &guest_user_claims, .name = name, .uuid = uuid, .alias = alias, .note = users->records
                };
                users->next = (users->next + 1) % users->n;
                if (has_processes(uid))
                        continue;
                if (claim_take(connection, &claim, &failure)) {
                        if (users->records)
                                user_record_write(users->records, uid, uuid);
                        return uid;
                }
                if (!g_error_matches(failure, VIRTBUS_ERROR, VIRTBUS_ERROR_RESOURCE_BUSY)) {
                        g_propagate_error(error, g_steal_pointer(&failure));
                        return 0;
                }
        }
        virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY,
                          "each of the users %u to %u has a guest; VIRTBUS_GUEST_USERS gives more", users->first,
                          users->first + users->n - 1);
        return 0;
}

bool guest_user_may_be(uint64_t uid) {
        return uid >= GUEST_USER_LOWEST && uid <= GUEST_USER_HIGHEST;
}

static int open_process(pid_t pid) {
        return (int) syscall(SYS_pidfd_open, pid, 0);
}

/* Also one that nobody has waited for yet. */
static bool has_ended(pid_t pid) {
        g_autofd int pidfd = open_process(pid);
        struct pollfd poll_for = { .fd = pidfd, .events = POLLIN };
        return pidfd < 0 ? errno == ESRCH : poll(&poll_for, 1, 0) > 0;
}

/* Each process that the driver starts leads a session: one of another's, whose leader has ended, was started by that. */
static bool is_left_over(int proc, const char *number, uid_t uid) {
        struct stat info;
        pid_t pid = atoi(number), leader = getsid(pid);
        return fstatat(proc, number, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_uid == uid && leader > 0 && leader != pid &&
               has_ended(leader);
}

/* By a descriptor, as its number may be another's by then. */
static bool end_left_over(int proc, const char *number, uid_t uid) {
        if (!is_left_over(proc, number, uid))
                return false;
        g_autofd int pidfd = open_process(atoi(number));
        return pidfd >= 0 && is_left_over(proc, number, uid) && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

/* A driver that was killed may have left what its helpers had started: it would keep the user for good. A QEMU that nobody knows
 * of leads its own session, and runs on. */
static void end_left_overs(uid_t uid) {
        bool found = has_processes(uid);
        for (unsigned round = 0; found && round < END_ROUNDS; round++) {
                DIR *proc = opendir("/proc");
                found = false;
                for (const struct dirent *entry; proc && (entry = readdir(proc));)
                        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                                found |= end_left_over(dirfd(proc), entry->d_name, uid);
                if (proc)
                        closedir(proc);
        }
}

/* Its domain does not run. Nobody takes it while a process has it, whatever is written down. */
static bool give_back(const char *name, const char *note) {
        guint64 uid = 0;
        if (!g_ascii_string_to_unsigned(name, 10, 0, UINT32_MAX, &uid, NULL) || !guest_user_may_be(uid))
                return true;
        end_left_overs((uid_t) uid);
        if (note && *note == '/')
                user_record_remove(note, (uid_t) uid);
        return true;
}

const ClaimKind guest_user_claims = { "user", "user", give_back };

void guest_user_load(const xmlNode *saved, uid_t *uid, gid_t *gid) {
        uint64_t user = 0;
        if (!xml_number_attribute(saved, "user", 0, UINT32_MAX, &user, NULL) || !guest_user_may_be(user))
                return;
        *uid = (uid_t) user;
        *gid = (gid_t) user;
}
