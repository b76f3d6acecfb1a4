/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Snapshots and checkpoints of domains: trees. libvirt names one by its name and its domain. */

#include <string.h>
#include <systemd/sd-bus.h>

#include "calls.h"
#include "rows.h"
#include "style.h"

#define DOMAIN INTERFACE("Domain")
#define SNAPSHOT INTERFACE("Snapshot")
#define ONE "(s(sUi))"
#define SNAPSHOTS_MAX 16384 /* that an answer may have */

/* Bits of flags that the calls look at themselves. */
#define CREATE_REDEFINE 1
#define CREATE_CURRENT 2
#define CREATE_LIVE 256
#define XML_SECURE 1
#define LIST_ROOTS 1 /* of a snapshot's children: all below it */
#define LIST_LEAVES 4
#define LIST_NO_LEAVES 8
#define LIST_METADATA 2
#define LIST_NO_METADATA 16
#define LIST_INACTIVE 32
#define LIST_ACTIVE 64
#define LIST_DISK_ONLY 128
#define LIST_INTERNAL 256
#define LIST_EXTERNAL 512
#define LIST_TOPOLOGICAL 1024

/* All disks at one instant is how it is always done (128); a document is always looked at by the letter (512). */
static const FlagOption create_flags[] = {
        { CREATE_REDEFINE, NULL }, { CREATE_CURRENT, NULL }, { 4, "no_metadata" },   { 8, "halt" },          { 16, "disk_only" },
        { 32, "reuse" },           { 64, "quiesce" },        FLAG_IS_ALWAYS_SO(128), FLAG_IS_ALWAYS_SO(512), {}
};
static const FlagOption xml_flags[] = { { XML_SECURE, NULL }, {} };
static const FlagOption list_flags[] = { { 0x7ff, NULL }, {} };
static const FlagOption create_checkpoint_flags[] = { { CREATE_REDEFINE, NULL }, {} };
static const FlagOption checkpoint_xml_flags[] = { { XML_SECURE, NULL }, { 2, "no_domain" }, {} };
static const FlagOption list_checkpoints_flags[] = { { 0xf, NULL }, {} }; /* 2 is their order, in which they always are */
static const FlagOption revert_flags[] = { { 1, "running" }, { 2, "paused" }, { 4, "force" }, {} };
static const FlagOption delete_flags[] = { { 1, "children" }, { 2, "metadata_only" }, { 4, "children_only" }, {} };

/* What is asked for: the procedures of both are alike, and so are their flags where both have them. */
typedef struct Kind {
        const char *interface, *folder;
        LibvirtErrorCode none;
        const char *create, *redefine;
} Kind;

static const Kind snapshots = { SNAPSHOT, "snapshot", LIBVIRT_NO_SNAPSHOT, "CreateSnapshot", "RedefineSnapshot" };
static const Kind checkpoints = { INTERFACE("Checkpoint"), "checkpoint", LIBVIRT_NO_CHECKPOINT, "CreateCheckpoint",
                                  "RedefineCheckpoint" };

static const Kind *kind_of(const Call *call) {
        return strstr(call->procedure->name, "CHECKPOINT") ? &checkpoints : &snapshots;
}

/* Which snapshot */

static char *path_of(const Call *call, const char *domain, const char *name) {
        g_autofree char *prefix = g_strconcat(domain, "/", kind_of(call)->folder, NULL);
        char *path = NULL;
        return sd_bus_path_encode(prefix, name, &path) < 0 ? NULL : path;
}

/* Of the first argument: its domain's path, and its own, which has none where the name is not one. */
static char *domain_of(const Call *call) {
        const char *uuid;
        if (call->domain)
                return g_strdup(call->domain);
        g_variant_get_child(call->arguments, 0, "(&s(&s&si))", NULL, NULL, &uuid, NULL);
        return call_domain_path(call->client, uuid);
}

static char *snapshot_of(const Call *call) {
        const char *name;
        g_autofree char *domain = domain_of(call);
        g_variant_get_child(call->arguments, 0, "(&s(&s&si))", &name, NULL, NULL, NULL);
        return path_of(call, domain, name);
}

