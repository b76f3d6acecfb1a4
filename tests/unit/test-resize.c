/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "domain/operation.h"
#include "domain/definition-edit.h"
#include "domain/operations/device-change.h"
#include "domain/operations/resize.h"
#include "domain/vcpu-list.h"

#define GIB (UINT64_C(1024) * 1024 * 1024)

/* A domain of 4 GiB and 8 processors, of which it has 2 and 3, with what the case adds. */
#define HEAD "<domain type='test'><name>one</name><memory unit='GiB'>4</memory><currentMemory unit='GiB'>2</currentMemory>"
#define XML(more) HEAD "<vcpu current='3'>8</vcpu><os><type>hvm</type></os>" more "</domain>"

typedef struct Case {
        const char *xml;
        DeviceChange change;
        const char *wanted; /* XPath-like "PLACE=TEXT" that is there then; or NULL: it is refused */
        int code;
        const char *message;
} Case;

/* Whether "a/b@c=text" or "a/b=text" holds. */
static void assert_holds(xmlNode *root, const char *wanted) {
        g_auto(GStrv) parts = g_strsplit(wanted, "=", 2), place = g_strsplit(parts[0], "@", 2);
        xmlNode *element = xml_find(root, place[0]);
        g_assert_nonnull(element);
        g_autofree char *text = place[1] ? xml_attribute(element, place[1]) : xml_text(element);
        g_assert_cmpstr(text, ==, parts[1]);
}

static void run(const Case *one) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) base = definition_parse(one->xml, &error);
        g_assert_no_error(error);
        g_autoptr(xmlDoc) document = xml_parse(base->xml, "domain", &error);
        g_assert_no_error(error);
        Domain domain = { .persistent = base };
        DeviceChange change = one->change;
        change.edits = g_ptr_array_new();
        g_autofree Operation *operation = change_new(&resize_class, NULL, &change);
        operation->domain = &domain;
        bool fine = resize_apply(operation->domain, device_change_of(operation), base, xmlDocGetRootElement(document), &error);
        g_ptr_array_unref(change.edits);
        if (one->wanted) {
                g_assert_no_error(error);
                g_assert_true(fine);
                assert_holds(xmlDocGetRootElement(document), one->wanted);
                g_autoptr(Definition) again = definition_from_document(document, &error); /* it can be defined */
                g_assert_no_error(error);
        } else {
                g_assert_false(fine);
                g_assert_error(error, VIRTBUS_ERROR, one->code);
                if (!strstr(error->message, one->message))
                        g_error("'%s' is not in '%s'", one->message, error->message);
        }
}

static void run_all(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                run(cases + i);
}

static void test_memory_and_processors_change_up_to_their_maxima(void) {
        static const Case cases[] = {
                { XML(""), { .memory = 3 * GIB }, "currentMemory=3145728" },
                { XML(""), { .memory = 4 * GIB }, "currentMemory=4194304" },
                { XML(""), { .memory = 4 * GIB + 1024 }, NULL, VIRTBUS_ERROR_INVALID_ARGUMENT, "SetMaxMemory" },
                { XML(""), { .memory = UINT64_MAX - 1023 }, NULL, VIRTBUS_ERROR_INVALID_ARGUMENT, "SetMaxMemory" },
                { XML(""), { .vcpus = 8 }, "vcpu@current=8" },
                { XML(""),
                  { .vcpus = 9 },
                  NULL,
                  VIRTBUS_ERROR_INVALID_ARGUMENT,
                  "more than the 8 that it may have at most; SetMaxVCPUs" },
                { XML(""),
                  { .vcpus = UINT32_MAX },
                  NULL,
                  VIRTBUS_ERROR_INVALID_ARGUMENT,
                  "more than the 8 that it may have at most; SetMaxVCPUs" },
                { XML("<vcpus><vcpu id='0' enabled='yes'/></vcpus>"), { .vcpus = 4 }, "vcpu@current=4" },
        };
        run_all(cases, G_N_ELEMENTS(cases));
}

