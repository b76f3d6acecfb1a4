/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/device-change.h"

#include <inttypes.h>
#include <string.h>

#include "domain/connection-define.h"
#include "domain/connection.h"
#include "domain/definition-edit.h"
#include "domain/device-alias.h"
#include "domain/device-elements.h"
#include "domain/disk-jobs.h"
#include "domain/domain-signal.h"
#include "domain/offers.h"
#include "domain/owners-rights.h"
#include "domain/domain-status.h"
#include "domain/operations/resize.h"
#include "domain/run-only.h"
#include "vtables.h"

static bool change_proceed(Operation *operation);

typedef struct Change {
        Operation operation;
        DeviceChange *change;
} Change;

DeviceChange *device_change_of(const Operation *operation) {
        return operation && operation->class->proceed == change_proceed ? ((const Change *) operation)->change : NULL;
}

Operation *change_new(const OperationClass *class, Call *call, DeviceChange *change) {
        Operation *operation = operation_new(class, call);
        ((Change *) operation)->change = change;
        return operation;
}

/* Documents */

/* The device of another definition of the same domain: disks by their name, cards by their address, others by alias. */
static const DeviceDefinition *find_same(const Definition *definition, const DeviceDefinition *device) {
        for (guint i = 0; i < definition->devices->len; i++) {
                const DeviceDefinition *other = definition->devices->pdata[i];
                if (strcmp(other->kind, device->kind) != 0)
                        continue;
                const char *one = device->alias, *two = other->alias;
                if (device->device_class == DEVICE_DISK) {
                        one = device->target;
                        two = other->target;
                } else if (device->device_class == DEVICE_NETWORK_INTERFACE) {
                        one = device->mac;
                        two = other->mac;
                }
                if (strcmp(one, two) == 0)
                        return other;
        }
        return NULL;
}

/* Puts a new element after the others of its kind. */
static void insert(xmlNode *devices, xmlNode *element) {
        xmlNode *last = NULL;
        for (xmlNode *other = xml_child(devices, (const char *) element->name); other;
             other = xml_next(other, (const char *) element->name))
                last = other;
        if (last)
                xmlAddNextSibling(last, element);
        else
                xmlAddChild(devices, element);
}

/* The element with an address and an alias that the old one has and the new one leaves out. */
static void replace(xmlNode *old, xmlNode *element) {
        static const char *const kept[] = { "alias", "address" };
        for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
                xmlNode *part = xml_child(old, kept[i]);
                if (part && !xml_child(element, kept[i]))
                        xmlAddChild(element, xmlDocCopyNode(part, element->doc, 1));
        }
        run_only_keep_port(old, element);
        xmlReplaceNode(old, element);
        xmlFreeNode(old);
}

/* Numbers an element among those of a running guest, whose aliases stay as they are. */
static void choose_alias(const Definition *definition, xmlNode *element) {
        const char *prefix = device_alias_new_prefix(element);
        if (!prefix || xml_child(element, "alias"))
                return;
        for (unsigned i = 0;; i++) {
                g_autofree char *alias = g_strdup_printf("%s%u", prefix, i);
                if (definition_find_device(definition, alias))
                        continue;
                xml_set_attribute(xml_ensure_child(element, "alias"), "name", alias);
                return;
        }
}

/* A running guest's other devices are as they are: what was chosen for this run, as a display's port, is not chosen again. */
static void keep_others(const Definition *base, xmlDoc *document, const xmlNode *element) {
        g_autoptr(xmlDoc) before = definition_document(base, NULL);
        for (xmlNode *other = device_elements_first(document), *next; before && other; other = next) {
                next = device_elements_next(other);
                g_autofree char *alias = xml_attribute(xml_child(other, "alias"), "name");
                xmlNode *old = other != element && alias ? definition_find_element(before, base, alias) : NULL;
                if (!old)
                        continue;
                xmlReplaceNode(other, xmlDocCopyNode(old, document, 1));
                xmlFreeNode(other);
        }
}

