/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/store.h"
#include "base/xml.h"
#include "errors.h"
#include "folder.h"

#define UUID "a1b2c3d4-0000-4000-8000-000000000001"
#define OTHER "a1b2c3d4-0000-4000-8000-000000000002"

typedef struct Fixture {
        sd_event *event;
        char *root, *state, *runtime, *definitions, *statuses;
        Store *store;
} Fixture;

static Store *open_store(Fixture *fixture) {
        g_autoptr(GError) error = NULL;
        Store *store = store_new(fixture->event, "domains", fixture->state, fixture->runtime, &error);
        g_assert_no_error(error);
        return store;
}

static void set_up(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
        fixture->root = folder_new();
        fixture->state = g_build_filename(fixture->root, "state", NULL);
        fixture->runtime = g_build_filename(fixture->root, "run", NULL);
        fixture->definitions = g_build_filename(fixture->state, "domains", NULL);
        fixture->statuses = g_build_filename(fixture->runtime, "domains", NULL);
        fixture->store = open_store(fixture);
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_clear_pointer(&fixture->store, store_free);
        folder_free(fixture->root);
        g_free(fixture->state);
        g_free(fixture->runtime);
        g_free(fixture->definitions);
        g_free(fixture->statuses);
        sd_event_unref(fixture->event);
}

typedef struct Answer {
        unsigned n;
        GError *error;
} Answer;

static void on_written(void *data, const GError *error) {
        Answer *answer = data;
        answer->n++;
        answer->error = error ? g_error_copy(error) : NULL;
}

static void assert_text(const char *folder, const char *name, const char *text) {
        g_autofree char *found = folder_read(folder, name);
        g_assert_cmpstr(found, ==, text);
}

/* What EACH is called with: "UUID=TEXT;", or "UUID!;" of what cannot be read. */
static void collect(void *data, const char *uuid, const char *text, const GError *error) {
        g_assert_true(!text == !!error);
        if (text)
                g_string_append_printf(data, "%s=%s;", uuid, text);
        else
                g_string_append_printf(data, "%s!%d;", uuid, error->code);
}

static void assert_definitions(Store *store, const char *wanted) {
        g_autoptr(GString) found = g_string_new(NULL);
        store_each_definition(store, collect, found);
        g_assert_cmpstr(found->str, ==, wanted);
}

static void assert_statuses(Store *store, const char *wanted) {
        g_autoptr(GString) found = g_string_new(NULL);
        store_each_status(store, collect, found);
        g_assert_cmpstr(found->str, ==, wanted);
}

static void test_definitions_are_written_in_order(Fixture *fixture, gconstpointer unused) {
        Answer answers[64] = { 0 };
        (void) unused;
        for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
                g_autofree char *text = g_strdup_printf("<domain n='%u'/>", i);
                store_define(fixture->store, UUID, i % 7 == 3 ? NULL : text, on_written, &answers[i]);
        }
        store_finish(fixture->store);
        g_assert_false(store_is_busy(fixture->store));
        for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
                g_assert_no_error(answers[i].error);
                g_assert_cmpuint(answers[i].n, ==, 1);
        }
        assert_text(fixture->definitions, UUID ".xml", "<domain n='63'/>");
        g_assert_cmpuint(folder_count(fixture->definitions), ==, 1);
}

static void test_who_is_freed_finishes_writing(Fixture *fixture, gconstpointer unused) {
        Answer answer = { 0 };
        (void) unused;
        store_define(fixture->store, UUID, "<domain/>", on_written, &answer);
        g_clear_pointer(&fixture->store, store_free);
        g_assert_cmpuint(answer.n, ==, 1);
        fixture->store = open_store(fixture);
        assert_definitions(fixture->store, UUID "=<domain/>;");
}

static void test_deleting_what_is_not_there_succeeds(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GError) error = NULL;
        Answer answer = { 0 };
        (void) unused;
        store_define(fixture->store, UUID, NULL, on_written, &answer);
        store_finish(fixture->store);
        g_assert_no_error(answer.error);
        store_save_status(fixture->store, UUID, NULL, &error);
        g_assert_no_error(error);
}

