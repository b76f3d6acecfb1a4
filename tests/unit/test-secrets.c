/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "folder.h"
#include "peer-pair.h"
#include "secret/secrets-bus.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"
#define OTHER "22e1353d-c27e-4d6d-bf15-465053e6ba0b"
#define SECRET(uuid, more) "<secret><uuid>" uuid "</uuid>" more "</secret>"
#define CEPH "<usage type='ceph'><name>n</name></usage>"
#define VALUE "a value\0with zeros"

typedef struct Fixture {
        char *folder;
        sd_event *event;
        Secrets *secrets;
        Secret *answer;
        SecretValue *value;
        GError *error;
        bool answered;
} Fixture;

static void start(Fixture *fixture) {
        g_autoptr(GError) error = NULL;
        fixture->secrets = (Secrets *) registry_open(&secrets_kind, fixture->event, fixture->folder, NULL, &error);
        g_assert_no_error(error);
}

static void restart(Fixture *fixture) {
        registry_close(&fixture->secrets->registry);
        start(fixture);
}

static void set_up(Fixture *fixture, const void *sealed) {
        fixture->folder = folder_new();
        g_autofree char *key = g_build_filename(fixture->folder, "key", NULL);
        g_setenv("SYSTEMD_CREDENTIAL_SECRET", key, TRUE);
        g_setenv("PATH", sealed ? "/usr/local/bin:/usr/bin:/bin" : "/nonexistent", TRUE);
        g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
        start(fixture);
}

static void tear_down(Fixture *fixture, const void *sealed) {
        (void) sealed;
        registry_close(&fixture->secrets->registry);
        sd_event_unref(fixture->event);
        folder_free(fixture->folder);
}

static void on_done(void *data, Entry *entry, const GError *error) {
        Fixture *fixture = data;
        fixture->answered = true;
        fixture->answer = (Secret *) entry;
        g_clear_error(&fixture->error);
        fixture->error = error ? g_error_copy(error) : NULL;
}

static void on_read(void *data, SecretValue *value, const GError *error) {
        Fixture *fixture = data;
        on_done(data, NULL, error);
        fixture->value = value;
}

static void wait_answer(Fixture *fixture) {
        while (!fixture->answered)
                g_assert_cmpint(sd_event_run(fixture->event, UINT64_MAX), >=, 0);
        fixture->answered = false;
}

static void expect(Fixture *fixture, VirtbusError code) {
        wait_answer(fixture);
        g_assert_error(fixture->error, VIRTBUS_ERROR, (int) code);
        g_clear_error(&fixture->error);
}

static Secret *define(Fixture *fixture, const char *xml) {
        registry_define(&fixture->secrets->registry, xml, 1000, on_done, fixture);
        wait_answer(fixture);
        g_assert_no_error(fixture->error);
        return fixture->answer;
}

static void set_value(Fixture *fixture, Secret *secret, const void *bytes, size_t size) {
        secret_set_value(secret, secret_value_new(bytes, size, NULL), on_done, fixture);
        wait_answer(fixture);
        g_assert_no_error(fixture->error);
}

static void expect_value(Fixture *fixture, const char *uuid, const void *bytes, size_t size) {
        secret_get_value(secrets_find(fixture->secrets, uuid, NULL), on_read, fixture);
        wait_answer(fixture);
        g_assert_no_error(fixture->error);
        g_assert_cmpmem(fixture->value->bytes, fixture->value->size, bytes, size);
        secret_value_free(fixture->value);
}

static bool can_seal(const Fixture *fixture) {
        const char *why;
        return sealer_can(fixture->secrets->sealer, &why);
}

static char *value_path(const Fixture *fixture) {
        return g_strdup_printf("%s/values/" UUID ".value", fixture->folder);
}

