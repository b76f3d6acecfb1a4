/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <string.h>

#include "bounds.h"
#include "interfaces.h"
#include "introspect.h"
#include "messages.h"
#include "mirror.h"
#include "pack.h"

static sd_bus *bus;

/* Pack */

#define SIGNATURE "ybnqiuxtdsogayauabas(s(iu))a{sv}v"

static sd_bus_message *every_type(void) {
        sd_bus_message *message = new_message(bus);
        g_assert_cmpint(sd_bus_message_append(message, SIGNATURE, 1, 1, -2, 3, -4, 5u, INT64_C(-6), UINT64_C(7), 8.5, "nine",
                                              "/ten", "a{sv}", 3, 1, 2, 3, 2, 10u, 20u, 2, 0, 1, 2, "x", "", "y", -1, 2u, 2, "k",
                                              "s", "v", "l", "a(ss)", 1, "p", "q", "v", "u", 11u),
                        >=, 0);
        seal(message);
        return message;
}

static void test_every_type_survives(void) {
        g_autoptr(sd_bus_message) message = every_type(), copy = new_message(bus);
        g_autoptr(GByteArray) pack = g_byte_array_new(), again = g_byte_array_new();
        g_assert_cmpint(pack_read(pack, 4096, message, SIGNATURE), ==, 0);
        g_assert_true(pack_skip(pack->data, SIGNATURE) == pack->data + pack->len);
        g_assert_true(pack_append(pack->data, copy, SIGNATURE) == pack->data + pack->len);
        seal(copy);
        g_assert_cmpstr(sd_bus_message_get_signature(copy, true), ==, SIGNATURE);
        g_assert_cmpint(pack_read(again, 4096, copy, SIGNATURE), ==, 0);
        g_assert_cmpmem(pack->data, pack->len, again->data, again->len);
}

