/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a domain is given of its host, what it is called, and what is written about it. */

#include <string.h>

#include "calls.h"
#include "documents.h"
#include "rows.h"
#include "style.h"

#define DOMAIN INTERFACE("Domain")
#define KIB 1024

#define MAXIMUM 4
#define OF_GUEST 8

/* Processors that are taken from what the guest was given are those that it lets go of: HOTPLUGGABLE (16) is about others. */
static const FlagOption vcpus_flags[] = {
        { AFFECT_LIVE, "live" }, { AFFECT_CONFIG, "config" }, { MAXIMUM, NULL }, { OF_GUEST, NULL }, {}
};
static const FlagOption size_flags[] = { { AFFECT_LIVE, "live" }, { AFFECT_CONFIG, "config" }, { MAXIMUM, NULL }, {} };
static const FlagOption metadata_flags[] = { { AFFECT_LIVE, NULL }, { AFFECT_CONFIG, "inactive" }, {} };

/* The options of a procedure without flags that means the running guest. */
static GVariant *live(void) {
        GVariantBuilder options;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&options, "{sv}", "live", g_variant_new_boolean(TRUE));
        return g_variant_builder_end(&options);
}

static GVariant *options_of(Call *call) {
        return call->procedure->flags < 0 ? live() : call_options(call);
}

static void ask(Call *call, const char *member, GVariant *arguments) {
        call_ask(call, call->domain, DOMAIN, member, arguments, "()", step_answer_nothing);
}

/* Of a running guest the most that it can be given cannot change. */
static bool is_of_definition(const Call *call) {
        return call->flags & AFFECT_CONFIG && !(call->flags & AFFECT_LIVE);
}

static void ask_max_memory(Call *call) {
        uint64_t kib;
        g_variant_get_child(call->arguments, 1, "t", &kib);
        ask(call, "SetMaxMemory", g_variant_new("(ta{sv})", kib * KIB, NULL));
}

static void on_domain_to_change(Call *call, GVariant *properties) {
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        if (active || call->flags & AFFECT_LIVE)
                call_refuse(call, LIBVIRT_OPERATION_INVALID,
                            active ? "Requested operation is not valid: cannot resize the maximum memory on an active domain"
                                   : "Requested operation is not valid: domain is not running");
        else
                ask_max_memory(call);
}

static void set_memory(Call *call) {
        uint64_t kib;
        bool maximum = call->row->procedure == REMOTE_DOMAIN_SET_MAX_MEMORY || call->flags & MAXIMUM;
        g_variant_get_child(call->arguments, 1, "t", &kib);
        if (kib > UINT64_MAX / KIB)
                call_refuse(call, LIBVIRT_OVERFLOW, "%" G_GUINT64_FORMAT " KiB of memory are more than 64 bits of bytes can say",
                            kib);
        else if (!maximum)
                ask(call, "SetMemory", g_variant_new("(t@a{sv})", kib * KIB, options_of(call)));
        else if (is_of_definition(call))
                ask_max_memory(call);
        else
                call_read(call, call->domain, DOMAIN, on_domain_to_change);
}

static bool vcpu_flag(GVariant *vcpu, const char *name) {
        gboolean flag = FALSE;
        g_variant_lookup(vcpu, name, "b", &flag);
        return flag;
}

static uint32_t count_online(GVariant *vcpus) {
        uint32_t n = 0;
        for (size_t i = 0; i < g_variant_n_children(vcpus); i++) {
                g_autoptr(GVariant) vcpu = g_variant_get_child_value(vcpus, i);
                n += vcpu_flag(vcpu, "online");
        }
        return n;
}

static void on_set_inside(Call *call, GVariant *reply) {
        (void) reply;
        call_answer_nothing(call);
}

