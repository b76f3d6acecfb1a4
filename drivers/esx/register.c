/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/register.h"

#include <string.h>

#include "base/xml.h"
#include "errors.h"
#include "esx/tasks.h"
#include "log.h"
#include "vmx/vmx-write.h"

/* The datacenter of a host's own server. */
#define OWN_DATACENTER "ha-datacenter"

/* How long a file may take to be written, in microseconds. */
#define FILE_PATIENCE (30 * UINT64_C(1000000))

/* Where there is a file already, this much of it is read to see that. */
#define LOOK_BYTES_MAX (1024 * 1024)

struct Register {
        Esx *esx;
        char *name, *text;  /* of the machine; its configuration */
        char *datacenter;   /* a path of the inventory: "DC" */
        char *store, *path; /* the file: its datastore, and its path there */
        VimReference center, folder, compute, pool;
        const VimReference *asked; /* what the next answer is to be of */
        unsigned step;
        bool is_written;
        VimCall *call;
        HttpRequest *request;
        EsxWait *wait;
        RegisterDone done;
        void *data;
};

void register_forget(Register *registering) {
        if (registering->call)
                vim_cancel(registering->call);
        if (registering->request)
                http_cancel(registering->request);
        if (registering->wait)
                tasks_forget(registering->wait);
        vim_reference_clear(&registering->center);
        vim_reference_clear(&registering->folder);
        vim_reference_clear(&registering->compute);
        vim_reference_clear(&registering->pool);
        g_free(registering->name);
        g_free(registering->text);
        g_free(registering->datacenter);
        g_free(registering->store);
        g_free(registering->path);
        g_free(registering);
}

void register_session_ended(Register *registering) {
        registering->call = NULL;
        registering->request = NULL;
}

/* What was written is not left behind: nobody waits for that. */
static void on_removed(void *data, const VimReference *result, const GError *error) {
        const Esx *esx = data;
        (void) result;
        if (error)
                log_warning("connection %s: the file of a machine that could not be registered stays: %s", esx->connection->name,
                            error->message);
}

static char *datastore_path(const Register *registering) {
        return g_strdup_printf("[%s] %s", registering->store, registering->path);
}

static void remove_file(const Register *registering) {
        Esx *esx = registering->esx;
        g_autoptr(GString) arguments = g_string_new(NULL);
        g_autofree char *path = datastore_path(registering);
        if (!registering->is_written || !esx->vim || !esx->content.file_manager.value)
                return;
        soap_put(arguments, "name", NULL, path);
        vim_put_reference(arguments, "datacenter", &registering->center);
        tasks_begin(esx, "DeleteDatastoreFile_Task", &esx->content.file_manager, arguments->str, on_removed, esx);
}

static void end(Register *registering, const GError *error) {
        RegisterDone done = registering->done;
        void *data = registering->data;
        if (error)
                remove_file(registering);
        register_forget(registering);
        done(data, error);
}

static void end_with(Register *registering, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void end_with(Register *registering, VirtbusError code, const char *format, ...) {
        g_autoptr(GError) error = NULL;
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        virtbus_error_set(&error, code, "%s", text);
        end(registering, error);
}

/* Registering */

static void on_registered(void *data, const VimReference *result, const GError *error) {
        Register *registering = data;
        (void) result;
        registering->wait = NULL;
        end(registering, error);
}

static void register_file(Register *registering) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        g_autofree char *path = datastore_path(registering);
        soap_put(arguments, "path", NULL, path);
        soap_put(arguments, "name", NULL, registering->name);
        g_string_append(arguments, "<asTemplate>false</asTemplate>");
        vim_put_reference(arguments, "pool", &registering->pool);
        vim_put_reference(arguments, "host", &registering->esx->host);
        registering->wait = tasks_begin(registering->esx, "RegisterVM_Task", &registering->folder, arguments->str, on_registered,
                                        registering);
}

/* The file */

