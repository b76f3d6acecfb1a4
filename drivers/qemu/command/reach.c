/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/reach.h"

#include <string.h>

#include "qemu/command/builder.h"

#define WORDS_MAX 10

/* What is opened besides what is named, by words of an argument. NULL at the end of each. */
static const struct {
        const char *const paths[WORDS_MAX], *const words[WORDS_MAX];
} more[] = {
        { .paths = { "/dev/vfio", "/dev/iommu", "/sys" }, .words = { "vfio-" } },
        { .paths = { "/dev/bus/usb", "/run/udev", "/sys" }, .words = { "usb-host" } },
        { .paths = { "/dev/dri", "/sys" }, .words = { "egl-headless", "gl=on", "gl=es", "-gl", "rendernode" } },
        { .paths = { "/dev/snd" }, .words = { "alsa" } },
        { .paths = { "/dev/dsp" }, .words = { "oss" } },
        { .paths = { "/tmp/.X11-unix" }, .words = { "sdl" } },
        { .paths = { "/dev/sev" }, .words = { "sev-guest" } },
        { .paths = { "/dev/sgx_vepc", "/dev/sgx_provision" }, .words = { "sgx" } },
        { .paths = { "/sys" }, .words = { "tpm-passthrough" } },
};

/* What says that QEMU uses the network: values of a member, wherever it is; and members of an option or command, whatever their
 * values. */
typedef struct Words {
        const char *of;
        const char *const words[WORDS_MAX];
} Words;

static const Words network_values[] = {
        { "type", { "inet", "user", "l2tpv3", "vde" } },
        { "driver", { "ftp", "ftps", "http", "https", "iscsi", "nfs", "rbd", "ssh" } },
};

static const Words network_members[] = {
        { "-netdev", { "connect", "listen", "mcast", "udp" } },
        { "netdev_add", { "connect", "listen", "mcast", "udp" } },
        { "-chardev", { "host", "port" } },
        { "-spice", { "port", "tls-port" } },
        { "-audiodev", { "server" } },
};

/* Members, and commands, that name QEMU's own objects, by paths of their own. */
static const char *const own_paths[] = { "id", "qom-path", "qom-set", NULL };

/* Texts of the guest's, not of QEMU's. */
static const char *const texts[] = { "-name", "-smbios", "-uuid", NULL };

static void take_path(Reach *reach, const char *value) {
        const char *slash = value[0] == '/' ? value : strstr(value, ":/");
        if (slash && *slash == ':' && (++slash)[1] == '/') /* a URI's authority */
                return;
        while (slash && slash[1] == '/') /* the kernel takes them for one */
                slash++;
        if (slash && !g_str_has_prefix(slash, "/dev/fdset/"))
                g_ptr_array_add(reach->paths, g_strdup(slash));
}

static bool has_word(const Words *table, size_t n, const char *of, const char *word) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(table[i].of, of) == 0 && g_strv_contains(table[i].words, word))
                        return true;
        return false;
}

static void take(Reach *reach, const char *option, const char *member, const char *value) {
        reach->network |= has_word(network_values, G_N_ELEMENTS(network_values), member, value) ||
                          has_word(network_members, G_N_ELEMENTS(network_members), option, member);
        if (strcmp(member, "aio") == 0 && strcmp(value, "io_uring") == 0)
                reach->io_uring = true;
        if (!g_strv_contains(own_paths, member) && !g_strv_contains(own_paths, option))
                take_path(reach, value);
}

static void take_paths(Reach *reach, const char *const *paths) {
        for (; *paths; paths++)
                g_ptr_array_add(reach->paths, g_strdup(*paths));
}

static void take_words(Reach *reach, const char *text) {
        for (size_t i = 0; i < G_N_ELEMENTS(more); i++)
                for (size_t j = 0; more[i].words[j]; j++)
                        if (strstr(text, more[i].words[j]))
                                take_paths(reach, more[i].paths);
}

typedef struct Walk {
        Reach *reach;
        const char *option;
} Walk;

static void walk(Walk *walked, const char *member, JsonNode *node);

static void walk_member(JsonObject *object, const char *name, JsonNode *node, void *data) {
        (void) object;
        walk(data, name, node);
}

