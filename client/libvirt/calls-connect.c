/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection itself, and what its hypervisor can do. */

#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "domains.h"
#include "event-changes.h"
#include "events.h"
#include "rows.h"

#define CONNECTION INTERFACE("Connection")
#define DOMAIN INTERFACE("Domain")

/* The version of libvirt whose protocol and behaviour is kept: clients take from it what they may ask. */
#define LIBRARY_VERSION 9000000

#define OPEN_READ_ONLY 1

#define AUTHENTICATION_NONE 0
#define AUTHENTICATION_POLKIT 2

/* Of whose domains it is asked whether they may be seen. */
#define SYSTEM_CONNECTION MANAGER_PATH "/qemu"

/* Why leave to manage was not given. */
typedef struct Refusal {
        LibvirtErrorCode code;
        char *message;
} Refusal;

static void refusal_free(void *data) {
        Refusal *refusal = data;
        g_free(refusal->message);
        g_free(refusal);
}

typedef enum Feature {
        FEATURE_DESCRIPTORS = 8,
        FEATURE_TYPED_STRINGS = 9,
        FEATURE_KEEPALIVE = 10,
        FEATURE_EVENT_CALLBACKS = 14,
        FEATURE_CLOSE_CALLBACK = 15,
        FEATURE_NETWORK_UPDATE_ORDER = 16, /* command before section: else clients that know better send them the other way */
} Feature;

/* CONNECT_OPEN's are never refused: what they say beside that is the client's own affair, such as whether its library starts
 * a daemon. */
static const FlagOption open_flags[] = { { OPEN_READ_ONLY, NULL }, { 2, NULL }, { 4, NULL }, {} };
/* A document is always checked. */
static const FlagOption define_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };
static const FlagOption create_flags[] = { { 1, "paused" }, FLAG_IS_ALWAYS_SO(16), {} };

/* A hypervisor has one version for all who ask; one of its kind is told by the name of its connection. */
static const struct {
        const char *connection, *type;
        LibvirtErrorDomain domain;
} hypervisors[] = {
        { "qemu", "QEMU", LIBVIRT_FROM_QEMU },       { "test", "TEST", LIBVIRT_FROM_TEST }, { "lxc", "LXC", LIBVIRT_FROM_LXC },
        { "vmware", "VMware", LIBVIRT_FROM_VMWARE }, { "esx", "ESX", LIBVIRT_FROM_ESX },
};

static LibvirtErrorDomain error_domain_of(const char *connection_name) {
        LibvirtErrorDomain domain = LIBVIRT_FROM_NONE;
        for (size_t i = 0; i < G_N_ELEMENTS(hypervisors); i++)
                if (g_str_has_prefix(connection_name, hypervisors[i].connection))
                        domain = hypervisors[i].domain;
        return domain;
}

static void on_open(Call *call, GVariant *reply) {
        Client *client = call->client;
        if (client->connection) {
                call_refuse(call, LIBVIRT_RPC, "the connection is open already");
                return;
        }
        g_variant_get(reply, "(o)", &client->connection);
        client->connection_name = g_path_get_basename(client->connection);
        client->is_named = strchr(client->connection_name, '_') != NULL;
        client->error_domain = error_domain_of(client->connection_name);
        client->read_only |= (call->flags & OPEN_READ_ONLY) != 0;
        client->domains = domains_new(client->bus, client->connection, &event_changes_listener, client->events);
        call_answer_nothing(call);
}

/* What a client means that names nothing. */
static const char *default_uri(const Client *client) {
        return origin_is_system(client->origin) ? "qemu:///system" : "qemu:///session";
}

static void open_connection(Call *call) {
        const char *name = call_optional(call, 0);
        /* What the client's own library reads of a URI are its parameters. */
        g_autofree char *uri = name && *name ? g_strndup(name, strcspn(name, "?")) : g_strdup(default_uri(call->client));
        if (call->client->connection)
                call_refuse(call, LIBVIRT_RPC, "the connection is open already");
        else
                call_ask(call, MANAGER_PATH, INTERFACE("Manager"), "OpenConnection", g_variant_new("(sa{sv})", uri, NULL), "(o)",
                         on_open);
}