/* What a definition becomes: BASE with the change. *DOCUMENT is that of the result; the alias is that of the device in it. */
static Definition *apply(const Operation *operation, const Definition *base, bool live, xmlDoc **result, char **alias,
                         GError **error) {
        const DeviceChange *change = device_change_of(operation);
        Connection *connection = operation->domain->connection;
        g_autoptr(xmlDoc) document = definition_document(base, error);
        xmlNode *element = NULL;
        if (!document)
                return NULL;
        if (change->element)
                element = xmlDocCopyNode(xmlDocGetRootElement(change->element), document, 1);
        if (operation_is(operation, &attach_class)) {
                insert(xml_ensure_child(xmlDocGetRootElement(document), "devices"), element);
                if (live)
                        choose_alias(base, element);
        } else if (operation_is(operation, &resize_class)) {
                if (!resize_apply(operation->domain, change, base, xmlDocGetRootElement(document), error))
                        return NULL;
        } else {
                const DeviceDefinition *known = definition_find_device(change->known, change->alias);
                const DeviceDefinition *same = known ? find_same(base, known) : NULL;
                xmlNode *old = same ? definition_find_element(document, base, same->alias) : NULL;
                if (!old) {
                        if (element)
                                xmlFreeNode(element);
                        domain_fail(operation->domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "%s has no device '%s'",
                                    live ? "the running guest" : "its definition", change->alias);
                        return NULL;
                }
                if (element && !xml_is(element, (const char *) old->name)) {
                        domain_fail(operation->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                    "device '%s' is of kind <%s>, not <%s>", change->alias, (const char *) old->name,
                                    (const char *) element->name);
                        xmlFreeNode(element);
                        return NULL;
                }
                if (operation_is(operation, &detach_class)) {
                        xml_remove(old);
                        return definition_from_document(document, error);
                }
                if (element)
                        replace(old, element);
                else
                        element = old;
                device_change_apply_edits(change, element);
        }
        const Hypervisor *hypervisor = connection->hypervisor;
        if (!live) /* what was shown of a run */
                run_only_drop(document);
        if (HYPERVISOR_HAS(hypervisor, documents, complete) && !hypervisor->documents->complete(connection, document, error))
                return NULL;
        if (live)
                keep_others(base, document, element);
        g_autoptr(Definition) definition = definition_from_document(document, error);
        if (!definition || (!live && HYPERVISOR_HAS(hypervisor, documents, check) &&
                            !hypervisor->documents->check(connection, definition, document, false, error)))
                return NULL;
        if (!operation_is(operation, &resize_class) && !owners_rights_check_change(operation->domain, definition, live, error))
                return NULL; /* to tune a domain has an action of its own */
        guint index = 0;
        for (xmlNode *other = device_elements_first(document); other && other != element; other = device_elements_next(other))
                index++;
        if (element && index >= definition->devices->len) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "<%.64s> is not a device", (const char *) element->name);
                return NULL;
        }
        if (alias)
                *alias = g_strdup(((DeviceDefinition *) definition->devices->pdata[index])->alias);
        if (live)
                definition_write_aliases(definition, document);
        *result = g_steal_pointer(&document);
        return g_steal_pointer(&definition);
}

/* Beginning */

/* Where the change takes effect. */
static bool choose_sides(const Operation *operation, bool *live, bool *config, GError **error) {
        const DeviceChange *change = device_change_of(operation);
        const Domain *domain = operation->domain;
        bool active = domain_is_active(domain);
        *live = change->live || (!change->config && active);
        *config = change->config || (!change->live && !active);
        if (*live && !active)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "it is %s; leave out the option live to change its definition",
                                   domain_state_name(domain->state));
        return !*config || domain->persistent ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "it is transient and has no definition to change; leave out the option config");
}

/* A card needs its address before it is in two places. */
static void choose_mac(DeviceChange *change) {
        xmlNode *root = change->element ? xmlDocGetRootElement(change->element) : NULL;
        if (!root || !xml_is(root, "interface") || xml_child(root, "mac") || xml_attribute_is(root, "type", "hostdev"))
                return;
        g_autofree char *address = device_definition_random_mac();
        xml_set_attribute(xml_add(root, "mac", NULL), "address", address);
}

/* DOER: what the hypervisor does to a running guest, or NULL. */
static void begin(Operation *operation, void (*doer)(Operation *operation)) {
        DeviceChange *change = device_change_of(operation);
        Domain *domain = operation->domain;
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) persistent = NULL;
        bool live, config, adds = operation_is(operation, &attach_class), fine = choose_sides(operation, &live, &config, &error);
        change->known = definition_ref(domain_definition(domain));
        if (fine && adds)
                choose_mac(change);
        if (fine && live && !change->is_words)
                fine = offers_check_domain(domain, doer, "change of a running domain; use the option config", &error);
        if (fine && config) { /* tried before anything is changed; what is written is made of what there is then */
                change->persistent = apply(operation, domain->persistent, false, &persistent,
                                           adds && !live ? &change->alias : NULL, &error);
                fine = change->persistent != NULL;
        }
        if (fine && live && !adds && change->alias)
                fine = disk_jobs_check_none(domain, change->alias, "it is changed", &error);
        if (fine && live && operation_is(operation, &detach_class) && !definition_find_device(domain->live, change->alias))
                fine = domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "device '%s' is gone already", change->alias);
        else if (fine && live && !operation_is(operation, &detach_class)) {
                change->next = apply(operation, domain->live, true, &change->document, adds ? &change->alias : NULL, &error);
                fine = change->next != NULL;
        }
        if (fine && adds)
                change->path = domain_device_path(domain, change->alias);
        if (fine && live && !change->is_words)
                doer(operation);
        else
                operation_finish(operation, error);
}

#define DOER(operation, function) \
        (HYPERVISOR_HAS((operation)->domain->connection->hypervisor, devices, function) \
                         ? (operation)->domain->connection->hypervisor->devices->function \
                         : NULL)

static void attach_begin(Operation *operation) {
        begin(operation, DOER(operation, attach));
}

static void detach_begin(Operation *operation) {
        begin(operation, DOER(operation, detach));
}

static void update_begin(Operation *operation) {
        begin(operation, DOER(operation, update));
}

static void resize_begin(Operation *operation) {
        begin(operation, DOER(operation, resize));
}