/* Depth is that of what this driver has made. */
static void walk(Walk *walked, const char *member, JsonNode *node) {
        if (json_node_type(node) == JSON_OBJECT)
                json_object_foreach_member(json_node_get_object(node), walk_member, walked);
        else if (json_node_type(node) == JSON_ARRAY) {
                JsonArray *array = json_node_get_array(node);
                for (guint i = 0; i < json_array_get_length(array); i++)
                        walk(walked, member, json_array_get_element(array, i));
        } else if (json_node_type(node) == JSON_STRING)
                take(walked->reach, walked->option, member, json_node_get_string(node));
}

static void take_json(Reach *reach, const char *option, const char *text) {
        g_autoptr(JsonNode) node = json_parse(text, -1, NULL);
        Walk walked = { reach, option };
        walk(&walked, "", node);
}

/* "a,name=value,...", where a comma of a value is written twice. */
static void take_options(Reach *reach, const char *option, const char *text) {
        g_autoptr(GString) part = g_string_new(NULL);
        for (const char *c = text;; c++) {
                if (*c && (*c != ',' || c[1] == ',')) {
                        g_string_append_c(part, *c);
                        c += *c == ',';
                        continue;
                }
                char *value = strchr(part->str, '=');
                if (value)
                        *value++ = '\0';
                take(reach, option, value ? part->str : "", value ? value : part->str);
                g_string_truncate(part, 0);
                if (!*c)
                        break;
        }
}

static bool is_display_of_network(const char *option, const char *text) {
        return strcmp(option, "-vnc") == 0 && !g_str_has_prefix(text, "unix:") && !g_str_has_prefix(text, "none");
}

/* A pair of pipes is named by what their names begin with: FROM is the first path of TEXT. */
static void take_pipes(Reach *reach, const char *text, guint from) {
        static const char *const ends[] = { "in", "out" };
        guint to = reach->paths->len;
        if (!g_str_has_prefix(text, "pipe,") && !strstr(text, "\"type\":\"pipe\""))
                return;
        for (guint i = from; i < to; i++)
                for (size_t j = 0; j < G_N_ELEMENTS(ends); j++)
                        g_ptr_array_add(reach->paths, g_strconcat(reach->paths->pdata[i], ".", ends[j], NULL));
}

static void take_argument(Reach *reach, const char *option, const char *text) {
        if (g_strv_contains(texts, option))
                return;
        guint from = reach->paths->len;
        take_words(reach, text);
        if (text[0] == '{')
                take_json(reach, option, text);
        else
                take_options(reach, option, text);
        take_pipes(reach, text, from);
        reach->network |=
                        is_display_of_network(option, text) || (strcmp(option, "-chardev") == 0 && g_str_has_prefix(text, "udp"));
}

static void take_command(Reach *reach, const MonitorRequest *request) {
        Walk walked = { reach, request->name };
        if (!request->arguments)
                return;
        guint from = reach->paths->len;
        g_autofree char *text = json_text(request->arguments);
        take_words(reach, text);
        walk(&walked, "", json_node_of_object(request->arguments));
        take_pipes(reach, text, from);
}

Reach *reach_of(const CommandLine *line, const xmlDoc *document) {
        Reach *reach = g_new0(Reach, 1);
        reach->paths = g_ptr_array_new_with_free_func(g_free);
        const char *option = "";
        for (guint i = 1; i < line->arguments->len && line->arguments->pdata[i]; i++) {
                const char *argument = line->arguments->pdata[i];
                if (argument[0] == '-' && strcmp(option, "-name") != 0)
                        option = argument;
                else {
                        take_argument(reach, option, argument);
                        option = "";
                }
        }
        for (guint i = 0; i < line->environment->len && line->environment->pdata[i]; i++)
                take_options(reach, "", line->environment->pdata[i]);
        for (guint i = 0; i < line->paths->len; i++) /* it makes them: it is to reach their folders */
                g_ptr_array_add(reach->paths, g_path_get_dirname(line->paths->pdata[i]));
        for (guint i = 0; i < line->commands->len; i++)
                take_command(reach, line->commands->pdata[i]);
        const xmlNode *own = document ? xml_child(xmlDocGetRootElement((xmlDoc *) document), "commandline") : NULL;
        reach->network |= own != NULL;
        return reach;
}

void reach_free(Reach *reach) {
        if (reach->paths)
                g_ptr_array_unref(reach->paths);
        g_free(reach);
}
