/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xml.h"
#include "bus.h"
#include "folder.h"
#include "qemu/host/cgroup.h"
#include "qemu/host/claims.h"
#include "qemu/host/guest-user.h"
#include "qemu/host/host.h"
#include "qemu/host/port.h"

#define ONE "a1b2c3d4-0000-4000-8000-000000000001"
#define TWO "a1b2c3d4-0000-4000-8000-000000000002"
#define THREE "a1b2c3d4-0000-4000-8000-000000000003"

/* Only ports are claimed here: giving one back touches nothing of the machine. */
typedef struct Fixture {
        Connection connection;
        char *folder, *claims;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        host_register_claims();
        fixture->folder = folder_new();
        fixture->claims = g_build_filename(fixture->folder, "claims", NULL);
        fixture->connection.runtime_directory = fixture->folder;
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        folder_free(fixture->folder);
        g_free(fixture->claims);
}

/* CODE: of the error; -1: none. */
static void take(Fixture *fixture, const char *uuid, const char *port, const char *alias, int code) {
        g_autoptr(GError) error = NULL;
        const Claim claim = { .kind = &port_claims, .name = port, .uuid = uuid, .alias = alias };
        bool fine = claim_take(&fixture->connection, &claim, &error);
        g_assert_true(fine == (code < 0));
        if (code >= 0)
                g_assert_error(error, VIRTBUS_ERROR, code);
}

static bool holds_none(const Connection *connection, const char *uuid) {
        (void) connection;
        (void) uuid;
        return false;
}

static bool holds_one(const Connection *connection, const char *uuid) {
        (void) connection;
        return strcmp(uuid, ONE) == 0;
}

static void test_one_guest_holds_a_thing(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        take(fixture, ONE, "5900", "", -1);
        take(fixture, TWO, "5900", "", VIRTBUS_ERROR_RESOURCE_BUSY);
        take(fixture, ONE, "5900", "", VIRTBUS_ERROR_RESOURCE_BUSY); /* for another device of it */
        take(fixture, TWO, "5901", "", -1);
        claims_give_back(&fixture->connection, ONE, NULL);
        take(fixture, TWO, "5900", "", -1);
        g_assert_false(claims_any(&fixture->connection, ONE));
        g_assert_true(claims_any(&fixture->connection, TWO));
}

static void test_one_device_is_given_back_alone(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        take(fixture, ONE, "5900", "graphics0", -1);
        take(fixture, ONE, "5901", "graphics1", -1);
        claims_give_back(&fixture->connection, ONE, "graphics0");
        take(fixture, TWO, "5900", "", -1);
        take(fixture, TWO, "5901", "", VIRTBUS_ERROR_RESOURCE_BUSY);
        claims_give_back(&fixture->connection, ONE, "graphics"); /* not a device of it */
        g_assert_true(claims_any(&fixture->connection, ONE));
}

static void test_what_nobody_holds_is_swept(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        take(fixture, ONE, "5900", "", -1);
        take(fixture, TWO, "5901", "", -1);
        claims_sweep(&fixture->connection, holds_one);
        g_assert_true(claims_any(&fixture->connection, ONE));
        g_assert_false(claims_any(&fixture->connection, TWO));
        claims_sweep(&fixture->connection, holds_none);
        g_assert_cmpuint(folder_count(fixture->claims), ==, 0);
}

static void test_nothing_is_taken_that_cannot_be_written_down(Fixture *fixture, gconstpointer unused) {
        const struct rlimit none = { .rlim_cur = 0, .rlim_max = RLIM_INFINITY };
        struct rlimit before;
        (void) unused;
        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
        take(fixture, ONE, "5900", "", VIRTBUS_ERROR_LIMIT_EXCEEDED);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        g_assert_cmpuint(folder_count(fixture->claims), ==, 0);
        take(fixture, TWO, "5900", "", -1);
}

/* A driver that was killed as it wrote has taken nothing yet: what it has left is not a claim, and goes. */
static void test_half_a_claim_is_none(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        take(fixture, ONE, "5901", "", -1);
        folder_write(fixture->claims, "." TWO " port 5900.AbCdEf", "graph", -1);
        g_assert_false(claims_any(&fixture->connection, TWO));
        g_assert_false(claims_any(&fixture->connection, "." TWO));
        take(fixture, ONE, "5900", "", -1);
        claims_sweep(&fixture->connection, holds_one);
        g_assert_false(folder_has(fixture->claims, "." TWO " port 5900.AbCdEf"));
        g_assert_cmpuint(folder_count(fixture->claims), ==, 2);
}

static void test_files_of_others_are_left_alone(Fixture *fixture, gconstpointer unused) {
        static const char *const others[] = { "README", ONE, ONE " port", ONE " floppy a", " ", "  ", ONE " port 5902" };
        (void) unused;
        take(fixture, ONE, "5900", "", -1);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                folder_write(fixture->claims, others[i], "without a second line", -1);
        claims_give_back(&fixture->connection, ONE, NULL);
        claims_sweep(&fixture->connection, holds_none);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                g_assert_true(folder_has(fixture->claims, others[i]));
}