/* GLib's form of every_type: its header tells how long the body is. */
static void test_a_pack_is_measured_as_a_message_would_be(void) {
        g_autoptr(sd_bus_message) message = every_type();
        g_autoptr(GByteArray) pack = g_byte_array_new();
        g_autoptr(GDBusMessage) same = g_dbus_message_new_signal("/a", "a.b", "C");
        GVariant *body = g_variant_new_parsed("(byte 1, true, int16 -2, uint16 3, -4, uint32 5, int64 -6, uint64 7, 8.5, 'nine',"
                                              "objectpath '/ten', signature 'a{sv}', [byte 1, 2, 3], [uint32 10, 20],"
                                              "[false, true], ['x', ''], ('y', (-1, uint32 2)),"
                                              "{'k': <'v'>, 'l': <[('p', 'q')]>}, <uint32 11>)");
        size_t offset = 0, size;
        g_dbus_message_set_body(same, body);
        g_autofree guchar *blob = g_dbus_message_to_blob(same, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
        g_assert_cmpint(pack_read(pack, 4096, message, SIGNATURE), ==, 0);
        g_assert_true(pack_measure(pack->data, SIGNATURE, &offset) == pack->data + pack->len);
        g_assert_cmpuint(offset, ==, pack_uint32(blob + 4));
}

static void test_size_is_bounded(void) {
        g_autoptr(sd_bus_message) message = every_type();
        g_autoptr(GByteArray) whole = g_byte_array_new();
        g_assert_cmpint(pack_read(whole, 4096, message, SIGNATURE), ==, 0);
        for (size_t max = 0; max < whole->len; max++) {
                g_autoptr(GByteArray) pack = g_byte_array_new();
                sd_bus_message_rewind(message, true);
                g_assert_cmpint(pack_read(pack, max, message, SIGNATURE), ==, -E2BIG);
                g_assert_cmpuint(pack->len, <=, max);
        }
}

static void test_another_type_is_an_error(void) {
        g_autoptr(sd_bus_message) message = every_type();
        g_autoptr(GByteArray) pack = g_byte_array_new();
        g_assert_cmpint(pack_read(pack, 4096, message, "s"), <, 0);
}

static void test_descriptors_are_relayed(void) {
        g_autoptr(sd_bus_message) message = new_message(bus), copy = new_message(bus);
        size_t size = 0;
        int fd = -1;
        g_assert_cmpint(sd_bus_message_append(message, "hs", 0, "text"), >=, 0);
        seal(message);
        g_assert_cmpint(pack_relay(message, copy, "hs", 4096, 0, &size), ==, 0);
        g_assert_cmpuint(size, ==, 4 + 4 + 5);
        seal(copy);
        g_assert_cmpint(sd_bus_message_read(copy, "h", &fd), >, 0);
        g_assert_cmpint(fd, >, 2);
}

static void test_descriptors_are_where_the_signature_has_them_and_nowhere_else(void) {
        g_autoptr(sd_bus_message) message = new_message(bus), copy = new_message(bus);
        g_autoptr(GByteArray) pack = g_byte_array_new();
        size_t size = 0;
        g_assert_cmpint(sd_bus_message_append(message, "a{sv}h", 1, "Hidden", "ah", 1, 0, 0), >=, 0);
        seal(message);
        g_assert_cmpint(pack_relay(message, copy, "a{sv}h", 4096, 0, &size), ==, -EPERM);
        sd_bus_message_rewind(message, true);
        g_assert_cmpint(pack_read(pack, 4096, message, "a{sv}"), ==, -EPERM);
        g_assert_cmpint(pack_read(pack, 4096, message, "h"), <, 0);
}

/* However often one descriptor is named: each is copied. */
static void test_descriptors_in_options_are_as_many_as_the_method_takes(void) {
        g_autoptr(sd_bus_message) message = new_message(bus), copy = new_message(bus), refused = new_message(bus);
        size_t size = 0;
        int fd = -1;
        g_assert_cmpint(sd_bus_message_append(message, "a{sv}", 1, "fds", "a{sah}", 1, "disk", 3, 0, 0, 0), >=, 0);
        seal(message);
        g_assert_cmpint(pack_relay(message, refused, "a{sv}", 4096, 2, &size), ==, -EPERM);
        g_assert_cmpint(pack_relay(message, copy, "a{sv}", 4096, 3, &size), ==, 0);
        seal(copy);
        g_assert_cmpint(sd_bus_message_enter_container(copy, 'a', "{sv}"), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(copy, 'e', "sv"), >, 0);
        g_assert_cmpint(sd_bus_message_skip(copy, "s"), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(copy, 'v', "a{sah}"), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(copy, 'a', "{sah}"), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(copy, 'e', "sah"), >, 0);
        g_assert_cmpint(sd_bus_message_skip(copy, "s"), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(copy, 'a', "h"), >, 0);
        g_assert_cmpint(sd_bus_message_read(copy, "h", &fd), >, 0);
        g_assert_cmpint(fd, >, 2);
}

static sd_bus_message *nested(size_t variants) {
        sd_bus_message *message = new_message(bus);
        for (size_t i = 0; i < variants; i++)
                g_assert_cmpint(sd_bus_message_open_container(message, 'v', i + 1 < variants ? "v" : "s"), >=, 0);
        g_assert_cmpint(sd_bus_message_append_basic(message, 's', "inside"), >=, 0);
        for (size_t i = 0; i < variants; i++)
                g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        seal(message);
        return message;
}

static void test_depth_is_bounded(void) {
        g_autoptr(sd_bus_message) most = nested(PACK_DEPTH_MAX - 1), more = nested(PACK_DEPTH_MAX), copy = new_message(bus);
        g_autoptr(GByteArray) pack = g_byte_array_new();
        size_t size = 0;
        g_assert_cmpint(pack_read(pack, 4096, most, "v"), ==, 0);
        g_assert_cmpint(pack_read(pack, 4096, more, "v"), ==, -E2BIG);
        g_assert_cmpint(pack_relay(more, copy, "v", 4096, 0, &size), ==, -E2BIG);
}

/* A boolean is one byte here, and four there; a structure begins at a multiple of eight. */
static void test_what_is_relayed_is_bounded_as_it_is_sent(void) {
        g_autoptr(sd_bus_message) message = new_message(bus), copy = new_message(bus), same = new_message(bus);
        size_t size = 0;
        g_assert_cmpint(sd_bus_message_append(message, "a(y)", 4, 1, 2, 3, 4), >=, 0);
        seal(message);
        g_assert_cmpint(pack_relay(message, copy, "a(y)", 32, 0, &size), ==, -E2BIG);
        g_assert_cmpint(pack_relay(message, same, "a(y)", 33, 0, &size), ==, 0);
        g_assert_cmpuint(size, ==, 33);
}

/* Mirror */

static GString *told;

static void told_added(void *data, Object *object, const Block *blocks, size_t n) {
        (void) data;
        (void) blocks;
        g_string_append_printf(told, "+%s(%zu) ", strrchr(object->path, '/') + 1, n);
}

static void told_removed(void *data, Object *object, const Block *blocks, size_t n) {
        (void) data;
        (void) blocks;
        g_string_append_printf(told, "-%s(%zu) ", strrchr(object->path, '/') + 1, n);
}

static void told_changed(void *data, Object *object, const Block *block, uint64_t changed) {
        (void) data;
        g_string_append_printf(told, "~%s:", strrchr(object->path, '/') + 1);
        for (size_t i = 0; i < block->interface->n_properties; i++)
                if (changed & UINT64_C(1) << i)
                        g_string_append_printf(told, "%s", block->interface->properties[i].name);
        g_string_append_c(told, ' ');
}

static const MirrorListener listener = { told_added, told_removed, told_changed };

static void expect_told(const char *expected) {
        g_assert_cmpstr(told->str, ==, expected);
        g_string_truncate(told, 0);
}

static int take(Mirror *mirror, void *source, const char *path, const char *alias, const char *kind, const char *type) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        if (type)
                sd_bus_message_append(message, "a{sa{sv}}", 2, "org.virtbus1.Device", 3, "Alias", "s", alias, "Kind", "s", kind,
                                      "Model", "s", "", "org.virtbus1.Device.Graphics", 2, "Type", "s", type, "Socket", "s", "");
        else
                sd_bus_message_append(message, "a{sa{sv}}", 1, "org.virtbus1.Device", 3, "Alias", "s", alias, "Kind", "s", kind,
                                      "Model", "s", "");
        seal(message);
        return mirror_take(mirror, source, path, message);
}

