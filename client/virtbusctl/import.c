/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt has: brought over, file by file. What there is already stays as it is: it may have been changed since. */

#include <string.h>

#include "checkpoint.h"
#include "host-kind.h"
#include "import-tree.h"
#include "snapshot.h"

/* Where libvirt keeps the definitions of its QEMU guests; autostart/ has a link for each that is started with the machine. */
#define LIBVIRT_FOLDER "/etc/libvirt/qemu"

/* What an import has come to. */
typedef struct Import {
        Ctl *ctl;
        const char *folder;
        JsonArray *array;
        Table *table;
        bool is_whole;      /* of libvirt's own folder: what it keeps elsewhere belongs to that */
        unsigned n_refused; /* domains that cannot be started yet */
        int status;
} Import;

/* Where definitions of a kind are, from the folder of the guests; before the guests, which name them. */
static const struct {
        const char *folder;
        const HostKind *kind;
} kinds[] = {
        { "../secrets", &host_kind_secret },
        { "../nwfilter", &host_kind_filter },
        { "networks", &host_kind_network },
};

/* What libvirt keeps of its domains elsewhere, by their names. */
#define LIBVIRT_STATE "/var/lib/libvirt/qemu"
static const struct {
        const char *folder;
        const TreeKind *kind;
} trees[] = { { "snapshot", &snapshot_kind }, { "checkpoint", &checkpoint_kind } };

/* What the markup of a domain's document says of its identity, and of its UEFI variables. */
typedef struct Identity {
        unsigned depth;
        GString *now, *name, *uuid; /* NOW: the one of them that is being read */
        bool has_uefi, names_variables;
        unsigned n_ends, os_end; /* how many elements called os have ended; which of them it was of the domain's own */
} Identity;

static void on_start(GMarkupParseContext *context, const char *name, const char **names, const char **values, gpointer data,
                     GError **error) {
        Identity *identity = data;
        (void) context, (void) error;
        for (; *names; names++, values++)
                identity->has_uefi |= (identity->depth == 1 && strcmp(name, "os") == 0 && strcmp(*names, "firmware") == 0 &&
                                       strcmp(*values, "efi") == 0) ||
                                      (identity->depth == 2 && strcmp(name, "loader") == 0 && strcmp(*names, "type") == 0 &&
                                       strcmp(*values, "pflash") == 0);
        identity->names_variables |= identity->depth == 2 && strcmp(name, "nvram") == 0;
        identity->now = ++identity->depth != 2      ? NULL
                        : strcmp(name, "uuid") == 0 ? identity->uuid
                        : strcmp(name, "name") == 0 ? identity->name
                                                    : NULL;
}

static void on_end(GMarkupParseContext *context, const char *name, gpointer data, GError **error) {
        Identity *identity = data;
        (void) context, (void) error;
        identity->n_ends += strcmp(name, "os") == 0;
        if (identity->depth == 2 && strcmp(name, "os") == 0)
                identity->os_end = identity->n_ends;
        identity->depth--;
        identity->now = NULL;
}

static void on_text(GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error) {
        Identity *identity = data;
        (void) context, (void) error;
        if (identity->now)
                g_string_append_len(identity->now, text, (gssize) length);
}

/* Reads a document into what has the two strings already. */
static bool read_identity(Identity *identity, const char *text) {
        static const GMarkupParser parser = { on_start, on_end, on_text, NULL, NULL };
        g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, identity, NULL);
        return g_markup_parse_context_parse(context, text, -1, NULL);
}

/* The UUID that a document says, or else its name; NULL where it cannot be read. *NAME (may be NULL): its name. */
static char *identity_of(const char *text, char **its_name) {
        g_autoptr(GString) name = g_string_new(NULL), uuid = g_string_new(NULL);
        Identity identity = { .name = name, .uuid = uuid };
        bool read = read_identity(&identity, text);
        if (its_name)
                *its_name = g_strdup(g_strstrip(name->str));
        return read ? g_strdup(g_strstrip(uuid->len > 0 ? uuid->str : name->str)) : NULL;
}

/* libvirt finds the UEFI variables of a domain by its name, where the document does not say where they are: here it says so from
 * now on, for the guest to boot what it has always booted. */