static void test_maxima_change_and_what_there_is_stays_below(void) {
        static const Case cases[] = {
                { XML(""), { .max_memory = 8 * GIB }, "memory=8388608" },
                { XML(""), { .max_memory = 8 * GIB }, "currentMemory=2097152" },
                { XML(""), { .max_memory = 1 * GIB }, "currentMemory=1048576" },
                { XML(""), { .max_vcpus = 16 }, "vcpu=16" },
                { XML(""), { .max_vcpus = 16 }, "vcpu@current=3" },
                { XML(""), { .max_vcpus = 2 }, "vcpu@current=2" },
                { XML("<vcpus><vcpu id='0' enabled='yes'/></vcpus>"),
                  { .max_vcpus = 4 },
                  NULL,
                  VIRTBUS_ERROR_UNSUPPORTED,
                  "<vcpus>" },
                { XML("<cpu><numa><cell id='0' cpus='0-7' memory='4' unit='GiB'/></numa></cpu>"),
                  { .max_memory = GIB },
                  NULL,
                  VIRTBUS_ERROR_UNSUPPORTED,
                  "NUMA" },
        };
        run_all(cases, G_N_ELEMENTS(cases));
}

static void test_threads_have_their_place(void) {
        static const Case cases[] = {
                { XML(""), { .cpus = (char *) "0-3", .pinned = PINNED_VCPU, .thread = 7 }, "cputune/vcpupin@cpuset=0-3" },
                { XML("<cputune><vcpupin vcpu='1' cpuset='9'/></cputune>"),
                  { .cpus = (char *) "0-3", .pinned = PINNED_VCPU, .thread = 1 },
                  "cputune/vcpupin@cpuset=0-3" },
                { XML(""),
                  { .cpus = (char *) "0-3", .pinned = PINNED_VCPU, .thread = 8 },
                  NULL,
                  VIRTBUS_ERROR_INVALID_ARGUMENT,
                  "no virtual processor 8" },
                { XML(""), { .cpus = (char *) "0", .pinned = PINNED_EMULATOR }, "cputune/emulatorpin@cpuset=0" },
                { XML("<iothreads>2</iothreads>"),
                  { .cpus = (char *) "0", .pinned = PINNED_IO_THREAD, .thread = 2 },
                  "cputune/iothreadpin@iothread=2" },
                { XML("<iothreads>2</iothreads>"),
                  { .cpus = (char *) "0", .pinned = PINNED_IO_THREAD, .thread = 3 },
                  NULL,
                  VIRTBUS_ERROR_INVALID_ARGUMENT,
                  "no I/O thread 3" },
                { XML("<iothreads>2</iothreads><iothreadids><iothread id='7'/></iothreadids>"),
                  { .cpus = (char *) "0", .pinned = PINNED_IO_THREAD, .thread = 2 },
                  NULL,
                  VIRTBUS_ERROR_INVALID_ARGUMENT,
                  "no I/O thread 2" },
        };
        run_all(cases, G_N_ELEMENTS(cases));
}

#define DISK(thread) \
        "<devices><disk type='file'><driver name='qemu' iothread='" thread \
        "'/><source file='/a'/><target dev='vda'/></disk></devices>"

static void test_io_threads_come_and_go(void) {
        static const Case cases[] = {
                { XML(""), { .io_thread = IO_THREAD_ADDED, .thread = 1 }, "iothreads=1" },
                { XML("<iothreads>2</iothreads>"), { .io_thread = IO_THREAD_ADDED, .thread = 9 }, "iothreads=3" },
                { XML("<iothreads>2</iothreads>"),
                  { .io_thread = IO_THREAD_ADDED, .thread = 2 },
                  NULL,
                  VIRTBUS_ERROR_ALREADY_EXISTS,
                  "I/O thread 2 already" },
                { XML("<iothreads>2</iothreads>"), { .io_thread = IO_THREAD_REMOVED, .thread = 1 }, "iothreadids/iothread@id=2" },
                { XML("<iothreads>2</iothreads>"),
                  { .io_thread = IO_THREAD_REMOVED, .thread = 3 },
                  NULL,
                  VIRTBUS_ERROR_INVALID_ARGUMENT,
                  "no I/O thread 3" },
                { XML("<iothreads>1</iothreads>" DISK("1")),
                  { .io_thread = IO_THREAD_REMOVED, .thread = 1 },
                  NULL,
                  VIRTBUS_ERROR_RESOURCE_BUSY,
                  "virtio-disk0" },
                { XML("<iothreads>2</iothreads>" DISK("1")), { .io_thread = IO_THREAD_REMOVED, .thread = 2 }, "iothreads=1" },
        };
        run_all(cases, G_N_ELEMENTS(cases));
}

