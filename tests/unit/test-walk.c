/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/named-file.h"
#include "base/walk.h"
#include "folder.h"

/* Alice decides what is in her folder; it is beside root's, in one of root's. */
#define ALICE 54321
#define LINK "is a link that somebody else may have made"

typedef struct Place {
        char *top, *hers, *roots, *shared;
} Place;

static char *make_folder(const char *parent, const char *name, uid_t owner, mode_t mode) {
        char *path = g_build_filename(parent, name, NULL);
        g_assert_cmpint(mkdir(path, mode), ==, 0);
        g_assert_cmpint(chmod(path, mode), ==, 0);
        g_assert_cmpint(chown(path, owner, owner), ==, 0);
        return path;
}

static bool place_make(Place *place) {
        if (geteuid() != 0) {
                g_test_skip("only root can play two users");
                return false;
        }
        place->top = folder_new();
        chmod(place->top, 0755);
        place->hers = make_folder(place->top, "hers", ALICE, 0755);
        place->roots = make_folder(place->top, "roots", 0, 0755);
        place->shared = make_folder(place->top, "shared", 0, 01777);
        folder_write(place->roots, "secret", "secret", -1);
        folder_write(place->hers, "own", "hers", -1);
        return true;
}

static void place_clear(Place *place) {
        folder_free(place->top);
        g_free(place->hers);
        g_free(place->roots);
        g_free(place->shared);
}

static void make_link(const char *folder, const char *name, const char *to, uid_t owner) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_assert_cmpint(symlink(to, path), ==, 0);
        g_assert_cmpint(lchown(path, owner, owner), ==, 0);
}

/* Whether a path leads anywhere; else why not. */
static void expect(const char *folder, const char *rest, const char *why) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_strdup_printf("%s/%s", folder, rest);
        struct stat info;
        int fd = named_file_open("image", path, O_RDONLY, false, &info, &error);
        if (fd >= 0)
                close(fd);
        g_test_message("%s", path);
        if (!why)
                g_assert_no_error(error);
        else {
                g_assert_cmpint(fd, <, 0);
                g_assert_nonnull(strstr(error->message, why));
        }
}

static void test_links_are_followed_where_only_root_could_have_made_them(void) {
        Place place;
        if (!place_make(&place))
                return;
        g_autofree char *secret = g_build_filename(place.roots, "secret", NULL);
        make_link(place.roots, "link", "secret", 0);
        make_link(place.roots, "round", "../roots/link", 0);
        make_link(place.roots, "absolute", secret, 0);
        make_link(place.roots, "to-hers", place.hers, 0);
        make_link(place.roots, "alices", "secret", ALICE);
        make_link(place.roots, "loop", "loop", 0);
        make_link(place.hers, "link", secret, ALICE);
        make_link(place.hers, "roots-link", secret, 0);
        make_link(place.hers, "way", place.roots, ALICE);
        make_link(place.shared, "roots-link", secret, 0);
        make_link(place.shared, "alices", secret, ALICE);
        for (const char *const *name =
                             (const char *const[]){ "secret", "link", "round", "absolute", "to-hers/own", "../hers/own", NULL };
             *name; name++)
                expect(place.roots, *name, NULL);
        expect(place.roots, "alices", LINK);
        expect(place.roots, "to-hers/link", LINK);
        expect(place.roots, "loop", "Too many levels");
        expect(place.roots, "secret/x", "Not a directory");
        expect(place.roots, "none", "No such file");
        for (const char *const *name = (const char *const[]){ "link", "roots-link", "way/secret", "../hers/way/link", NULL };
             *name; name++)
                expect(place.hers, *name, LINK);
        expect(place.hers, "own", NULL);
        expect(place.shared, "roots-link", NULL);
        expect(place.shared, "alices", LINK);
        place_clear(&place);
}

static void give_second_name(const char *from, const char *name, const char *folder, const char *second) {
        g_autofree char *old = g_build_filename(from, name, NULL), *new = g_build_filename(folder, second, NULL);
        g_assert_cmpint(link(old, new), ==, 0);
}

static void test_second_names_and_devices_are_no_way_round(void) {
        Place place;
        if (!place_make(&place))
                return;
        g_autofree char *own = g_build_filename(place.hers, "own", NULL), *fifo = g_build_filename(place.hers, "fifo", NULL),
                        *device = g_build_filename(place.hers, "device", NULL);
        expect(place.roots, "secret", NULL);
        give_second_name(place.roots, "secret", place.hers, "hard");
        give_second_name(place.roots, "secret", place.shared, "hard");
        expect(place.hers, "hard", "has a second name");
        expect(place.shared, "hard", "has a second name");
        expect(place.roots, "secret", NULL); /* root's name of it is as good as before */
        g_assert_cmpint(chown(own, ALICE, ALICE), ==, 0);
        give_second_name(place.hers, "own", place.hers, "again");
        expect(place.hers, "again", NULL); /* what is hers anyway */
        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        expect(place.hers, "fifo", "is not a file");
        if (mknod(device, S_IFCHR | 0600, makedev(1, 5)) == 0)
                expect(place.hers, "device", "is a device that somebody else may have put there");
        expect("/proc/self", "mem", "is not a file");
        expect("/proc", "self/status", "is not a file");
        for (const char *const *name = (const char *const[]){ "fd/0", "root/etc/passwd", "cwd/x", "exe", NULL }; *name; name++)
                expect("/proc/self", *name, "is a link of a process's");
        place_clear(&place);
}

