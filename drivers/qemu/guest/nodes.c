/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/nodes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "domain/device-elements.h"
#include "qemu/command/node-name.h"

#define SET_PATH "/dev/fdset/"

/* What a set's descriptor that writes is called, after the alias of its device. */
#define WRITES ":rw"

/* How many images of all disks a document may name that its author does not: more are not told, and no job works on them. */
#define FOUND_IMAGES_MAX 2048

typedef struct Node {
        char *options; /* JSON, of blockdev-add; NULL: not made yet */
        uint64_t device, inode;
        bool has_reader; /* STORAGE: its set has a descriptor that only reads */
} Node;

struct Nodes {
        GHashTable *by_name; /* char * -> Node */
        GHashTable *swept;   /* aliases whose sets are to be looked at when the guest runs */
};

static void node_free(Node *node) {
        g_free(node->options);
        g_free(node);
}

static Node *ensure(Guest *guest, const char *name) {
        Node *node = g_hash_table_lookup(guest->nodes->by_name, name);
        if (!node) {
                node = g_new0(Node, 1);
                g_hash_table_insert(guest->nodes->by_name, g_strdup(name), node);
        }
        return node;
}

char *nodes_name(const char *alias, uint32_t index, const char *what) {
        g_autofree char *prefix = node_name_prefix(alias);
        return g_strdup_printf("%s%" PRIu32 "-%s", prefix, index - 1, what);
}

static const Node *find(const Guest *guest, const char *alias, uint32_t index, const char *what) {
        g_autofree char *name = nodes_name(alias, index, what);
        return g_hash_table_lookup(guest->nodes->by_name, name);
}

/* Numbering */

static const File *find_file(const GPtrArray *files, const xmlNode *element) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->purpose == FILE_IMAGE && file->element == element && file->layers)
                        return file;
        }
        return NULL;
}

static void identify(Guest *guest, const char *alias, uint32_t index, int fd) {
        struct stat info;
        g_autofree char *name = nodes_name(alias, index, "storage");
        if (fstat(fd, &info) < 0)
                return;
        Node *node = ensure(guest, name);
        node->device = info.st_dev;
        node->inode = info.st_ino;
}

/* Whether all images that a document names below a disk are files or devices. */
static bool is_local(const xmlNode *disk) {
        for (const xmlNode *store = xml_child(disk, "backingStore"); store; store = xml_child(store, "backingStore")) {
                g_autofree char *type = xml_attribute(store, "type");
                if (xml_child(store, "source") && g_strcmp0(type ? type : "file", "file") != 0 && g_strcmp0(type, "block") != 0)
                        return false;
        }
        return true;
}

static GPtrArray *chain_of(Guest *guest, const char *alias, const xmlNode *disk, const File *file, unsigned first_layer,
                           unsigned *n_found) {
        GPtrArray *chain = disk_chain_new();
        const xmlNode *element = disk;
        for (guint i = 0; i < file->layers->len; i++) {
                const ImageLayer *layer = file->layers->pdata[i];
                DiskImage image = {
                        .index = first_layer + i + 1,
                        .type = (char *) (layer->is_device ? "block" : "file"),
                        .path = layer->path,
                        .format = layer->format,
                        .is_found = i > 0 && !xml_child(element, "source"),
                };
                *n_found += image.is_found;
                disk_chain_add(chain, &image);
                identify(guest, alias, image.index, layer->fd);
                element = element ? xml_child(element, "backingStore") : NULL;
        }
        return chain;
}

void nodes_number(Guest *guest, xmlDoc *document, const Definition *definition, const GPtrArray *files, unsigned first_layer) {
        unsigned n_found = 0;
        guint i = 0;
        for (xmlNode *element = device_elements_first(document); element; element = device_elements_next(element), i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                const File *file = device->device_class == DEVICE_DISK && is_local(element) ? find_file(files, element) : NULL;
                if (!file || n_found > FOUND_IMAGES_MAX)
                        continue;
                g_autoptr(GPtrArray) chain = chain_of(guest, device->alias, element, file, first_layer, &n_found);
                if (n_found <= FOUND_IMAGES_MAX)
                        disk_chain_write(element, chain);
        }
}