/* Documents that nobody has checked, as those of a connection without a check. */
static void test_any_number_of_io_threads_takes_no_time(void) {
        static const Case cases[] = {
                { XML("<iothreads>4294967295</iothreads>"),
                  { .io_thread = IO_THREAD_ADDED, .thread = 4000 },
                  NULL,
                  VIRTBUS_ERROR_LIMIT_EXCEEDED,
                  "1024 I/O threads" },
                { XML("<iothreads>99999999999999999999999</iothreads>"),
                  { .io_thread = IO_THREAD_ADDED, .thread = 4000 },
                  NULL,
                  VIRTBUS_ERROR_LIMIT_EXCEEDED,
                  "1024 I/O threads" },
                { XML("<iothreads>-1</iothreads>"),
                  { .io_thread = IO_THREAD_ADDED, .thread = 4000 },
                  NULL,
                  VIRTBUS_ERROR_LIMIT_EXCEEDED,
                  "1024 I/O threads" },
                { XML("<iothreads>many</iothreads>"), { .io_thread = IO_THREAD_ADDED, .thread = 4 }, "iothreads=1" },
                { XML("<iothreads/>"), { .io_thread = IO_THREAD_ADDED, .thread = 4 }, "iothreads=1" },
        };
        run_all(cases, G_N_ELEMENTS(cases));
}

static void test_memory_is_bound_where_it_can_be(void) {
        static const Case cases[] = {
                { XML(""), { .nodes = (char *) "0-1" }, "numatune/memory@nodeset=0-1" },
                { XML(""), { .nodes = (char *) "0-1" }, "numatune/memory@mode=restrictive" },
                { XML("<numatune><memory mode='strict' nodeset='0'/></numatune>"),
                  { .nodes = (char *) "1" },
                  "numatune/memory@nodeset=1" },
                { XML("<numatune><memory mode='interleave' nodeset='0'/></numatune>"),
                  { .nodes = (char *) "1" },
                  NULL,
                  VIRTBUS_ERROR_UNSUPPORTED,
                  "interleave" },
        };
        run_all(cases, G_N_ELEMENTS(cases));
}

static void assert_metadata(const xmlNode *root, const char *uri, const char *wanted) {
        g_autofree char *text = xml_text(definition_edit_find_metadata(root, uri));
        g_assert_cmpstr(text, ==, wanted);
}

static void test_metadata_of_one_namespace_is_replaced_alone(void) {
        static const struct {
                const char *xml, *element, *ours, *theirs;
        } cases[] = {
                { XML("<metadata><b:b xmlns:b='urn:b'>theirs</b:b><a:a xmlns:a='urn:a'>old</a:a></metadata>"),
                  "<a:a xmlns:a='urn:a'>new</a:a>", "new", "theirs" },
                { XML("<metadata><b:b xmlns:b='urn:b'>theirs</b:b><a:a xmlns:a='urn:a'>old</a:a></metadata>"), NULL, NULL,
                  "theirs" },
                { XML(""), "<a xmlns='urn:a'>new</a>", "new", NULL },
                { XML(""), NULL, NULL, NULL },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Definition) base = definition_parse(cases[i].xml, NULL);
                g_autoptr(xmlDoc) document = xml_parse(base->xml, "domain", NULL);
                xmlNode *root = xmlDocGetRootElement(document);
                Domain domain = { .persistent = base };
                g_autoptr(GPtrArray) edits = g_ptr_array_new();
                g_autoptr(xmlDoc) metadata = cases[i].element ? xml_parse(cases[i].element, NULL, NULL) : NULL;
                DeviceChange change = { .metadata_uri = (char *) "urn:a", .metadata = metadata, .edits = edits };
                g_autofree Operation *operation = change_new(&resize_class, NULL, &change);
                operation->domain = &domain;
                g_assert_true(resize_apply(operation->domain, device_change_of(operation), base, root, NULL));
                assert_metadata(root, "urn:a", cases[i].ours);
                assert_metadata(root, "urn:b", cases[i].theirs);
        }
}