static void test_without_a_folder_nothing_is_held(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_false(claims_any(&fixture->connection, ONE));
        claims_give_back(&fixture->connection, ONE, NULL);
        claims_sweep(&fixture->connection, holds_none);
        folder_write(fixture->folder, "claims", "a file where the folder should be", -1);
        take(fixture, ONE, "5900", "", VIRTBUS_ERROR_INVALID_ARGUMENT);
}

typedef struct Taker {
        Fixture *fixture;
        const char *uuid;
        int n_taken; /* atomic */
} Taker;

static void *take_all(void *data) {
        Taker *taker = data;
        for (unsigned port = 0; port < 50; port++) {
                g_autofree char *name = g_strdup_printf("%u", port);
                const Claim claim = { .kind = &port_claims, .name = name, .uuid = taker->uuid, .alias = "" };
                if (claim_take(&taker->fixture->connection, &claim, NULL))
                        g_atomic_int_inc(&taker->n_taken);
        }
        return NULL;
}

static void test_threads_take_each_thing_once(Fixture *fixture, gconstpointer unused) {
        Taker takers[] = { { .fixture = fixture, .uuid = ONE }, { .fixture = fixture, .uuid = TWO } };
        GThread *threads[G_N_ELEMENTS(takers)];
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(takers); i++)
                threads[i] = g_thread_new("takes", take_all, &takers[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(takers); i++)
                g_thread_join(threads[i]);
        g_assert_cmpint(takers[0].n_taken + takers[1].n_taken, ==, 50);
        g_assert_cmpuint(folder_count(fixture->claims), ==, 50);
}

#define ADD(name, test) g_test_add("/claims/" name, Fixture, NULL, set_up, test, tear_down)

