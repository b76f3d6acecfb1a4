/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/conf-read.h"

#include <inttypes.h>
#include <string.h>

#include "lxc/capability.h"
#include "lxc/lxc-document.h"

/* Terminals that a configuration may ask for. */
#define CONSOLES_MAX 64

static void conf_clear(Conf *conf) {
        char *texts[] = { conf->name, conf->architecture, conf->directory, conf->user,      conf->group,    conf->root,
                          conf->cpus, conf->nodes,        conf->share_net, conf->share_ipc, conf->share_uts };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        g_strfreev(conf->init);
        GPtrArray *lists[] = { conf->environment, conf->mounts, conf->cards, conf->devices };
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
                g_ptr_array_unref(lists[i]);
        g_array_unref(conf->ranges);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Conf, conf_clear)

/* Reading */

static bool set_text(char **place, const char *text) {
        g_free(*place);
        *place = *text ? g_strdup(text) : NULL;
        return true;
}

static bool read_name(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        (void) error;
        return set_text(&conf->name, line->value);
}

static bool read_architecture(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        static const char *const names[][2] = { { "x86", "i686" },      { "i386", "i686" },     { "i486", "i686" },
                                                { "i586", "i686" },     { "i686", "i686" },     { "athlon", "i686" },
                                                { "linux32", "i686" },  { "x86_64", "x86_64" }, { "amd64", "x86_64" },
                                                { "linux64", "x86_64" } };
        (void) rest;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (strcmp(line->value, names[i][0]) == 0)
                        return set_text(&conf->architecture, names[i][1]);
        return conf_file_unsupported(line, error, "containers of '%.32s' cannot be run here; use x86 or x86_64", line->value);
}

static bool read_root(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        (void) error;
        return set_text(&conf->root, line->value);
}

static bool read_root_options(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        g_auto(GStrv) options = g_strsplit(line->value, ",", -1);
        (void) rest;
        for (size_t i = 0; options[i]; i++) {
                if (strcmp(options[i], "ro") == 0)
                        conf->root_is_read_only = true;
                else if (*options[i] && strcmp(options[i], "rw") != 0 && strcmp(options[i], "defaults") != 0)
                        return conf_file_unsupported(line, error, "no document can say '%.64s'; leave it out", options[i]);
        }
        return true;
}

static bool read_mount(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        if (!*line->value)
                g_ptr_array_set_size(conf->mounts, 0);
        else if (conf->mounts->len >= LXC_FILESYSTEMS_MAX)
                return conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are more than %d mounts",
                                      LXC_FILESYSTEMS_MAX);
        else
                g_ptr_array_add(conf->mounts, (void *) line);
        return true;
}

static bool refuse_fstab(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) conf;
        (void) rest;
        return !*line->value || conf_file_unsupported(line, error, "write the lines of that file as lxc.mount.entry");
}

static bool read_consoles(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        return conf_file_number(line->value, CONSOLES_MAX, &conf->n_consoles) ||
               conf_file_invalid(line, error, "'%.32s' is not a number up to %d", line->value, CONSOLES_MAX);
}

/* A name, or with "~" before it one that is taken away again. "none" is none. */
static bool read_capabilities(const ConfLine *line, guint64 *set, GError **error) {
        g_auto(GStrv) words = conf_file_words(line->value);
        for (size_t i = 0; words[i]; i++) {
                g_autofree char *lower = g_ascii_strdown(words[i], -1);
                const char *name = g_str_has_prefix(lower, "cap_") ? lower + strlen("cap_") : lower;
                int number = capability_number(name);
                if (strcmp(name, "none") == 0)
                        *set = 0;
                else if (number >= 0)
                        *set |= UINT64_C(1) << number;
                else
                        return conf_file_invalid(line, error, "there is no capability '%.32s'; see capabilities(7)", words[i]);
        }
        if (!words[0])
                *set = 0;
        return true;
}

static bool read_dropped(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        return read_capabilities(line, &conf->dropped, error);
}

static bool read_kept(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        conf->keeps = *line->value;
        return read_capabilities(line, &conf->kept, error);
}

/* "u 0 100000 65536": a number in the container, one outside, and how many. */
static bool read_range(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        g_auto(GStrv) words = conf_file_words(line->value);
        ConfRange range = { 0 };
        bool both = words[0] && strcmp(words[0], "b") == 0;
        (void) rest;
        if (!words[0]) {
                g_array_set_size(conf->ranges, 0);
                return true;
        }
        if (g_strv_length(words) != 4 || (!both && strcmp(words[0], "u") != 0 && strcmp(words[0], "g") != 0) ||
            !conf_file_number(words[1], UINT32_MAX, &range.inside) || !conf_file_number(words[2], UINT32_MAX, &range.outside) ||
            !conf_file_number(words[3], UINT32_MAX, &range.count) || range.count == 0)
                return conf_file_invalid(line, error, "'%.64s' is not u or g and three numbers, such as u 0 100000 65536",
                                         line->value);
        if (conf->ranges->len >= 2 * LXC_RANGES_MAX)
                return conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are more than %d ranges",
                                      2 * LXC_RANGES_MAX);
        range.is_group = strcmp(words[0], "g") == 0;
        g_array_append_val(conf->ranges, range);
        range.is_group = true;
        if (both)
                g_array_append_val(conf->ranges, range);
        return true;
}