static void name_variables(char **text) {
        g_autoptr(GString) name = g_string_new(NULL), uuid = g_string_new(NULL);
        Identity identity = { .name = name, .uuid = uuid };
        if (!read_identity(&identity, *text) || !identity.has_uefi || identity.names_variables || strchr(name->str, '/'))
                return;
        g_autofree char *path = g_strdup_printf(LIBVIRT_STATE "/nvram/%s_VARS.fd", g_strstrip(name->str));
        const char *end = *text;
        for (unsigned n = 0; end && n < identity.os_end; n++)
                end = strstr(n > 0 ? end + 1 : end, "</os>");
        if (!end || !g_file_test(path, G_FILE_TEST_IS_REGULAR))
                return;
        g_autofree char *element = g_markup_printf_escaped("  <nvram>%s</nvram>\n  ", path);
        char *whole = g_strdup_printf("%.*s%s%s", (int) (end - *text), *text, element, end);
        g_free(*text);
        *text = whole;
}

/* What became of a file; RESULT: for programs. */
static void add_result(Import *import, const char *file, const char *result, const char *path, const GError *error) {
        JsonObject *object = json_object_new();
        char *cells[] = { (char *) file, (char *) (error ? error->message : result), NULL };
        json_object_set_string_member(object, "file", file);
        json_object_set_string_member(object, "result", result);
        json_object_set_string_member(object, "path", path);
        json_object_set_string_member(object, "error", error ? error->message : NULL);
        json_array_add_object_element(import->array, object);
        table_add(import->table, g_strdupv(cells));
        if (error)
                import->status = EXIT_FAILED;
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The names of the files with documents in a folder, sorted; NULL where it cannot be read. */
static GPtrArray *files_of(const char *folder, GError **error) {
        g_autoptr(GDir) listing = g_dir_open(folder, 0, error);
        if (!listing)
                return NULL;
        GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
        for (const char *name; (name = g_dir_read_name(listing));)
                if (g_str_has_suffix(name, ".xml"))
                        g_ptr_array_add(files, g_strdup(name));
        g_ptr_array_sort(files, compare_names);
        return files;
}

static bool is_started_with_machine(const char *folder, const char *name) {
        g_autofree char *link = g_build_filename(folder, "autostart", name, NULL);
        return g_file_test(link, G_FILE_TEST_EXISTS);
}

static void add_of_tree(void *data, const char *file, const char *result, const char *path, const GError *error) {
        add_result(data, file, result, path, error);
}

/* What libvirt knows of its snapshots and checkpoints; what they are is in its images. */
static void import_trees(Import *import, const char *name, const char *path) {
        if (!import->is_whole || !*name || strchr(name, '/') || strcmp(name, "..") == 0)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(trees); i++) {
                g_autofree char *folder = g_build_filename(LIBVIRT_STATE, trees[i].folder, name, NULL),
                                *shown = g_build_filename(trees[i].folder, name, NULL);
                import_tree(trees[i].kind, import->ctl, folder, shown, path, add_of_tree, import);
        }
}

static void import_domain(Import *import, const char *name) {
        Ctl *ctl = import->ctl;
        g_autofree char *file = g_build_filename(import->folder, name, NULL), *text = NULL, *path = NULL, *its_name = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *identity = ctl_read_file(file, &text, &error) ? identity_of(text, &its_name) : NULL;
        g_autoptr(VirtbusDomain) same = identity ? virtbus_client_find_domain(ctl->client, identity, NULL) : NULL;
        if (same) {
                add_result(import, name, "is there already", ctl_path(same), NULL);
                import_trees(import, its_name, ctl_path(same));
                return;
        }
        if (text && import->is_whole)
                name_variables(&text);
        g_autoptr(VirtbusConnection) connection = text ? ctl_connection(ctl, &error) : NULL;
        path = connection ? ctl_define(ctl, connection, text, &error) : NULL;
        import->n_refused += g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED);
        add_result(import, name, path ? "imported" : "failed", path, error);
        if (path)
                import_trees(import, its_name, path);
        if (path && is_started_with_machine(import->folder, name))
                import->status = MAX(import->status, ctl_set_autostart(ctl, path, "org.virtbus1.Domain", true));
}

/* libvirt keeps a value beside the definition, in base64. */
static bool bring_value(Ctl *ctl, const char *folder, const char *uuid, const char *path, GError **error) {
        g_autofree char *name = g_strconcat(uuid, ".base64", NULL), *file = g_build_filename(folder, name, NULL), *text = NULL;
        gsize size;
        if (!g_file_test(file, G_FILE_TEST_EXISTS))
                return true;
        if (!g_file_get_contents(file, &text, NULL, error))
                return false;
        g_autofree guchar *value = g_base64_decode(text, &size);
        bool brought = secret_send_value(ctl, path, (const char *) value, size, error);
        explicit_bzero(value, size);
        explicit_bzero(text, strlen(text));
        return brought;
}