/* Remembering */

static void remember(Guest *guest, JsonObject *options) {
        const char *name = json_string(options, "node-name");
        if (!name)
                return;
        Node *node = ensure(guest, name);
        g_free(node->options);
        node->options = json_text(options);
}

void nodes_remember(Guest *guest, const CommandLine *line) {
        for (guint i = 0; i + 1 < line->arguments->len; i++) {
                const char *option = line->arguments->pdata[i], *text = line->arguments->pdata[i + 1];
                g_autoptr(JsonNode) parsed = text && strcmp(option, "-blockdev") == 0 ? json_parse(text, -1, NULL) : NULL;
                if (parsed)
                        remember(guest, json_node_get_object(parsed));
        }
        for (guint i = 0; i < line->commands->len; i++) {
                const MonitorRequest *request = line->commands->pdata[i];
                if (strcmp(request->name, "blockdev-add") == 0)
                        remember(guest, request->arguments);
        }
}

void nodes_add(Guest *guest, const char *name, JsonObject *options, int fd) {
        struct stat info;
        Node *node = ensure(guest, name);
        g_free(node->options);
        node->options = json_text(options);
        if (fd >= 0 && fstat(fd, &info) == 0) {
                node->device = info.st_dev;
                node->inode = info.st_ino;
        }
}

void nodes_forget(Guest *guest, const char *name) {
        g_hash_table_remove(guest->nodes->by_name, name);
}

static gboolean is_of_prefix(void *name, void *node, void *prefix) {
        (void) node;
        return node_name_layer(prefix, name) >= 0;
}

void nodes_forget_disk(Guest *guest, const char *alias) {
        g_autofree char *prefix = node_name_prefix(alias);
        g_hash_table_foreach_remove(guest->nodes->by_name, is_of_prefix, prefix);
}

bool nodes_has(const Guest *guest, const char *name) {
        return g_hash_table_contains(guest->nodes->by_name, name);
}

uint32_t nodes_new_index(const Guest *guest, const char *alias) {
        for (uint32_t index = 1; index <= DISK_LAYERS_OTHER; index++)
                if (!find(guest, alias, index, "format") && !find(guest, alias, index, "storage"))
                        return index;
        return 0;
}

bool nodes_is_known(const Guest *guest, const char *alias, uint32_t index) {
        const Node *format = find(guest, alias, index, "format"), *storage = find(guest, alias, index, "storage");
        return format && storage && format->options && storage->options;
}

bool nodes_is_file(const Guest *guest, const char *alias, uint32_t index, int fd) {
        const Node *storage = find(guest, alias, index, "storage");
        struct stat info;
        return nodes_is_known(guest, alias, index) && fstat(fd, &info) == 0 && info.st_dev == storage->device &&
               info.st_ino == storage->inode;
}

bool nodes_find_file(const Guest *guest, const char *name, uint64_t *device, uint64_t *inode) {
        const Node *node = g_hash_table_lookup(guest->nodes->by_name, name);
        if (!node || node->inode == 0)
                return false;
        *device = node->device;
        *inode = node->inode;
        return true;
}

JsonObject *nodes_options(const Guest *guest, const char *alias, uint32_t index, const char *what) {
        const Node *node = find(guest, alias, index, what);
        g_autoptr(JsonNode) parsed = node && node->options ? json_parse(node->options, -1, NULL) : NULL;
        return parsed ? json_object_ref(json_node_get_object(parsed)) : NULL;
}

bool nodes_is_writable(const Guest *guest, const char *alias, uint32_t index) {
        g_autoptr(JsonObject) options = nodes_options(guest, alias, index, "storage");
        return options && !json_object_get_boolean_member_with_default(options, "read-only", FALSE);
}