static bool read_init(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        g_clear_pointer(&conf->init, g_strfreev);
        if (!*line->value)
                return true;
        if (!g_shell_parse_argv(line->value, NULL, &conf->init, NULL) || conf->init[0][0] != '/')
                return conf_file_invalid(line, error, "'%.64s' is not an absolute path with arguments", line->value);
        return g_strv_length(conf->init) <= LXC_ARGUMENTS_MAX ||
               conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it has more than %d arguments", LXC_ARGUMENTS_MAX);
}

static bool read_directory(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        (void) error;
        return set_text(&conf->directory, line->value);
}

static bool read_id(const ConfLine *line, char **id, GError **error) {
        guint64 number;
        return !*line->value || conf_file_number(line->value, UINT32_MAX - 1, &number)
                               ? set_text(id, line->value)
                               : conf_file_invalid(line, error, "'%.32s' is not a number", line->value);
}

static bool read_user(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        return read_id(line, &conf->user, error);
}

static bool read_group(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        return read_id(line, &conf->group, error);
}

static bool read_environment(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) rest;
        if (!*line->value) {
                g_ptr_array_set_size(conf->environment, 0);
                return true;
        }
        if (!strchr(line->value, '=') || line->value[0] == '=')
                return conf_file_unsupported(line, error,
                                             "no document can take a variable from LXC's own environment: write "
                                             "NAME=VALUE");
        if (conf->environment->len >= LXC_ARGUMENTS_MAX)
                return conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are more than %d variables",
                                      LXC_ARGUMENTS_MAX);
        g_ptr_array_add(conf->environment, g_strdup(line->value));
        return true;
}

static bool read_shared(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        char **place = strcmp(rest, "net") == 0   ? &conf->share_net
                       : strcmp(rest, "ipc") == 0 ? &conf->share_ipc
                       : strcmp(rest, "uts") == 0 ? &conf->share_uts
                                                  : NULL;
        return place ? set_text(place, line->value)
                     : conf_file_unsupported(line, error, "no document can share this namespace; use net, ipc or uts");
}

/* Profiles that confine nothing are what a container has without them. */
static bool refuse_profile(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) conf;
        (void) rest;
        return !*line->value || strcmp(line->value, "unconfined") == 0 || strcmp(line->value, "unchanged") == 0 ||
               conf_file_unsupported(line, error, "no document can say a profile of AppArmor's or SELinux' here; leave it out");
}

static bool refuse_hook(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) conf;
        (void) rest;
        return conf_file_unsupported(line, error, "containers run no hooks here; leave it out");
}

static bool refuse_include(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) conf;
        (void) rest;
        return conf_file_unsupported(line, error, "other files are not read: put the lines of '%.128s' in its place",
                                     line->value);
}

static bool says_nothing(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        (void) conf;
        (void) line;
        (void) rest;
        (void) error;
        return true;
}

