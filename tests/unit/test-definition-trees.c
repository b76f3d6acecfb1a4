/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How often documents are parsed: the linker puts __wrap_xmlCtxtReadMemory in front of libxml2's function. */

#include <libxml/parser.h>

#include "connection-rig.h"
#include "domain/definition-edit.h"
#include "domain/definition.h"

static unsigned n_parsed; /* domains' documents */

xmlDoc *__real_xmlCtxtReadMemory(xmlParserCtxt *context, const char *text, int length, const char *url, const char *encoding,
                                 int options);
xmlDoc *__wrap_xmlCtxtReadMemory(xmlParserCtxt *context, const char *text, int length, const char *url, const char *encoding,
                                 int options);
xmlDoc *__wrap_xmlCtxtReadMemory(xmlParserCtxt *context, const char *text, int length, const char *url, const char *encoding,
                                 int options) {
        n_parsed += strstr(text, "<domain") != NULL;
        return __real_xmlCtxtReadMemory(context, text, length, url, encoding, options);
}

#define assert_parsed(n) \
        do { \
                g_assert_cmpuint(n_parsed, <=, n); \
                n_parsed = 0; \
        } while (0)

#define DISK "<devices><disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk></devices>"

/* As a driver starts: what it chooses is written into the tree, which becomes the live definition. */
static void start(Rig *rig, Domain *domain) {
        g_auto(PeerCall) answer;
        rig_call_domain(rig, "Start", &answer, "a{sv}", 0);
        g_autoptr(xmlDoc) document = definition_document(domain->live, NULL);
        definition_write_aliases(domain->live, document);
        g_autoptr(Definition) live = definition_from_document(document, NULL);
        domain_set_live(domain, live);
        definition_keep(live, g_steal_pointer(&document));
        rig_finish(rig, domain, -1);
        peer_call_assert_error(&answer, NULL);
}

static void test_one_parse_defines_and_two_start_at_most(Rig *rig, gconstpointer unused) {
        (void) unused;
        n_parsed = 0;
        Domain *domain = rig_define(rig, RIG_XML("one", RIG_UUID, DISK));
        g_assert_cmpuint(n_parsed, ==, 1);
        n_parsed = 0;
        g_assert_null(domain->persistent->tree);
        start(rig, domain);
        assert_parsed(2);
        domain->run = NULL;
        domain_stopped(domain, REASON_SHUTDOWN, NULL);
        rig_settle(rig);
        assert_parsed(0);
        g_assert_null(domain->persistent->tree); /* and that of its run has gone with it */
}

static void test_changes_of_a_running_guest_parse_nothing(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) memory, title;
        (void) unused;
        Domain *domain = rig_define(rig, RIG_XML("one", RIG_UUID, DISK));
        start(rig, domain);
        n_parsed = 0;
        domain_memory_changed(domain, 512 << 20);
        rig_call_domain(rig, "SetMemory", &memory, "ta{sv}", (uint64_t) 256 << 20, 0);
        rig_finish(rig, domain, -1);
        peer_call_assert_error(&memory, NULL);
        g_assert_cmpuint(domain->live->memory, ==, 256 << 20);
        rig_call_domain(rig, "SetTitle", &title, "sa{sv}", "a title", 0);
        peer_call_assert_error(&title, NULL);
        g_assert_cmpstr(domain->live->title, ==, "a title");
        domain_device_gone(domain, "virtio-disk0");
        g_assert_cmpuint(domain->live->devices->len, ==, 0);
        assert_parsed(0);
}

