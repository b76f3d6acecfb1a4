/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Secrets, which are objects of the connection "host" whatever connection the client has opened. */

#include "calls.h"
#include "listing.h"
#include "rows.h"
#include "secret-events.h"

#define HOST LISTING_HOST
#define SECRETS INTERFACE("Secrets")
#define SECRET INTERFACE("Secret")

#define SELECT_EPHEMERAL 1
#define SELECT_NOT_EPHEMERAL 2
#define SELECT_PRIVATE 4
#define SELECT_NOT_PRIVATE 8

static const FlagOption list_flags[] = { { 15, NULL }, {} };
/* A document is always checked. */
static const FlagOption define_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };

/* Of the secret that is the first argument. */
static char *path_of(Call *call) {
        const char *uuid;
        g_variant_get_child(call->arguments, 0, "(&si&s)", &uuid, NULL, NULL);
        return listing_path("secret", uuid);
}

static bool is_selected(const Call *call, GVariant *properties) {
        gboolean ephemeral = FALSE, is_private = FALSE;
        uint32_t kept = call->flags & (SELECT_EPHEMERAL | SELECT_NOT_EPHEMERAL),
                 shown = call->flags & (SELECT_PRIVATE | SELECT_NOT_PRIVATE);
        g_variant_lookup(properties, "Ephemeral", "b", &ephemeral);
        g_variant_lookup(properties, "Private", "b", &is_private);
        return (!kept || kept & (ephemeral ? SELECT_EPHEMERAL : SELECT_NOT_EPHEMERAL)) &&
               (!shown || shown & (is_private ? SELECT_PRIVATE : SELECT_NOT_PRIVATE));
}

static const char *const wanted[] = { "UUID", "UsageType", "UsageID", "Ephemeral", "Private", NULL };

static const ListedKind secrets = { SECRET, NULL, wanted, "(sis)", 0, secret_name, is_selected };

static void list(Call *call) {
        listing_answer(call, &secrets);
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
        g_autofree char *path = listing_path("secret", call_string(call, 0));
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
        ask(call, "GetXML", g_variant_new("(a{sv})", NULL), "(s)", step_answer_document);
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
