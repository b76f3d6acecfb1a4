/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices that come, go and change. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

/* The first name of a disk, such as vdb, that a domain has not given. */
static char *free_target(Ctl *ctl, VirtbusDomain *domain, const char *prefix, GError **error) {
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, error);
        if (!devices)
                return NULL;
        for (int letter = 'a'; letter <= 'z'; letter++) {
                g_autofree char *target = g_strdup_printf("%s%c", prefix, letter);
                bool is_free = true;
                for (guint i = 0; i < devices->len; i++) {
                        g_autoptr(VirtbusDeviceDisk) disk = virtbus_object_get_device_disk(devices->pdata[i]);
                        is_free &= !disk || g_strcmp0(virtbus_device_disk_get_target(disk), target) != 0;
                }
                if (is_free)
                        return g_steal_pointer(&target);
        }
        g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                    "domain '%s' has 26 disks %s?; say the next one's name in a file", virtbus_domain_get_name(domain), prefix);
        return NULL;
}

/* Attaches one device; its object, or NULL. */
static char *attach(Ctl *ctl, VirtbusDomain *domain, const char *xml, GError **error) {
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) options = ctl_with_fds(ctl, ctl_change_options(ctl, false), &fds, error);
        if (!options)
                return NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "AttachDevice",
                                              g_variant_new("(s@a{sv})", xml, options), fds, NULL, error);
        char *path = NULL;
        if (answer)
                g_variant_get(answer, "(o)", &path);
        return path;
}

static char *attach_disk(Ctl *ctl, VirtbusDomain *domain, DiskSpec *spec, bool is_cdrom, GError **error) {
        const char *bus = is_cdrom ? "sata" : "virtio";
        g_autofree char *target = free_target(ctl, domain, disk_spec_prefix(spec, bus), error);
        g_autoptr(GString) xml = g_string_new(NULL);
        if (!target || !disk_spec_make(spec, error))
                return NULL;
        disk_spec_write(spec, xml, &(DiskPlace){ is_cdrom ? "cdrom" : "disk", target, bus, 0 });
        char *path = attach(ctl, domain, xml->str, error);
        if (!path)
                disk_spec_unmake(spec);
        return path;
}

/* What was typed, read before anything is attached. */
typedef struct Wanted {
        char *document;
        GPtrArray *cards; /* char *: their elements */
        GPtrArray *disks; /* DiskSpec */
        DiskSpec *cdrom;
} Wanted;

static void wanted_clear(Wanted *wanted) {
        g_free(wanted->document);
        g_ptr_array_unref(wanted->cards);
        g_ptr_array_unref(wanted->disks);
        g_clear_pointer(&wanted->cdrom, disk_spec_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wanted, wanted_clear)

static bool read_wanted(Ctl *ctl, Wanted *wanted, GError **error) {
        for (char **text = ctl->disks; text && *text; text++) {
                DiskSpec *spec = disk_spec_read(ctl, *text, error);
                if (!spec)
                        return false;
                g_ptr_array_add(wanted->disks, spec);
        }
        if (ctl->cdrom && !(wanted->cdrom = disk_spec_read(ctl, ctl->cdrom, error)))
                return false;
        for (char **text = ctl->networks; text && *text; text++) {
                g_autoptr(GString) card = g_string_new(NULL);
                if (!network_add(card, *text, 0, error))
                        return false;
                if (card->len > 0) /* else there is no card */
                        g_ptr_array_add(wanted->cards, g_strdup(card->str));
        }
        return true;
}

/* Attaches one more, which a program is told of. */
static bool note(VirtbusDomain *domain, char *path, JsonArray *array) {
        g_autofree char *taken = path;
        const char *last = path ? strrchr(path, '/') : NULL;
        g_autofree guint8 *alias = last ? g_dbus_unescape_object_path(last + 1) : NULL;
        if (!path)
                return false;
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "name", virtbus_domain_get_name(domain));
        json_object_set_string_member(object, "uuid", virtbus_domain_get_uuid(domain));
        json_object_set_string_member(object, "path", path);
        json_object_set_string_member(object, "alias", alias ? (const char *) alias : "");
        json_array_add_object_element(array, object);
        return true;
}

static bool attach_all(Ctl *ctl, VirtbusDomain *domain, const Wanted *wanted, JsonArray *array, GError **error) {
        if (wanted->document && !note(domain, attach(ctl, domain, wanted->document, error), array))
                return false;
        for (guint i = 0; i < wanted->disks->len; i++)
                if (!note(domain, attach_disk(ctl, domain, wanted->disks->pdata[i], false, error), array))
                        return false;
        if (wanted->cdrom && !note(domain, attach_disk(ctl, domain, wanted->cdrom, true, error), array))
                return false;
        for (guint i = 0; i < wanted->cards->len; i++)
                if (!note(domain, attach(ctl, domain, wanted->cards->pdata[i], error), array))
                        return false;
        return true;
}

int verb_attach(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonArray) array = json_array_new();
        g_auto(Wanted) wanted = { .cards = g_ptr_array_new_with_free_func(g_free),
                                  .disks = g_ptr_array_new_with_free_func((GDestroyNotify) disk_spec_free) };
        if (!domain)
                return status;
        if (!arguments[1] && !ctl->disks && !ctl->cdrom && !ctl->networks) {
                fprintf(stderr, "virtbusctl: what is to be attached? A FILE with its element, --disk=PATH, --cdrom=PATH or "
                                "--network=KIND\n");
                return EXIT_USAGE;
        }
        if (!read_wanted(ctl, &wanted, &error)) {
                ctl_say("%s", error->message);
                return EXIT_USAGE;
        }
        if (arguments[1] && !ctl_read_file(arguments[1], &wanted.document, &error))
                return ctl_fail(g_steal_pointer(&error));
        if (!attach_all(ctl, domain, &wanted, array, &error))
                status = ctl_fail(g_steal_pointer(&error));
        if (ctl->json) {
                g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
                output_print_json(node);
        }
        return status;
}

/* How long the guest may take, in microseconds. */
static GVariant *detach_options(const Ctl *ctl) {
        g_autoptr(GVariant) options = g_variant_ref_sink(ctl_change_options(ctl, false));
        GVariantDict dictionary;
        g_variant_dict_init(&dictionary, options);
        if (ctl->timeout > 0)
                g_variant_dict_insert(&dictionary, "timeout", "t", (guint64) (ctl->timeout * 1e6));
        return g_variant_dict_end(&dictionary);
}

int verb_detach(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autoptr(VirtbusObject) device = ctl_find_device(ctl, domain, arguments[1], NULL, &error);
        if (!device)
                return ctl_fail(g_steal_pointer(&error));
        return ctl_do(ctl, g_dbus_object_get_object_path(G_DBUS_OBJECT(device)), "org.virtbus1.Device", "Detach",
                      g_variant_new("(@a{sv})", detach_options(ctl)));
}

int verb_update(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        if (!domain)
                return status;
        g_autoptr(VirtbusObject) device = ctl_find_device(ctl, domain, arguments[1], NULL, &error);
        if (!device || !ctl_read_file(arguments[2], &text, &error))
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) options = ctl_with_fds(ctl, ctl_change_options(ctl, ctl->force), &fds, &error);
        g_autoptr(GVariant) answer =
                        options ? ctl_call(ctl, g_dbus_object_get_object_path(G_DBUS_OBJECT(device)), "org.virtbus1.Device",
                                           "Update", g_variant_new("(s@a{sv})", text, options), fds, NULL, &error)
                                : NULL;
        return answer ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}
