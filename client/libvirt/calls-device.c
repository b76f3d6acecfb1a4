/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices: libvirt names one by its element, the bus by its object. */

#include <string.h>
#include <systemd/sd-bus.h>

#include "associated.h"
#include "calls.h"
#include "documents.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")
#define DEVICE INTERFACE("Device")
#define DISK INTERFACE("Device.Disk")
#define CARD INTERFACE("Device.NetworkInterface")

static const FlagOption device_flags[] = { { 1, "live" }, { 2, "config" }, {} };
static const FlagOption update_flags[] = { { 1, "live" }, { 2, "config" }, { 4, "force" }, {} };

#define NO_BALLOON "Requested operation is not valid: Memory balloon model must be virtio to set the collection period"

/* What the client's element is compared with: of the devices of its kind, those that are not yet looked at. */
typedef struct Search {
        xmlDoc *document;
        xmlNode *element;
        GPtrArray *candidates; /* paths */
        char *found;
        unsigned int next;
} Search;

static void search_free(void *data) {
        Search *search = data;
        xmlFreeDoc(search->document);
        g_ptr_array_unref(search->candidates);
        g_free(search->found);
        g_free(search);
}

/* Procedures without flags mean the running guest. */
static GVariant *options_of(Call *call) {
        GVariantBuilder options;
        if (call->procedure->flags >= 0)
                return call_options(call);
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&options, "{sv}", "live", g_variant_new_boolean(TRUE));
        return g_variant_builder_end(&options);
}

/* Goes on, once a domain whose running guest is meant is known to run: else nothing that the call hands in is looked at. */
static void when_it_runs(Call *call, CallStep step) {
        bool is_live = call->procedure->flags < 0 || (call->flags & AFFECT_LIVE);
        if (is_live)
                row_if_active(call, step);
        else
                step(call, NULL);
}

static void do_attach(Call *call, GVariant *unused) {
        (void) unused;
        g_autoptr(GUnixFDList) fds = NULL;
        GVariant *options = associated_add(call->client, call->domain, options_of(call), &fds);
        call_ask_with_fds(call, call->domain, DOMAIN, "AttachDevice", g_variant_new("(s@a{sv})", call_string(call, 1), options),
                          fds, "(o)", step_answer_nothing);
}

static void attach(Call *call) {
        when_it_runs(call, do_attach);
}

/* libvirt waits for the guest for some seconds only, and an event tells when the device has left. */
static bool on_slow_guest(Call *call, const GError *error) {
        if (error->code != LIBVIRT_OPERATION_TIMEOUT)
                return false;
        call_answer_nothing(call);
        return true;
}

static void detach(Call *call, const char *path, GVariant *options) {
        call->on_error = on_slow_guest;
        call_ask(call, path, DEVICE, "Detach", g_variant_new("(@a{sv})", options), "()", step_answer_nothing);
}

/* The device was found: the row's method is called. */
static void change(Call *call, const char *path) {
        g_autoptr(GUnixFDList) fds = NULL;
        if (g_str_equal(call->row->member, "Update")) {
                GVariant *options = associated_add(call->client, call->domain, call_options(call), &fds);
                call_ask_with_fds(call, path, DEVICE, "Update", g_variant_new("(s@a{sv})", call_string(call, 1), options), fds,
                                  "()", step_answer_nothing);
        } else
                detach(call, path, options_of(call));
}

static void look_at_next(Call *call);

static void on_xml(Call *call, GVariant *reply) {
        Search *search = call->state;
        const char *text;
        g_variant_get(reply, "(&s)", &text);
        g_autoptr(xmlDoc) document = document_read(text, NULL);
        bool is_it = document && document_has(xmlDocGetRootElement(document), search->element);
        if (is_it && search->found) {
                call_refuse(call, LIBVIRT_OPERATION_FAILED,
                            "several devices are as the element says: give an address or an alias");
                return;
        }
        if (is_it)
                search->found = g_strdup(search->candidates->pdata[search->next]);
        search->next++;
        look_at_next(call);
}

static void look_at_next(Call *call) {
        Search *search = call->state;
        if (search->next < search->candidates->len)
                call_ask(call, search->candidates->pdata[search->next], DEVICE, "GetXML", NULL, "(s)", on_xml);
        else if (search->found)
                change(call, search->found);
        else
                call_refuse(call, LIBVIRT_DEVICE_MISSING, "device not found: no %s of the domain is as the element says",
                            search->element->name);
}