/* Following */

/* What no property tells of. */
static void signal_change(const Domain *domain, const DeviceChange *change) {
        if (change->metadata_uri)
                domain_signal_metadata(domain, change->metadata_uri);
}

/* The definition is changed, or cannot be. */
static void end_storing(Operation *operation, const GError *error) {
        DeviceChange *change = device_change_of(operation);
        g_autoptr(Domain) domain = operation->domain; /* the reference that was held */
        Turn *turn = g_steal_pointer(&change->turn);
        g_autoptr(GError) failure = NULL;
        change->storing = false;
        change->stored = true;
        if (!error)
                signal_change(domain, change);
        if (error && domain_is_active(domain) && (change->next || operation_is(operation, &detach_class)))
                domain_fail(domain, &failure, virtbus_error_code(error),
                            "the running guest has changed, but its definition has not: %s", error->message);
        operation_finish(operation, failure ? failure : error);
        if (turn)
                turn_end(turn);
}

static void on_stored(void *data, const GError *error) {
        Operation *operation = data;
        if (!error)
                domain_redefine(operation->domain, device_change_of(operation)->persistent);
        end_storing(operation, error);
}

/* What was defined meanwhile is what is changed. */
static void on_turn(void *data, Turn *turn, const GError *cancelled) {
        Operation *operation = data;
        DeviceChange *change = device_change_of(operation);
        Domain *domain = operation->domain;
        g_autoptr(GError) error = cancelled ? g_error_copy(cancelled) : NULL;
        g_autoptr(xmlDoc) document = NULL;
        g_autofree char *alias = NULL;
        change->turn = turn;
        g_clear_pointer(&change->persistent, definition_unref);
        if (turn && !domain->persistent)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "its definition was taken away meanwhile");
        else if (turn)
                change->persistent = apply(operation, domain->persistent, false, &document,
                                           operation_is(operation, &attach_class) && !change->next ? &alias : NULL, &error);
        if (!change->persistent) {
                end_storing(operation, error);
                return;
        }
        if (alias) {
                g_free(change->path);
                change->path = domain_device_path(domain, alias);
        }
        connection_store(domain, change->persistent, on_stored, operation);
}

/* All are found before the first goes, as that is by their places. */
static void remove_gone(DeviceChange *change) {
        g_autoptr(GPtrArray) elements = g_ptr_array_new();
        for (guint i = 0; i < change->gone->len; i++) {
                xmlNode *element = definition_find_element(change->document, change->next, change->gone->pdata[i]);
                if (element && !g_ptr_array_find(elements, element, NULL))
                        g_ptr_array_add(elements, element);
        }
        g_ptr_array_foreach(elements, (GFunc) (void (*)(void)) xml_remove, NULL);
}

static bool change_proceed(Operation *operation) {
        DeviceChange *change = device_change_of(operation);
        Domain *domain = operation->domain;
        g_autoptr(GError) error = NULL;
        if (change->stored)
                return false;
        if (change->document)
                remove_gone(change);
        if (change->document && domain->live) {
                g_autoptr(Definition) live = definition_from_document(change->document, &error);
                if (live) {
                        definition_keep(live, g_steal_pointer(&change->document));
                        domain_set_live(domain, live);
                        domain_save_status(domain);
                }
        }
        if (!change->persistent) {
                signal_change(domain, change);
                return false;
        }
        change->storing = true;
        domain_ref(domain);
        turns_take(domain->connection->turns, domain->uuid, domain_name(domain), on_turn, operation);
        return true;
}

static void change_free(Operation *operation) {
        device_change_free(device_change_of(operation));
}

/* Devices that go while others come, or change, are missing in what becomes of the document too. */
static void change_device_gone(Operation *operation, const char *alias) {
        g_ptr_array_add(device_change_of(operation)->gone, g_strdup(alias));
}

static void change_memory_changed(Operation *operation, uint64_t bytes) {
        const DeviceChange *change = device_change_of(operation);
        if (change->document)
                definition_edit_memory(xmlDocGetRootElement(change->document), bytes);
}

/* One that writes the definition goes on with that. */
static OperationFate change_fate(const Operation *operation) {
        return device_change_of(operation)->storing ? OPERATION_GOES_ON : OPERATION_FAILS;
}

static void attach_reply(Operation *operation, Call *call) {
        reply_domain_attach_device(call, device_change_of(operation)->path);
}

#define CHANGE_CLASS(kind, method, ...) \
        { \
                .name = (method), .states = IN_SETTLED, .needs = "have started or stopped", .size = sizeof(Change), \
                .begin = kind##_begin, .proceed = change_proceed, .fate = change_fate, .device_gone = change_device_gone, \
                .memory_changed = change_memory_changed, .free = change_free, __VA_ARGS__ \
        }

const OperationClass attach_class = CHANGE_CLASS(attach, "AttachDevice", .reply = attach_reply);
const OperationClass detach_class = CHANGE_CLASS(detach, "Detach");
const OperationClass update_class = CHANGE_CLASS(update, "Update");
const OperationClass resize_class = CHANGE_CLASS(resize, "SetMemory, SetVCPUs and their like");
