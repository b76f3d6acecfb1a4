/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The filesystems of a container: its root, and the lines of its fstab. */

#include <inttypes.h>
#include <string.h>

#include "lxc/conf-read.h"

static xmlNode *add(xmlNode *devices, const char *type, const char *attribute, const char *source, const char *target) {
        xmlNode *filesystem = xml_add(devices, "filesystem", NULL);
        xml_set_attribute(filesystem, "type", type);
        xml_set_attribute(filesystem, "accessmode", "passthrough");
        xml_set_attribute(xml_add(filesystem, "source", NULL), attribute, source);
        xml_set_attribute(xml_add(filesystem, "target", NULL), "dir", target);
        return filesystem;
}

/* What the root's path may begin with is what it is. */
static bool write_root(const Conf *conf, xmlNode *devices, GError **error) {
        static const struct {
                const char *prefix, *type, *attribute;
        } kinds[] = {
                { "dir:", "mount", "dir" },
                { "btrfs:", "mount", "dir" },
                { "loop:", "file", "file" },
                { "lvm:", "block", "dev" },
        };
        if (!conf->root)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "lxc.rootfs.path (before LXC 2.1 lxc.rootfs) is missing: the container's root");
        const char *path = conf->root, *type = "mount", *attribute = "dir";
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (g_str_has_prefix(conf->root, kinds[i].prefix)) {
                        path = conf->root + strlen(kinds[i].prefix);
                        type = kinds[i].type;
                        attribute = kinds[i].attribute;
                }
        if (path[0] != '/')
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "lxc.rootfs.path: no document can say '%.128s'; a root is a folder, dir:, btrfs:, lvm: or "
                                "loop: and an absolute path",
                                conf->root);
        if (g_str_has_prefix(path, "/dev/") && strcmp(type, "mount") == 0) {
                type = "block";
                attribute = "dev";
        }
        xmlNode *root = add(devices, type, attribute, path, "/");
        if (strcmp(type, "file") == 0) {
                xmlNode *driver = xmlNewDocNode(root->doc, NULL, (const xmlChar *) "driver", NULL);
                xml_set_attribute(driver, "type", "loop");
                xml_set_attribute(driver, "format", "raw");
                xmlAddPrevSibling(root->children, driver);
        }
        if (conf->root_is_read_only)
                xml_add(root, "readonly", NULL);
        return true;
}

/* Options */

static const char *find_option(char **options, const char *name) {
        for (size_t i = 0; options[i]; i++)
                if (g_str_has_prefix(options[i], name) && (!options[i][strlen(name)] || options[i][strlen(name)] == '='))
                        return options[i][strlen(name)] ? options[i] + strlen(name) + 1 : "";
        return NULL;
}

/* How large a filesystem in memory may be: half of the container's memory where nothing is said, as the kernel's are. */
static bool read_usage(const Conf *conf, const ConfLine *line, char **options, guint64 *bytes, GError **error) {
        const char *size = find_option(options, "size");
        guint64 percent;
        g_autofree char *digits = size && g_str_has_suffix(size, "%") ? g_strndup(size, strlen(size) - 1) : NULL;
        if (!size || (digits && conf_file_number(digits, 100, &percent) && percent > 0)) {
                *bytes = MAX(conf_limit_memory(conf) / 100 * (size ? percent : 50), 1024);
                return true;
        }
        return (conf_limit_size(size, bytes) && *bytes > 0) ||
               conf_file_invalid(line, error, "size '%.32s' is not a size, such as 8m", size);
}

/* Where it is in the container: what is absolute is on the host, below its root. */
static char *find_target(const Conf *conf, const char *path) {
        const char *root = strchr(conf->root, '/');
        if (root && g_str_has_prefix(path, root) && path[strlen(root)] == '/')
                path += strlen(root);
        return path[0] == '/' ? g_strdup(path) : g_strconcat("/", path, NULL);
}

/* A blank in a path is written as \040 there. */
static char *unescape(const char *text) {
        g_autofree char *plain = g_strcompress(text);
        return xml_is_text(plain) ? g_steal_pointer(&plain) : g_strdup(text);
}

/* The filesystems that every container has. */
static bool has_anyway(const char *type, const char *target) {
        static const char *const places[][2] = { { "proc", "/proc" }, { "sysfs", "/sys" }, { "devpts", "/dev/pts" } };
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
                if (strcmp(type, places[i][0]) == 0 && strcmp(target, places[i][1]) == 0)
                        return true;
        return false;
}

static bool write_line(const Conf *conf, const ConfLine *line, xmlNode *devices, GError **error) {
        g_auto(GStrv) words = conf_file_words(line->value);
        if (g_strv_length(words) < 4)
                return conf_file_invalid(line, error, "it is not a line of fstab(5): WHAT WHERE TYPE OPTIONS");
        g_autofree char *source = unescape(words[0]), *place = unescape(words[1]), *target = find_target(conf, place);
        const char *type = words[2];
        g_auto(GStrv) options = g_strsplit(words[3], ",", -1);
        bool is_bind = find_option(options, "bind") || find_option(options, "rbind");
        xmlNode *filesystem;
        guint64 usage;
        if (has_anyway(type, target))
                return true;
        if (find_option(options, "optional"))
                return conf_file_unsupported(
                                line, error,
                                "no document can say 'optional': leave that word out, or the line where %s is not there", source);
        if (strcmp(type, "tmpfs") == 0) {
                if (!read_usage(conf, line, options, &usage, error))
                        return false;
                g_autofree char *number = g_strdup_printf("%" PRIu64, (usage + 1023) / 1024);
                filesystem = add(devices, "ram", "usage", number, target);
                xml_set_attribute(xml_child(filesystem, "source"), "units", "KiB");
        } else if (is_bind && source[0] == '/') {
                filesystem = add(devices, "mount", "dir", source, target);
        } else if (!is_bind && g_str_has_prefix(source, "/dev/")) {
                filesystem = add(devices, "block", "dev", source, target);
        } else {
                return conf_file_unsupported(
                                line, error,
                                "no document can say '%.64s' of type '%.32s'; use bind with an absolute path, a device "
                                "or tmpfs",
                                source, type);
        }
        if (find_option(options, "ro"))
                xml_add(filesystem, "readonly", NULL);
        return true;
}

bool conf_mount_write(const Conf *conf, xmlNode *devices, GError **error) {
        if (!write_root(conf, devices, error))
                return false;
        for (guint i = 0; i < conf->mounts->len; i++)
                if (!write_line(conf, conf->mounts->pdata[i], devices, error))
                        return false;
        return true;
}