/* The domain as libvirt names it, as the client has handed it in. */
static GVariant *domain_value(const Call *call) {
        g_autoptr(GVariant) first = g_variant_get_child_value(call->arguments, 0);
        return call->domain ? g_variant_ref(first) : g_variant_get_child_value(first, 1);
}

static GVariant *name_value(const Call *call, const char *name) {
        g_autoptr(GVariant) domain = domain_value(call);
        return g_variant_new("(s@(ssi))", name, domain);
}

static bool refuse_absent(Call *call, const GError *error) {
        const Kind *kind = kind_of(call);
        const char *wanted = "";
        g_autofree char *part = g_strdup_printf("/%s/", kind->folder);
        if (error->code != (int) kind->none && !(error->code == LIBVIRT_NO_DOMAIN && strstr(error->message, part)))
                return false;
        if (call->domain)
                wanted = call_string(call, 1);
        else
                g_variant_get_child(call->arguments, 0, "(&s(&s&si))", &wanted, NULL, NULL, NULL);
        call_refuse(call, kind->none, "Domain %s not found: no domain %s with matching name '%s'", kind->folder, kind->folder,
                    wanted);
        return true;
}

static void ask(Call *call, const char *member, GVariant *arguments, const char *reply, CallStep step) {
        g_autofree char *path = snapshot_of(call);
        call->on_error = refuse_absent;
        call_ask(call, path, kind_of(call)->interface, member, arguments, reply, step);
}

static void read_one(Call *call, CallStep step) {
        g_autofree char *path = snapshot_of(call);
        call->on_error = refuse_absent;
        call_read(call, path, kind_of(call)->interface, step);
}

static const char *text_of(GVariant *properties, const char *name) {
        const char *text = "";
        g_variant_lookup(properties, name, "&s", &text);
        return text;
}

/* Lists */

typedef struct Node {
        const char *path, *name;
        GVariant *properties;
} Node;

static bool is_flag(uint32_t flags, uint32_t yes, uint32_t no, bool is) {
        return !(flags & (yes | no)) || (flags & (is ? yes : no));
}

static bool is_selected(uint32_t flags, GVariant *properties) {
        const char *state = text_of(properties, "State");
        bool off = strcmp(state, "shutoff") == 0, disk_only = strcmp(state, "disk-snapshot") == 0, external = false;
        g_autoptr(GVariant) children = g_variant_lookup_value(properties, "Children", G_VARIANT_TYPE("ao")),
                            disks = g_variant_lookup_value(properties, "Disks", G_VARIANT_TYPE("a(ss)"));
        for (size_t i = 0; disks && i < g_variant_n_children(disks); i++) {
                const char *place;
                g_variant_get_child(disks, i, "(s&s)", NULL, &place);
                external |= strcmp(place, "external") == 0;
        }
        uint32_t states = flags & (LIST_INACTIVE | LIST_ACTIVE | LIST_DISK_ONLY);
        bool leaf = !children || g_variant_n_children(children) == 0;
        return is_flag(flags, LIST_LEAVES, LIST_NO_LEAVES, leaf) && is_flag(flags, LIST_METADATA, LIST_NO_METADATA, true) &&
               is_flag(flags, LIST_EXTERNAL, LIST_INTERNAL, external) &&
               (!states || (states & (off         ? LIST_INACTIVE
                                      : disk_only ? LIST_DISK_ONLY
                                                  : LIST_ACTIVE)));
}

static const Node *find_node(const GArray *nodes, const char *path) {
        for (guint i = 0; i < nodes->len; i++)
                if (strcmp(g_array_index(nodes, Node, i).path, path) == 0)
                        return &g_array_index(nodes, Node, i);
        return NULL;
}

static const char *parent_of(const Node *node) {
        const char *parent = "/";
        g_variant_lookup(node->properties, "Parent", "&o", &parent);
        return parent;
}