static void close_connection(Call *call) {
        call_answer_nothing(call);
}

static void supports_feature(Call *call) {
        static const Feature features[] = { FEATURE_DESCRIPTORS,     FEATURE_TYPED_STRINGS,  FEATURE_KEEPALIVE,
                                            FEATURE_EVENT_CALLBACKS, FEATURE_CLOSE_CALLBACK, FEATURE_NETWORK_UPDATE_ORDER };
        int32_t asked;
        bool has = false;
        g_variant_get_child(call->arguments, 0, "i", &asked);
        for (size_t i = 0; i < G_N_ELEMENTS(features); i++)
                has |= (int32_t) features[i] == asked;
        call_answer(call, g_variant_new("(i)", (int32_t) has));
}

/* Who is at the socket's other end was looked at when it was accepted. One who is trusted, or can change nothing, need not ask
 * for more. */
static void list_authentications(Call *call) {
        const Origin *origin = call->client->origin;
        const int32_t type = origin->trusted || origin->read_only ? AUTHENTICATION_NONE : AUTHENTICATION_POLKIT;
        call_answer(call, g_variant_new("(@ai)", g_variant_new_fixed_array(G_VARIANT_TYPE_INT32, &type, 1, sizeof type)));
}

static void answer_authenticated(Call *call) {
        call_answer(call, g_variant_new("(i)", 1));
}

static void on_managing(Call *call, GVariant *reply) {
        (void) reply;
        answer_authenticated(call);
}

static void on_found(Call *call, GVariant *reply) {
        on_managing(call, reply);
}

/* Who may look at what there is, is let in with that: nothing has this number, which is told to who may know. */
static bool on_not_found(Call *call, const GError *error) {
        Refusal *refusal = call->state;
        call->on_error = NULL;
        if (error->code == LIBVIRT_NO_DOMAIN)
                answer_authenticated(call);
        else
                call_fail(call, g_error_new_literal(LIBVIRT_ERROR, refusal->code, refusal->message));
        return true;
}

/* Leave to manage was refused. */
static bool on_not_managing(Call *call, const GError *error) {
        if (error->code != LIBVIRT_ACCESS_DENIED && error->code != LIBVIRT_AUTH_UNAVAILABLE)
                return false;
        Refusal *refusal = g_new(Refusal, 1);
        bool nobody_asked = error->code == LIBVIRT_AUTH_UNAVAILABLE;
        *refusal = (Refusal){ nobody_asked ? LIBVIRT_AUTH_UNAVAILABLE : LIBVIRT_AUTH_FAILED, g_strdup(error->message) };
        call->state = refusal;
        call->free_state = refusal_free;
        call->on_error = on_not_found;
        call_ask(call, SYSTEM_CONNECTION, CONNECTION, "GetDomainByID", g_variant_new("(u)", UINT32_MAX), "(o)", on_found);
        return true;
}

/* libvirt's clients are asked for a password when they connect, and at no other time: they have somebody who asks only then. */
static void authenticate(Call *call) {
        call->on_error = on_not_managing;
        call_ask(call, MANAGER_PATH, INTERFACE("Manager"), "Manage", NULL, "()", on_managing);
}

static void watch_close(Call *call) {
        call->client->tells_close = call->row->procedure == REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK;
        call_answer_nothing(call);
}

static void get_type(Call *call) {
        const char *type = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(hypervisors); i++)
                if (g_str_has_prefix(call->client->connection_name, hypervisors[i].connection))
                        type = hypervisors[i].type;
        g_autofree char *other = g_ascii_strup(call->client->connection_name, -1);
        call_answer(call, g_variant_new("(s)", type ? type : other));
}

static void get_library_version(Call *call) {
        call_answer(call, g_variant_new("(t)", (uint64_t) LIBRARY_VERSION));
}

static void get_hostname(Call *call) {
        call_answer(call, g_variant_new("(s)", g_get_host_name()));
}

static void get_hostname_elsewhere(Call *call, GVariant *host) {
        const char *name;
        if (g_variant_lookup(host, "name", "&s", &name))
                call_answer(call, g_variant_new("(s)", name));
        else
                row_not_elsewhere(call, host);
}

