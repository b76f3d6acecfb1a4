/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a domain, a disk or a card of it may use of its host: libvirt's typed parameters, which the document has as elements and
 * the bus as limits. What is read is what the document says; what is changed is changed by the bus. */

#include <string.h>

#include "calls.h"
#include "rows.h"
#include "tunables.h"
#include "usage.h"

#define DOMAIN INTERFACE("Domain")
#define DISK INTERFACE("Device.Disk")
#define CARD INTERFACE("Device.NetworkInterface")

static const FlagOption get_flags[] = { { AFFECT_LIVE, NULL }, { AFFECT_CONFIG, NULL }, FLAG_STRINGS_OKAY, {} };

/* Parameters that are read and set together. */
typedef struct Group {
        const Tunable *tunables;
        GVariant *(*value)(const Tunable *tunable, xmlNode *node); /* what the document says of one */
        bool no_room_is_count; /* where a client has no room, only their number is answered, as most procedures have it */
        uint32_t procedures[4];
} Group;

/* Answers the parameters of a node of the document, as many as the client has room for. PLACE: which argument the room is. */
static void answer(Call *call, const Group *group, xmlNode *node, size_t place) {
        GVariantBuilder parameters;
        int32_t room, n = tunables_count(group->tunables);
        g_variant_get_child(call->arguments, place, "i", &room);
        g_variant_builder_init(&parameters, G_VARIANT_TYPE("a(sv)"));
        for (int32_t i = 0; i < MIN(room, n); i++)
                g_variant_builder_add(&parameters, "(sv)", group->tunables[i].name, group->value(&group->tunables[i], node));
        if (!group->no_room_is_count)
                call_answer(call, g_variant_new("(a(sv))", &parameters));
        else
                call_answer(call, g_variant_new("(a(sv)i)", &parameters, room > 0 ? MIN(room, n) : n));
}

/* Where both are asked for, neither is meant. */
static void read_document(Call *call, CallStep step) {
        if (call->flags & AFFECT_LIVE && call->flags & AFFECT_CONFIG)
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            "invalid argument: unsupported flags combination: VIR_DOMAIN_AFFECT_LIVE and "
                            "VIR_DOMAIN_AFFECT_CONFIG");
        else
                row_document(call, step);
}

static const Group groups[] = {
        { tunables_scheduler,
          tunable_value,
          false,
          { REMOTE_DOMAIN_GET_SCHEDULER_PARAMETERS, REMOTE_DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS,
            REMOTE_DOMAIN_SET_SCHEDULER_PARAMETERS, REMOTE_DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS } },
        { tunables_memory, tunable_value, true, { REMOTE_DOMAIN_GET_MEMORY_PARAMETERS, REMOTE_DOMAIN_SET_MEMORY_PARAMETERS } },
        { tunables_weights,
          tunable_value_of_devices,
          true,
          { REMOTE_DOMAIN_GET_BLKIO_PARAMETERS, REMOTE_DOMAIN_SET_BLKIO_PARAMETERS } },
        { tunables_nodes,
          tunable_value_of_nodes,
          true,
          { REMOTE_DOMAIN_GET_NUMA_PARAMETERS, REMOTE_DOMAIN_SET_NUMA_PARAMETERS } },
};

/* Those of a domain that a procedure of this file is about. */
static const Group *group_of(const Call *call) {
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(groups[i].procedures); j++)
                        if (groups[i].procedures[j] == call->row->procedure)
                                return &groups[i];
        g_assert_not_reached();
}

static void get_scheduler_type(Call *call) {
        call_answer(call, g_variant_new("(si)", "posix", tunables_count(tunables_scheduler)));
}

static void on_domain_document(Call *call, GVariant *reply) {
        g_autoptr(xmlDoc) document = NULL;
        xmlNode *root = row_root(call, reply, &document);
        if (root)
                answer(call, group_of(call), root, 1);
}

static void get_of_domain(Call *call) {
        read_document(call, on_domain_document);
}