static bool is_below(const GArray *nodes, const Node *node, const char *path) {
        for (guint i = 0; node && i <= nodes->len; i++) {
                const char *parent = parent_of(node);
                if (strcmp(parent, path) == 0)
                        return true;
                node = find_node(nodes, parent);
        }
        return false;
}

/* Parents come before their children, so that whoever asks for that has it. */
static void add_below(const GArray *nodes, const char *parent, GPtrArray *sorted) {
        for (guint i = 0; i < nodes->len && sorted->len < nodes->len; i++) {
                const Node *node = &g_array_index(nodes, Node, i);
                if (strcmp(parent_of(node), parent) != 0)
                        continue;
                g_ptr_array_add(sorted, (gpointer) node);
                add_below(nodes, node->path, sorted);
        }
}

static void node_clear(void *data) {
        g_variant_unref(((Node *) data)->properties);
}

static GArray *read_nodes(const Kind *kind, GVariant *objects) {
        GArray *nodes = g_array_new(FALSE, FALSE, sizeof(Node));
        GVariantIter iterator;
        const char *path;
        GVariant *interfaces;
        g_array_set_clear_func(nodes, node_clear);
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                Node node = { .path = path };
                node.properties = g_variant_lookup_value(interfaces, kind->interface, G_VARIANT_TYPE_VARDICT);
                g_variant_unref(interfaces);
                if (!node.properties)
                        continue;
                node.name = text_of(node.properties, "Name");
                g_array_append_val(nodes, node);
        }
        return nodes;
}

/* What is answered depends on the procedure: its reply says that. */
static void answer_list(Call *call, const GPtrArray *selected) {
        const char *type = call->procedure->reply;
        GVariantBuilder builder;
        if (selected->len > SNAPSHOTS_MAX) {
                call_refuse(call, LIBVIRT_RPC, "too many %ss for libvirt's protocol: %u; it may have %d", kind_of(call)->folder,
                            selected->len, SNAPSHOTS_MAX);
                return;
        }
        if (strcmp(type, "(i)") == 0) {
                call_answer(call, g_variant_new("(i)", (int32_t) selected->len));
                return;
        }
        int32_t room = INT32_MAX;
        bool are_names = g_str_has_prefix(type, "(as");
        g_variant_get_child(call->arguments, 1, "i", &room);
        g_variant_builder_init(&builder, are_names ? G_VARIANT_TYPE_STRING_ARRAY : G_VARIANT_TYPE("a(s(ssi))"));
        for (guint i = 0; i < selected->len && (are_names ? (int64_t) i < room : room != 0); i++) {
                const Node *node = selected->pdata[i];
                if (are_names)
                        g_variant_builder_add(&builder, "s", node->name);
                else
                        g_variant_builder_add_value(&builder, name_value(call, node->name));
        }
        call_answer(call, are_names ? g_variant_new("(as)", &builder)
                                    : g_variant_new("(a(s(ssi))i)", &builder, (int32_t) selected->len));
}

static void on_objects(Call *call, GVariant *reply) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GArray) nodes = read_nodes(kind_of(call), objects);
        g_autoptr(GPtrArray) sorted = g_ptr_array_new(), selected = g_ptr_array_new();
        g_autofree char *of = call->domain ? NULL : snapshot_of(call);
        if (of && !find_node(nodes, of)) {
                g_autoptr(GError) error = g_error_new_literal(LIBVIRT_ERROR, kind_of(call)->none, "");
                refuse_absent(call, error);
                return;
        }
        add_below(nodes, "/", sorted);
        for (guint i = 0; i < sorted->len; i++) {
                const Node *node = sorted->pdata[i];
                bool is_root = strcmp(parent_of(node), "/") == 0;
                bool is_there = !of                          ? !(call->flags & LIST_ROOTS) || is_root
                                : (call->flags & LIST_ROOTS) ? is_below(nodes, node, of)
                                                             : strcmp(parent_of(node), of) == 0;
                if (is_there && is_selected(call->flags, node->properties))
                        g_ptr_array_add(selected, (gpointer) node);
        }
        answer_list(call, selected);
}