static void is_secure(Call *call) {
        call_answer(call, g_variant_new("(i)", 1));
}

static void on_property(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        call_answer(call, g_variant_new("(@s)", value));
}

static void get_uri(Call *call) {
        call_ask(call, call->client->connection, "org.freedesktop.DBus.Properties", "Get",
                 g_variant_new("(ss)", CONNECTION, "URI"), "(v)", on_property);
}

static void get_capabilities(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, "GetCapabilities", NULL, "(s)", step_answer_document);
}

static const char *or_empty(const char *text) {
        return text ? text : "";
}

static void get_domain_capabilities(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, "GetDomainCapabilities",
                 g_variant_new("(ssss)", or_empty(call_optional(call, 0)), or_empty(call_optional(call, 1)),
                               or_empty(call_optional(call, 2)), or_empty(call_optional(call, 3))),
                 "(s)", step_answer_document);
}

static void on_cpu_models(Call *call, GVariant *reply) {
        g_autoptr(GVariant) models = g_variant_get_child_value(reply, 0);
        int32_t n = (int32_t) g_variant_n_children(models), need_results;
        g_variant_get_child(call->arguments, 1, "i", &need_results);
        if (need_results)
                call_answer(call, g_variant_new("(@asi)", models, n));
        else
                call_answer(call, g_variant_new("(asi)", NULL, n));
}

static void get_cpu_models(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, "GetCPUModels", g_variant_new("(s)", call_string(call, 0)), "(as)",
                 on_cpu_models);
}

/* To and from a hypervisor's own format: the two have the same shape. */
static void translate(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, call->row->member,
                 g_variant_new("(ss)", call_string(call, 0), call_string(call, 1)), "(s)",
                 call->row->procedure == REMOTE_CONNECT_DOMAIN_XML_FROM_NATIVE ? step_answer_document : step_answer_string);
}

static void on_domain(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(@(ssi))", known_name_of(properties)));
}

static void on_made(Call *call, GVariant *reply) {
        const char *path;
        g_variant_get(reply, "(&o)", &path);
        call_read(call, path, DOMAIN, on_domain);
}

static void make_domain(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, call->row->member,
                 g_variant_new("(s@a{sv})", call_string(call, 0), call_options(call)), "(o)", on_made);
}

const CallRow connect_calls[] = {
        { REMOTE_AUTH_LIST, list_authentications },
        { REMOTE_AUTH_POLKIT, authenticate, NULL, CHANGES },
        { REMOTE_CONNECT_OPEN, open_connection, NULL, READS, open_flags },
        { REMOTE_CONNECT_CLOSE, close_connection },
        { REMOTE_CONNECT_SUPPORTS_FEATURE, supports_feature },
        { REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK, watch_close },
        { REMOTE_CONNECT_UNREGISTER_CLOSE_CALLBACK, watch_close },
        { REMOTE_CONNECT_GET_TYPE, get_type },
        { REMOTE_CONNECT_GET_LIB_VERSION, get_library_version },
        { REMOTE_CONNECT_GET_HOSTNAME, get_hostname, .elsewhere = get_hostname_elsewhere },
        { REMOTE_CONNECT_GET_URI, get_uri },
        { REMOTE_CONNECT_IS_SECURE, is_secure },
        { REMOTE_CONNECT_GET_CAPABILITIES, get_capabilities },
        { REMOTE_CONNECT_GET_DOMAIN_CAPABILITIES, get_domain_capabilities, NULL, READS, NULL, LIBVIRT_INVALID_ARG },
        { REMOTE_CONNECT_GET_CPU_MODEL_NAMES, get_cpu_models, NULL, READS, NULL, LIBVIRT_INVALID_ARG },
        { REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE, translate, "DomainXMLToNative", READS, NULL, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_CONNECT_DOMAIN_XML_FROM_NATIVE, translate, "DomainXMLFromNative", READS, NULL, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_DEFINE_XML, make_domain, "DefineDomain", CHANGES, NULL, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_DEFINE_XML_FLAGS, make_domain, "DefineDomain", CHANGES, define_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_CREATE_XML, make_domain, "CreateDomain", CHANGES, create_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        {},
};