/* A kind of devices that has limits. */
typedef struct LimitedKind {
        const char *element;       /* of the document */
        const char *name, *second; /* where that has what clients name it by */
        const char *interface, *method;
        const char *missing; /* what is said where there is none; with one %s */
        GPtrArray *(*list)(GVariant *objects);
        Group group;
} LimitedKind;

static const LimitedKind disk_kind = {
        .element = "disk",
        .name = "target@dev",
        .second = "source@file",
        .interface = DISK,
        .method = "SetIOLimits",
        .missing = "invalid argument: disk '%s' was not found in the domain config",
        .list = usage_disks,
        .group = { tunables_throttles, tunable_value, true },
};

static const LimitedKind card_kind = {
        .element = "interface",
        .name = "target@dev",
        .second = "mac@address",
        .interface = CARD,
        .method = "SetBandwidth",
        .missing = "invalid argument: Can't find device %s",
        .list = usage_cards,
        .group = { tunables_bandwidth, tunable_value, true },
};

static const LimitedKind *kind_of(const Call *call) {
        return call->row->procedure == REMOTE_DOMAIN_GET_BLOCK_IO_TUNE || call->row->procedure == REMOTE_DOMAIN_SET_BLOCK_IO_TUNE
                               ? &disk_kind
                               : &card_kind;
}

static bool is_named(xmlNode *device, const char *path, const char *name) {
        g_autofree char *value = document_value(device, path);
        return value && g_ascii_strcasecmp(value, name) == 0;
}

static xmlNode *find_device(const LimitedKind *kind, xmlNode *root, const char *name) {
        xmlNode *devices = document_find(root, "devices"), *device = devices ? xmlFirstElementChild(devices) : NULL;
        while (device && (strcmp((const char *) device->name, kind->element) != 0 ||
                          (!is_named(device, kind->name, name) && !is_named(device, kind->second, name))))
                device = xmlNextElementSibling(device);
        return device;
}

G_GNUC_PRINTF(2, 0)
static void refuse_missing(Call *call, const char *format, const char *name) {
        g_autofree char *message = g_strdup_printf(format, name);
        call_refuse(call, LIBVIRT_INVALID_ARG, "%s", message);
}

/* The name of a device: it may be left out where only the number of parameters is asked for. */
static const char *device_name(const Call *call) {
        return call->row->procedure == REMOTE_DOMAIN_GET_BLOCK_IO_TUNE ? call_optional(call, 1) : call_string(call, 1);
}

static void on_device_document(Call *call, GVariant *reply) {
        const LimitedKind *kind = kind_of(call);
        const char *name = device_name(call);
        g_autoptr(xmlDoc) document = NULL;
        xmlNode *root = row_root(call, reply, &document);
        if (!root)
                return;
        xmlNode *device = name ? find_device(kind, root, name) : NULL;
        int32_t room;
        g_variant_get_child(call->arguments, 2, "i", &room);
        if (device || (room <= 0 && !name))
                answer(call, &kind->group, device, 2);
        else
                refuse_missing(call, kind->missing, name ? name : "");
}

static void get_of_device(Call *call) {
        read_document(call, on_device_document);
}

/* What a call gives: by the place of its parameter in the table. */
typedef struct Given {
        const Tunable *tunables;
        GVariant *values[24]; /* NULL for one that is not given; as many as the largest table has, and more */
} Given;

static void given_free(void *data) {
        Given *given = data;
        for (size_t i = 0; i < G_N_ELEMENTS(given->values); i++)
                g_clear_pointer(&given->values[i], g_variant_unref);
        g_free(given);
}