/* What tells a device from others of its kind, where the element has it: its alias, a disk's target, a card's address. */
static const struct {
        const char *kind, *element, *attribute; /* of the client's document; NULL for any kind */
        const char *interface, *property;
} marks[] = {
        { NULL, "alias", "name", DEVICE, "Alias" },
        { "disk", "target", "dev", DISK, "Target" },
        { "interface", "mac", "address", CARD, "MAC" },
};

static bool is_of_kind(GVariant *interfaces, const char *kind) {
        g_autoptr(GVariant) device = g_variant_lookup_value(interfaces, DEVICE, G_VARIANT_TYPE_VARDICT);
        const char *found;
        return device && g_variant_lookup(device, "Kind", "&s", &found) && strcmp(found, kind) == 0;
}

/* 1 where a device's mark is the element's, 0 where it is another, -1 where the element has none. */
static int compare_marks(GVariant *interfaces, xmlNode *element) {
        int result = -1;
        for (size_t i = 0; result < 0 && i < G_N_ELEMENTS(marks); i++) {
                if (marks[i].kind && strcmp(marks[i].kind, (const char *) element->name) != 0)
                        continue;
                g_autofree char *wanted = document_attribute(element, marks[i].element, marks[i].attribute);
                g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, marks[i].interface, G_VARIANT_TYPE_VARDICT);
                const char *found = "";
                if (!wanted)
                        continue;
                if (properties)
                        g_variant_lookup(properties, marks[i].property, "&s", &found);
                result = g_ascii_strcasecmp(found, wanted) == 0;
        }
        return result;
}

static void on_devices(Call *call, GVariant *reply) {
        Search *search = call->state;
        g_autoptr(GVariantIter) objects = NULL;
        const char *path;
        GVariant *interfaces;
        g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
        while (g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                if (!is_of_kind(interfaces, (const char *) search->element->name))
                        continue;
                int compared = compare_marks(interfaces, search->element);
                if (compared > 0 && search->found) { /* cards may have the same address */
                        g_variant_unref(interfaces);
                        call_refuse(call, LIBVIRT_OPERATION_FAILED,
                                    "several devices are as the element says: give an address or an alias");
                        return;
                }
                if (compared > 0)
                        search->found = g_strdup(path);
                else if (compared < 0)
                        g_ptr_array_add(search->candidates, g_strdup(path));
        }
        look_at_next(call);
}

/* Finds the device that the element names, for the row's method. */
static void do_find(Call *call, GVariant *unused) {
        g_autoptr(GError) error = NULL;
        (void) unused;
        Search *search = g_new0(Search, 1);
        search->document = document_read(call_string(call, 1), &error);
        search->element = search->document ? xmlDocGetRootElement(search->document) : NULL;
        search->candidates = g_ptr_array_new_with_free_func(g_free);
        call->state = search;
        call->free_state = search_free;
        if (search->element)
                call_ask(call, call->domain, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})",
                         on_devices);
        else
                call_fail(call, g_steal_pointer(&error));
}

static void find(Call *call) {
        when_it_runs(call, do_find);
}

static bool on_no_alias(Call *call, const GError *error) {
        if (error->code != LIBVIRT_NO_DOMAIN)
                return on_slow_guest(call, error);
        call_refuse(call, LIBVIRT_INTERNAL_ERROR, "internal error: no device found with alias %s", call_string(call, 1));
        return true;
}

static void do_detach_alias(Call *call, GVariant *unused) {
        (void) unused;
        const char *alias = call_string(call, 1);
        call->on_error = on_no_alias;
        g_autofree char *escaped = NULL;
        if (sd_bus_path_encode("/x", alias, &escaped) < 0)
                call_refuse(call, LIBVIRT_NO_MEMORY, "out of memory");
        else {
                g_autofree char *path = g_strconcat(call->domain, "/device/", escaped + strlen("/x/"), NULL);
                call_ask(call, path, DEVICE, "Detach", g_variant_new("(@a{sv})", call_options(call)), "()", step_answer_nothing);
        }
}

static void detach_alias(Call *call) {
        when_it_runs(call, do_detach_alias);
}

static void drop(xmlNode *element, const char *name) {
        xmlNode *child = document_find(element, name);
        if (child) {
                xmlUnlinkNode(child);
                xmlFreeNode(child);
        }
}

