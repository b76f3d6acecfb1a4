/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/login.h"

#include <string.h>

#include "base/xml.h"
#include "errors.h"
#include "esx/updates.h"
#include "remote/auth-file.h"

/* The one host of a host's own server. */
#define OWN_HOST "ha-host"

/* A path's parts, each of which may be the datacenter. */
#define PATH_PARTS_MAX 16

/* A login that is at work: data of its calls, which go with the session. */
static void fail(Esx *esx, const GError *error) {
        session_cut(esx, error,
                    virtbus_error_code(error) == VIRTBUS_ERROR_ACCESS_DENIED ||
                                    virtbus_error_code(error) == VIRTBUS_ERROR_INVALID_ARGUMENT);
}

static void fail_with(Esx *esx, VirtbusError code, const char *what) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, code, "%s: %s", esx->uri->host, what);
        fail(esx, error);
}

/* The machines that are meant */

static void on_view(void *data, const GError *error) {
        Esx *esx = data;
        if (error)
                fail(esx, error);
        else if (!esx->scope.value)
                fail_with(esx, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its answer is not what it must be: there is no view");
        else
                updates_begin(esx, esx->watch.ready);
}

static bool on_scope(void *data, xmlNode *element, GError **error) {
        Esx *esx = data;
        (void) error;
        vim_reference_read(&esx->scope, element);
        return true;
}

/* Those of a host are listed by it; those below something else are in a view that is made of them. */
static void follow(Esx *esx) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        if (strcmp(esx->scope.type, "HostSystem") == 0) {
                vim_reference_set(&esx->host, esx->scope.type, esx->scope.value);
                updates_begin(esx, esx->watch.ready);
                return;
        }
        if (!esx->content.is_vcenter)
                vim_reference_set(&esx->host, "HostSystem", OWN_HOST);
        vim_put_reference(arguments, "container", &esx->scope);
        g_string_append(arguments, "<type>VirtualMachine</type><recursive>true</recursive>");
        vim_reference_clear(&esx->scope);
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "CreateContainerView",
                                 .object = &esx->content.view_manager,
                                 .arguments = arguments->str,
                                 .each = on_scope },
                 on_view, esx);
}

/* A path, DATACENTER[/CLUSTER][/HOST], each in folders or not: in the inventory "host" follows the datacenter, wherever that
 * is. */

static void look_up(Esx *esx);

static bool on_own_host(void *data, xmlNode *element, GError **error) {
        Esx *esx = data;
        (void) error;
        if (vim_reference_read(&esx->host, element) && strcmp(esx->host.type, "HostSystem") == 0)
                vim_reference_set(&esx->scope, esx->host.type, esx->host.value);
        return true;
}

static void on_own_host_found(void *data, const GError *error) {
        Esx *esx = data;
        if (error)
                fail(esx, error);
        else
                follow(esx);
}

/* A host that is in no cluster is what its name says, and the one host of that. */
static void look_up_own_host(Esx *esx) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        const char *slash = strrchr(esx->uri->path, '/');
        vim_put_reference(arguments, "entity", &esx->scope);
        soap_put(arguments, "name", NULL, slash ? slash + 1 : esx->uri->path);
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "FindChild",
                                 .object = &esx->content.search_index,
                                 .arguments = arguments->str,
                                 .each = on_own_host },
                 on_own_host_found, esx);
}

static void on_looked_up(void *data, const GError *error) {
        Esx *esx = data;
        if (error)
                fail(esx, error);
        else if (!esx->scope.value)
                look_up(esx);
        else if (strcmp(esx->scope.type, "ComputeResource") == 0)
                look_up_own_host(esx);
        else
                follow(esx);
}

static void look_up(Esx *esx) {
        g_autoptr(GString) arguments = g_string_new(NULL), path = g_string_new(NULL);
        g_auto(GStrv) parts = g_strsplit(esx->uri->path, "/", PATH_PARTS_MAX);
        unsigned at = esx->n_looked_up++;
        if (at >= g_strv_length(parts)) {
                fail_with(esx, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "the URI's path is not one of its hosts or clusters; write vpx://HOST/DATACENTER/CLUSTER/ESX");
                return;
        }
        for (unsigned i = 0; parts[i]; i++)
                g_string_append_printf(path, "%s%s%s", i > 0 ? "/" : "", parts[i], i == at && parts[i + 1] ? "/host" : "");
        soap_put(arguments, "inventoryPath", NULL, path->str);
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "FindByInventoryPath",
                                 .object = &esx->content.search_index,
                                 .arguments = arguments->str,
                                 .each = on_scope },
                 on_looked_up, esx);
}

/* Who we are */

