/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rows.h"

#include "domains.h"
#include "style.h"

#define DOMAIN INTERFACE("Domain")

const FlagOption affect_flags[] = { { 1, "live" }, { 2, "config" }, {} };

void step_answer_nothing(Call *call, GVariant *reply) {
        (void) reply;
        call_answer_nothing(call);
}

void step_answer_string(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = g_variant_get_child_value(reply, 0);
        call_answer(call, g_variant_new("(@s)", value));
}

void step_answer_document(Call *call, GVariant *reply) {
        const char *text;
        g_variant_get(reply, "(&s)", &text);
        g_autofree char *styled = style_document(text);
        call_answer(call, g_variant_new("(s)", styled));
}

void row_method(Call *call) {
        call_ask(call, call->domain, DOMAIN, call->row->member, NULL, "()", step_answer_nothing);
}

void row_method_with_options(Call *call) {
        call_ask(call, call->domain, DOMAIN, call->row->member, g_variant_new("(@a{sv})", call_options(call)), "()",
                 step_answer_nothing);
}

void row_job(Call *call) {
        call_ask_job(call, call->domain, DOMAIN, call->row->member, g_variant_new("(@a{sv})", call_options(call)), "(o)", 0,
                     step_answer_nothing);
}

/* What is known of the domain is not asked for. */
static void get(Call *call, CallStep step) {
        GVariant *known = domains_properties(call->client->domains, call->domain);
        g_autoptr(GVariant) value = known ? g_variant_lookup_value(known, call->row->member, NULL) : NULL;
        g_autoptr(GVariant) reply = value ? g_variant_ref_sink(g_variant_new("(v)", value)) : NULL;
        if (reply)
                step(call, reply);
        else
                call_ask(call, call->domain, "org.freedesktop.DBus.Properties", "Get",
                         g_variant_new("(ss)", DOMAIN, call->row->member), "(v)", step);
}

static void on_string(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        call_answer(call, g_variant_new("(@s)", value));
}

static void on_number(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        bool is_flag = g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN);
        call_answer(call, g_variant_new("(i)", is_flag ? (int32_t) g_variant_get_boolean(value)
                                                       : (int32_t) g_variant_get_uint32(value)));
}

static void on_bytes(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        call_answer(call, g_variant_new("(t)", g_variant_get_uint64(value) / 1024));
}

void row_string(Call *call) {
        get(call, on_string);
}

void row_number(Call *call) {
        get(call, on_number);
}

void row_kib(Call *call) {
        get(call, on_bytes);
}

static CallStep take_next(Call *call) {
        CallStep next = call->next;
        call->next = NULL;
        return next;
}

static void on_activity(Call *call, GVariant *properties) {
        CallStep next = take_next(call);
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        if (active)
                next(call, properties);
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "Requested operation is not valid: domain is not running");
}

void row_if_active(Call *call, CallStep step) {
        g_assert(!call->next); /* one at a time */
        call->next = step;
        call_read(call, call->domain, DOMAIN, on_activity);
}

static void on_document_of(Call *call, GVariant *properties) {
        GVariantBuilder options;
        gboolean active = FALSE, persistent = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        g_variant_lookup(properties, "Persistent", "b", &persistent);
        bool live = call->flags & AFFECT_LIVE, config = call->flags & AFFECT_CONFIG;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        if (config && !live && active)
                g_variant_builder_add(&options, "{sv}", "inactive", g_variant_new_boolean(TRUE));
        g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_builder_end(&options));
        if (live && !active)
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "Requested operation is not valid: domain is not running");
        else if (config && !persistent)
                call_refuse(call, LIBVIRT_OPERATION_INVALID,
                            "Requested operation is not valid: transient domains do not have any persistent config");
        else
                call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(@a{sv})", kept), "(s)", take_next(call));
}

void row_document(Call *call, CallStep step) {
        g_assert(!call->next);
        call->next = step;
        call_read(call, call->domain, DOMAIN, on_document_of);
}

xmlNode *row_root(Call *call, GVariant *reply, xmlDoc **owner) {
        GError *error = NULL;
        const char *text;
        g_variant_get(reply, "(&s)", &text);
        *owner = document_read(text, &error);
        if (!*owner)
                call_fail(call, error);
        return *owner ? xmlDocGetRootElement(*owner) : NULL;
}

void row_objects(Call *call, CallStep step) {
        call_ask(call, call->domain, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", step);
}

static void on_no_channel(Call *call, GVariant *properties) {
        (void) properties;
        call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "argument unsupported: QEMU guest agent is not configured");
}

/* What an agent that does not answer is called of a guest whose processors are stopped. */
static void on_no_answer(Call *call, GVariant *properties) {
        const char *state = "";
        g_variant_lookup(properties, "State", "&s", &state);
        if (g_str_equal(state, "running"))
                call_fail(call, g_steal_pointer(&call->kept));
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "Requested operation is not valid: domain is not running");
}

/* The agent's object is there while the domain is active and has a channel for it. */
static bool on_no_guest(Call *call, const GError *error) {
        bool is_there = error->code == LIBVIRT_AGENT_UNRESPONSIVE;
        if (error->code != LIBVIRT_NO_DOMAIN && !is_there)
                return false;
        call->on_error = NULL;
        if (is_there)
                call->kept = g_error_copy(error);
        row_if_active(call, is_there ? on_no_answer : on_no_channel);
        return true;
}

void row_ask_guest(Call *call, const char *member, GVariant *arguments, const char *reply, CallStep step) {
        g_autofree char *guest = g_strconcat(call->domain, "/guest", NULL);
        if (!call->on_error)
                call->on_error = on_no_guest;
        call_ask(call, guest, INTERFACE("Domain.Guest"), member, arguments, reply, step);
}

const char *member_text(GVariant *dictionary, const char *name) {
        const char *text = "";
        g_variant_lookup(dictionary, name, "&s", &text);
        return text;
}

int64_t member_number(GVariant *dictionary, const char *name) {
        int64_t number = 0;
        g_variant_lookup(dictionary, name, "x", &number);
        return number;
}

int row_take_fd(Call *call, GVariant *reply) {
        int32_t handle;
        GError *error = NULL;
        g_variant_get(reply, "(h)", &handle);
        int fd = call->fds ? g_unix_fd_list_get(call->fds, handle, &error) : -1;
        if (fd < 0 && error)
                call_fail(call, error);
        else if (fd < 0)
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "the bus has not passed the stream's descriptor");
        return fd;
}

void row_not_elsewhere(Call *call, GVariant *host) {
        (void) host;
        call_refuse(call, LIBVIRT_NO_SUPPORT,
                    "this function is not supported by the connection driver: it is not told of a host elsewhere");
}