static void test_only_differences_are_told(void) {
        g_autoptr(Mirror) mirror = mirror_new(&listener, NULL);
        int source;
        g_assert_cmpint(take(mirror, &source, "/a/b", "one", "disk", NULL), ==, 0);
        expect_told("+b(1) ");
        g_assert_cmpint(take(mirror, &source, "/a/b", "one", "disk", NULL), ==, 0);
        expect_told("");
        g_assert_cmpint(take(mirror, &source, "/a/b", "two", "disk", "vnc"), ==, 0);
        expect_told("~b:Alias +b(1) ");
        g_assert_cmpint(take(mirror, &source, "/a/b", "two", "disk", NULL), ==, 0);
        expect_told("-b(1) ");
        Object *object = mirror_find(mirror, "/a/b");
        g_assert_cmpstr(object_string(object, &interface_device, DEVICE_ALIAS), ==, "two");

        g_autoptr(sd_bus_message) change = new_message(bus);
        sd_bus_message_append(change, "a{sv}as", 2, "Alias", "s", "two", "Kind", "s", "a longer kind", 0);
        seal(change);
        g_assert_cmpint(mirror_change(mirror, object, &interface_device, change), ==, 0);
        expect_told("~b:Kind ");
        g_assert_cmpstr(object_string(object, &interface_device, DEVICE_ALIAS), ==, "two");
        g_assert_cmpstr(object_string(object, &interface_device, DEVICE_KIND), ==, "a longer kind");
        g_assert_cmpstr(object_string(object, &interface_device, DEVICE_MODEL), ==, "");
}