static void test_files_are_their_owners_alone(Fixture *fixture, gconstpointer unused) {
        g_autofree char *definition = g_build_filename(fixture->definitions, UUID ".xml", NULL),
                        *status = g_build_filename(fixture->statuses, UUID ".xml", NULL);
        const char *const paths[] = { definition, status, fixture->definitions, fixture->statuses };
        Answer answer = { 0 };
        (void) unused;
        mode_t mask = umask(0);
        store_define(fixture->store, UUID, "<domain/>", on_written, &answer);
        g_assert_true(store_save_status(fixture->store, UUID, "<status/>", NULL));
        store_finish(fixture->store);
        umask(mask);
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                struct stat info;
                g_assert_cmpint(stat(paths[i], &info), ==, 0);
                g_assert_cmpuint(info.st_mode & 077, ==, 0);
        }
}

/* A reader never finds half of a file: a link or an open file of the old one keeps the old text. */
static void test_files_are_replaced_whole(Fixture *fixture, gconstpointer unused) {
        g_autofree char *path = g_build_filename(fixture->statuses, UUID ".xml", NULL);
        char old[16] = "";
        (void) unused;
        g_assert_true(store_save_status(fixture->store, UUID, "old", NULL));
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        g_assert_true(store_save_status(fixture->store, UUID, "and new", NULL));
        g_assert_cmpint(read(fd, old, sizeof old), ==, 3);
        g_assert_cmpstr(old, ==, "old");
        close(fd);
        assert_statuses(fixture->store, UUID "=and new;");
}

/* What a link leads to is not written over: the link itself is replaced. */
static void test_links_are_replaced_not_followed(Fixture *fixture, gconstpointer unused) {
        g_autofree char *path = g_build_filename(fixture->definitions, UUID ".xml", NULL),
                        *victim = g_build_filename(fixture->root, "victim", NULL);
        Answer answer = { 0 };
        (void) unused;
        folder_write(fixture->root, "victim", "precious", -1);
        g_assert_cmpint(symlink(victim, path), ==, 0);
        store_define(fixture->store, UUID, "<domain/>", on_written, &answer);
        store_finish(fixture->store);
        g_assert_no_error(answer.error);
        assert_text(fixture->root, "victim", "precious");
        assert_text(fixture->definitions, UUID ".xml", "<domain/>");
        store_define(fixture->store, UUID, NULL, on_written, &answer);
        store_finish(fixture->store);
        g_assert_true(folder_has(fixture->root, "victim"));
}

/* A disk without space: the old file stays as it was, and nothing of the new one is left. */
static void test_what_cannot_be_written_changes_nothing(Fixture *fixture, gconstpointer unused) {
        const struct rlimit none = { .rlim_cur = 8, .rlim_max = RLIM_INFINITY };
        struct rlimit before;
        g_autoptr(GError) error = NULL;
        Answer first = { 0 }, second = { 0 };
        (void) unused;
        store_define(fixture->store, UUID, "old", on_written, &first);
        g_assert_true(store_save_status(fixture->store, UUID, "old", NULL));
        store_finish(fixture->store);
        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0); /* a write beyond it fails with EFBIG */
        store_define(fixture->store, UUID, "longer than that", on_written, &second);
        store_finish(fixture->store);
        bool saved = store_save_status(fixture->store, UUID, "longer than that", &error);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        g_assert_true(second.n == 1 && second.error && !saved && error);
        g_assert_nonnull(strstr(error->message, UUID));
        g_clear_error(&second.error);
        assert_text(fixture->definitions, UUID ".xml", "old");
        assert_text(fixture->statuses, UUID ".xml", "old");
        g_assert_cmpuint(folder_count(fixture->definitions), ==, 1);
        g_assert_cmpuint(folder_count(fixture->statuses), ==, 1);
}