/* The first ones that are offline are taken online, or of those that can be the last ones offline. */
static void on_vcpus_to_set(Call *call, GVariant *reply) {
        g_autoptr(GVariant) vcpus = g_variant_get_child_value(reply, 0);
        GVariantBuilder changes;
        uint32_t wanted, n = count_online(vcpus);
        size_t n_all = g_variant_n_children(vcpus);
        bool more;
        g_variant_get_child(call->arguments, 1, "u", &wanted);
        more = wanted > n;
        g_variant_builder_init(&changes, G_VARIANT_TYPE("a(xb)"));
        for (size_t i = 0; n != wanted && i < n_all; i++) {
                g_autoptr(GVariant) vcpu = g_variant_get_child_value(vcpus, more ? i : n_all - 1 - i);
                int64_t number = 0;
                g_variant_lookup(vcpu, "logical-id", "x", &number);
                if (vcpu_flag(vcpu, "online") == more || (!more && !vcpu_flag(vcpu, "can-offline")))
                        continue;
                g_variant_builder_add(&changes, "(xb)", number, more);
                n = more ? n + 1 : n - 1;
        }
        g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_builder_end(&changes));
        if (n != wanted)
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            "invalid argument: requested vcpu count is greater than the count of enabled vcpus in the domain: %u "
                            "> %zu",
                            wanted, n_all);
        else if (g_variant_n_children(kept) == 0)
                call_answer_nothing(call);
        else
                row_ask_guest(call, "SetVCPUs", g_variant_new("(@a(xb))", kept), "(x)", on_set_inside);
}

static void on_vcpus_inside(Call *call, GVariant *reply) {
        g_autoptr(GVariant) vcpus = g_variant_get_child_value(reply, 0);
        call_answer(call, g_variant_new("(i)", (int32_t) count_online(vcpus)));
}

static void set_vcpus(Call *call) {
        uint32_t count;
        g_variant_get_child(call->arguments, 1, "u", &count);
        if (call->flags & OF_GUEST)
                row_ask_guest(call, "GetVCPUs", NULL, "(aa{sv})", on_vcpus_to_set);
        else
                ask(call, call->flags & MAXIMUM ? "SetMaxVCPUs" : "SetVCPUs",
                    g_variant_new("(u@a{sv})", count, options_of(call)));
}

static void on_vcpus_of_document(Call *call, GVariant *reply) {
        g_autoptr(GError) error = NULL;
        const char *text;
        uint32_t count, max;
        g_variant_get(reply, "(&s)", &text);
        if (document_vcpus(text, &count, &max, &error))
                call_answer(call, g_variant_new("(i)", (int32_t) (call->flags & MAXIMUM ? max : count)));
        else
                call_fail(call, g_steal_pointer(&error));
}

static void on_vcpus(Call *call, GVariant *properties) {
        uint32_t count = 0;
        gboolean active = FALSE;
        g_variant_lookup(properties, call->flags & MAXIMUM ? "MaxVCPUs" : "VCPUs", "u", &count);
        g_variant_lookup(properties, "Active", "b", &active);
        if (call->flags & AFFECT_LIVE && !active)
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "the domain is not running");
        else
                call_answer(call, g_variant_new("(i)", (int32_t) count));
}

static void get_vcpus(Call *call) {
        GVariantBuilder options;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&options, "{sv}", "inactive", g_variant_new_boolean(TRUE));
        if (call->flags & OF_GUEST) {
                g_variant_builder_clear(&options);
                row_ask_guest(call, "GetVCPUs", NULL, "(aa{sv})", on_vcpus_inside);
        } else if (call->flags & AFFECT_CONFIG)
                call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(a{sv})", &options), "(s)", on_vcpus_of_document);
        else {
                g_variant_builder_clear(&options);
                call_read(call, call->domain, DOMAIN, on_vcpus);
        }
}

/* Bit 0 of byte 0 is processor 0: the list of those that are set, such as "0-3,8". */
static char *cpus_of(const uint8_t *map, size_t size) {
        GString *list = g_string_new(NULL);
        size_t n = 8 * size;
        for (size_t cpu = 0; cpu < n; cpu++) {
                size_t end = cpu;
                while (end < n && map[end / 8] & 1 << end % 8)
                        end++;
                if (end > cpu + 1)
                        g_string_append_printf(list, "%s%zu-%zu", list->len > 0 ? "," : "", cpu, end - 1);
                else if (end > cpu)
                        g_string_append_printf(list, "%s%zu", list->len > 0 ? "," : "", cpu);
                cpu = end;
        }
        return g_string_free(list, FALSE);
}

/* PLACE: which argument is the map; the one before it is the thread's number, where there is one. */
static void pin(Call *call, size_t place) {
        g_autoptr(GVariant) map = g_variant_get_child_value(call->arguments, place);
        g_autofree char *cpus = cpus_of(g_variant_get_data(map), g_variant_get_size(map));
        uint32_t number = 0;
        if (place > 1) {
                g_variant_get_child(call->arguments, 1, "u", &number);
                ask(call, call->row->member, g_variant_new("(us@a{sv})", number, cpus, options_of(call)));
        } else
                ask(call, call->row->member, g_variant_new("(s@a{sv})", cpus, options_of(call)));
}