/* Takes one parameter; returns false with the call refused for one that cannot be. */
static bool take(Call *call, Given *given, const char *name, GVariant *value) {
        const Tunable *tunable = given->tunables;
        while (tunable->name && strcmp(tunable->name, name) != 0)
                tunable++;
        size_t place = (size_t) (tunable - given->tunables);
        bool fine = false;
        if (!tunable->name)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: parameter '%s' not supported", name);
        else if (strcmp(g_variant_get_type_string(value), tunable->type) != 0)
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            "invalid argument: invalid type '%s' requested for parameter '%s', expected '%s'",
                            g_variant_get_type_string(value), name, tunable->type);
        else if (given->values[place])
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: parameter '%s' occurs multiple times", name);
        else if (!tunable_is_in_range(tunable, value))
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            "invalid argument: value of '%s' is out of range [%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT "]",
                            name, tunable->least, tunable->most);
        else {
                given->values[place] = g_variant_ref(value);
                fine = true;
        }
        return fine;
}

/* Reads the parameters that a call gives; NULL, with the call refused, where one cannot be. The call keeps them. PLACE: which
 * argument they are. */
static Given *read_given(Call *call, const Tunable *tunables, size_t place) {
        g_autoptr(GVariant) parameters = g_variant_get_child_value(call->arguments, place);
        Given *given = g_new0(Given, 1);
        bool fine = true;
        given->tunables = tunables;
        g_assert((size_t) tunables_count(tunables) <= G_N_ELEMENTS(given->values));
        call->state = given;
        call->free_state = given_free;
        for (size_t i = 0; fine && i < g_variant_n_children(parameters); i++) {
                const char *name;
                g_autoptr(GVariant) value = NULL;
                g_variant_get_child(parameters, i, "(&sv)", &name, &value);
                fine = take(call, given, name, value);
        }
        return fine ? given : NULL;
}

/* The first parameter that is given and that the bus has no limit for; NULL for none. */
static const char *not_settable(const Given *given) {
        const char *name = NULL;
        for (size_t i = 0; !name && given->tunables[i].name; i++)
                if (given->values[i] && !given->tunables[i].limit)
                        name = given->tunables[i].name;
        return name;
}

static bool refuse_not_settable(Call *call, const Given *given) {
        const char *name = not_settable(given);
        if (name)
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "argument unsupported: virtbus does not set the parameter '%s'",
                            name);
        return name != NULL;
}

static void set_of_domain(Call *call) {
        const Tunable *tunables = group_of(call)->tunables;
        GVariantBuilder limits;
        const Given *given = read_given(call, tunables, 1);
        if (!given || refuse_not_settable(call, given))
                return;
        g_variant_builder_init(&limits, G_VARIANT_TYPE("a{st}"));
        for (size_t i = 0; tunables[i].name; i++)
                if (given->values[i])
                        g_variant_builder_add(&limits, "{st}", tunables[i].limit,
                                              tunable_limit_of(&tunables[i], given->values[i]));
        call_ask(call, call->domain, DOMAIN, "SetLimits", g_variant_new("(a{st}@a{sv})", &limits, call_options(call)), "()",
                 step_answer_nothing);
}

/* The mode may be named, as long as it is what it is. */
static void on_nodes_to_set(Call *call, GVariant *reply) {
        const Given *given = call->state;
        g_autoptr(xmlDoc) document = NULL;
        xmlNode *root = row_root(call, reply, &document);
        if (!root)
                return;
        if (given->values[0] && g_variant_get_int32(given->values[0]) != tunable_mode_in(root))
                call_refuse(call, LIBVIRT_OPERATION_INVALID,
                            "Requested operation is not valid: the numatune mode is changed by a new definition");
        else if (given->values[1])
                call_ask(call, call->domain, DOMAIN, "SetMemoryNodes",
                         g_variant_new("(s@a{sv})", g_variant_get_string(given->values[1], NULL), call_options(call)), "()",
                         step_answer_nothing);
        else
                call_answer_nothing(call);
}

static void set_nodes(Call *call) {
        if (read_given(call, tunables_nodes, 1))
                row_document(call, on_nodes_to_set);
}

/* Limits that exclude each other make a document that is not valid: here they are arguments. */
static bool on_excluding(Call *call, const GError *error) {
        if (error->code != LIBVIRT_XML_ERROR)
                return false;
        call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: %s", error->message);
        return true;
}

