/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <string.h>

#include "bus.h"
#include "bounds.h"
#include "errors.h"
#include "interfaces.h"
#include "options.h"
#include "paths.h"

int manager_update(sd_bus *bus, Mirror *mirror, Drivers *drivers) {
        /* The mirror reads messages: this one is never sent. */
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_signal(bus, &message, MANAGER_PATH, interface_manager.name, "Properties");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", interface_manager.name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}", "Version", "s", VIRTBUS_VERSION);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "Drivers");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "a(ssss)");
        if (r >= 0)
                r = drivers_append(drivers, message);
        for (int depth = 0; r >= 0 && depth < 5; depth++)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = sd_bus_message_seal(message, 1, 0);
        return r < 0 ? r : mirror_take(mirror, NULL, MANAGER_PATH, message);
}

/* What a libvirt URI names. */
typedef struct Uri {
        char *scheme; /* before '+' and the transport */
        char *host;   /* in small letters, decoded, without a user, a port and an IPv6 address's brackets; or "" */
        bool is_remote;
} Uri;

static void uri_clear(Uri *uri) {
        g_free(uri->scheme);
        g_free(uri->host);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Uri, uri_clear)

static bool has_password(const char *userinfo) {
        return userinfo && strchr(userinfo, ':');
}

/* Reads the host of a URI that names another machine, as GLib has it: polkit's rules are told of it, so nothing is left to
 * guess. */
static bool read_host(Uri *uri, const char *text, GError **error) {
        /* What GLib finds wrong is not repeated: it quotes. */
        g_autoptr(GUri) parsed = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
        const char *host = parsed && g_uri_get_host(parsed) ? g_uri_get_host(parsed) : "";
        if (!parsed || strlen(host) > URI_HOST_BYTES_MAX)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "OpenConnection: the URI is not one of a host, or the host's name is longer than %d bytes",
                                URI_HOST_BYTES_MAX);
        uri->host = g_ascii_strdown(host, -1);
        return true;
}

/* Whether what is before the host has a password in it, however it is written. */
static bool holds_password(const char *colon) {
        const char *host = g_str_has_prefix(colon, "://") ? colon + strlen("://") : "";
        size_t length = strcspn(host, "/?#");
        const char *at = memrchr(host, '@', length);
        g_autofree char *raw = at ? g_strndup(host, (size_t) (at - host)) : NULL;
        g_autofree char *decoded = raw ? g_uri_unescape_string(raw, NULL) : NULL;
        return has_password(raw) || has_password(decoded);
}

/* Of a URI's scheme, as RFC 3986 has it, up to the name of a transport; 0 where there is none. */
static size_t scheme_length(const char *text) {
        size_t length = strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-");
        bool is_scheme =
                        g_ascii_isalpha(text[0]) && length <= SCHEME_BYTES_MAX && strchr("+:", text[length]) && strchr(text, ':');
        return is_scheme ? length : 0;
}

/* Reads a URI. What is wrong with one is said by its scheme alone: a password can be anywhere in it. */
static bool uri_read(Uri *uri, const char *text, GError **error) {
        const char *colon = strchr(text, ':');
        size_t scheme = scheme_length(text);
        if (scheme == 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "OpenConnection: this is not a URI; write one like qemu:///system");
        if (holds_password(colon))
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "OpenConnection: there is a password in the URI, where others would see it; pass it as the "
                                "option password");
        uri->scheme = g_strndup(text, scheme);
        uri->is_remote = text[scheme] == '+' || !g_str_has_prefix(colon, ":///");
        return !uri->is_remote || read_host(uri, text, error);
}

static bool is_open_connection(sd_bus_message *call) {
        return strcmp(sd_bus_message_get_path(call), MANAGER_PATH) == 0 &&
               g_strcmp0(sd_bus_message_get_member(call), "OpenConnection") == 0 && sd_bus_message_has_signature(call, "sa{sv}");
}

/* Reads the URI of a call of OpenConnection; false for other calls, and where it has no URI. */
static bool uri_of_call(Uri *uri, sd_bus_message *call) {
        const char *text;
        bool read = is_open_connection(call) && sd_bus_message_rewind(call, true) >= 0 &&
                    sd_bus_message_read(call, "s", &text) >= 0 && uri_read(uri, text, NULL);
        sd_bus_message_rewind(call, true);
        return read;
}

/* The connection of this machine that a scheme is the name of, or another name of. */
static const char *find_local(Drivers *drivers, const char *scheme) {
        const char *path = drivers_connection_path(drivers, scheme);
        const Driver *driver = path ? NULL : drivers_of_scheme(drivers, scheme);
        return driver ? driver_path(driver) : path;
}

static bool open_connection(Drivers *drivers, sd_bus_message *call, GError **error) {
        const char *uri;
        if (sd_bus_message_read(call, "s", &uri) < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "OpenConnection: no URI");
        g_auto(Uri) read = { 0 };
        if (!uri_read(&read, uri, error))
                return false;
        g_autofree char *unheard = read.is_remote ? drivers_unheard_text(drivers) : NULL;
        if (unheard)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                         "OpenConnection: no driver that runs opens connections of the scheme '%s'; %s",
                                         read.scheme, unheard);
        if (read.is_remote)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "OpenConnection: the URI names another machine, and no driver opens connections of the "
                                         "scheme '%s'",
                                         read.scheme);
        if (!options_read(call, error, NULL))
                return false;
        const char *path = find_local(drivers, read.scheme);
        if (!path)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "OpenConnection: there is no driver for the scheme '%s'; the manager's property "
                                         "Drivers lists those there are",
                                         read.scheme);
        sd_bus_reply_method_return(call, "o", path);
        return true;
}

const char *manager_connection(Drivers *drivers, sd_bus_message *call) {
        g_auto(Uri) uri = { 0 };
        if (!uri_of_call(&uri, call))
                return NULL;
        Driver *driver = uri.is_remote ? drivers_of_scheme(drivers, uri.scheme) : NULL;
        if (driver)
                return driver_path(driver);
        return uri.is_remote ? NULL : find_local(drivers, uri.scheme);
}

Driver *manager_opener(Drivers *drivers, sd_bus_message *call) {
        g_auto(Uri) uri = { 0 };
        return uri_of_call(&uri, call) && uri.is_remote ? drivers_of_scheme(drivers, uri.scheme) : NULL;
}

bool manager_is_lookup(Drivers *drivers, sd_bus_message *call) {
        return is_open_connection(call) && !manager_opener(drivers, call);
}

GStrv manager_details(Drivers *drivers, sd_bus_message *call) {
        g_auto(Uri) uri = { 0 };
        if (!uri_of_call(&uri, call) || !uri.is_remote || !drivers_of_scheme(drivers, uri.scheme))
                return NULL;
        const char *const details[] = { "uri_scheme", uri.scheme, "uri_host", uri.host, NULL };
        return g_strdupv((char **) details);
}

bool manager_is_manage(sd_bus_message *call) {
        return sd_bus_message_is_method_call(call, NULL, "Manage");
}

int manager_call(Drivers *drivers, sd_bus_message *call) {
        g_autoptr(GError) error = NULL;
        /* The router has checked interface, member and signature; what only asks for leave has it. */
        if (!is_open_connection(call))
                return sd_bus_reply_method_return(call, "");
        if (open_connection(drivers, call, &error))
                return 0;
        return virtbus_error_reply(call, error);
}
