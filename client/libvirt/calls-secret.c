/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Secrets, which are objects of the connection "host" whatever connection the client has opened. */

#include <string.h>

#include "calls.h"
#include "rows.h"
#include "secret-events.h"

#define HOST MANAGER_PATH "/host"
#define SECRETS INTERFACE("Secrets")
#define SECRET INTERFACE("Secret")

#define SELECT_EPHEMERAL 1
#define SELECT_NOT_EPHEMERAL 2
#define SELECT_PRIVATE 4
#define SELECT_NOT_PRIVATE 8

static const FlagOption list_flags[] = { { 15, NULL }, {} };
/* A document is always checked. */
static const FlagOption define_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };

static char *path_of_uuid(const char *uuid) {
        g_autofree char *escaped = g_strdelimit(g_strdup(uuid), "-", '_');
        return g_strconcat(HOST "/secret/", escaped, NULL);
}

/* Of the secret that is the first argument. */
static char *path_of(Call *call) {
        const char *uuid;
        g_variant_get_child(call->arguments, 0, "(&si&s)", &uuid, NULL, NULL);
        return path_of_uuid(uuid);
}

static bool is_selected(GVariant *properties, uint32_t flags) {
        gboolean ephemeral = FALSE, is_private = FALSE;
        uint32_t kept = flags & (SELECT_EPHEMERAL | SELECT_NOT_EPHEMERAL), shown = flags & (SELECT_PRIVATE | SELECT_NOT_PRIVATE);
        g_variant_lookup(properties, "Ephemeral", "b", &ephemeral);
        g_variant_lookup(properties, "Private", "b", &is_private);
        return (!kept || kept & (ephemeral ? SELECT_EPHEMERAL : SELECT_NOT_EPHEMERAL)) &&
               (!shown || shown & (is_private ? SELECT_PRIVATE : SELECT_NOT_PRIVATE));
}

static void on_secrets(Call *call, GVariant *reply) {
        g_autoptr(GVariantIter) objects = NULL;
        GVariant *interfaces;
        GVariantBuilder secrets, uuids;
        uint32_t n = 0;
        g_variant_builder_init(&secrets, G_VARIANT_TYPE("a(sis)"));
        g_variant_builder_init(&uuids, G_VARIANT_TYPE_STRING_ARRAY);
        g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
        while (g_variant_iter_loop(objects, "{o@a{sa{sv}}}", NULL, &interfaces)) {
                g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, SECRET, G_VARIANT_TYPE_VARDICT);
                const char *uuid = "";
                if (!properties || !is_selected(properties, call->flags))
                        continue;
                n++;
                g_variant_lookup(properties, "UUID", "&s", &uuid);
                g_variant_builder_add(&uuids, "s", uuid);
                g_variant_builder_add_value(&secrets, secret_name(properties));
        }
        g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_builder_end(&secrets)),
                            names = g_variant_ref_sink(g_variant_builder_end(&uuids));
        if (call->row->procedure == REMOTE_CONNECT_LIST_ALL_SECRETS)
                call_answer(call, g_variant_new("(@a(sis)u)", all, n));
        else if (call->row->procedure == REMOTE_CONNECT_LIST_SECRETS)
                call_answer(call, g_variant_new("(@as)", names));
        else
                call_answer(call, g_variant_new("(i)", (int32_t) n));
}

static void list(Call *call) {
        call_ask(call, HOST, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", on_secrets);
}

static bool on_no_object(Call *call, const GError *error) {
        if (error->code != LIBVIRT_NO_DOMAIN)
                return false;
        call_refuse(call, LIBVIRT_NO_SECRET, "Secret not found: no secret with matching uuid");
        return true;
}

static void on_secret(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(@(sis))", secret_name(properties)));
}

static void on_path(Call *call, GVariant *reply) {
        const char *path;
        g_variant_get(reply, "(&o)", &path);
        call_read(call, path, SECRET, on_secret);
}

static void find_by_uuid(Call *call) {
        g_autofree char *path = path_of_uuid(call_string(call, 0));
        call->on_error = on_no_object;
        call_read(call, path, SECRET, on_secret);
}

static void find_by_usage(Call *call) {
        int32_t usage;
        g_variant_get_child(call->arguments, 0, "i", &usage);
        if (usage < 0 || usage >= SECRET_USAGES)
                call_refuse(call, LIBVIRT_INVALID_ARG, "there is no usage of number %d", usage);
        else
                call_ask(call, HOST, SECRETS, "GetSecretByUsage",
                         g_variant_new("(ss)", secret_usages[usage], call_string(call, 1)), "(o)", on_path);
}

static void define(Call *call) {
        call_ask(call, HOST, SECRETS, "DefineSecret", g_variant_new("(sa{sv})", call_string(call, 0), NULL), "(o)", on_path);
}

static void ask(Call *call, const char *member, GVariant *arguments, const char *reply, CallStep step) {
        g_autofree char *path = path_of(call);
        call->on_error = on_no_object;
        call_ask(call, path, SECRET, member, arguments, reply, step);
}

static void get_xml(Call *call) {
        ask(call, "GetXML", g_variant_new("(a{sv})", NULL), "(s)", step_answer_string);
}

static void set_value(Call *call) {
        g_autoptr(GVariant) value = g_variant_get_child_value(call->arguments, 1);
        ask(call, "SetValue", g_variant_new("(@aya{sv})", value, NULL), "()", step_answer_nothing);
}

static void on_value(Call *call, GVariant *reply) {
        call_answer(call, reply);
}

static void get_value(Call *call) {
        ask(call, "GetValue", g_variant_new("(a{sv})", NULL), "(ay)", on_value);
}

static void undefine(Call *call) {
        ask(call, "Undefine", g_variant_new("(a{sv})", NULL), "()", step_answer_nothing);
}

const CallRow secret_calls[] = {
        { REMOTE_CONNECT_LIST_ALL_SECRETS, list, NULL, READS, list_flags },
        { REMOTE_CONNECT_LIST_SECRETS, list },
        { REMOTE_CONNECT_NUM_OF_SECRETS, list },
        { REMOTE_SECRET_LOOKUP_BY_UUID, find_by_uuid },
        { REMOTE_SECRET_LOOKUP_BY_USAGE, find_by_usage },
        { REMOTE_SECRET_DEFINE_XML, define, NULL, CHANGES, define_flags },
        { REMOTE_SECRET_GET_XML_DESC, get_xml },
        { REMOTE_SECRET_SET_VALUE, set_value, NULL, CHANGES },
        { REMOTE_SECRET_GET_VALUE, get_value, NULL, CHANGES },
        { REMOTE_SECRET_UNDEFINE, undefine, NULL, CHANGES },
        {},
};