static void test_a_value_is_kept_as_it_was(Fixture *fixture, const void *sealed) {
        g_autofree char *path = value_path(fixture), *text = NULL, *plain = g_base64_encode((const guchar *) VALUE, sizeof VALUE);
        struct stat info;
        if (sealed && !can_seal(fixture)) {
                g_test_skip("systemd-creds cannot be run here");
                return;
        }
        Secret *secret = define(fixture, SECRET(UUID, CEPH));
        g_assert_cmpint(secret->storage, ==, STORAGE_NONE);
        set_value(fixture, secret, VALUE, sizeof VALUE);
        g_assert_cmpint(secret->storage, ==, sealed ? STORAGE_ENCRYPTED : STORAGE_PLAIN);
        expect_value(fixture, UUID, VALUE, sizeof VALUE);
        g_assert_cmpint(stat(path, &info), ==, 0);
        g_assert_cmpint(info.st_mode & 0777, ==, 0600);
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_true(!strstr(text, plain) == !!sealed);
        restart(fixture);
        secret = secrets_find_usage(fixture->secrets, "ceph", "n", NULL);
        g_assert_nonnull(secret);
        g_assert_cmpuint(secret->entry.kept.owner, ==, 1000);
        g_assert_cmpint(secret->storage, ==, sealed ? STORAGE_ENCRYPTED : STORAGE_PLAIN);
        expect_value(fixture, UUID, VALUE, sizeof VALUE);
}

static void test_a_value_of_another_secret_is_not_opened(Fixture *fixture, const void *sealed) {
        g_autofree char *path = value_path(fixture), *other = g_strdup_printf("%s/values/" OTHER ".value", fixture->folder);
        (void) sealed;
        if (!can_seal(fixture)) {
                g_test_skip("systemd-creds cannot be run here");
                return;
        }
        set_value(fixture, define(fixture, SECRET(UUID, "")), "1", 1);
        set_value(fixture, define(fixture, SECRET(OTHER, "")), "2", 1);
        g_assert_cmpint(rename(other, path), ==, 0);
        secret_get_value(secrets_find(fixture->secrets, UUID, NULL), on_read, fixture);
        expect(fixture, VIRTBUS_ERROR_HYPERVISOR_FAILED);
}

static void test_an_ephemeral_one_leaves_nothing(Fixture *fixture, const void *sealed) {
        (void) sealed;
        Secret *secret = define(fixture, "<secret ephemeral='yes'><uuid>" UUID "</uuid></secret>");
        set_value(fixture, secret, VALUE, sizeof VALUE);
        g_assert_cmpint(secret->storage, ==, STORAGE_MEMORY);
        g_assert_true(registry_is_busy(&fixture->secrets->registry));
        expect_value(fixture, UUID, VALUE, sizeof VALUE);
        g_autofree char *values = g_build_filename(fixture->folder, "values", NULL);
        g_autofree char *secrets = g_build_filename(fixture->folder, "secrets", NULL);
        g_assert_cmpuint(folder_count(values) + folder_count(secrets), ==, 0);
        restart(fixture);
        g_assert_null(secrets_find(fixture->secrets, UUID, NULL));
        g_assert_false(registry_is_busy(&fixture->secrets->registry));
}

static void test_an_existing_one_stays_what_its_users_rely_on(Fixture *fixture, const void *sealed) {
        static const char *const others[] = {
                SECRET(UUID, "<usage type='ceph'><name>other</name></usage>"), SECRET(UUID, ""),
                "<secret ephemeral='yes' private='yes'><uuid>" UUID "</uuid>" CEPH "</secret>",
                SECRET(UUID, CEPH), /* no longer private */
        };
        (void) sealed;
        define(fixture, "<secret private='yes'><uuid>" UUID "</uuid>" CEPH "</secret>");
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                registry_define(&fixture->secrets->registry, others[i], 0, on_done, fixture);
                expect(fixture, VIRTBUS_ERROR_OPERATION_INVALID);
        }
        registry_define(&fixture->secrets->registry, SECRET(OTHER, CEPH), 0, on_done, fixture);
        expect(fixture, VIRTBUS_ERROR_ALREADY_EXISTS);
        Secret *secret = secrets_find(fixture->secrets, UUID, NULL);
        set_value(fixture, secret, "1", 1);
        g_assert_true(define(fixture, "<secret private='yes'><uuid>" UUID "</uuid><description>new</description>" CEPH
                                      "</secret>") == secret);
        g_assert_cmpstr(secret_definition(secret)->description, ==, "new");
        g_assert_cmpuint(secret->entry.kept.owner, ==, 1000);
        expect_value(fixture, UUID, "1", 1);
}