/* Which processors there are, as text: a number, "+" where it is plugged, "-" where it is not there, and its order. */
static char *print_list(const xmlNode *root) {
        GString *text = g_string_new(NULL);
        for (const xmlNode *one = xml_child(xml_child(root, "vcpus"), "vcpu"); one; one = xml_next(one, "vcpu")) {
                g_autofree char *id = xml_attribute(one, "id"), *order = xml_attribute(one, "order");
                g_string_append_printf(text, " %s%s%s", id,
                                       xml_attribute_is(one, "enabled", "no")         ? "-"
                                       : xml_attribute_is(one, "hotpluggable", "yes") ? "+"
                                                                                      : "",
                                       order ? ":" : "");
                g_string_append(text, order ? order : "");
        }
        return g_string_free(text, FALSE);
}

static void test_processors_are_listed_and_the_list_follows(void) {
        static const struct {
                const char *more;
                uint32_t n[4]; /* changes, up to a 0 */
                const char *wanted;
                uint32_t first; /* that the machine starts with */
        } cases[] = {
                { "", { 4 }, " 0:1 1:2 2:3 3+:4 4- 5- 6- 7-", 3 },
                { "", { 5, 4, 6 }, " 0:1 1:2 2:3 3+:4 4+:5 5+:6 6- 7-", 3 },
                { "", { 4, 2 }, " 0:1 1:2 2- 3- 4- 5- 6- 7-", 2 },
                { "", { 1 }, " 0:1 1- 2- 3- 4- 5- 6- 7-", 1 },
                { "<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='7' enabled='yes' hotpluggable='yes'/></vcpus>",
                  { 5 },
                  " 0 7+ 1 2 3+ 4- 5- 6-",
                  3 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *xml = g_strconcat(HEAD "<vcpu current='3'>8</vcpu><os><type>hvm</type></os>", cases[i].more,
                                                   "</domain>", NULL);
                g_autoptr(xmlDoc) document = xml_parse(xml, "domain", NULL);
                xmlNode *root = xmlDocGetRootElement(document);
                vcpu_list_make(root, 8, 3);
                uint32_t n = 3;
                for (size_t j = 0; j < G_N_ELEMENTS(cases[i].n) && cases[i].n[j] > 0; j++) {
                        n = cases[i].n[j];
                        vcpu_list_set(root, n);
                }
                g_autofree char *list = print_list(root);
                g_assert_cmpstr(list, ==, cases[i].wanted);
                g_assert_cmpuint(vcpu_list_count(root, 8, 3), ==, n);
                g_assert_cmpuint(vcpu_list_first(root, n), ==, cases[i].first);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/resize/memory-and-processors-change-up-to-their-maxima",
                        test_memory_and_processors_change_up_to_their_maxima);
        g_test_add_func("/resize/maxima-change-and-what-there-is-stays-below", test_maxima_change_and_what_there_is_stays_below);
        g_test_add_func("/resize/threads-have-their-place", test_threads_have_their_place);
        g_test_add_func("/resize/io-threads-come-and-go", test_io_threads_come_and_go);
        g_test_add_func("/resize/any-number-of-io-threads-takes-no-time", test_any_number_of_io_threads_takes_no_time);
        g_test_add_func("/resize/memory-is-bound-where-it-can-be", test_memory_is_bound_where_it_can_be);
        g_test_add_func("/resize/metadata-of-one-namespace-is-replaced-alone", test_metadata_of_one_namespace_is_replaced_alone);
        g_test_add_func("/resize/processors-are-listed-and-the-list-follows", test_processors_are_listed_and_the_list_follows);
        return g_test_run();
}