static void pin_thread(Call *call) {
        pin(call, 2);
}

static void pin_emulator(Call *call) {
        pin(call, 1);
}

static void change_iothread(Call *call) {
        uint32_t number;
        g_variant_get_child(call->arguments, 1, "u", &number);
        ask(call, call->row->member, g_variant_new("(u@a{sv})", number, call_options(call)));
}

/* libvirt's names are the bus's. */
static void set_iothread(Call *call) {
        uint32_t number;
        GVariantBuilder values;
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        bool fine = true;
        g_autoptr(GVariant) parameters = g_variant_get_child_value(call->arguments, 2);
        g_variant_get_child(call->arguments, 1, "u", &number);
        g_variant_builder_init(&values, G_VARIANT_TYPE("a{st}"));
        g_variant_iter_init(&iterator, parameters);
        while (fine && g_variant_iter_next(&iterator, "(&sv)", &name, &value)) {
                static const char *const known[] = { "poll_max_ns",     "poll_grow",       "poll_shrink",
                                                     "thread_pool_min", "thread_pool_max", NULL };
                int64_t amount = g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64)   ? (int64_t) g_variant_get_uint64(value)
                                 : g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32) ? (int64_t) g_variant_get_uint32(value)
                                 : g_variant_is_of_type(value, G_VARIANT_TYPE_INT32)  ? g_variant_get_int32(value)
                                                                                      : -1;
                fine = g_strv_contains(known, name) && amount >= 0;
                if (fine)
                        g_variant_builder_add(&values, "{st}", name, (uint64_t) amount);
                else
                        call_refuse(call, LIBVIRT_INVALID_ARG,
                                    "invalid argument: parameter '%.64s' is not known, or out of range", name);
                g_variant_unref(value);
        }
        g_autoptr(GVariant) given = g_variant_ref_sink(g_variant_builder_end(&values));
        if (fine)
                ask(call, "SetIOThread", g_variant_new("(u@a{st}@a{sv})", number, given, call_options(call)));
}

/* The list is the bus's. */
static void set_vcpu(Call *call) {
        int32_t state;
        g_variant_get_child(call->arguments, 2, "i", &state);
        if (state == 0 || state == 1)
                ask(call, "SetVCPUList", g_variant_new("(sb@a{sv})", call_string(call, 1), state == 1, call_options(call)));
        else
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: state is %d, neither 0 nor 1", state);
}

static void set_lifecycle_action(Call *call) {
        static const char *const events[] = { "poweroff", "reboot", "crash" };
        static const char *const actions[] = { "destroy",  "restart",          "rename-restart",
                                               "preserve", "coredump-destroy", "coredump-restart" };
        uint32_t event, action;
        g_variant_get_child(call->arguments, 1, "u", &event);
        g_variant_get_child(call->arguments, 2, "u", &action);
        if (event >= G_N_ELEMENTS(events) || action >= G_N_ELEMENTS(actions))
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: there is no lifecycle event %u with action %u", event,
                            action);
        else
                ask(call, "SetLifecycleAction", g_variant_new("(ss@a{sv})", events[event], actions[action], call_options(call)));
}

static void on_renamed(Call *call, GVariant *reply) {
        (void) reply;
        call_answer(call, g_variant_new("(i)", 0));
}

static void rename_domain(Call *call) {
        const char *name = call_optional(call, 1);
        call_ask(call, call->domain, DOMAIN, "Rename", g_variant_new("(sa{sv})", name ? name : "", NULL), "()", on_renamed);
}

typedef enum MetadataType {
        METADATA_DESCRIPTION,
        METADATA_TITLE,
        METADATA_ELEMENT,
} MetadataType;

static const char *or_empty(const char *text) {
        return text ? text : "";
}

static void set_metadata(Call *call) {
        int32_t type;
        g_variant_get_child(call->arguments, 1, "i", &type);
        const char *text = or_empty(call_optional(call, 2));
        if (type == METADATA_ELEMENT)
                ask(call, "SetMetadata",
                    g_variant_new("(sss@a{sv})", or_empty(call_optional(call, 4)), or_empty(call_optional(call, 3)), text,
                                  call_options(call)));
        else if (type == METADATA_TITLE || type == METADATA_DESCRIPTION)
                ask(call, type == METADATA_TITLE ? "SetTitle" : "SetDescription",
                    g_variant_new("(s@a{sv})", text, call_options(call)));
        else
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: there is no metadata of type %d", type);
}

