/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who decides about what, by the annotations of the interfaces alone. */
#include "decisions.h"
#include "interfaces.h"
#include "messages.h"

#define TOP "/org/virtbus1"
#define DOMAIN TOP "/test/domain/a"
#define JOB TOP "/job/test_1"

enum { ALICE = 1000, BOB, CAROL };

static sd_bus *bus;

static void ignore(void *data, Object *object, const Block *blocks, size_t n) {
        (void) data;
        (void) object;
        (void) blocks;
        (void) n;
}

static const MirrorListener listener = { .added = ignore, .removed = ignore };

/* A value for a property: a given one for its name, or else nothing. */
static void append_value(sd_bus_message *message, const PropertyInfo *property, const char *text, const char *path,
                         uint32_t user) {
        const char type = property->signature[0];
        g_assert_cmpint(sd_bus_message_open_container(message, 'v', property->signature), >=, 0);
        if (type == 'a') {
                g_assert_cmpint(sd_bus_message_open_container(message, 'a', property->signature + 1), >=, 0);
                g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        } else if (type == 's' || type == 'o')
                sd_bus_message_append_basic(message, type, type == 's' ? text : path ? path : "/");
        else if (type == 'u')
                sd_bus_message_append_basic(message, type, &user);
        else
                sd_bus_message_append_basic(message, type, &(uint64_t){ 0 });
        g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
}

/* An object of one interface: all its strings are TEXT, all its paths ACTS_ON, all its numbers USER. */
static Object *add(Mirror *mirror, const char *path, const InterfaceInfo *interface, const char *text, const char *acts_on,
                   uint32_t user) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        sd_bus_message_open_container(message, 'e', "sa{sv}");
        sd_bus_message_append_basic(message, 's', interface->name);
        sd_bus_message_open_container(message, 'a', "{sv}");
        for (size_t i = 0; i < interface->n_properties; i++) {
                sd_bus_message_open_container(message, 'e', "sv");
                sd_bus_message_append_basic(message, 's', interface->properties[i].name);
                append_value(message, &interface->properties[i], text, acts_on, user);
                sd_bus_message_close_container(message);
        }
        for (unsigned depth = 0; depth < 3; depth++)
                g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        seal(message);
        g_assert_cmpint(mirror_take(mirror, NULL, path, message), ==, 0);
        return mirror_find(mirror, path);
}

typedef struct Tree {
        Mirror *mirror;
        Object *top, *connection, *domain, *device, *job;
} Tree;

static Tree tree_new(void) {
        Tree tree = { .mirror = mirror_new(&listener, NULL) };
        g_autoptr(sd_bus_message) message = new_message(bus);
        sd_bus_message_append(message, "a{sa{sv}}", 1, "org.virtbus1.Manager", 2, "Version", "s", "1", "Drivers", "a(ssss)", 0);
        seal(message);
        g_assert_cmpint(mirror_take(tree.mirror, NULL, TOP, message), ==, 0);
        tree.top = mirror_find(tree.mirror, TOP);
        tree.connection = add(tree.mirror, TOP "/test", &interface_connection, "test", NULL, 0);
        tree.domain = add(tree.mirror, DOMAIN, &interface_domain, "web", NULL, ALICE);
        tree.device = add(tree.mirror, DOMAIN "/device/disk0", &interface_device, "disk0", NULL, 0);
        tree.job = add(tree.mirror, JOB, &interface_job, "save", DOMAIN, BOB);
        return tree;
}

static void test_a_subject_is_the_nearest_above(void) {
        Tree tree = tree_new();
        g_assert_true(decision_subject(tree.device) == tree.domain);
        g_assert_true(decision_subject(tree.domain) == tree.domain);
        g_assert_true(decision_subject(tree.connection) == tree.connection);
        g_assert_true(decision_subject(tree.job) == tree.job);
        g_assert_null(decision_subject(tree.top));
        g_assert_cmpstr(subject_name(tree.domain), ==, "web");
        g_assert_cmpstr(subject_uuid(tree.domain), ==, "web");
        g_assert_cmpstr(subject_info(tree.domain)->no_such, ==, "org.virtbus1.Error.NoSuchDomain");
        g_assert_null(subject_name(tree.connection));
        g_assert_null(subject_name(tree.device));
        g_assert_cmpstr(subject_operation(tree.job), ==, "save");
        mirror_free(tree.mirror);
}

static void test_what_acts_on_something_belongs_to_its_connection(void) {
        Tree tree = tree_new();
        g_assert_true(decision_object(tree.job) == tree.domain);
        g_assert_true(decision_connection(tree.job) == tree.connection);
        g_assert_true(decision_connection(tree.domain) == tree.connection);
        g_assert_null(decision_connection(NULL));
        mirror_remove(tree.mirror, tree.domain); /* the job outlives it */
        g_assert_null(decision_object(tree.job));
        g_assert_true(decision_connection(tree.job) == tree.connection);
        mirror_remove(tree.mirror, tree.connection);
        g_assert_null(decision_connection(tree.job));
        mirror_free(tree.mirror);
}

static void test_a_subject_is_its_owners_and_of_who_owns_what_it_acts_on(void) {
        Tree tree = tree_new();
        g_assert_true(decision_is_own(tree.domain, ALICE));
        g_assert_false(decision_is_own(tree.domain, BOB));
        g_assert_true(decision_is_own(tree.job, ALICE));
        g_assert_true(decision_is_own(tree.job, BOB));
        g_assert_false(decision_is_own(tree.job, CAROL));
        g_assert_false(decision_is_own(NULL, ALICE));
        mirror_free(tree.mirror);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        bus = unconnected_bus();
        g_test_add_func("/decisions/a-subject-is-the-nearest-above", test_a_subject_is_the_nearest_above);
        g_test_add_func("/decisions/what-acts-on-something-belongs-to-its-connection",
                        test_what_acts_on_something_belongs_to_its_connection);
        g_test_add_func("/decisions/a-subject-is-its-owners", test_a_subject_is_its_owners_and_of_who_owns_what_it_acts_on);
        int status = g_test_run();
        sd_bus_unref(bus);
        return status;
}