static void test_objects_go_with_what_is_above_them(void) {
        g_autoptr(Mirror) mirror = mirror_new(&listener, NULL);
        int source, other;
        take(mirror, &source, "/a", "a", "", NULL);
        take(mirror, &source, "/a/x/b", "b", "", NULL);
        take(mirror, &source, "/a/x/b/c", "c", "", NULL);
        take(mirror, &other, "/o", "o", "", NULL);
        g_string_truncate(told, 0);
        g_assert_true(mirror_find(mirror, "/a/x/b")->parent == mirror_find(mirror, "/a"));
        g_assert_cmpuint(mirror_count(mirror, &source), ==, 3);
        mirror_mark_stale(mirror, &source);
        take(mirror, &source, "/a", "a", "", NULL);
        mirror_sweep(mirror, &source);
        expect_told("-c(1) -b(1) ");
        g_assert_cmpuint(mirror_count(mirror, &source), ==, 1);
        g_assert_nonnull(mirror_find(mirror, "/o"));
        g_assert_cmpint(take(mirror, &source, "/o", "stolen", "", NULL), ==, -EPERM);
        expect_told("");
}

static void refuse(Mirror *mirror, const char *types, ...) {
        int source;
        g_autoptr(sd_bus_message) message = new_message(bus);
        va_list arguments;
        va_start(arguments, types);
        g_assert_cmpint(sd_bus_message_appendv(message, types, arguments), >=, 0);
        va_end(arguments);
        seal(message);
        g_assert_cmpint(mirror_take(mirror, &source, "/x", message), <, 0);
        g_assert_null(mirror_find(mirror, "/x"));
        expect_told("");
}

static void test_what_the_api_does_not_have_is_refused(void) {
        g_autoptr(Mirror) mirror = mirror_new(&listener, NULL);
        refuse(mirror, "a{sa{sv}}", 1, "org.virtbus1.Nothing", 0);
        refuse(mirror, "a{sa{sv}}", 1, "org.virtbus1.Device", 0);
        refuse(mirror, "a{sa{sv}}", 1, "org.virtbus1.Device", 3, "Alias", "s", "", "Kind", "s", "", "Colour", "s", "");
        refuse(mirror, "a{sa{sv}}", 1, "org.virtbus1.Device", 3, "Alias", "s", "", "Kind", "s", "", "Model", "u", 7u);
        refuse(mirror, "a{sa{sv}}", 2, "org.virtbus1.Device.Graphics", 2, "Type", "s", "", "Socket", "s", "",
               "org.virtbus1.Device.Graphics", 2, "Type", "s", "", "Socket", "s", "");
        refuse(mirror, "as", 1, "org.virtbus1.Device");
}

static int change(Mirror *mirror, Object *object, const char *property, const char *value) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        sd_bus_message_append(message, "a{sv}as", 1, property, "s", value, 0);
        seal(message);
        return mirror_change(mirror, object, &interface_device, message);
}

static void test_an_object_is_bounded_however_it_came_to_its_size(void) {
        g_autoptr(Mirror) mirror = mirror_new(&listener, NULL);
        g_autofree char *half = g_strnfill(OBJECT_BYTES_MAX / 2, 'x'), *path = g_strnfill(OBJECT_PATH_BYTES_MAX + 1, 'a');
        int source;
        path[0] = '/';
        g_assert_cmpint(take(mirror, &source, path, "", "", NULL), ==, -E2BIG);
        g_assert_cmpint(take(mirror, &source, "/a/b", half, half, NULL), ==, -E2BIG);
        g_assert_cmpint(take(mirror, &source, "/a/b", half, "", half), ==, -E2BIG);
        g_assert_cmpuint(mirror_count(mirror, &source), ==, 0);
        g_assert_cmpint(take(mirror, &source, "/a/b", half, "", NULL), ==, 0);
        Object *object = mirror_find(mirror, "/a/b");
        g_string_truncate(told, 0);
        g_assert_cmpint(change(mirror, object, "Kind", half), ==, -E2BIG);
        g_assert_cmpint(take(mirror, &source, "/a/b", half, "", half), ==, -E2BIG);
        expect_told("");
        g_assert_cmpint(change(mirror, object, "Alias", "short"), ==, 0);
        g_assert_cmpint(change(mirror, object, "Kind", half), ==, 0);
        g_assert_cmpstr(object_string(object, &interface_device, DEVICE_KIND), ==, half);
        mirror_remove(mirror, object);
        g_assert_cmpuint(mirror_count(mirror, &source), ==, 0);
        g_string_truncate(told, 0);
}

