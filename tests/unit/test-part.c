/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <string.h>

#include "interfaces.h"
#include "messages.h"
#include "part.h"

#define LIST "/l"
#define N_OBJECTS 6000

static sd_bus *bus;
static int source;

static void ignore(void *data, Object *object, const Block *blocks, size_t n) {
        (void) data;
        (void) object;
        (void) blocks;
        (void) n;
}

static void ignore_change(void *data, Object *object, const Block *block, uint64_t changed) {
        (void) data;
        (void) object;
        (void) block;
        (void) changed;
}

static const MirrorListener listener = { .added = ignore, .removed = ignore, .changed = ignore_change };

static void take(Mirror *mirror, const char *path) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        sd_bus_message_append(message, "a{sa{sv}}", 2, "org.virtbus1.Device", 3, "Alias", "s", path, "Kind", "s", "disk", "Model",
                              "s", "", "org.virtbus1.Device.Graphics", 2, "Type", "s", "vnc", "Socket", "s", "");
        seal(message);
        g_assert_cmpint(mirror_take(mirror, &source, path, message), ==, 0);
}

/* Objects with parts of their own among them, as domains have devices. */
static void fill(Mirror *mirror, unsigned from, unsigned n) {
        for (unsigned i = from; i < from + n; i++) {
                g_autofree char *path = g_strdup_printf(LIST "/o/%u", i), *below = g_strconcat(path, "/device/x", NULL);
                take(mirror, path);
                if (i % 3 == 0)
                        take(mirror, below);
        }
}

static Mirror *make(unsigned n) {
        Mirror *mirror = mirror_new(&listener, NULL);
        take(mirror, LIST);
        take(mirror, "/other");
        fill(mirror, 0, n);
        return mirror;
}

static void drop(Mirror *mirror, unsigned i) {
        g_autofree char *path = g_strdup_printf(LIST "/o/%u", i);
        mirror_remove(mirror, mirror_find(mirror, path));
}

static bool sees_all(const Object *object, void *data) {
        (void) object;
        (void) data;
        return true;
}

/* One that has a number which the number at DATA divides. */
static bool sees_some(const Object *object, void *data) {
        return g_ascii_strtoull(strrchr(object->path, '/') + 1, NULL, 10) % *(unsigned *) data == 0;
}

static sd_bus_message *call_after(const char *after) {
        sd_bus_message *call = new_message(bus);
        g_assert_cmpint(sd_bus_message_append(call, "sa{sv}", after, 0), >=, 0);
        seal(call);
        return call;
}

/* Reads the next part into COUNTS, how often each path was in one; returns what follows. */
static char *next(Mirror *mirror, const char *after, uint64_t asked, PartMaySee may_see, void *data, GHashTable *counts) {
        g_autoptr(sd_bus_message) call = call_after(after), answer = new_message(bus);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path, *follows;
        size_t bytes;
        Part part;
        g_assert_cmpint(part_read(&part, mirror, mirror_find(mirror, LIST), call, &error), ==, 0);
        part_measure(&part, asked, may_see, data);
        g_assert_cmpint(part_append(&part, may_see, data, answer), >=, 0);
        seal(answer);
        g_assert_cmpuint(part.bytes, <=, PART_BYTES_MAX);
        g_assert_cmpint(sd_bus_message_enter_container(answer, 'a', "{oa{sa{sv}}}"), >, 0);
        for (bytes = 0; sd_bus_message_enter_container(answer, 'e', "oa{sa{sv}}") > 0; bytes++) {
                g_assert_cmpint(sd_bus_message_read_basic(answer, 'o', &path), >, 0);
                g_hash_table_insert(counts, g_strdup(path),
                                    GSIZE_TO_POINTER(GPOINTER_TO_SIZE(g_hash_table_lookup(counts, path)) + 1));
                g_assert_cmpint(sd_bus_message_skip(answer, "a{sa{sv}}"), >=, 0);
                g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
        }
        g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
        g_assert_cmpint(sd_bus_message_read_basic(answer, 's', &follows), >, 0);
        return g_strdup(follows);
}

