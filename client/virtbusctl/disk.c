/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Disks as a person writes them: PATH[,FORMAT][,NAME=VALUE...]. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

/* How much of an image is looked at for its format. */
#define IMAGE_HEAD_BYTES 512

void disk_spec_free(DiskSpec *spec) {
        char *texts[] = { spec->path, spec->format, spec->bus, spec->serial, spec->cache };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        g_free(spec);
}

/* What may follow the path; a VALUE of NULL is not given. */

static bool take_bus(DiskSpec *spec, const char *value, GError **error) {
        static const char *const buses[] = { "virtio", "scsi", "sata", "ide", "usb", NULL };
        if (value && g_strv_contains(buses, value)) {
                spec->bus = g_strdup(value);
                return true;
        }
        return ctl_invalid(error, "bus=%s is not one of virtio, scsi, sata, ide, usb", value ? value : "");
}

static bool take_cache(DiskSpec *spec, const char *value, GError **error) {
        spec->cache = g_strdup(value ? value : "");
        return (value && *value) || ctl_invalid(error, "cache= lacks its mode, such as none or writeback");
}

static bool take_format(DiskSpec *spec, const char *value, GError **error) {
        g_free(spec->format);
        spec->format = g_strdup(value ? value : "");
        return (value && *value) || ctl_invalid(error, "format= lacks its value: qcow2 or raw");
}

static bool take_read_only(DiskSpec *spec, const char *value, GError **error) {
        spec->is_read_only = !value || strcmp(value, "on") == 0;
        return !value || spec->is_read_only || strcmp(value, "off") == 0 ||
               ctl_invalid(error, "readonly=%s is neither on nor off", value);
}

static bool take_serial(DiskSpec *spec, const char *value, GError **error) {
        spec->serial = g_strdup(value ? value : "");
        return (value && *value) || ctl_invalid(error, "serial= lacks its value");
}

static bool take_size(DiskSpec *spec, const char *value, GError **error) {
        return (value && ctl_read_size(value, &spec->size) && spec->size > 0) ||
               ctl_invalid(error, "size=%s is not a size, such as 20G", value ? value : "");
}

static const struct {
        const char *name;
        bool (*take)(DiskSpec *spec, const char *value, GError **error);
} parts[] = {
        { "bus", take_bus },       { "cache", take_cache }, { "format", take_format }, { "readonly", take_read_only },
        { "serial", take_serial }, { "size", take_size },
};

#define PARTS "qcow2, raw, bus=, cache=, format=, readonly, serial=, size="

/* Takes what follows the last comma. A name may have commas: what is neither NAME=VALUE nor one word belongs to it. */
static bool take_part(DiskSpec *spec, const char *text, bool *is_part, GError **error) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        size_t n = strspn(text, letters);
        const char *value = text[n] == '=' ? text + n + 1 : NULL;
        g_autofree char *name = g_strndup(text, n);
        *is_part = n > 0 && (value || !text[n]);
        if (!*is_part)
                return true;
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                if (strcmp(parts[i].name, name) == 0)
                        return parts[i].take(spec, value, error);
        if (value)
                return ctl_invalid(error, "'%s=' is not known of a disk; known are: " PARTS, name);
        return take_format(spec, name, error);
}

/* The format that an image's first bytes say; NULL: none, so it is raw. */
static const char *format_of(const unsigned char *head, size_t size) {
        static const struct {
                const char *format, *magic;
                size_t at, n;
        } magics[] = {
                { "qcow2", "QFI\xfb", 0, 4 },           { "qed", "QED", 0, 4 },       { "vmdk", "KDMV", 0, 4 },
                { "vdi", "\x7f\x10\xda\xbe", 0x40, 4 }, { "vhdx", "vhdxfile", 0, 8 }, { "vpc", "conectix", 0, 8 },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(magics); i++)
                if (size >= magics[i].at + magics[i].n && memcmp(head + magics[i].at, magics[i].magic, magics[i].n) == 0)
                        return magics[i].format;
        return NULL;
}

/* The format that a name promises; NULL: it says nothing. */
static const char *format_of_name(const char *path) {
        return g_str_has_suffix(path, ".qcow2")                                   ? "qcow2"
               : g_str_has_suffix(path, ".raw") || g_str_has_suffix(path, ".iso") ? "raw"
                                                                                  : NULL;
}

static bool check_against(DiskSpec *spec, const char *there, GError **error) {
        const char *by_name = format_of_name(spec->path);
        bool is_qcow2 = there && strcmp(there, "qcow2") == 0;
        if (spec->format) /* raw is believed: it may be an image within an image */
                return strcmp(spec->format, "qcow2") != 0 || is_qcow2 ||
                       ctl_invalid(error, "%s is not a qcow2 image; say %s,raw", spec->path, spec->path);
        if (by_name && strcmp(by_name, "qcow2") == 0 && !is_qcow2)
                return ctl_invalid(error, "%s is not a qcow2 image, as its name says; say %s,raw if that is what it is",
                                   spec->path, spec->path);
        if (there && g_strcmp0(by_name, there) != 0)
                return ctl_invalid(error,
                                   "%s is a %s image; say %s,%s or, to give the guest the bytes of the image itself, %s,raw",
                                   spec->path, there, spec->path, there, spec->path);
        spec->format = g_strdup(there ? there : "raw");
        return true;
}