bool nodes_can_be_narrowed(const Guest *guest, const char *alias, uint32_t index) {
        const Node *storage = find(guest, alias, index, "storage");
        return nodes_is_known(guest, alias, index) && storage->has_reader && nodes_is_writable(guest, alias, index);
}

/* Its number; -1: it is not opened by a set. */
static gint64 set_of(JsonObject *storage) {
        const char *name = json_string(storage, "filename");
        return name && g_str_has_prefix(name, SET_PATH) ? (gint64) g_ascii_strtoll(name + strlen(SET_PATH), NULL, 10) : -1;
}

/* Opening anew */

static JsonObject *reopened(const Guest *guest, const char *alias, uint32_t index, const char *what, bool read_only) {
        JsonObject *options = nodes_options(guest, alias, index, what);
        json_add(options, "read-only", 'b', read_only, NULL);
        return options;
}

/* One command for both: see the header. */
static void reopen(Guest *guest, Script *script, const char *alias, uint32_t index, uint32_t below, bool read_only, bool undoes) {
        JsonObject *format = reopened(guest, alias, index, "format", read_only), *arguments = json_object_new();
        JsonArray *both = json_array_new();
        g_autofree char *backing = below ? nodes_name(alias, below, "format") : NULL;
        if (backing)
                json_add(format, "backing", 's', backing, NULL);
        else if (g_strcmp0(json_string(format, "driver"), "qcow2") == 0)
                json_object_set_null_member(format, "backing");
        json_array_add_object_element(both, format);
        json_array_add_object_element(both, reopened(guest, alias, index, "storage", read_only));
        json_object_set_array_member(arguments, "options", both);
        if (undoes)
                script_undo_by(script, "blockdev-reopen", arguments);
        else
                script_add_command(script, "blockdev-reopen", arguments);
}

static void remember_mode(Guest *guest, const char *alias, uint32_t index, bool read_only) {
        static const char *const whats[] = { "format", "storage" };
        for (size_t i = 0; i < G_N_ELEMENTS(whats); i++) {
                g_autoptr(JsonObject) options = reopened(guest, alias, index, whats[i], read_only);
                remember(guest, options);
        }
}

void nodes_make_writable(Guest *guest, Script *script, const char *alias, uint32_t index, uint32_t below, int fd) {
        g_autoptr(JsonObject) storage = nodes_options(guest, alias, index, "storage");
        g_autofree char *opaque = g_strconcat(alias, WRITES, NULL);
        script_add(script,
                   monitor_request_new("add-fd", json_make("fdset-id", 'i', set_of(storage), "opaque", 's', opaque, NULL), fd));
        script_undo_by(script, "query-fdsets", json_object_new()); /* the set stays; the sweep takes this out of it */
        reopen(guest, script, alias, index, below, false, false);
        reopen(guest, script, alias, index, below, true, true);
        remember_mode(guest, alias, index, false);
        g_autofree char *name = nodes_name(alias, index, "storage");
        ensure(guest, name)->has_reader = true;
}

void nodes_remember_read_only(Guest *guest, const char *alias, uint32_t index) {
        remember_mode(guest, alias, index, true);
}

void nodes_make_read_only(Guest *guest, Script *script, const char *alias, uint32_t index, uint32_t below) {
        reopen(guest, script, alias, index, below, true, false);
        remember_mode(guest, alias, index, true);
}

GPtrArray *nodes_names(const Guest *guest) {
        GPtrArray *names = g_ptr_array_new();
        GHashTableIter iterator;
        void *name;
        g_hash_table_iter_init(&iterator, guest->nodes->by_name);
        while (g_hash_table_iter_next(&iterator, &name, NULL))
                g_ptr_array_add(names, name);
        return names;
}

/* Opening another */

