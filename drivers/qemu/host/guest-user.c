/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/guest-user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "errors.h"

/* How often what is left of a user is looked for: what is ended meanwhile may have started something. */
#define END_ROUNDS 16

/* By the kernel's own count: what a file says of who has ended is not asked. getpriority(2) may return -1 without a failure. */
static bool has_processes(uid_t uid) {
        errno = 0;
        return getpriority(PRIO_USER, uid) != -1 || errno != ESRCH;
}

/* From the one after the last on: a user that had a guest is the last one to get another. */
uid_t guest_user_take(const Connection *connection, unsigned *next, const char *uuid, GError **error) {
        for (unsigned n = 0; n < GUEST_USERS_MAX; n++) {
                g_autoptr(GError) failure = NULL;
                uid_t uid = GUEST_USER_FIRST + *next;
                g_autofree char *name = g_strdup_printf("%u", uid);
                const Claim claim = { .kind = &guest_user_claims, .name = name, .uuid = uuid, .alias = "" };
                *next = (*next + 1) % GUEST_USERS_MAX;
                if (has_processes(uid))
                        continue;
                if (claim_take(connection, &claim, &failure))
                        return uid;
                if (!g_error_matches(failure, VIRTBUS_ERROR, VIRTBUS_ERROR_RESOURCE_BUSY)) {
                        g_propagate_error(error, g_steal_pointer(&failure));
                        return 0;
                }
        }
        virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "each of the users %u to %u has a guest", GUEST_USER_FIRST,
                          GUEST_USER_FIRST + GUEST_USERS_MAX - 1);
        return 0;
}

bool guest_user_is_one(uint64_t uid) {
        return uid >= GUEST_USER_FIRST && uid < (uint64_t) GUEST_USER_FIRST + GUEST_USERS_MAX;
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
        (void) note;
        if (g_ascii_string_to_unsigned(name, 10, 0, UINT32_MAX, &uid, NULL) && guest_user_is_one(uid))
                end_left_overs((uid_t) uid);
        return true;
}

const ClaimKind guest_user_claims = { "user", "user", give_back };

void guest_user_load(const xmlNode *saved, uid_t *uid, gid_t *gid) {
        uint64_t user = 0;
        if (!xml_number_attribute(saved, "user", 0, UINT32_MAX, &user, NULL) || !guest_user_is_one(user))
                return;
        *uid = (uid_t) user;
        *gid = (gid_t) user;
}