/* Keys; one that ends with '.' or '*' begins with it. */
static const struct {
        const char *key;
        bool (*read)(Conf *conf, const ConfLine *line, const char *rest, GError **error);
} keys[] = {
        { "lxc.uts.name", read_name },
        { "lxc.utsname", read_name },
        { "lxc.arch", read_architecture },
        { "lxc.rootfs.path", read_root },
        { "lxc.rootfs", read_root },
        { "lxc.rootfs.options", read_root_options },
        { "lxc.mount.entry", read_mount },
        { "lxc.mount.fstab", refuse_fstab },
        { "lxc.mount", refuse_fstab },
        { "lxc.tty.max", read_consoles },
        { "lxc.tty", read_consoles },
        { "lxc.net.", conf_network_read },
        { "lxc.network*", conf_network_read_old },
        { "lxc.cap.drop", read_dropped },
        { "lxc.cap.keep", read_kept },
        { "lxc.idmap", read_range },
        { "lxc.id_map", read_range },
        { "lxc.init.cmd", read_init },
        { "lxc.init_cmd", read_init },
        { "lxc.init.cwd", read_directory },
        { "lxc.init.uid", read_user },
        { "lxc.init_uid", read_user },
        { "lxc.init.gid", read_group },
        { "lxc.init_gid", read_group },
        { "lxc.environment", read_environment },
        { "lxc.namespace.share.", read_shared },
        { "lxc.cgroup2.", conf_limit_read_v2 },
        { "lxc.cgroup.dir", says_nothing },
        { "lxc.cgroup.dir.", says_nothing },
        { "lxc.cgroup.relative", says_nothing },
        { "lxc.cgroup.", conf_limit_read },
        { "lxc.apparmor.profile", refuse_profile },
        { "lxc.aa_profile", refuse_profile },
        { "lxc.selinux.context", refuse_profile },
        { "lxc.se_context", refuse_profile },
        { "lxc.hook.", refuse_hook },
        { "lxc.include", refuse_include },
        /* how LXC itself behaves, and what every container has here */
        { "lxc.apparmor.", says_nothing },
        { "lxc.aa_allow_incomplete", says_nothing },
        { "lxc.autodev", says_nothing },
        { "lxc.autodev.", says_nothing },
        { "lxc.console", says_nothing },
        { "lxc.console.", says_nothing },
        { "lxc.devttydir", says_nothing },
        { "lxc.tty.dir", says_nothing },
        { "lxc.ephemeral", says_nothing },
        { "lxc.execute.", says_nothing },
        { "lxc.group", says_nothing },
        { "lxc.haltsignal", says_nothing },
        { "lxc.rebootsignal", says_nothing },
        { "lxc.stopsignal", says_nothing },
        { "lxc.signal.", says_nothing },
        { "lxc.kmsg", says_nothing },
        { "lxc.log.", says_nothing },
        { "lxc.logfile", says_nothing },
        { "lxc.loglevel", says_nothing },
        { "lxc.syslog", says_nothing },
        { "lxc.monitor.", says_nothing },
        { "lxc.mount.auto", says_nothing },
        { "lxc.pivotdir", says_nothing },
        { "lxc.pts", says_nothing },
        { "lxc.pty.max", says_nothing },
        { "lxc.rootfs.backend", says_nothing },
        { "lxc.rootfs.managed", says_nothing },
        { "lxc.rootfs.mount", says_nothing },
        { "lxc.start.", says_nothing },
};

/* What follows the key of a row in KEY; NULL: it is another. */
static const char *match(const char *row, const char *key) {
        size_t length = strlen(row);
        if (row[length - 1] == '*')
                return strncmp(row, key, length - 1) == 0 ? key + length - 1 : NULL;
        if (row[length - 1] == '.')
                return g_str_has_prefix(key, row) ? key + length : NULL;
        return strcmp(row, key) == 0 ? key + length : NULL;
}

static bool read_line(Conf *conf, const ConfLine *line, GError **error) {
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                const char *rest = match(keys[i].key, line->key);
                if (rest)
                        return keys[i].read(conf, line, rest, error);
        }
        return conf_file_unsupported(line, error, "no document can say this; leave it out");
}

/* Writing */

/* An empty text is none: the document is kept as it is read again. */
static xmlNode *add_text(xmlNode *parent, const char *name, const char *text) {
        return xml_add(parent, name, text && *text ? text : NULL);
}

static void write_os(const Conf *conf, xmlNode *root) {
        xmlNode *os = xml_add(root, "os", NULL), *type = xml_add(os, "type", "exe");
        if (conf->architecture)
                xml_set_attribute(type, "arch", conf->architecture);
        xml_add(os, "init", conf->init ? conf->init[0] : CONF_INIT_DEFAULT);
        for (size_t i = 1; conf->init && conf->init[i]; i++)
                add_text(os, "initarg", conf->init[i]);
        for (guint i = 0; i < conf->environment->len; i++) {
                g_auto(GStrv) parts = g_strsplit(conf->environment->pdata[i], "=", 2);
                xml_set_attribute(add_text(os, "initenv", parts[1]), "name", parts[0]);
        }
        if (conf->directory)
                add_text(os, "initdir", conf->directory);
        if (conf->user)
                add_text(os, "inituser", conf->user);
        if (conf->group)
                add_text(os, "initgroup", conf->group);
}

static bool has_root(const Conf *conf, bool swapped) {
        for (guint i = 0; i < conf->ranges->len; i++) {
                const ConfRange *range = &g_array_index(conf->ranges, ConfRange, i);
                if ((swapped ? range->outside : range->inside) == 0)
                        return true;
        }
        return false;
}

/* There are configurations that name the number outside first, as libvirt reads them all. A container without its root would
 * run nothing, so that what has it only that way round is meant so. */