/* The same edit of the tree that was kept, and of what is parsed. */
static void test_a_kept_tree_becomes_what_its_text_would(Rig *rig, gconstpointer unused) {
        static const char *const documents[] = {
                RIG_XML("one", RIG_UUID, DISK),
                "<domain type='test'>\n   <name>one</name>\n   <uuid>" RIG_UUID "</uuid>\n   <memory>1024</memory>\n   "
                "<os><type>hvm</type></os>\n   <metadata>\n<a:b xmlns:a='urn:a'> <a:c/></a:b>\n   </metadata>\n   <devices>\n"
                "      <!-- the card -->\n      <interface type='user'/>\n   </devices>\n</domain>",
                "<domain type='test'><description>a &amp; b\n</description><name>one</name><memory>1024</memory>\n"
                "<os><type>hvm</type></os><devices><disk type='file'><target dev='vda' "
                "bus='virtio'/></disk>\n</devices></domain>",
        };
        (void) rig;
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
                g_autoptr(xmlDoc) document = xml_parse(documents[i], "domain", NULL);
                g_autoptr(Definition) first = definition_from_document(document, NULL);
                definition_write_aliases(first, document);
                g_autoptr(Definition) kept = definition_from_document(document, NULL);
                definition_keep(kept, g_steal_pointer(&document));
                g_assert_nonnull(kept->tree);
                for (int edits = 0; edits < 2; edits++) {
                        g_autoptr(xmlDoc) one = definition_document(kept, NULL);
                        g_autoptr(xmlDoc) other = xml_parse_own(kept->xml, "domain", NULL);
                        xmlDoc *both[] = { one, other };
                        for (size_t n = 0; edits && n < G_N_ELEMENTS(both); n++) {
                                xmlNode *root = xmlDocGetRootElement(both[n]), *devices = xml_child(root, "devices");
                                definition_edit_memory(root, 512 * 1024);
                                xml_set_attribute(xml_add(devices, "input", NULL), "type", "mouse");
                                xml_remove(xml_child(devices, NULL));
                        }
                        g_autofree char *text = xml_document_text(one), *wanted = xml_document_text(other);
                        g_assert_cmpstr(text, ==, wanted);
                        if (!edits)
                                g_assert_cmpstr(text, ==, kept->xml);
                }
        }
}

static Definition *define_with_tree(unsigned number, const char *description) {
        g_autofree char *text =
                        g_strdup_printf("<domain type='test'><name>d%u</name><description>%s</description><memory>1024</memory>"
                                        "<os><type>hvm</type></os></domain>",
                                        number, description);
        xmlDoc *document = xml_parse(text, "domain", NULL);
        Definition *definition = definition_from_document(document, NULL);
        definition_keep(definition, document);
        return definition;
}

static void test_only_the_last_small_ones_have_trees(Rig *rig, gconstpointer unused) {
        enum { N = 3 * DEFINITION_TREES_MAX };
        Definition *definitions[N];
        g_autofree char *long_text = g_strnfill(60000, 'a'); /* which a description may have */
        g_autofree char *other = g_strconcat("<!--", long_text, "-->", long_text, NULL);
        (void) rig;
        (void) unused;
        for (unsigned i = 0; i < N; i++)
                definitions[i] = define_with_tree(i, "");
        for (unsigned i = 0; i < N; i++)
                g_assert_cmpint(definitions[i]->tree != NULL, ==, i >= N - DEFINITION_TREES_MAX);
        g_autoptr(Definition) large = define_with_tree(N, other);
        g_assert_true(!large->tree && definitions[N - DEFINITION_TREES_MAX]->tree);
        for (unsigned i = N; i-- > 0;) { /* each with a tree, or without */
                g_autoptr(xmlDoc) document = definition_document(definitions[i], NULL);
                g_assert_nonnull(document);
                definition_unref(definitions[i]);
        }
}

#define ADD(name, test) g_test_add("/definition-trees/" name, Rig, NULL, rig_set_up, test, rig_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        ADD("one_parse_defines_and_two_start_at_most", test_one_parse_defines_and_two_start_at_most);
        ADD("changes_of_a_running_guest_parse_nothing", test_changes_of_a_running_guest_parse_nothing);
        ADD("a_kept_tree_becomes_what_its_text_would", test_a_kept_tree_becomes_what_its_text_would);
        ADD("only_the_last_small_ones_have_trees", test_only_the_last_small_ones_have_trees);
        return g_test_run();
}