static bool has(char **all, const char *text) {
        return text && g_strv_contains((const char *const *) all, text);
}

static char *define_of_kind(Ctl *ctl, const HostKind *kind, const char *text, GError **error) {
        g_autoptr(GVariant) answer = ctl_call(ctl, HOST_PATH, kind->collection, kind->define,
                                              g_variant_new("(s@a{sv})", text, ctl_options(NULL, NULL)), NULL, NULL, error);
        char *path = NULL;
        if (answer)
                g_variant_get(answer, "(o)", &path);
        else
                ctl_strip_error(*error);
        return path;
}

static void import_of_kind(Import *import, const char *folder, const HostKind *kind, const char *name) {
        Ctl *ctl = import->ctl;
        g_autofree char *file = g_build_filename(folder, name, NULL), *shown = g_strconcat(kind->noun, "/", name, NULL),
                        *text = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *identity = ctl_read_file(file, &text, &error) ? identity_of(text, NULL) : NULL;
        g_auto(GStrv) uuids = host_kind_names(ctl, kind, "UUID"), names = host_kind_names(ctl, kind, "Name");
        if (has(uuids, identity) || has(names, identity)) {
                add_result(import, shown, "is there already", NULL, NULL);
                return;
        }
        g_autofree char *path = text ? define_of_kind(ctl, kind, text, &error) : NULL;
        if (path && kind == &host_kind_secret)
                bring_value(ctl, folder, identity, path, &error);
        add_result(import, shown, path && !error ? "imported" : "failed", path, error);
        if (path && kind == &host_kind_network && is_started_with_machine(folder, name))
                import->status = MAX(import->status, ctl_set_autostart(ctl, path, kind->interface, true));
}

static void import_kinds(Import *import) {
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *folder = g_build_filename(import->folder, kinds[i].folder, NULL);
                g_autoptr(GPtrArray) files = files_of(folder, NULL);
                for (guint n = 0; files && n < files->len; n++)
                        import_of_kind(import, folder, kinds[i].kind, files->pdata[n]);
        }
}

/* What virtbus has nothing for yet, one by one: it stays where it is. */
static void tell_left_behind(Import *import, const char *folder, const char *shown, const char *suffix) {
        g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *file = g_build_filename(shown, name, NULL);
                if (g_str_has_suffix(name, suffix))
                        add_result(import, file, "stays behind", NULL, NULL);
        }
}

static void tell_all_left_behind(Import *import) {
        g_autofree char *pools = g_build_filename(import->folder, "../storage", NULL);
        tell_left_behind(import, pools, "storage", ".xml");
        if (import->is_whole) /* they are read by who has written them */
                tell_left_behind(import, LIBVIRT_STATE "/save", "save", ".save");
}

static int finish(Import *import) {
        Ctl *ctl = import->ctl;
        if (import->n_refused > 0 && !ctl->unsupported && !ctl->json)
                ctl_say("--unsupported also takes what cannot be started yet, to be edited");
        if (ctl->json) {
                g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), import->array);
                output_print_json(node);
                return import->status;
        }
        int printed = table_print(ctl, import->table, "definition");
        return MAX(import->status, printed);
}

int verb_import(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "FILE", "~RESULT", NULL };
        const char *folder = arguments[0] ? arguments[0] : LIBVIRT_FOLDER;
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) files = files_of(folder, &error);
        if (!files) {
                if (!arguments[0] && g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                        ctl_say("libvirt has no QEMU guests here: there is no " LIBVIRT_FOLDER "; name the folder that has their "
                                "documents, or use define FILE");
                else
                        ctl_say("%s: %s", folder, error->message);
                return EXIT_FAILED;
        }
        g_autoptr(Table) table = table_new(headings);
        g_autoptr(JsonArray) array = json_array_new();
        Import import = { .ctl = ctl,
                          .folder = folder,
                          .array = array,
                          .table = table,
                          .is_whole = arguments[0] == NULL,
                          .status = EXIT_DONE };
        import_kinds(&import);
        for (guint i = 0; i < files->len; i++)
                import_domain(&import, files->pdata[i]);
        tell_all_left_behind(&import);
        return finish(&import);
}