static GHashTable *counts_new(void) {
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void assert_once(GHashTable *counts, unsigned from, unsigned to) {
        for (unsigned i = from; i < to; i++) {
                g_autofree char *path = g_strdup_printf(LIST "/o/%u", i);
                g_assert_cmpuint(GPOINTER_TO_SIZE(g_hash_table_lookup(counts, path)), ==, 1);
        }
}

static void test_each_object_is_in_one_part(void) {
        g_autoptr(Mirror) mirror = make(N_OBJECTS);
        g_autoptr(GHashTable) counts = counts_new();
        g_autofree char *after = g_strdup("");
        unsigned n = 0;
        do {
                char *follows = next(mirror, after, 0, sees_all, NULL, counts);
                g_free(after);
                after = follows;
                n++;
        } while (after[0]);
        g_assert_cmpuint(n, >, 1);
        g_assert_cmpuint(g_hash_table_size(counts), ==, N_OBJECTS);
        assert_once(counts, 0, N_OBJECTS);
}

/* Whatever comes and goes between two parts: the object that the first one ended with too. */
static void test_what_changes_between_parts_loses_and_doubles_nothing(void) {
        g_autoptr(Mirror) mirror = make(N_OBJECTS);
        g_autoptr(GHashTable) counts = counts_new();
        g_autofree char *after = next(mirror, "", 0, sees_all, NULL, counts);
        unsigned first = g_hash_table_size(counts);
        g_assert_cmpuint(first, <, N_OBJECTS / 2);
        for (unsigned i = first - 10; i < first + 600; i++)
                drop(mirror, i); /* the objects by which others are found are among them */
        fill(mirror, N_OBJECTS, 10);
        take(mirror, LIST "/o/5"); /* told anew, as after its driver's restart: it is the same one */
        do {
                char *follows = next(mirror, after, 0, sees_all, NULL, counts);
                g_free(after);
                after = follows;
        } while (after[0]);
        assert_once(counts, 0, first);
        assert_once(counts, first + 600, N_OBJECTS + 10);
        g_assert_cmpuint(g_hash_table_size(counts), ==, N_OBJECTS + 10 - 600);
}

static void test_an_object_that_comes_again_is_another_one(void) {
        g_autoptr(Mirror) mirror = make(N_OBJECTS);
        g_autoptr(GHashTable) counts = counts_new();
        g_autofree char *after = next(mirror, "", 0, sees_all, NULL, counts);
        drop(mirror, 1);
        take(mirror, LIST "/o/1");
        do {
                char *follows = next(mirror, after, 0, sees_all, NULL, counts);
                g_free(after);
                after = follows;
        } while (after[0]);
        g_assert_cmpuint(GPOINTER_TO_SIZE(g_hash_table_lookup(counts, LIST "/o/1")), ==,
                         2); /* it has come since, as is signalled */
        assert_once(counts, 2, N_OBJECTS);
}

static void test_what_may_not_be_read_is_left_out_and_what_nobody_asked_about_comes_later(void) {
        g_autoptr(Mirror) mirror = make(300);
        g_autoptr(GHashTable) counts = counts_new();
        unsigned divisor = 7, n = 0;
        g_autofree char *after = g_strdup("");
        do {
                g_autoptr(sd_bus_message) call = call_after(after);
                g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
                sd_bus_error error = SD_BUS_ERROR_NULL;
                Part part;
                g_assert_cmpint(part_read(&part, mirror, mirror_find(mirror, LIST), call, &error), ==, 0);
                uint64_t asked = part_append_paths(&part, 50, paths);
                g_assert_cmpuint(paths->len, <=, 50);
                char *follows = next(mirror, after, asked, sees_some, &divisor, counts);
                g_free(after);
                after = follows;
                n++;
        } while (after[0]);
        g_assert_cmpuint(n, >=, 300 / (50 + divisor));
        g_assert_cmpuint(g_hash_table_size(counts), ==, (300 + divisor - 1) / divisor);
}

static sd_bus_message *call_columns(const char *after, const char *interface, const char *property) {
        sd_bus_message *call = new_message(bus);
        g_assert_cmpint(sd_bus_message_append(call, "ssas", after, interface, property ? 1 : 0, property), >=, 0);
        seal(call);
        return call;
}

/* Reads "as" or "ao" at the message's place: how many, each of which names its object. */
static size_t read_strings(sd_bus_message *answer, char type, const char *const *paths, const char **into) {
        const char contents[] = { type, '\0' };
        size_t n = 0;
        g_assert_cmpint(sd_bus_message_enter_container(answer, 'a', contents), >, 0);
        for (const char *text; sd_bus_message_read_basic(answer, type, &text) > 0; n++) {
                if (paths)
                        g_assert_cmpstr(paths[n], ==, text);
                if (into)
                        into[n] = text;
        }
        g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
        return n;
}

static void test_columns_have_the_values_of_their_objects(void) {
        g_autoptr(Mirror) mirror = make(N_OBJECTS);
        static const char *paths[PART_OBJECTS_MAX];
        unsigned divisor = 3, n_parts = 0;
        size_t total = 0;
        g_autofree char *after = g_strdup("");
        do {
                g_autoptr(sd_bus_message) call = call_columns(after, "org.virtbus1.Device", "Alias"), answer = new_message(bus);
                sd_bus_error error = SD_BUS_ERROR_NULL;
                const char *name, *follows;
                Part part;
                g_assert_cmpint(part_read(&part, mirror, mirror_find(mirror, LIST), call, &error), ==, 0);
                part_measure(&part, UINT64_MAX, sees_some, &divisor);
                g_assert_cmpint(part_append(&part, sees_some, &divisor, answer), >=, 0);
                seal(answer);
                size_t n = read_strings(answer, 'o', NULL, paths);
                g_assert_cmpint(sd_bus_message_enter_container(answer, 'a', "{sv}"), >, 0);
                g_assert_cmpint(sd_bus_message_enter_container(answer, 'e', "sv"), >, 0);
                g_assert_cmpint(sd_bus_message_read_basic(answer, 's', &name), >, 0);
                g_assert_cmpstr(name, ==, "Alias");
                g_assert_cmpint(sd_bus_message_enter_container(answer, 'v', "as"), >, 0);
                g_assert_cmpuint(read_strings(answer, 's', paths, NULL), ==, n);
                g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
                g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
                g_assert_cmpint(sd_bus_message_at_end(answer, false), >, 0);
                g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
                g_assert_cmpint(sd_bus_message_read_basic(answer, 's', &follows), >, 0);
                g_free(after);
                after = g_strdup(follows);
                total += n;
                n_parts++;
        } while (after[0]);
        g_assert_cmpuint(total, ==, N_OBJECTS / divisor);
        g_assert_cmpuint(n_parts, >, 1);
}

static void test_columns_of_what_is_not_there_are_empty(void) {
        g_autoptr(Mirror) mirror = make(10);
        g_autoptr(sd_bus_message) call = call_columns("", "org.virtbus1.Job", NULL), answer = new_message(bus);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *name;
        Part part;
        unsigned n = 0;
        g_assert_cmpint(part_read(&part, mirror, mirror_find(mirror, LIST), call, &error), ==, 0);
        part_measure(&part, UINT64_MAX, sees_all, NULL);
        g_assert_cmpint(part_append(&part, sees_all, NULL, answer), >=, 0);
        seal(answer);
        g_assert_cmpuint(read_strings(answer, 'o', NULL, NULL), ==, 0);
        g_assert_cmpint(sd_bus_message_enter_container(answer, 'a', "{sv}"), >, 0);
        for (; sd_bus_message_enter_container(answer, 'e', "sv") > 0; n++) {
                g_assert_cmpint(sd_bus_message_read_basic(answer, 's', &name), >, 0);
                g_assert_cmpint(sd_bus_message_skip(answer, "v"), >=, 0);
                g_assert_cmpint(sd_bus_message_exit_container(answer), >=, 0);
        }
        g_assert_cmpuint(n, >, 3);
}

static void refuse(Mirror *mirror, const char *words, const char *types, ...) {
        g_autoptr(sd_bus_message) call = new_message(bus);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list arguments;
        Part part;
        va_start(arguments, types);
        g_assert_cmpint(sd_bus_message_appendv(call, types, arguments), >=, 0);
        va_end(arguments);
        seal(call);
        g_assert_cmpint(part_read(&part, mirror, mirror_find(mirror, LIST), call, &error), <, 0);
        g_assert_cmpstr(error.name, ==, "org.virtbus1.Error.InvalidArgument");
        g_assert_nonnull(strstr(error.message, words));
        sd_bus_error_free(&error);
}

static void test_what_makes_no_sense_is_refused(void) {
        g_autoptr(Mirror) mirror = make(N_OBJECTS), another = make(N_OBJECTS);
        g_autoptr(GHashTable) counts = counts_new();
        g_autofree char *other = next(another, "", 0, sees_all, NULL, counts);
        g_autofree char *after = next(mirror, "", 0, sees_all, NULL, counts);
        g_autofree char *longer = g_strconcat(after, "0", NULL), *blank = g_strconcat(" ", after, NULL);
        const char *const wrong[] = { other, longer, blank, "-", "0-0", "x", "1", "-1-1", "ffffffffffffffff-ffffffffffffffff" };
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
                refuse(mirror, "begin with the first part", "sa{sv}", wrong[i], 0);
        refuse(mirror, "no option", "sa{sv}", "", 1, "colour", "b", 1);
        refuse(mirror, "a{sas}", "sa{sv}", "", 1, "properties", "as", 1, "x");
        refuse(mirror, "no interface", "sa{sv}", "", 1, "properties", "a{sas}", 1, "org.virtbus1.Nothing", 0);
        refuse(mirror, "no property", "sa{sv}", "", 1, "properties", "a{sas}", 1, "org.virtbus1.Device", 1, "Colour");
        refuse(mirror, "twice", "sa{sv}", "", 1, "properties", "a{sas}", 2, "org.virtbus1.Device", 0, "org.virtbus1.Device", 0);
        refuse(mirror, "names no interface", "sa{sv}", "", 1, "properties", "a{sas}", 0);
        refuse(mirror, "begin with the first part", "ssas", other, "org.virtbus1.Device", 0);
        refuse(mirror, "no interface", "ssas", "", "org.virtbus1.Nothing", 0);
        refuse(mirror, "no property", "ssas", "", "org.virtbus1.Device", 1, "Colour");
}

static void test_only_what_is_wanted_is_in_it(void) {
        g_autoptr(Mirror) mirror = make(1);
        g_autoptr(sd_bus_message) call = new_message(bus), answer = new_message(bus);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path, *interface, *name, *kind;
        Part part;
        g_assert_cmpint(sd_bus_message_append(call, "sa{sv}", "", 1, "properties", "a{sas}", 2, "org.virtbus1.Device", 1, "Kind",
                                              "org.virtbus1.Job", 0),
                        >=, 0);
        seal(call);
        g_assert_cmpint(part_read(&part, mirror, mirror_find(mirror, LIST), call, &error), ==, 0);
        part_measure(&part, 0, sees_all, NULL);
        g_assert_cmpint(part_append(&part, sees_all, NULL, answer), >=, 0);
        seal(answer);
        g_assert_cmpint(sd_bus_message_read(answer, "a{oa{sa{sv}}}s", 1, &path, 1, &interface, 1, &name, "s", &kind, NULL), >, 0);
        g_assert_cmpstr(path, ==, LIST "/o/0");
        g_assert_cmpstr(interface, ==, "org.virtbus1.Device");
        g_assert_cmpstr(name, ==, "Kind");
        g_assert_cmpstr(kind, ==, "disk");
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        bus = unconnected_bus();
        g_test_add_func("/part/each-object-is-in-one-part", test_each_object_is_in_one_part);
        g_test_add_func("/part/what-changes-between-parts-loses-and-doubles-nothing",
                        test_what_changes_between_parts_loses_and_doubles_nothing);
        g_test_add_func("/part/an-object-that-comes-again-is-another-one", test_an_object_that_comes_again_is_another_one);
        g_test_add_func("/part/what-may-not-be-read-is-left-out-and-what-nobody-asked-about-comes-later",
                        test_what_may_not_be_read_is_left_out_and_what_nobody_asked_about_comes_later);
        g_test_add_func("/part/what-makes-no-sense-is-refused", test_what_makes_no_sense_is_refused);
        g_test_add_func("/part/only-what-is-wanted-is-in-it", test_only_what_is_wanted_is_in_it);
        g_test_add_func("/part/columns-have-the-values-of-their-objects", test_columns_have_the_values_of_their_objects);
        g_test_add_func("/part/columns-of-what-is-not-there-are-empty", test_columns_of_what_is_not_there_are_empty);
        int status = g_test_run();
        sd_bus_unref(bus);
        return status;
}