static void test_what_was_found_is_what_is_used(void) {
        Place place;
        g_autoptr(GError) error = NULL;
        struct stat info;
        char text[16] = "";
        if (!place_make(&place))
                return;
        g_autofree char *own = g_build_filename(place.hers, "own", NULL), *secret = g_build_filename(place.roots, "secret", NULL);
        int found = named_file_find("image", own, &info, &error);
        g_assert_no_error(error);
        g_assert_cmpint(unlink(own), ==, 0);
        g_assert_cmpint(symlink(secret, own), ==, 0);
        int fd = named_file_use(found, O_RDONLY);
        g_assert_cmpint(read(fd, text, sizeof text), ==, 4);
        g_assert_cmpstr(text, ==, "hers");
        close(fd);
        close(found);
        place_clear(&place);
}

static void test_files_are_made_where_nobody_leads_elsewhere(void) {
        Place place;
        g_autoptr(GError) error = NULL;
        struct stat info;
        if (!place_make(&place))
                return;
        make_link(place.hers, "way", place.roots, ALICE);
        make_link(place.hers, "log", "../roots/made", ALICE);
        make_link(place.roots, "to-hers", "../hers", 0);
        const char *const ways[] = { "way/made", "way/new/made", "way/../roots/made", "log" };
        for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
                g_autofree char *path = g_build_filename(place.hers, ways[i], NULL),
                                *other = g_build_filename(place.hers, "own", NULL);
                bool last = strcmp(ways[i], "log") == 0;
                g_assert_cmpint(named_file_append("file", path, &info, NULL), <, 0);
                g_assert_cmpint(named_file_make("file", path, true, NULL), <, 0);
                g_assert_true(last || !named_file_write("file", path, "x", 1, NULL));
                g_assert_true(last || !named_file_rename("file", path, path, NULL));
                named_file_remove(path);
                g_assert_cmpuint(folder_count(place.roots), ==, 2);
        }
        /* A link is replaced by what is written whole. */
        g_autofree char *log = g_build_filename(place.hers, "log", NULL),
                        *deep = g_build_filename(place.roots, "to-hers/a/b/vars", NULL),
                        *moved = g_build_filename(place.roots, "to-hers/a/b/moved", NULL);
        g_assert_true(named_file_write("file", log, "x", 1, &error));
        g_assert_no_error(error);
        g_assert_true(folder_has(place.hers, "log") && !folder_has(place.roots, "made"));
        g_assert_true(named_file_write("file", deep, "text", 4, &error));
        g_assert_no_error(error);
        g_assert_true(named_file_rename("file", deep, moved, &error));
        for (int i = 0; i < 2; i++) {
                int fd = named_file_append("file", moved, &info, &error);
                g_assert_no_error(error);
                g_assert_cmpint(write(fd, "more", 4), ==, 4);
                close(fd);
        }
        g_autofree char *text = folder_read(place.hers, "a/b/moved");
        g_assert_cmpstr(text, ==, "textmoremore");
        g_assert_cmpint(stat(moved, &info), ==, 0);
        g_assert_cmpint(info.st_mode & 07777, ==, 0600);
        named_file_remove(moved);
        g_assert_false(folder_has(place.hers, "a/b/moved"));
        place_clear(&place);
}

static void test_paths_are_bounded(void) {
        Walked walked;
        g_autofree char *folder = folder_new(), *long_part = g_strnfill(200, 'x'), *link = g_build_filename(folder, "link", NULL);
        g_autoptr(GString) path = g_string_new(folder), target = g_string_new(NULL);
        while (target->len < 4000)
                g_string_append_printf(target, "%s/../", ".");
        g_assert_cmpint(symlink(target->str, link), ==, 0);
        g_string_append(path, "/link/");
        while (path->len < 3900)
                g_string_append(path, "./");
        g_assert_cmpint(walk_find(path->str, WALK_NO_LINKS, &walked), <, 0);
        g_assert_true(walked.failure != 0 || walked.fault);
        while (path->len < PATH_MAX)
                g_string_append_printf(path, "%s/", long_part);
        g_assert_cmpint(walk_find(path->str, WALK_NO_LINKS, &walked), <, 0);
        g_assert_cmpint(walked.failure, ==, ENAMETOOLONG);
        g_assert_cmpint(walk_find("relative", WALK_NO_LINKS, &walked), <, 0);
        g_assert_cmpint(walk_find("", WALK_NO_LINKS, &walked), <, 0);
        folder_free(g_steal_pointer(&folder));
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/walk/links-are-followed-where-only-root-could-have-made-them",
                        test_links_are_followed_where_only_root_could_have_made_them);
        g_test_add_func("/walk/second-names-and-devices-are-no-way-round", test_second_names_and_devices_are_no_way_round);
        g_test_add_func("/walk/what-was-found-is-what-is-used", test_what_was_found_is_what_is_used);
        g_test_add_func("/walk/files-are-made-where-nobody-leads-elsewhere", test_files_are_made_where_nobody_leads_elsewhere);
        g_test_add_func("/walk/paths-are-bounded", test_paths_are_bounded);
        return g_test_run();
}