void nodes_add_image(Guest *guest, Script *script, unsigned set, const char *whose, int fd, JsonObject *storage,
                     JsonObject *format) {
        nodes_add(guest, json_string(storage, "node-name"), storage, fd);
        nodes_add(guest, json_string(format, "node-name"), format, -1);
        script_add(script,
                   monitor_request_new("add-fd", json_make("fdset-id", 'i', (gint64) set, "opaque", 's', whose, NULL), fd));
        script_add_command(script, "blockdev-add", storage);
        script_add_command(script, "blockdev-add", format);
}

void nodes_open(Guest *guest, Script *script, const NewNode *new) {
        g_autofree char *file = g_strdup_printf(SET_PATH "%u", new->set),
                        *storage = nodes_name(new->alias, new->index, "storage"),
                        *format = nodes_name(new->alias, new->index, "format"),
                        *below = new->below ? nodes_name(new->alias, new->below, "format") : NULL;
        JsonObject *file_options = nodes_options(guest, new->alias, new->like, "storage"),
                   *options = nodes_options(guest, new->alias, new->like, "format");
        json_add(file_options, "driver", 's', new->is_device ? "host_device" : "file", "node-name", 's', storage, "filename", 's',
                 file, "read-only", 'b', FALSE, NULL);
        json_object_remove_member(options, "backing");
        json_object_remove_member(options, "cache-size");
        json_add(options, "driver", 's', new->format, "node-name", 's', format, "file", 's', storage, "read-only", 'b', FALSE,
                 NULL);
        if (below)
                json_add(options, "backing", 's', below, NULL);
        else if (strcmp(new->format, "qcow2") == 0)
                json_add(options, "backing", 'n', NULL);
        nodes_add_image(guest, script, new->set, new->alias, new->fd, file_options, options);
}

void nodes_forget_image(Guest *guest, const char *alias, uint32_t index) {
        static const char *const whats[] = { "format", "storage" };
        for (size_t i = 0; i < G_N_ELEMENTS(whats); i++) {
                g_autofree char *name = nodes_name(alias, index, whats[i]);
                nodes_forget(guest, name);
        }
}

/* Sweeping */

typedef struct Sweep {
        Guest *guest;
        char *alias;
        void (*done)(void *data);
        void *data;
} Sweep;

static void sweep_free(void *data) {
        Sweep *sweep = data;
        g_free(sweep->alias);
        g_free(sweep);
}

/* Whether a node opens this set; *WRITES: and writes it. */
static bool is_used(const Guest *guest, gint64 id, bool *writes) {
        GHashTableIter iterator;
        void *node;
        g_hash_table_iter_init(&iterator, guest->nodes->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &node)) {
                const char *text = ((const Node *) node)->options;
                g_autoptr(JsonNode) parsed = text ? json_parse(text, -1, NULL) : NULL;
                JsonObject *options = parsed ? json_node_get_object(parsed) : NULL;
                if (!options || set_of(options) != id)
                        continue;
                *writes = !json_object_get_boolean_member_with_default(options, "read-only", FALSE);
                return true;
        }
        return false;
}

static void on_swept(void *data, const GError *error) {
        Sweep *sweep = data;
        (void) error;
        if (sweep->done)
                sweep->done(sweep->data);
        sweep_free(sweep);
}