static void test_a_missing_folder_is_told(Fixture *fixture, gconstpointer unused) {
        g_autofree char *moved = g_build_filename(fixture->root, "moved", NULL);
        Answer answer = { 0 };
        (void) unused;
        g_assert_cmpint(rename(fixture->definitions, moved), ==, 0);
        store_define(fixture->store, UUID, "<domain/>", on_written, &answer);
        store_finish(fixture->store);
        g_assert_error(answer.error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_clear_error(&answer.error);
        assert_definitions(fixture->store, "");
}

static void test_only_documents_are_read_and_others_left_alone(Fixture *fixture, gconstpointer unused) {
        static const char *const others[] = { UUID ".xml.backup",
                                              UUID ".xml~",
                                              UUID,
                                              "README",
                                              UUID ".damaged",
                                              "x" UUID ".xml",
                                              UUID ".xml.AbCdEf",
                                              "not-a-uuid-of-36-characters-at-all-.xml",
                                              "a.xml-of-the-same-number-of-characters-x" };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                folder_write(fixture->definitions, others[i], "something", -1);
        folder_write(fixture->definitions, UUID ".xml", "<domain/>", -1);
        assert_definitions(fixture->store, UUID "=<domain/>;");
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                g_assert_true(folder_has(fixture->definitions, others[i]));
}

/* Who is killed while writing leaves what was written so far; the file itself is whole. */
static void test_what_was_cut_off_is_removed(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        folder_write(fixture->definitions, UUID ".xml", "<domain/>", -1);
        folder_write(fixture->definitions, "." UUID ".xml.AbCdEf", "<dom", -1);
        g_assert_true(file_is_aside("." UUID ".xml.AbCdEf"));
        assert_definitions(fixture->store, UUID "=<domain/>;");
        g_assert_cmpuint(folder_count(fixture->definitions), ==, 1);
}

static void test_what_cannot_be_read_costs_itself_alone(Fixture *fixture, gconstpointer unused) {
        g_autofree char *path = g_build_filename(fixture->definitions, OTHER ".xml", NULL);
        g_autofree char *invalid = g_strdup_printf(UUID "=<domain/>;" OTHER "!%d;", VIRTBUS_ERROR_INVALID_XML),
                        *other_order = g_strdup_printf(OTHER "!%d;" UUID "=<domain/>;", VIRTBUS_ERROR_INVALID_XML);
        (void) unused;
        folder_write(fixture->definitions, UUID ".xml", "<domain/>", -1);
        for (unsigned kind = 0; kind < 4; kind++) {
                g_autoptr(GString) found = g_string_new(NULL);
                int fd = -1;
                switch (kind) {
                case 0: /* nobody writes into it */
                        g_assert_cmpint(mkfifo(path, 0600), ==, 0);
                        break;
                case 1:
                        g_assert_cmpint(mkdir(path, 0700), ==, 0);
                        break;
                case 2: /* far too large, and takes no space */
                        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                        g_assert_cmpint(ftruncate(fd, XML_OWN_BYTES_MAX + 1), ==, 0);
                        close(fd);
                        break;
                default: /* what a power failure leaves of files that were not synced */
                        folder_write(fixture->definitions, OTHER ".xml", "<domain\0\0\0\0", 11);
                        break;
                }
                store_each_definition(fixture->store, collect, found);
                g_assert_true(strcmp(found->str, invalid) == 0 || strcmp(found->str, other_order) == 0);
                g_assert_true(folder_has(fixture->definitions, OTHER ".xml"));
                g_assert_cmpint(remove(path), ==, 0);
        }
}

static void test_a_link_to_nothing_is_told(Fixture *fixture, gconstpointer unused) {
        g_autofree char *path = g_build_filename(fixture->definitions, UUID ".xml", NULL),
                        *wanted = g_strdup_printf(UUID "!%d;", VIRTBUS_ERROR_INVALID_ARGUMENT);
        (void) unused;
        g_assert_cmpint(symlink("/nowhere", path), ==, 0);
        assert_definitions(fixture->store, wanted);
}

static void test_a_damaged_status_is_kept_aside(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GError) reason = g_error_new_literal(VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML, "half of it is missing");
        (void) unused;
        g_assert_true(store_save_status(fixture->store, UUID, "<half", NULL));
        store_put_status_aside(fixture->store, UUID, reason);
        assert_statuses(fixture->store, "");
        assert_text(fixture->statuses, UUID ".damaged", "<half");
        store_put_status_aside(fixture->store, OTHER, reason); /* one that is gone: logged */
        g_assert_cmpuint(folder_count(fixture->statuses), ==, 1);
}

static void test_formats_up_to_ours_are_read(void) {
        static const struct {
                const char *attributes;
                int code; /* -1: is read */
        } cases[] = {
                { "", -1 },
                { "format='1'", -1 },
                { "format='3'", VIRTBUS_ERROR_UNSUPPORTED },
                { "format='4294967295'", VIRTBUS_ERROR_UNSUPPORTED },
                { "format='0'", VIRTBUS_ERROR_LIMIT_EXCEEDED },
                { "format='-1'", VIRTBUS_ERROR_INVALID_XML },
                { "format=''", VIRTBUS_ERROR_INVALID_XML },
                { "format='1.5'", VIRTBUS_ERROR_INVALID_XML },
                { "format='one'", VIRTBUS_ERROR_INVALID_XML },
                { "format='4294967296'", VIRTBUS_ERROR_LIMIT_EXCEEDED },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = g_strdup_printf("<status %s/>", cases[i].attributes);
                g_autoptr(xmlDoc) document = xml_parse_own(text, "status", NULL);
                g_autoptr(GError) error = NULL;
                g_assert_true(store_check_format(xmlDocGetRootElement(document), &error) == (cases[i].code < 0));
                if (cases[i].code >= 0)
                        g_assert_error(error, VIRTBUS_ERROR, cases[i].code);
        }
}