/* The balloon with another period. Its address and alias are left out: they stay. */
static char *balloon_with(xmlNode *balloon, uint32_t period) {
        g_autofree char *number = g_strdup_printf("%u", period);
        xmlBuffer *buffer = xmlBufferCreate();
        xmlNode *stats = document_find(balloon, "stats");
        drop(balloon, "alias");
        drop(balloon, "address");
        if (!stats)
                stats = xmlNewChild(balloon, NULL, (const xmlChar *) "stats", NULL);
        xmlSetProp(stats, (const xmlChar *) "period", (const xmlChar *) number);
        if (period == 0)
                drop(balloon, "stats");
        char *text = xmlNodeDump(buffer, balloon->doc, balloon, 0, 0) > 0 ? g_strdup((const char *) xmlBufferContent(buffer))
                                                                          : NULL;
        xmlBufferFree(buffer);
        return text;
}

/* Changes the balloon of a domain's document: the device at the call's path, of the side that the option names, if any. */
static void change_balloon(Call *call, GVariant *document, const char *option, CallStep step) {
        g_autoptr(xmlDoc) owner = NULL;
        int32_t period;
        GVariantBuilder options;
        xmlNode *root = row_root(call, document, &owner), *balloon = root ? document_find(root, "devices/memballoon") : NULL;
        if (!root)
                return;
        g_variant_get_child(call->arguments, 1, "i", &period);
        g_autofree char *model = balloon ? document_attribute(balloon, NULL, "model") : NULL;
        if (!model || !g_str_has_prefix(model, "virtio")) {
                call_refuse(call, LIBVIRT_OPERATION_INVALID, NO_BALLOON);
                return;
        }
        g_autofree char *changed = balloon_with(balloon, (uint32_t) period);
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        if (option)
                g_variant_builder_add(&options, "{sv}", option, g_variant_new_boolean(TRUE));
        call_ask(call, call->state, DEVICE, "Update", g_variant_new("(sa{sv})", changed ? changed : "", &options), "()", step);
}

static void on_definition(Call *call, GVariant *reply) {
        change_balloon(call, reply, "config", step_answer_nothing);
}

/* What else the definition says of its balloon may be another than the guest's. */
static void on_guest_changed(Call *call, GVariant *reply) {
        GVariantBuilder options;
        (void) reply;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&options, "{sv}", "inactive", g_variant_new_boolean(TRUE));
        call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(a{sv})", &options), "(s)", on_definition);
}

static void on_document(Call *call, GVariant *reply) {
        bool live = call->flags & AFFECT_LIVE, config = call->flags & AFFECT_CONFIG;
        if (config && !live)
                on_definition(call, reply);
        else
                change_balloon(call, reply, live ? "live" : NULL, config ? on_guest_changed : step_answer_nothing);
}

static void on_devices_with_balloon(Call *call, GVariant *reply) {
        g_autoptr(GVariantIter) objects = NULL;
        const char *path;
        GVariant *interfaces;
        g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
        call->free_state = g_free;
        while (!call->state && g_variant_iter_next(objects, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                if (is_of_kind(interfaces, "memballoon"))
                        call->state = g_strdup(path);
                g_variant_unref(interfaces);
        }
        if (call->state)
                row_document(call, on_document);
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID, NO_BALLOON);
}

/* How often the balloon asks the guest how it uses its memory. */
static void set_statistics_period(Call *call) {
        int32_t period;
        g_variant_get_child(call->arguments, 1, "i", &period);
        if (period < 0)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: period %d must be zero or greater: it is in seconds",
                            period);
        else
                row_objects(call, on_devices_with_balloon);
}

const CallRow device_calls[] = {
        { REMOTE_DOMAIN_ATTACH_DEVICE, attach, NULL, CHANGES, NULL, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_ATTACH_DEVICE_FLAGS, attach, NULL, CHANGES, device_flags, LIBVIRT_CONFIG_UNSUPPORTED },
        { REMOTE_DOMAIN_DETACH_DEVICE, find, "Detach", CHANGES },
        { REMOTE_DOMAIN_DETACH_DEVICE_FLAGS, find, "Detach", CHANGES, device_flags },
        { REMOTE_DOMAIN_DETACH_DEVICE_ALIAS, detach_alias, NULL, CHANGES, device_flags },
        { REMOTE_DOMAIN_UPDATE_DEVICE_FLAGS, find, "Update", CHANGES, update_flags },
        { REMOTE_DOMAIN_SET_MEMORY_STATS_PERIOD, set_statistics_period, "Update", CHANGES, device_flags },
        {},
};