static char *url_of(const Register *registering) {
        g_autofree char *path = g_uri_escape_string(registering->path, "/", FALSE),
                        *center = g_uri_escape_string(registering->datacenter, NULL, FALSE),
                        *store = g_uri_escape_string(registering->store, NULL, FALSE), *root = session_root(registering->esx);
        return g_strdup_printf("%s/folder/%s?dcPath=%s&dsName=%s", root, path, center, store);
}

static void on_written(void *data, const HttpAnswer *answer, const GError *error) {
        Register *registering = data;
        registering->request = NULL;
        /* One that was refused is not there; or somebody else has made one meanwhile. */
        registering->is_written = error || answer->status / 100 == 2 || answer->status / 100 == 5;
        if (error)
                end(registering, error);
        else if (answer->status / 100 != 2)
                end_with(registering, VIRTBUS_ERROR_HYPERVISOR_FAILED, "cannot write [%s] %s: HTTP status %ld",
                         registering->store, registering->path, answer->status);
        else
                register_file(registering);
}

static void on_looked(void *data, const HttpAnswer *answer, const GError *error) {
        Register *registering = data;
        registering->request = NULL;
        bool is_there = error ? virtbus_error_code(error) == VIRTBUS_ERROR_LIMIT_EXCEEDED : answer->status / 100 == 2;
        g_autofree char *url = url_of(registering);
        if (is_there)
                end_with(registering, VIRTBUS_ERROR_ALREADY_EXISTS,
                         "there is a file [%s] %s; register that machine there, or choose another name or folder",
                         registering->store, registering->path);
        else if (error)
                end(registering, error);
        else if (answer->status != 404)
                end_with(registering, VIRTBUS_ERROR_HYPERVISOR_FAILED, "cannot look for [%s] %s: HTTP status %ld",
                         registering->store, registering->path, answer->status);
        else
                registering->request = http_ask(registering->esx->http,
                                                &(HttpQuestion){ .method = HTTP_PUT,
                                                                 .url = url,
                                                                 .body = registering->text,
                                                                 .length = strlen(registering->text),
                                                                 .bytes_max = LOOK_BYTES_MAX,
                                                                 .patience = FILE_PATIENCE },
                                                on_written, registering);
}

static void look(Register *registering) {
        g_autofree char *url = url_of(registering);
        registering->request = http_ask(registering->esx->http,
                                        &(HttpQuestion){ .url = url, .bytes_max = LOOK_BYTES_MAX, .patience = FILE_PATIENCE },
                                        on_looked, registering);
}

/* The places */

static void ask_next(Register *registering);

static bool on_reference(void *data, xmlNode *element, GError **error) {
        Register *registering = data;
        (void) error;
        xmlNode *value = xml_is(element, "objects") ? xml_find(element, "propSet/val") : element;
        if (value)
                vim_reference_read((VimReference *) registering->asked, value);
        return true;
}

static void on_answered(void *data, const GError *error) {
        Register *registering = data;
        registering->call = NULL;
        if (error)
                end(registering, error);
        else if (!registering->asked->value)
                end_with(registering, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the host tells no place for new machines");
        else
                ask_next(registering);
}

static void ask_path(Register *registering, const char *below) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        g_autofree char *path = g_strconcat(registering->datacenter, below, NULL);
        soap_put(arguments, "inventoryPath", NULL, path);
        registering->call = vim_call(registering->esx->vim,
                                     &(VimQuestion){ .method = "FindByInventoryPath",
                                                     .object = &registering->esx->content.search_index,
                                                     .arguments = arguments->str,
                                                     .each = on_reference },
                                     on_answered, registering);
}

static void ask_property(Register *registering, const VimReference *object, const char *property) {
        static const char *const opened[] = { "returnval", NULL };
        g_autoptr(GString) arguments = g_string_new("<specSet><propSet>");
        soap_put(arguments, "type", NULL, object->type);
        soap_put(arguments, "pathSet", NULL, property);
        g_string_append(arguments, "</propSet><objectSet>");
        vim_put_reference(arguments, "obj", object);
        g_string_append(arguments, "</objectSet></specSet><options/>");
        registering->call = vim_call(registering->esx->vim,
                                     &(VimQuestion){ .method = "RetrievePropertiesEx",
                                                     .object = &registering->esx->content.property_collector,
                                                     .arguments = arguments->str,
                                                     .each = on_reference,
                                                     .opened = opened },
                                     on_answered, registering);
}