static void on_element(Call *call, GVariant *reply) {
        const char *text;
        g_variant_get(reply, "(&s)", &text);
        if (*text) {
                g_autofree char *bare = document_without_namespace(text), *styled = style_document(bare);
                call_answer(call, g_variant_new("(s)", styled));
        } else
                call_refuse(call, LIBVIRT_NO_DOMAIN_METADATA, "metadata not found: Requested metadata element is not present");
}

static void answer_text(Call *call, const char *text) {
        if (text && *text)
                call_answer(call, g_variant_new("(s)", text));
        else
                call_refuse(call, LIBVIRT_NO_DOMAIN_METADATA, "metadata not found: Requested metadata element is not present");
}

/* Titles and descriptions are short: the properties have what a document has. */
static void on_texts(Call *call, GVariant *properties) {
        int32_t type;
        const char *text = "";
        g_variant_get_child(call->arguments, 1, "i", &type);
        g_variant_lookup(properties, type == METADATA_TITLE ? "Title" : "Description", "&s", &text);
        answer_text(call, text);
}

/* What the properties have is the running guest's: a definition may have another. */
static void on_definition(Call *call, GVariant *reply) {
        g_autoptr(xmlDoc) document = NULL;
        int32_t type;
        xmlNode *root = row_root(call, reply, &document);
        if (!root)
                return;
        g_variant_get_child(call->arguments, 1, "i", &type);
        g_autofree char *text = document_value(root, type == METADATA_TITLE ? "title" : "description");
        answer_text(call, text);
}

static void ask_element(Call *call, GVariant *properties) {
        (void) properties;
        call_ask(call, call->domain, DOMAIN, "GetMetadata",
                 g_variant_new("(s@a{sv})", or_empty(call_optional(call, 2)), call_options(call)), "(s)", on_element);
}

static void get_metadata(Call *call) {
        int32_t type;
        g_variant_get_child(call->arguments, 1, "i", &type);
        if (type == METADATA_ELEMENT && call->flags & AFFECT_LIVE)
                row_if_active(call, ask_element);
        else if (type == METADATA_ELEMENT)
                ask_element(call, NULL);
        else if ((type == METADATA_TITLE || type == METADATA_DESCRIPTION) && call->flags)
                row_document(call, on_definition);
        else if (type == METADATA_TITLE || type == METADATA_DESCRIPTION)
                call_read(call, call->domain, DOMAIN, on_texts);
        else
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: there is no metadata of type %d", type);
}

static const ErrorChange is_there_already[] = { { LIBVIRT_OPERATION_FAILED, LIBVIRT_INVALID_ARG }, {} };

const CallRow tune_calls[] = {
        { REMOTE_DOMAIN_SET_MEMORY, set_memory, NULL, CHANGES },
        { REMOTE_DOMAIN_SET_MEMORY_FLAGS, set_memory, NULL, CHANGES, size_flags },
        { REMOTE_DOMAIN_SET_MAX_MEMORY, set_memory, NULL, CHANGES },
        { REMOTE_DOMAIN_SET_VCPUS, set_vcpus, NULL, CHANGES, NULL, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_SET_VCPUS_FLAGS, set_vcpus, NULL, CHANGES, vcpus_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_GET_VCPUS_FLAGS, get_vcpus, NULL, READS, vcpus_flags },
        { REMOTE_DOMAIN_PIN_VCPU, pin_thread, "PinVCPU", CHANGES },
        { REMOTE_DOMAIN_PIN_VCPU_FLAGS, pin_thread, "PinVCPU", CHANGES, affect_flags },
        { REMOTE_DOMAIN_PIN_IOTHREAD, pin_thread, "PinIOThread", CHANGES, affect_flags },
        { REMOTE_DOMAIN_PIN_EMULATOR, pin_emulator, "PinEmulator", CHANGES, affect_flags },
        { REMOTE_DOMAIN_ADD_IOTHREAD, change_iothread, "AddIOThread", CHANGES, affect_flags, .errors = is_there_already },
        { REMOTE_DOMAIN_DEL_IOTHREAD, change_iothread, "RemoveIOThread", CHANGES, affect_flags },
        { REMOTE_DOMAIN_SET_IOTHREAD_PARAMS, set_iothread, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_SET_VCPU, set_vcpu, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_SET_LIFECYCLE_ACTION, set_lifecycle_action, NULL, CHANGES, affect_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_RENAME, rename_domain, NULL, CHANGES },
        { REMOTE_DOMAIN_SET_METADATA, set_metadata, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_GET_METADATA, get_metadata, NULL, READS, metadata_flags },
        {},
};