static void list(Call *call) {
        g_autofree char *domain = domain_of(call);
        call_ask(call, domain, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", on_objects);
}

/* One */

static void on_found(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(@(s(ssi)))", name_value(call, text_of(properties, "Name"))));
}

static void find(Call *call) {
        g_autofree char *path = path_of(call, call->domain, call_string(call, 1));
        call->on_error = refuse_absent;
        call_read(call, path, kind_of(call)->interface, on_found);
}

static void on_domain(Call *call, GVariant *properties) {
        const char *path = "/";
        g_variant_lookup(properties, "CurrentSnapshot", "&o", &path);
        if (g_strcmp0(call->procedure->reply, "(i)") == 0)
                call_answer(call, g_variant_new("(i)", strcmp(path, "/") != 0));
        else if (strcmp(path, "/") == 0)
                call_refuse(call, LIBVIRT_NO_SNAPSHOT, "Domain snapshot not found: the domain does not have a current snapshot");
        else
                call_read(call, path, kind_of(call)->interface, on_found);
}

static void on_domain_read(Call *call, GVariant *reply) {
        g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);
        on_domain(call, properties);
}

static void current(Call *call) { /* what domains.c keeps of a domain has no snapshots */
        call_ask(call, call->domain, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", DOMAIN), "(a{sv})",
                 on_domain_read);
}

static void on_parent(Call *call, GVariant *properties) {
        const char *path = "/";
        g_variant_lookup(properties, "Parent", "&o", &path);
        if (strcmp(path, "/") == 0)
                call_refuse(call, kind_of(call)->none, "Domain %s not found: %s '%s' does not have a parent",
                            kind_of(call)->folder, kind_of(call)->folder, text_of(properties, "Name"));
        else
                call_read(call, path, kind_of(call)->interface, on_found);
}

static void get_parent(Call *call) {
        read_one(call, on_parent);
}

static void on_is_current(Call *call, GVariant *properties) {
        gboolean is = FALSE;
        g_variant_lookup(properties, "Current", "b", &is);
        call_answer(call, g_variant_new("(i)", is ? 1 : 0));
}

static void is_current(Call *call) {
        read_one(call, on_is_current);
}

static void on_has_metadata(Call *call, GVariant *properties) {
        (void) properties;
        call_answer(call, g_variant_new("(i)", 1));
}

static void has_metadata(Call *call) {
        read_one(call, on_has_metadata);
}

static void get_xml(Call *call) {
        ask(call, call->flags & XML_SECURE ? "GetXMLWithSecrets" : "GetXML", NULL, "(s)", step_answer_document);
}

static void get_checkpoint_xml(Call *call) {
        ask(call, call->flags & XML_SECURE ? "GetXMLWithSecrets" : "GetXML", g_variant_new("(@a{sv})", call_options(call)), "(s)",
            step_answer_document);
}

static void on_created(Call *call, GVariant *reply) {
        const char *path;
        g_variant_get(reply, "(&o)", &path);
        if (strcmp(path, call->domain) != 0) {
                call_read(call, path, kind_of(call)->interface, on_found);
                return;
        }
        /* Of one that nothing is known of there is but the name that was asked for. */
        g_autoptr(xmlDoc) document = document_read(call_string(call, 1), NULL);
        g_autofree char *name = document ? document_value(xmlDocGetRootElement(document), "name") : NULL;
        call_answer(call, g_variant_new("(@(s(ssi)))", name_value(call, name ? name : "")));
}

/* Whether a document names files: then more is needed than to make a snapshot. */
static bool names_files(xmlNode *root) {
        xmlNode *disks = document_find(root, "disks"), *memory = document_find(root, "memory");
        g_autofree char *file = memory ? document_attribute(memory, NULL, "file") : NULL;
        bool names = file != NULL;
        for (xmlNode *disk = disks ? disks->children : NULL; disk && !names; disk = disk->next)
                names = disk->type == XML_ELEMENT_NODE && document_find(disk, "source");
        return names;
}