static void on_logged_in(void *data, const GError *error) {
        Esx *esx = data;
        if (error) {
                fail(esx, error);
                return;
        }
        esx->is_logged_in = true;
        vim_reference_clear(&esx->scope);
        vim_reference_clear(&esx->host);
        esx->n_looked_up = 0;
        if (*esx->uri->path) {
                look_up(esx);
                return;
        }
        vim_reference_set(&esx->scope, esx->content.root_folder.type, esx->content.root_folder.value);
        follow(esx);
}

static void send(Esx *esx, const char *username, const char *password) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        soap_put(arguments, "userName", NULL, username);
        soap_put(arguments, "password", NULL, password);
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "Login",
                                 .object = &esx->content.session_manager,
                                 .arguments = arguments->str,
                                 .is_secret = true },
                 on_logged_in, esx);
        explicit_bzero(arguments->str, arguments->len);
}

/* Whether it is only by its certificate that the server is believed: who opens connections chooses the rest of the URI, and is
 * not to have the file's passwords sent to a server of theirs. */
static bool is_vouched_for(const Esx *esx) {
        static const char *const others[] = { "fingerprint", "proxy", "transport", NULL };
        for (size_t i = 0; others[i]; i++)
                if (remote_uri_parameter(esx->uri, others[i]))
                        return false;
        return !esx->no_verify;
}

/* Who has passed no password may be in the file. */
static void log_in_by_file(Esx *esx, const char *wanted) {
        char *username = NULL, *password = NULL;
        g_autoptr(GError) error = NULL;
        bool is_read = auth_file_find("esx", esx->uri->host, &username, &password, &error);
        const char *who = wanted ? wanted : username;
        if (!is_read)
                fail(esx, error);
        else if (!who || !password || (username && strcmp(who, username) != 0))
                fail_with(esx, VIRTBUS_ERROR_ACCESS_DENIED,
                          "it wants a username and a password; pass them as options of OpenConnection");
        else if (!is_vouched_for(esx))
                fail_with(esx, VIRTBUS_ERROR_ACCESS_DENIED,
                          "credentials in a file are used only where its certificate vouches for the server: leave fingerprint, "
                          "no_verify, proxy and transport out, or pass username and password as options of OpenConnection");
        else
                send(esx, who, password);
        g_free(username);
        auth_file_wipe(password);
}

static void log_in(Esx *esx) {
        const Connection *connection = esx->connection;
        const char *username = connection->username && *connection->username ? connection->username : esx->uri->username;
        if (!connection->password || !*connection->password)
                log_in_by_file(esx, username);
        else if (username)
                send(esx, username, connection->password);
        else
                fail_with(esx, VIRTBUS_ERROR_ACCESS_DENIED, "it wants a username; pass it as an option of OpenConnection");
}

/* What the server is */

static bool on_content(void *data, xmlNode *element, GError **error) {
        Esx *esx = data;
        EsxContent *content = &esx->content;
        const struct {
                VimReference *reference;
                const char *name;
        } references[] = {
                { &content->root_folder, "rootFolder" },   { &content->property_collector, "propertyCollector" },
                { &content->view_manager, "viewManager" }, { &content->session_manager, "sessionManager" },
                { &content->search_index, "searchIndex" }, { &content->task_manager, "taskManager" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(references); i++)
                if (!vim_reference_read(references[i].reference, xml_child(element, references[i].name)))
                        return virtbus_error_set(
                                        error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                        "its answer is not what it must be: there is no %s; it needs vSphere 4.1 or newer",
                                        references[i].name);
        vim_reference_read(&content->file_manager, xml_child(element, "fileManager"));
        g_autofree char *type = xml_text_at(element, "about/apiType"), *product = xml_text_at(element, "about/fullName");
        g_free(content->product);
        g_free(content->version);
        content->product = soap_plain(product);
        content->version = xml_text_at(element, "about/version");
        content->is_vcenter = strcmp(type, "VirtualCenter") == 0;
        return true;
}

static void on_answered(void *data, const GError *error) {
        Esx *esx = data;
        bool wants_vcenter = strcmp(esx->uri->scheme, "vpx") == 0;
        if (error)
                fail(esx, error);
        else if (!esx->content.session_manager.value)
                fail_with(esx, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its answer is not what it must be: it tells nothing of itself");
        else if (wants_vcenter != esx->content.is_vcenter)
                fail_with(esx, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          wants_vcenter ? "it is an ESX host, not a vCenter; write esx://HOST/"
                                        : "it is a vCenter, not an ESX host; write vpx://HOST/");
        else
                log_in(esx);
}

void login_begin(Esx *esx, void (*ready)(Esx *esx)) {
        g_auto(VimReference) instance = { 0 };
        g_autoptr(GError) error = NULL;
        if (!session_begin(esx, &error)) {
                fail(esx, error);
                return;
        }
        esx->watch.ready = ready;
        vim_reference_set(&instance, "ServiceInstance", "ServiceInstance");
        vim_call(esx->vim, &(VimQuestion){ .method = "RetrieveServiceContent", .object = &instance, .each = on_content },
                 on_answered, esx);
}
