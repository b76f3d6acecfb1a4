/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file that is kept of a domain's snapshots, or checkpoints: what is read of it is a tree. */

#include "domain/checkpoint.h"
#include "domain/snapshot.h"
#include "domain/tree-file.h"

#define PARENT(name) "&lt;parent&gt;&lt;name&gt;" name "&lt;/name&gt;&lt;/parent&gt;"
#define ONE(element, root, name, parent) \
        "<" element ">&lt;" root "&gt;&lt;name&gt;" name "&lt;/name&gt;&lt;state&gt;shutoff&lt;/state&gt;" \
        "&lt;creationTime&gt;1&lt;/creationTime&gt;" parent "&lt;/" root "&gt;</" element ">"
#define SNAPSHOT(name, parent) ONE("snapshot", "domainsnapshot", name, parent)
#define PENDING(name) ONE("pending", "domainsnapshot", name, "")
#define SNAPSHOTS(attributes, content) "<virtbus-snapshots format=\"1\"" attributes ">" content "</virtbus-snapshots>"
#define CHECKPOINT(name, parent) \
        "<checkpoint>&lt;domaincheckpoint&gt;&lt;name&gt;" name "&lt;/name&gt;&lt;creationTime&gt;1&lt;/creationTime&gt;" parent \
        "&lt;/domaincheckpoint&gt;</checkpoint>"
#define CHECKPOINTS(content) "<virtbus-checkpoints format=\"1\">" content "</virtbus-checkpoints>"

static void test_what_was_written_is_read_again(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(TreeFile) file = tree_file_parse(&snapshot_tree,
                                                   SNAPSHOTS(" current=\"c\"", SNAPSHOT("c", PARENT("b")) SNAPSHOT("a", "")
                                                                                               SNAPSHOT("b", PARENT("a"))),
                                                   &error);
        g_assert_no_error(error);
        g_assert_cmpuint(file->items->len, ==, 3);
        g_autoptr(TreeFile) other = tree_file_parse(&snapshot_tree, SNAPSHOTS("", PENDING("d")), &error);
        g_assert_no_error(error);
        tree_file_set_pending(file, other->pending, "vda=1:2 \"&<");
        g_autofree char *text = tree_file_text(file);
        g_autoptr(TreeFile) again = tree_file_parse(&snapshot_tree, text, &error);
        g_assert_no_error(error);
        g_autofree char *same = tree_file_text(again);
        g_assert_cmpstr(same, ==, text);
        g_assert_cmpstr(again->current, ==, "c");
        g_assert_cmpstr(again->pending->name, ==, "d");
        g_assert_cmpstr(again->traces, ==, "vda=1:2 \"&<");
        g_assert_cmpstr(((const TreeItem *) again->items->pdata[2])->parent, ==, "a");
}

static void test_what_is_no_tree_is_refused(void) {
        static const struct {
                const TreeKind *kind;
                const char *text, *says;
        } cases[] = {
                { &snapshot_tree, SNAPSHOTS("", SNAPSHOT("a", PARENT("a"))), "below itself" },
                { &snapshot_tree, SNAPSHOTS("", SNAPSHOT("a", PARENT("b")) SNAPSHOT("b", PARENT("a"))), "below itself" },
                { &snapshot_tree,
                  SNAPSHOTS("", SNAPSHOT("x", PARENT("a")) SNAPSHOT("a", PARENT("c")) SNAPSHOT("b", PARENT("a"))
                                                SNAPSHOT("c", PARENT("b"))),
                  "below itself" },
                { &snapshot_tree, SNAPSHOTS("", SNAPSHOT("a", PARENT("b"))), "the parent 'b'" },
                { &snapshot_tree, SNAPSHOTS("", SNAPSHOT("a", "") SNAPSHOT("a", "")), "twice" },
                { &snapshot_tree, SNAPSHOTS("", PENDING("a") PENDING("b")), "twice" },
                { &snapshot_tree, SNAPSHOTS("", PENDING("a") SNAPSHOT("a", "")), "half made" },
                { &snapshot_tree, SNAPSHOTS(" current=\"b\"", SNAPSHOT("a", "")), "current" },
                { &snapshot_tree, SNAPSHOTS(" current=\"a\"", PENDING("a")), "current" },
                { &snapshot_tree, SNAPSHOTS("", CHECKPOINT("a", "")), "no such element" },
                { &snapshot_tree, SNAPSHOTS("", "<snapshot/>"), "empty" },
                { &snapshot_tree, SNAPSHOTS("", "<snapshot>x</snapshot>"), "" },
                { &snapshot_tree, CHECKPOINTS(""), "" },
                { &checkpoint_tree, CHECKPOINTS(CHECKPOINT("a", PARENT("b")) CHECKPOINT("b", PARENT("a"))), "below itself" },
                { &checkpoint_tree, CHECKPOINTS(CHECKPOINT("a", PARENT("b"))), "the parent 'b'" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(TreeFile) file = tree_file_parse(cases[i].kind, cases[i].text, &error);
                g_assert_null(file);
                g_assert_nonnull(error);
                g_assert_nonnull(strstr(error->message, cases[i].says));
        }
}

static void test_no_more_are_read_than_there_may_be(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) text = g_string_new("<virtbus-snapshots format=\"1\">");
        for (unsigned i = 0; i <= SNAPSHOTS_MAX; i++)
                g_string_append_printf(text, SNAPSHOT("%u", ""), i);
        g_string_append(text, "</virtbus-snapshots>");
        g_autoptr(TreeFile) file = tree_file_parse(&snapshot_tree, text->str, &error);
        g_assert_null(file);
        g_assert_nonnull(error);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree-file/what-was-written-is-read-again", test_what_was_written_is_read_again);
        g_test_add_func("/tree-file/what-is-no-tree-is-refused", test_what_is_no_tree_is_refused);
        g_test_add_func("/tree-file/no-more-are-read-than-there-may-be", test_no_more_are_read_than_there_may_be);
        return g_test_run();
}