/* One place after the other, then the file. */
static void ask_next(Register *registering) {
        switch (registering->step++) {
        case 0:
                registering->asked = &registering->center;
                ask_path(registering, "");
                break;
        case 1:
                registering->asked = &registering->folder;
                ask_path(registering, "/vm");
                break;
        case 2:
                registering->asked = &registering->compute;
                ask_property(registering, &registering->esx->host, "parent");
                break;
        case 3:
                registering->asked = &registering->pool;
                ask_property(registering, &registering->compute, "resourcePool");
                break;
        default:
                look(registering);
        }
}

/* A path within a datastore: not one that leads out of it, or that a server could take for another one. */
static bool is_within(const char *path) {
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);
        for (size_t i = 0; parts[i]; i++)
                if (!*parts[i] || strcmp(parts[i], ".") == 0 || strcmp(parts[i], "..") == 0)
                        return false;
        return true;
}

/* Where the file is to be: beside the first disk that is in a datastore, "[STORE] FOLDER/DISK.vmdk". */
static bool find_place(Register *registering, const xmlNode *root, GError **error) {
        for (const xmlNode *disk = xml_child(xml_child(root, "devices"), "disk"); disk; disk = xml_next(disk, "disk")) {
                g_autofree char *file = xml_attribute_at(disk, "source", "file");
                const char *end = *file == '[' ? strchr(file, ']') : NULL, *rest = end ? end + 1 + strspn(end + 1, " ") : NULL;
                if (!end || end == file + 1 || !*rest || xml_attribute_is(disk, "device", "cdrom"))
                        continue;
                if (!is_within(rest))
                        return virtbus_error_set(
                                        error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                        "domain '%s': '%.255s' is not a path within its datastore, as [STORE] FOLDER/DISK.vmdk "
                                        "is: write it without '.', '..' and empty parts",
                                        registering->name, file);
                const char *slash = strrchr(rest, '/');
                registering->store = g_strndup(file + 1, (gsize) (end - file - 1));
                registering->path = g_strdup_printf("%.*s%s.vmx", slash ? (int) (slash - rest + 1) : 0, rest, registering->name);
                return true;
        }
        return virtbus_error_set(
                        error, VIRTBUS_ERROR_UNSUPPORTED,
                        "domain '%s': it has no disk in a datastore, beside which its configuration would be; give it one: "
                        "<source file='[STORE] FOLDER/DISK.vmdk'/>",
                        registering->name);
}

/* The datacenter is what the path of the URI begins with, up to the part that was found to be it. */
static char *find_datacenter(const Esx *esx) {
        g_auto(GStrv) parts = g_strsplit(esx->uri->path, "/", -1);
        g_autoptr(GString) path = g_string_new(NULL);
        if (!esx->content.is_vcenter)
                return g_strdup(OWN_DATACENTER);
        for (unsigned i = 0; parts[i] && i < esx->n_looked_up; i++)
                g_string_append_printf(path, "%s%s", i > 0 ? "/" : "", parts[i]);
        return g_strdup(path->str);
}

Register *register_begin(Esx *esx, xmlDoc *document, RegisterDone done, void *data, GError **error) {
        const xmlNode *root = xmlDocGetRootElement(document);
        if (!esx->host.value) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "connection %s is to more than one host: open vpx://HOST/DATACENTER/CLUSTER/ESX to define "
                                  "machines",
                                  esx->connection->name);
                return NULL;
        }
        Register *registering = g_new(Register, 1);
        *registering = (Register){ .esx = esx, .name = xml_text_at(root, "name"), .done = done, .data = data };
        g_autofree char *text = vmx_write(document, error);
        if (!text || !find_place(registering, root, error)) {
                register_forget(registering);
                return NULL;
        }
        /* A question that nobody sees would hold up its start. */
        registering->text = g_strconcat(text, "uuid.action = \"keep\"\n", NULL);
        registering->datacenter = find_datacenter(esx);
        ask_next(registering);
        return registering;
}