static bool sees_all(const Object *object, void *data) {
        (void) object;
        (void) data;
        return true;
}

static void test_introspection_lists_the_nodes_between(void) {
        g_autoptr(Mirror) mirror = mirror_new(&listener, NULL);
        int source;
        take(mirror, &source, "/org/virtbus1", "m", "", NULL);
        take(mirror, &source, "/org/virtbus1/t", "t", "", NULL);
        take(mirror, &source, "/org/virtbus1/t/domain/a", "a", "", NULL);
        take(mirror, &source, "/org/virtbus1/t/domain/b", "b", "", NULL);
        const struct {
                const char *path, *has, *lacks;
        } cases[] = {
                { "/", "<node name=\"org\"/>", "virtbus1" },
                { "/org", "<node name=\"virtbus1\"/>", "<node name=\"t\"" },
                { "/org/virtbus1", "<node name=\"t\"/>", "<node name=\"domain\"" },
                { "/org/virtbus1/t", "<node name=\"domain\"/>", "<node name=\"a\"" },
                { "/org/virtbus1/t/domain", "<node name=\"b\"/>", "org.virtbus1.Device" },
                { "/org/virtbus1/t/domain/a", "org.virtbus1.Device", "<node name" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *xml = introspect(mirror, cases[i].path, sees_all, NULL);
                g_assert_nonnull(strstr(xml, cases[i].has));
                g_assert_null(strstr(xml, cases[i].lacks));
        }
        g_assert_null(introspect(mirror, "/org/virtbus1/x", sees_all, NULL));
        g_assert_null(introspect(mirror, "/org/virtbus1/t/dom", sees_all, NULL));
        g_assert_null(introspect(mirror, "/orgs", sees_all, NULL));
        g_string_truncate(told, 0);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        bus = unconnected_bus();
        told = g_string_new(NULL);
        g_test_add_func("/pack/descriptors-in-options-are-as-many-as-the-method-takes",
                        test_descriptors_in_options_are_as_many_as_the_method_takes);
        g_test_add_func("/pack/every-type-survives", test_every_type_survives);
        g_test_add_func("/pack/measured-as-a-message-would-be", test_a_pack_is_measured_as_a_message_would_be);
        g_test_add_func("/pack/size-is-bounded", test_size_is_bounded);
        g_test_add_func("/pack/another-type-is-an-error", test_another_type_is_an_error);
        g_test_add_func("/pack/descriptors-are-relayed", test_descriptors_are_relayed);
        g_test_add_func("/pack/descriptors-are-where-the-signature-has-them-and-nowhere-else",
                        test_descriptors_are_where_the_signature_has_them_and_nowhere_else);
        g_test_add_func("/pack/depth-is-bounded", test_depth_is_bounded);
        g_test_add_func("/pack/what-is-relayed-is-bounded-as-it-is-sent", test_what_is_relayed_is_bounded_as_it_is_sent);
        g_test_add_func("/mirror/an-object-is-bounded-however-it-came-to-its-size",
                        test_an_object_is_bounded_however_it_came_to_its_size);
        g_test_add_func("/mirror/only-differences-are-told", test_only_differences_are_told);
        g_test_add_func("/mirror/objects-go-with-what-is-above-them", test_objects_go_with_what_is_above_them);
        g_test_add_func("/mirror/what-the-api-does-not-have-is-refused", test_what_the_api_does_not_have_is_refused);
        g_test_add_func("/introspect/lists-the-nodes-between", test_introspection_lists_the_nodes_between);
        int status = g_test_run();
        g_string_free(told, TRUE);
        sd_bus_unref(bus);
        return status;
}