static void create(Call *call) {
        bool redefines = call->flags & CREATE_REDEFINE;
        g_autoptr(xmlDoc) document = document_read(call_string(call, 1), NULL);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        const char *member = redefines                                           ? snapshots.redefine
                             : root && (names_files(root) || (call->flags & 32)) ? "CreateSnapshotWithFiles"
                                                                                 : snapshots.create;
        g_autoptr(GVariant) options = g_variant_ref_sink(call_options(call));
        GVariantDict all;
        g_variant_dict_init(&all, options);
        if (redefines && (call->flags & CREATE_CURRENT))
                g_variant_dict_insert(&all, "current", "b", TRUE);
        call_ask(call, call->domain, DOMAIN, member, g_variant_new("(s@a{sv})", call_string(call, 1), g_variant_dict_end(&all)),
                 "(o)", on_created);
}

static void create_checkpoint(Call *call) {
        const Kind *kind = kind_of(call);
        call_ask(call, call->domain, DOMAIN, call->flags & CREATE_REDEFINE ? kind->redefine : kind->create,
                 g_variant_new("(s@a{sv})", call_string(call, 1), call_options(call)), "(o)", on_created);
}

static void revert(Call *call) {
        ask(call, "Revert", g_variant_new("(@a{sv})", call_options(call)), "()", step_answer_nothing);
}

static void delete (Call *call) {
        ask(call, "Delete", g_variant_new("(@a{sv})", call_options(call)), "()", step_answer_nothing);
}

const CallRow snapshot_calls[] = {
        { REMOTE_DOMAIN_SNAPSHOT_CREATE_XML, create, NULL, CHANGES, create_flags },
        { REMOTE_DOMAIN_SNAPSHOT_GET_XML_DESC, get_xml, NULL, READS, xml_flags },
        { REMOTE_DOMAIN_SNAPSHOT_NUM, list, NULL, READS, list_flags },
        { REMOTE_DOMAIN_SNAPSHOT_LIST_NAMES, list, NULL, READS, list_flags },
        { REMOTE_DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, find },
        { REMOTE_DOMAIN_HAS_CURRENT_SNAPSHOT, current },
        { REMOTE_DOMAIN_SNAPSHOT_CURRENT, current },
        { REMOTE_DOMAIN_REVERT_TO_SNAPSHOT, revert, NULL, CHANGES, revert_flags },
        { REMOTE_DOMAIN_SNAPSHOT_DELETE, delete, NULL, CHANGES, delete_flags },
        { REMOTE_DOMAIN_SNAPSHOT_GET_PARENT, get_parent },
        { REMOTE_DOMAIN_SNAPSHOT_NUM_CHILDREN, list, NULL, READS, list_flags },
        { REMOTE_DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES, list, NULL, READS, list_flags },
        { REMOTE_DOMAIN_SNAPSHOT_IS_CURRENT, is_current },
        { REMOTE_DOMAIN_SNAPSHOT_HAS_METADATA, has_metadata },
        { REMOTE_DOMAIN_CHECKPOINT_CREATE_XML, create_checkpoint, NULL, CHANGES, create_checkpoint_flags },
        { REMOTE_DOMAIN_CHECKPOINT_GET_XML_DESC, get_checkpoint_xml, NULL, READS, checkpoint_xml_flags },
        { REMOTE_DOMAIN_LIST_ALL_CHECKPOINTS, list, NULL, READS, list_checkpoints_flags },
        { REMOTE_DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN, list, NULL, READS, list_checkpoints_flags },
        { REMOTE_DOMAIN_CHECKPOINT_LOOKUP_BY_NAME, find },
        { REMOTE_DOMAIN_CHECKPOINT_GET_PARENT, get_parent },
        { REMOTE_DOMAIN_CHECKPOINT_DELETE, delete, NULL, CHANGES, delete_flags },
        { REMOTE_DOMAIN_LIST_ALL_SNAPSHOTS, list, NULL, READS, list_flags },
        { REMOTE_DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN, list, NULL, READS, list_flags },
        {},
};