static void write_ranges(const Conf *conf, xmlNode *root) {
        bool swapped = !has_root(conf, false) && has_root(conf, true);
        xmlNode *idmap = conf->ranges->len > 0 ? xml_add(root, "idmap", NULL) : NULL;
        for (guint i = 0; i < conf->ranges->len; i++) {
                const ConfRange *range = &g_array_index(conf->ranges, ConfRange, i);
                xmlNode *element = xml_add(idmap, range->is_group ? "gid" : "uid", NULL);
                xml_set_number(element, "start", (int64_t) (swapped ? range->outside : range->inside));
                xml_set_number(element, "target", (int64_t) (swapped ? range->inside : range->outside));
                xml_set_number(element, "count", (int64_t) range->count);
        }
}

static void write_capabilities(const Conf *conf, xmlNode *features) {
        xmlNode *capabilities = xml_add(features, "capabilities", NULL);
        guint64 set = conf->keeps ? conf->kept & ~conf->dropped : conf->dropped;
        xml_set_attribute(capabilities, "policy", conf->keeps ? "deny" : "allow");
        for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
                if (set & UINT64_C(1) << i)
                        xml_set_attribute(xml_add(capabilities, capability_name(i), NULL), "state", conf->keeps ? "on" : "off");
}

/* Whose namespaces it shares: a process' number, or a container's name. */
static void write_shared(const Conf *conf, xmlNode *root) {
        const char *const shared[][2] = { { "sharenet", conf->share_net },
                                          { "shareipc", conf->share_ipc },
                                          { "shareuts", conf->share_uts } };
        xmlNode *group = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(shared); i++) {
                if (!shared[i][1])
                        continue;
                if (!group) {
                        xmlNs *ns = xmlNewNs(root, (const xmlChar *) LXC_NAMESPACE, (const xmlChar *) "lxc");
                        group = xmlNewChild(root, ns, (const xmlChar *) "namespace", NULL);
                }
                xmlNode *element = xmlNewChild(group, group->ns, (const xmlChar *) shared[i][0], NULL);
                guint64 number;
                xml_set_attribute(element, "type", conf_file_number(shared[i][1], G_MAXINT32, &number) ? "pid" : "name");
                xml_set_attribute(element, "value", shared[i][1]);
        }
}

static void write_memory(const Conf *conf, xmlNode *root) {
        g_autofree char *size = g_strdup_printf("%" PRIu64, conf_limit_memory(conf) / 1024);
        xml_set_attribute(xml_add(root, "memory", size), "unit", "KiB");
        xml_set_attribute(xml_add(root, "currentMemory", size), "unit", "KiB");
}

static void write_consoles(const Conf *conf, xmlNode *devices) {
        for (guint64 i = 0; i < conf->n_consoles; i++) {
                xmlNode *console = xml_add(devices, "console", NULL), *target = xml_add(console, "target", NULL);
                xml_set_attribute(console, "type", "pty");
                xml_set_attribute(target, "type", "lxc");
                xml_set_number(target, "port", (int64_t) i);
        }
}

static xmlDoc *write_document(const Conf *conf, GError **error) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domain", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_attribute(root, "type", "lxc");
        xml_add(root, "name", conf->name ? conf->name : "unnamed");
        write_memory(conf, root);
        conf_limit_write_block(conf, root);
        conf_limit_write_memory(conf, root);
        conf_limit_write_processors(conf, root);
        write_os(conf, root);
        write_ranges(conf, root);
        xmlNode *features = xml_add(root, "features", NULL);
        xml_set_attribute(xml_add(root, "clock", NULL), "offset", "utc");
        xml_add(root, "on_poweroff", "destroy");
        xml_add(root, "on_reboot", "restart");
        xml_add(root, "on_crash", "destroy");
        xmlNode *devices = xml_add(root, "devices", NULL);
        if (!conf_mount_write(conf, devices, error) || !conf_network_write(conf, features, devices, error))
                return NULL;
        write_capabilities(conf, features);
        write_consoles(conf, devices);
        write_shared(conf, root);
        return lxc_document_check(document, false, error) ? g_steal_pointer(&document) : NULL;
}

xmlDoc *conf_from_native(const char *text, GError **error) {
        g_autoptr(GPtrArray) lines = conf_file_parse(text, error);
        g_auto(Conf) conf = {
                .environment = g_ptr_array_new_with_free_func(g_free),
                .mounts = g_ptr_array_new(),
                .cards = g_ptr_array_new_with_free_func(conf_card_free),
                .devices = g_ptr_array_new_with_free_func(conf_device_free),
                .ranges = g_array_new(FALSE, FALSE, sizeof(ConfRange)),
        };
        for (guint i = 0; lines && i < lines->len; i++)
                if (!read_line(&conf, lines->pdata[i], error))
                        return NULL;
        return lines ? write_document(&conf, error) : NULL;
}