static void on_sets(void *data, JsonObject *answer, const GError *error) {
        const Sweep *sweep = data;
        Guest *guest = sweep->guest;
        JsonArray *sets = json_array(answer, "return");
        g_autofree char *writer = g_strconcat(sweep->alias, WRITES, NULL);
        Script *script = guest_script_new(guest);
        script_ignore_errors(script);
        for (guint i = 0; !error && sets && i < json_array_get_length(sets); i++) {
                JsonObject *set = json_object_at(sets, i);
                JsonArray *fds = json_array(set, "fds");
                gint64 id = json_int(set, "fdset-id", -1);
                bool writes = false, used = is_used(guest, id, &writes);
                for (guint k = 0; fds && k < json_array_get_length(fds); k++) {
                        JsonObject *fd = json_object_at(fds, k);
                        const char *whose = json_string(fd, "opaque");
                        bool is_writer = g_strcmp0(whose, writer) == 0;
                        if (is_writer ? !used || !writes : !used && g_strcmp0(whose, sweep->alias) == 0)
                                script_add_command(script, "remove-fd",
                                                   json_make("fdset-id", 'i', id, "fd", 'i', json_int(fd, "fd", -1), NULL));
                }
        }
        script_run(script, on_swept, data);
}

static void sweep(Guest *guest, const char *alias, void (*done)(void *data), void *data) {
        Sweep *of = g_new0(Sweep, 1);
        *of = (Sweep){ guest, g_strdup(alias), done, data };
        monitor_ask(guest->monitor, "query-fdsets", NULL, on_sets, of, sweep_free);
}

void nodes_sweep(Guest *guest, const char *alias, void (*done)(void *data), void *data) {
        if (guest->domain->state != DOMAIN_RUNNING)
                g_hash_table_add(guest->nodes->swept, g_strdup(alias));
        sweep(guest, alias, done, data);
}

/* What was removed while it was paused is let go of only now. */
static void resumed(Guest *guest) {
        g_autoptr(GHashTable) aliases = g_steal_pointer(&guest->nodes->swept);
        GHashTableIter iterator;
        void *alias;
        guest->nodes->swept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_iter_init(&iterator, aliases);
        while (g_hash_table_iter_next(&iterator, &alias, NULL))
                sweep(guest, alias, NULL, NULL);
}

/* A guest's part */

static void begin(Guest *guest) {
        guest->nodes = g_new0(struct Nodes, 1);
        *guest->nodes = (struct Nodes){
                .by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) node_free),
                .swept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        };
}

static void save(const Guest *guest, xmlNode *saved) {
        GHashTableIter iterator;
        void *name, *data;
        g_hash_table_iter_init(&iterator, guest->nodes->by_name);
        while (g_hash_table_iter_next(&iterator, &name, &data)) {
                const Node *node = data;
                if (!node->options)
                        continue;
                xmlNode *element = xml_add(saved, "node", node->options);
                g_autofree char *device = g_strdup_printf("%" PRIu64, node->device),
                                *inode = g_strdup_printf("%" PRIu64, node->inode);
                xml_set_attribute(element, "name", name);
                xml_set_attribute(element, "device", device);
                xml_set_attribute(element, "inode", inode);
                if (node->has_reader)
                        xml_set_attribute(element, "reader", "yes");
        }
}

static void load(Guest *guest, xmlNode *saved) {
        for (const xmlNode *element = xml_child(saved, "node"); element; element = xml_next(element, "node")) {
                g_autofree char *name = xml_attribute(element, "name"), *text = xml_text(element);
                g_autoptr(JsonNode) parsed = text ? json_parse(text, -1, NULL) : NULL;
                uint64_t device = 0, inode = 0;
                if (!name || !parsed || !xml_number_attribute(element, "device", 0, UINT64_MAX, &device, NULL) ||
                    !xml_number_attribute(element, "inode", 0, UINT64_MAX, &inode, NULL))
                        continue;
                Node *node = ensure(guest, name);
                g_free(node->options);
                *node = (Node){ g_steal_pointer(&text), device, inode, xml_attribute_is(element, "reader", "yes") };
        }
}

static void forget(Guest *guest) {
        g_hash_table_unref(guest->nodes->by_name);
        g_hash_table_unref(guest->nodes->swept);
        g_clear_pointer(&guest->nodes, g_free);
}

const GuestModule nodes_module = {
        .begin = begin,
        .save = save,
        .load = load,
        .resumed = resumed,
        .forget = forget,
};