static void test_an_undefined_one_leaves_nothing(Fixture *fixture, const void *sealed) {
        g_autofree char *path = value_path(fixture);
        (void) sealed;
        Secret *secret = define(fixture, SECRET(UUID, CEPH));
        set_value(fixture, secret, "1", 1);
        registry_undefine(&secret->entry, on_done, fixture);
        wait_answer(fixture);
        g_assert_no_error(fixture->error);
        g_assert_null(secrets_find(fixture->secrets, UUID, NULL));
        g_assert_null(secrets_find_usage(fixture->secrets, "ceph", "n", NULL));
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        define(fixture, SECRET(OTHER, CEPH)); /* its usage is free */
        /* What a driver has left that was killed between the two files. */
        g_assert_true(g_file_set_contents(path, "left", -1, NULL));
        restart(fixture);
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_what_waits_finds_that_it_is_gone(Fixture *fixture, const void *sealed) {
        (void) sealed;
        Secret *secret = define(fixture, SECRET(UUID, ""));
        registry_undefine(&secret->entry, on_done, fixture);
        secret_set_value(secret, secret_value_new("1", 1, NULL), on_done, fixture);
        wait_answer(fixture);
        if (!fixture->error)
                expect(fixture, VIRTBUS_ERROR_NO_SUCH_SECRET);
        else /* told in one round */
                g_assert_error(fixture->error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_SECRET);
        g_clear_error(&fixture->error);
}

static void test_damaged_files_cost_themselves_alone(Fixture *fixture, const void *sealed) {
        g_autofree char *path = value_path(fixture), *text = NULL, *secrets = g_build_filename(fixture->folder, "secrets", NULL);
        gsize size;
        (void) sealed;
        set_value(fixture, define(fixture, SECRET(UUID, "")), "1", 1);
        set_value(fixture, define(fixture, SECRET(OTHER, "")), "2", 1);
        g_assert_true(g_file_get_contents(path, &text, &size, NULL));
        for (gsize cut = 0; cut < size; cut += 5) { /* a file that was cut off, and one with another byte in it */
                g_autofree char *changed = g_strdup(text);
                changed[cut] ^= 1;
                for (int i = 0; i < 2; i++) {
                        g_assert_true(g_file_set_contents(path, i ? changed : text, i ? (gssize) size : (gssize) cut, NULL));
                        secret_get_value(secrets_find(fixture->secrets, UUID, NULL), on_read, fixture);
                        wait_answer(fixture);
                        g_assert_nonnull(fixture->error);
                        g_clear_error(&fixture->error);
                }
        }
        restart(fixture);
        expect_value(fixture, OTHER, "2", 1);
        set_value(fixture, secrets_find(fixture->secrets, UUID, NULL), "3", 1);
        expect_value(fixture, UUID, "3", 1);
        /* A definition: nobody gets the value by its UUID. */
        folder_write(secrets, UUID ".xml", "<secret", -1);
        restart(fixture);
        g_assert_null(secrets_find(fixture->secrets, UUID, NULL));
        g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
        expect_value(fixture, OTHER, "2", 1);
        g_assert_cmpint(define(fixture, SECRET(UUID, ""))->storage, ==, STORAGE_NONE);
        restart(fixture);
        g_assert_cmpint(secrets_find(fixture->secrets, UUID, NULL)->storage, ==, STORAGE_NONE);
}

static void test_what_a_later_version_has_written_is_left_alone(Fixture *fixture, const void *sealed) {
        g_autofree char *secrets = g_build_filename(fixture->folder, "secrets", NULL), *path = value_path(fixture);
        static const char definition[] = "<?xml version=\"1.0\"?>\n<?virtbus format=\"99\"?>\n" SECRET(UUID, "");
        (void) sealed;
        define(fixture, SECRET(OTHER, ""));
        folder_write(secrets, UUID ".xml", definition, -1);
        g_assert_true(g_file_set_contents(path, "virtbus-secret format=99 form=better\n", -1, NULL));
        restart(fixture);
        registry_define(&fixture->secrets->registry, SECRET(UUID, ""), 0, on_done, fixture);
        expect(fixture, VIRTBUS_ERROR_UNSUPPORTED);
        g_autofree char *now = folder_read(secrets, UUID ".xml");
        g_assert_cmpstr(now, ==, definition);
        g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_a_value_has_bounds(Fixture *fixture, const void *sealed) {
        g_autofree char *large = g_strnfill(SECRET_VALUE_BYTES_MAX + 1, 'x');
        g_autoptr(GError) none = NULL, more = NULL;
        (void) sealed;
        g_assert_null(secret_value_new(large, 0, &none));
        g_assert_error(none, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_assert_null(secret_value_new(large, SECRET_VALUE_BYTES_MAX + 1, &more));
        g_assert_error(more, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED);
        set_value(fixture, define(fixture, SECRET(UUID, "")), large, SECRET_VALUE_BYTES_MAX);
        expect_value(fixture, UUID, large, SECRET_VALUE_BYTES_MAX);
}

static void test_a_value_is_read_from_a_descriptor_to_its_end(Fixture *fixture, const void *sealed) {
        int pair[2];
        (void) sealed;
        Secret *secret = define(fixture, SECRET(UUID, ""));
        g_assert_cmpint(pipe2(pair, O_CLOEXEC), ==, 0);
        g_assert_cmpint(write(pair[1], "one ", 4), ==, 4);
        secret_set_value_from(secret, pair[0], on_done, fixture);
        g_assert_cmpint(sd_event_run(fixture->event, 0), >=, 0);
        g_assert_false(fixture->answered); /* it is not at its end */
        g_assert_cmpint(write(pair[1], "two", 3), ==, 3);
        close(pair[1]);
        wait_answer(fixture);
        g_assert_no_error(fixture->error);
        expect_value(fixture, UUID, "one two", 7);
        g_autoptr(GError) error = NULL;
        g_autoptr(SecretValue) value = secret_value_new("file", 4, &error);
        secret_set_value_from(secret, secret_value_to_memory(value, &error), on_done, fixture);
        wait_answer(fixture);
        g_assert_no_error(error);
        expect_value(fixture, UUID, "file", 4);
        secret_set_value_from(secret, open("/", O_RDONLY | O_CLOEXEC), on_done, fixture);
        expect(fixture, VIRTBUS_ERROR_INVALID_ARGUMENT);
}

static int keep_answer(sd_bus_message *answer, void *data, sd_bus_error *error) {
        (void) error;
        *(sd_bus_message **) data = sd_bus_message_ref(answer);
        return 0;
}

/* Asks for the value as virtbusd does for a SENDER; returns the answer, or the error's, name. */
static char *ask_for_value(Fixture *fixture, PeerPair *pair, const char *sender) {
        g_autoptr(sd_bus_message) message = NULL, answer = NULL;
        g_autofree char *path = g_strdelimit(g_strdup("/org/virtbus1/host/secret/" UUID), "-", '_');
        sd_bus_slot *slot = NULL;
        (void) fixture;
        g_assert_cmpint(sd_bus_message_new_method_call(pair->service, &message, NULL, path, "org.virtbus1.Secret", "GetValue"),
                        >=, 0);
        g_assert_cmpint(sd_bus_message_set_sender(message, sender), >=, 0);
        g_assert_cmpint(sd_bus_message_append(message, "a{sv}", 0), >=, 0);
        g_assert_cmpint(sd_bus_call_async(pair->service, &slot, message, keep_answer, &answer, UINT64_MAX), >=, 0);
        while (!answer) {
                peer_pair_run(pair);
                if (!answer)
                        g_assert_cmpint(sd_event_run(fixture->event, 1000), >=, 0);
        }
        sd_bus_slot_unref(slot);
        const sd_bus_error *error = sd_bus_message_get_error(answer);
        const void *bytes;
        size_t size;
        if (error)
                return g_strdup(error->name);
        g_assert_cmpint(sd_bus_message_read_array(answer, 'y', &bytes, &size), >=, 0);
        return g_strndup(bytes, size);
}

static void test_a_private_value_is_for_drivers_alone(Fixture *fixture, const void *sealed) {
        static const char *const callers[] = { ":u0.1.7", ":u1000.1.7", ":u0.via" };
        static const char *const drivers[] = { ":u0.1.7.via-qemu", ":u0.driver.via-qemu" };
        Objects *objects = objects_new();
        PeerPair pair;
        (void) sealed;
        peer_pair_open(&pair, objects);
        registry_publish(&fixture->secrets->registry, objects, "/org/virtbus1/host", &secrets_face);
        set_value(fixture, define(fixture, "<secret ephemeral='yes' private='yes'><uuid>" UUID "</uuid></secret>"), "words", 5);
        for (size_t i = 0; i < G_N_ELEMENTS(callers); i++) {
                g_autofree char *refused = ask_for_value(fixture, &pair, callers[i]);
                g_assert_cmpstr(refused, ==, "org.virtbus1.Error.OperationInvalid");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
                g_autofree char *value = ask_for_value(fixture, &pair, drivers[i]);
                g_assert_cmpstr(value, ==, "words");
        }
        registry_withdraw(&fixture->secrets->registry);
        peer_pair_close(&pair);
        objects_free(objects);
}

static void test_a_given_file_cannot_be_changed(Fixture *fixture, const void *sealed) {
        g_autoptr(GError) error = NULL;
        g_autoptr(SecretValue) value = secret_value_new("abc", 3, &error);
        g_autofd int fd = secret_value_to_memory(value, &error);
        char bytes[8];
        (void) fixture;
        (void) sealed;
        g_assert_no_error(error);
        g_assert_cmpint(pwrite(fd, "x", 1, 0), ==, -1);
        g_assert_cmpint(read(fd, bytes, sizeof bytes), ==, 3);
}

#define ADD(name, function) g_test_add("/secrets/" name, Fixture, NULL, set_up, function, tear_down)
#define ADD_SEALED(name, function) g_test_add("/secrets/" name, Fixture, "sealed", set_up, function, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        ADD("a-value-is-kept-as-it-was", test_a_value_is_kept_as_it_was);
        ADD_SEALED("a-sealed-value-is-kept-as-it-was", test_a_value_is_kept_as_it_was);
        ADD_SEALED("a-value-of-another-secret-is-not-opened", test_a_value_of_another_secret_is_not_opened);
        ADD_SEALED("an-ephemeral-one-leaves-nothing", test_an_ephemeral_one_leaves_nothing);
        ADD("an-existing-one-stays-what-its-users-rely-on", test_an_existing_one_stays_what_its_users_rely_on);
        ADD("an-undefined-one-leaves-nothing", test_an_undefined_one_leaves_nothing);
        ADD("what-waits-finds-that-it-is-gone", test_what_waits_finds_that_it_is_gone);
        ADD("damaged-files-cost-themselves-alone", test_damaged_files_cost_themselves_alone);
        ADD("what-a-later-version-has-written-is-left-alone", test_what_a_later_version_has_written_is_left_alone);
        ADD("a-value-has-bounds", test_a_value_has_bounds);
        ADD_SEALED("a-sealed-value-has-bounds", test_a_value_has_bounds);
        ADD("a-value-is-read-from-a-descriptor-to-its-end", test_a_value_is_read_from_a_descriptor_to_its_end);
        ADD("a-private-value-is-for-drivers-alone", test_a_private_value_is_for_drivers_alone);
        ADD("a-given-file-cannot-be-changed", test_a_given_file_cannot_be_changed);
        return g_test_run();
}