/* One that a former guest has left: another session, another group. */
static pid_t leave_process(uid_t uid) {
        int ready[2];
        char byte;
        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid_t pid = fork();
        if (pid == 0) {
                if (setsid() < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0 || write(ready[1], "", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        close(ready[1]);
        return pid;
}

/* The range is gone round; one that a process still has is nobody's, whether a claim says so or not. */
static void test_a_user_that_anything_is_left_of_has_no_other_guest(Fixture *fixture, gconstpointer unused) {
        const Connection *connection = &fixture->connection;
        const unsigned last = GUEST_USERS_MAX - 1;
        g_autoptr(GError) error = NULL;
        GuestUsers users = { .first = GUEST_USER_FIRST, .n = GUEST_USERS_MAX, .next = last };
        (void) unused;
        if (geteuid() != 0) {
                g_test_skip("only root has other users");
                return;
        }
        pid_t left = leave_process(GUEST_USER_FIRST + last), other = leave_process(GUEST_USER_FIRST + 1);
        g_assert_cmpuint(guest_user_take(connection, &users, ONE, "", &error), ==, GUEST_USER_FIRST);
        users.next = last;
        g_assert_cmpuint(guest_user_take(connection, &users, TWO, "", &error), ==, GUEST_USER_FIRST + 2);
        g_assert_cmpuint(users.next, ==, 3);
        claims_give_back(connection, ONE, NULL); /* its guest has ended, and a process of it has not */
        pid_t first = leave_process(GUEST_USER_FIRST);
        users.next = last;
        g_assert_cmpuint(guest_user_take(connection, &users, ONE, "", &error), ==, GUEST_USER_FIRST + 3);
        for (const pid_t *pid = (const pid_t[]){ left, other, first, 0 }; *pid; pid++) {
                kill(*pid, SIGKILL);
                g_assert_cmpint(waitpid(*pid, NULL, 0), ==, *pid);
        }
        users.next = last;
        g_assert_cmpuint(guest_user_take(connection, &users, THREE, "", &error), ==, GUEST_USER_FIRST + last);
        g_assert_no_error(error);
}

static void test_a_range_of_users_is_numbers_that_are_nobodys(Fixture *fixture, gconstpointer unused) {
        static const char *const wrong[] = { "1",
                                             "x-y",
                                             "0-65536",
                                             "1000-2000",
                                             "65536-65536",
                                             "65537-65536",
                                             "70000-4294967294",
                                             "70000-99999999999",
                                             "-5-70000",
                                             "70000-80000-90000",
                                             "70000 80000",
                                             "70000-80000 ",
                                             "65536-4294967295",
                                             "0x11170-80000" };
        GuestUsers users;
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autoptr(GError) error = NULL;
                g_assert_false(guest_users_open(&users, wrong[i], NULL, &error));
                g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
                g_assert_nonnull(strstr(error->message, "VIRTBUS_GUEST_USERS"));
        }
        g_assert_true(guest_users_open(&users, "", NULL, NULL));
        g_assert_cmpuint(users.first, ==, GUEST_USER_FIRST);
        g_assert_cmpuint(users.n, ==, GUEST_USERS_MAX);
        g_assert_true(guest_users_open(&users, "4294967292-4294967293", NULL, NULL));
        g_assert_cmpuint(users.n, ==, 2);
        g_assert_cmpuint(users.next, <, 2);
        if (geteuid() != 0)
                return;
        /* All of them have guests. */
        static const char *const uuids[] = { ONE, TWO };
        g_autofree char *records = g_build_filename(fixture->claims, "..", "userdb", NULL);
        g_autoptr(GError) error = NULL;
        users.records = records;
        for (unsigned i = 0; i < 2; i++)
                g_assert_cmpuint(guest_user_take(&fixture->connection, &users, uuids[i], "", &error), >=, users.first);
        g_assert_cmpuint(folder_count(records), ==, 8);
        g_assert_cmpuint(guest_user_take(&fixture->connection, &users, THREE, "", &error), ==, 0);
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_RESOURCE_BUSY);
        g_assert_nonnull(strstr(error->message, "4294967292 to 4294967293"));
        claims_give_back(&fixture->connection, ONE, NULL);
        g_assert_cmpuint(folder_count(records), ==, 4);
        claims_give_back(&fixture->connection, TWO, NULL);
        g_assert_cmpuint(folder_count(records), ==, 0);
        g_rmdir(records);
}

#define GROUPS "/sys/fs/cgroup"
#define LEFT_IN_GROUP 6
#define GROUP_ROUNDS 20
#define LEFT_BYTES (UINT64_C(48) << 20)

/* One that has memory to give back, and ends when this does. */
static pid_t leave_in_group(const char *group) {
        int ready[2];
        char byte;
        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid_t pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                memset(g_malloc(LEFT_BYTES), 1, LEFT_BYTES);
                if (write(ready[1], "", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        g_autofree char *file = g_build_filename(group, "cgroup.procs", NULL), *number = g_strdup_printf("%d", pid);
        g_autofd int fd = open(file, O_WRONLY | O_CLOEXEC);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        g_assert_cmpint(write(fd, number, strlen(number)), >, 0);
        close(ready[0]);
        close(ready[1]);
        return pid;
}

/* Groups of version 2, whatever the machine has: in a mount namespace, which the tests that follow are in, too. */
static bool mount_groups(void) {
        return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               mount("none", GROUPS, "cgroup2", 0, NULL) == 0;
}

static void leave_and_give_back(const Fixture *fixture) {
        g_autofree char *uuid = g_uuid_string_random(), *group = g_build_filename(GROUPS "/virtbus", uuid, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse("<domain/>", "domain", &error);
        pid_t left[LEFT_IN_GROUP], first = leave_process(geteuid());
        bool fine = cgroup_limit_guest(&fixture->connection, uuid, first, xmlDocGetRootElement(document), &error);
        g_assert_no_error(error);
        g_assert_true(fine);
        for (size_t i = 0; i < G_N_ELEMENTS(left); i++)
                left[i] = leave_in_group(group);
        kill(first, SIGKILL);
        claims_give_back(&fixture->connection, uuid, NULL);
        g_assert_cmpint(access(group, F_OK), <, 0);
        g_assert_false(claims_any(&fixture->connection, uuid));
        g_assert_cmpint(waitpid(first, NULL, 0), ==, first);
        for (size_t i = 0; i < G_N_ELEMENTS(left); i++)
                g_assert_cmpint(waitpid(left[i], NULL, 0), ==, left[i]);
}

/* What is killed goes in its own time, which is waited for. */
static void test_a_group_goes_with_what_is_left_in_it(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        if (!mount_groups()) {
                g_test_skip("control groups of version 2 cannot be mounted");
                return;
        }
        for (unsigned i = 0; i < GROUP_ROUNDS; i++)
                leave_and_give_back(fixture);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
        ADD("one-guest-holds-a-thing", test_one_guest_holds_a_thing);
        ADD("one-device-is-given-back-alone", test_one_device_is_given_back_alone);
        ADD("what-nobody-holds-is-swept", test_what_nobody_holds_is_swept);
        ADD("nothing-is-taken-that-cannot-be-written-down", test_nothing_is_taken_that_cannot_be_written_down);
        ADD("half-a-claim-is-none", test_half_a_claim_is_none);
        ADD("files-of-others-are-left-alone", test_files_of_others_are_left_alone);
        ADD("without-a-folder-nothing-is-held", test_without_a_folder_nothing_is_held);
        ADD("threads-take-each-thing-once", test_threads_take_each_thing_once);
        ADD("a-user-that-anything-is-left-of-has-no-other-guest", test_a_user_that_anything_is_left_of_has_no_other_guest);
        ADD("a-range-of-users-is-numbers-that-are-nobodys", test_a_range_of_users_is_numbers_that_are_nobodys);
        ADD("a-group-goes-with-what-is-left-in-it", test_a_group_goes_with_what_is_left_in_it);
        return g_test_run();
}