static void on_objects(Call *call, GVariant *reply) {
        const LimitedKind *kind = kind_of(call);
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0), limits = g_variant_ref(call->state);
        g_autoptr(GPtrArray) devices = kind->list(objects);
        const UsageDevice *device = usage_find(devices, device_name(call));
        call->on_error = on_excluding;
        if (device)
                call_ask(call, device->path, kind->interface, kind->method,
                         g_variant_new("(@a{st}@a{sv})", limits, call_options(call)), "()", step_answer_nothing);
        else
                refuse_missing(call, kind->missing, device_name(call));
}

static bool is_group_given(const Given *given, const char *group) {
        bool is_given = false;
        for (size_t i = 0; given->tunables[i].name; i++)
                is_given |= given->values[i] && g_strcmp0(given->tunables[i].group, group) == 0;
        return is_given;
}

/* The limits that the device shall have: of a group that is given that, of the others what it has. */
static GVariant *merge(const Given *given, xmlNode *device) {
        GVariantBuilder limits;
        g_variant_builder_init(&limits, G_VARIANT_TYPE("a{st}"));
        for (size_t i = 0; given->tunables[i].name; i++) {
                const Tunable *tunable = &given->tunables[i];
                if (!tunable->limit)
                        continue;
                uint64_t unit = tunable->unit > 0 ? tunable->unit : 1;
                uint64_t limit = given->values[i]                         ? tunable_limit_of(tunable, given->values[i])
                                 : !is_group_given(given, tunable->group) ? tunable_number_in(tunable, device) * unit
                                                                          : 0;
                if (limit > 0)
                        g_variant_builder_add(&limits, "{st}", tunable->limit, limit);
        }
        return g_variant_ref_sink(g_variant_builder_end(&limits));
}

static void on_device_to_set(Call *call, GVariant *reply) {
        const LimitedKind *kind = kind_of(call);
        g_autoptr(xmlDoc) document = NULL;
        xmlNode *root = row_root(call, reply, &document), *device = root ? find_device(kind, root, device_name(call)) : NULL;
        if (!root)
                return;
        if (!device) {
                refuse_missing(call, kind->missing, device_name(call));
                return;
        }
        GVariant *limits = merge(call->state, device);
        call->free_state(call->state);
        call->state = limits;
        call->free_state = (GDestroyNotify) g_variant_unref;
        row_objects(call, on_objects);
}

static void set_of_device(Call *call) {
        const Given *given = read_given(call, kind_of(call)->group.tunables, 2);
        if (given && !refuse_not_settable(call, given))
                row_document(call, on_device_to_set);
}

const CallRow limit_calls[] = {
        { REMOTE_DOMAIN_GET_SCHEDULER_TYPE, get_scheduler_type },
        { REMOTE_DOMAIN_GET_SCHEDULER_PARAMETERS, get_of_domain },
        { REMOTE_DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS, get_of_domain, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_SCHEDULER_PARAMETERS, set_of_domain, NULL, CHANGES },
        { REMOTE_DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS, set_of_domain, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_GET_MEMORY_PARAMETERS, get_of_domain, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_MEMORY_PARAMETERS, set_of_domain, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_GET_BLKIO_PARAMETERS, get_of_domain, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_BLKIO_PARAMETERS, set_of_domain, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_GET_NUMA_PARAMETERS, get_of_domain, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_NUMA_PARAMETERS, set_nodes, NULL, CHANGES, affect_flags },
        { REMOTE_DOMAIN_GET_BLOCK_IO_TUNE, get_of_device, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_BLOCK_IO_TUNE, set_of_device, NULL, CHANGES, affect_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_GET_INTERFACE_PARAMETERS, get_of_device, NULL, READS, get_flags },
        { REMOTE_DOMAIN_SET_INTERFACE_PARAMETERS, set_of_device, NULL, CHANGES, affect_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        {},
};