/* Finds out the format where it was not said, and that what was said is so: a guest that is given the inside of an image as
 * its disk destroys it by the first write. */
static bool choose_format(const Ctl *ctl, DiskSpec *spec, GError **error) {
        unsigned char head[IMAGE_HEAD_BYTES];
        bool is_far = ctl->host || ctl->machine;
        const char *by_name = format_of_name(spec->path);
        int fd = is_far ? -1 : open(spec->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), code = errno;
        spec->is_missing = !is_far && fd < 0 && code == ENOENT;
        if (fd >= 0) {
                ssize_t n = pread(fd, head, sizeof head, 0);
                code = errno;
                close(fd);
                if (n < 0 && code == EISDIR)
                        return ctl_invalid(error, "%s is a folder; name an image in it", spec->path);
                if (spec->size > 0)
                        return ctl_invalid(error, "%s is there already; leave out size=, which makes a new image", spec->path);
                /* What is neither a file nor a device is refused by who opens it. */
                return check_against(spec, n > 0 ? format_of(head, (size_t) n) : NULL, error);
        }
        if (spec->size > 0 && is_far)
                return ctl_invalid(error, "size= makes an image here, not over there; make it there, by qemu-img(1)");
        if (!spec->format && (spec->size > 0 || by_name))
                spec->format = g_strdup(by_name ? by_name : "qcow2");
        if (spec->format)
                return true;
        return spec->is_missing ? ctl_invalid(error,
                                              "%s is not there yet; add ,size=20G to make it, or say its format: ,qcow2 or ,raw",
                                              spec->path)
               : is_far         ? ctl_invalid(error, "%s is on the other side; say its format: ,qcow2 or ,raw", spec->path)
                                : ctl_invalid(error, "%s cannot be opened to see its format: %s; say its format: ,qcow2 or ,raw",
                                              spec->path, g_strerror(code));
}

DiskSpec *disk_spec_read(const Ctl *ctl, const char *text, GError **error) {
        g_autoptr(DiskSpec) spec = g_new0(DiskSpec, 1);
        g_autofree char *name = g_strdup(text);
        bool is_part = !g_file_test(text, G_FILE_TEST_EXISTS);
        for (char *comma; is_part && (comma = strrchr(name, ','));) {
                if (!take_part(spec, comma + 1, &is_part, error))
                        return NULL;
                if (is_part)
                        *comma = '\0';
        }
        if (!*name) {
                ctl_invalid(error, "the path of the image is missing");
                return NULL;
        }
        spec->path = g_canonicalize_filename(name, NULL);
        return choose_format(ctl, spec, error) ? g_steal_pointer(&spec) : NULL;
}

bool disk_spec_make(DiskSpec *spec, GError **error) {
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, spec->size);
        if (spec->size == 0)
                return true;
        g_autoptr(GSubprocess) program =
                        g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error, "qemu-img",
                                         "create", "-q", "-f", spec->format, "--", spec->path, size, NULL);
        g_autofree char *said = NULL;
        if (!program) {
                g_prefix_error(error, "%s cannot be made; install qemu-utils: ", spec->path);
                return false;
        }
        if (!g_subprocess_communicate_utf8(program, NULL, NULL, NULL, &said, error))
                return false;
        spec->is_made = g_subprocess_get_successful(program);
        return spec->is_made || ctl_invalid(error, "%s cannot be made: %s", spec->path, said ? g_strstrip(said) : "");
}

void disk_spec_unmake(const DiskSpec *spec) {
        if (spec->is_made)
                unlink(spec->path);
}

const char *disk_spec_prefix(const DiskSpec *spec, const char *bus) {
        const char *name = spec->bus ? spec->bus : bus;
        return strcmp(name, "virtio") == 0 ? "vd" : strcmp(name, "ide") == 0 ? "hd" : "sd";
}

static void add_attribute(GString *xml, const char *name, const char *value) {
        g_autofree char *text = value ? g_markup_printf_escaped(" %s='%s'", name, value) : NULL;
        g_string_append(xml, text ? text : "");
}

void disk_spec_write(const DiskSpec *spec, GString *xml, const DiskPlace *place) {
        bool is_block = g_str_has_prefix(spec->path, "/dev/"), is_disk = strcmp(place->device, "disk") == 0;
        g_string_append_printf(xml, "<disk type='%s' device='%s'><driver name='qemu'", is_block ? "block" : "file",
                               place->device);
        add_attribute(xml, "type", spec->format);
        add_attribute(xml, "cache", spec->cache);
        add_attribute(xml, "discard", is_disk && !spec->is_read_only ? "unmap" : NULL);
        g_string_append(xml, "/><source");
        add_attribute(xml, is_block ? "dev" : "file", spec->path);
        g_string_append(xml, "/><target");
        add_attribute(xml, "dev", place->target);
        add_attribute(xml, "bus", spec->bus ? spec->bus : place->bus);
        g_string_append_printf(xml, "/>%s", spec->is_read_only ? "<readonly/>" : "");
        if (spec->serial) {
                g_autofree char *text = g_markup_printf_escaped("<serial>%s</serial>", spec->serial);
                g_string_append(xml, text);
        }
        if (place->boot > 0)
                g_string_append_printf(xml, "<boot order='%u'/>", place->boot);
        g_string_append(xml, "</disk>");
}