static void test_a_later_format_is_refused_by_name(void) {
        g_autoptr(xmlDoc) document = xml_parse_own("<status format='7'/>", "status", NULL);
        g_autoptr(GError) error = NULL;
        g_assert_false(store_check_format(xmlDocGetRootElement(document), &error));
        g_assert_cmpstr(error->message, ==, "it has format 7, of a later version of virtbus; this one reads up to 2");
}

static void test_the_first_run_is_one(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_true(store_is_first_run(fixture->store));
        g_assert_false(store_is_first_run(fixture->store));
        store_free(fixture->store);
        fixture->store = open_store(fixture);
        g_assert_false(store_is_first_run(fixture->store));
}

/* A folder that is a file, or cannot be made. */
static void test_folders_that_cannot_be_made_are_told(Fixture *fixture, gconstpointer unused) {
        g_autofree char *file = g_build_filename(fixture->root, "file", NULL);
        (void) unused;
        folder_write(fixture->root, "file", "", -1);
        for (unsigned i = 0; i < 2; i++) {
                g_autoptr(GError) error = NULL;
                g_assert_null(store_new(fixture->event, "domains", i == 0 ? file : fixture->state,
                                        i == 0 ? fixture->runtime : file, &error));
                g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
                g_assert_nonnull(strstr(error->message, file));
        }
}

/* Below the folder of the test: /tmp is everybody's, so that all of it is refused there. */
static void test_a_root_that_others_can_lead_elsewhere_is_refused(Fixture *fixture, gconstpointer unused) {
        g_autofree char *root = g_build_filename(fixture->root, "open", "root", NULL),
                        *open_folder = g_build_filename(fixture->root, "open", NULL);
        g_autoptr(GError) error = NULL;
        (void) unused;
        g_assert_cmpint(mkdir(open_folder, 0777), ==, 0);
        g_assert_cmpint(chmod(open_folder, 0777), ==, 0);
        g_assert_false(store_make_root(root, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_assert_cmpuint(folder_count(open_folder), ==, 0);
}

#define ADD(name, test) g_test_add("/store/" name, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
        ADD("definitions-are-written-in-order", test_definitions_are_written_in_order);
        ADD("who-is-freed-finishes-writing", test_who_is_freed_finishes_writing);
        ADD("deleting-what-is-not-there-succeeds", test_deleting_what_is_not_there_succeeds);
        ADD("files-are-their-owners-alone", test_files_are_their_owners_alone);
        ADD("files-are-replaced-whole", test_files_are_replaced_whole);
        ADD("links-are-replaced-not-followed", test_links_are_replaced_not_followed);
        ADD("what-cannot-be-written-changes-nothing", test_what_cannot_be_written_changes_nothing);
        ADD("a-missing-folder-is-told", test_a_missing_folder_is_told);
        ADD("only-documents-are-read-and-others-left-alone", test_only_documents_are_read_and_others_left_alone);
        ADD("what-was-cut-off-is-removed", test_what_was_cut_off_is_removed);
        ADD("what-cannot-be-read-costs-itself-alone", test_what_cannot_be_read_costs_itself_alone);
        ADD("a-link-to-nothing-is-told", test_a_link_to_nothing_is_told);
        ADD("a-damaged-status-is-kept-aside", test_a_damaged_status_is_kept_aside);
        ADD("the-first-run-is-one", test_the_first_run_is_one);
        ADD("folders-that-cannot-be-made-are-told", test_folders_that_cannot_be_made_are_told);
        ADD("a-root-that-others-can-lead-elsewhere-is-refused", test_a_root_that_others_can_lead_elsewhere_is_refused);
        g_test_add_func("/store/formats-up-to-ours-are-read", test_formats_up_to_ours_are_read);
        g_test_add_func("/store/a-later-format-is-refused-by-name", test_a_later_format_is_refused_by_name);
        return g_test_run();
}
