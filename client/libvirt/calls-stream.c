/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consoles, channels and screenshots: descriptors of the bus that become streams. */

#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "rows.h"
#include "streams.h"

#define DOMAIN INTERFACE("Domain")
#define DEVICE INTERFACE("Device")
#define CONSOLE INTERFACE("Device.Console")
#define GRAPHICS INTERFACE("Device.Graphics")

#define CONSOLE_FORCE 1

/* SAFE is always so: one client has a console at a time. */
static const FlagOption console_flags[] = { { CONSOLE_FORCE, "force" }, FLAG_IS_ALWAYS_SO(2), {} };
static const FlagOption channel_flags[] = { { 1, "force" }, {} };

/* Who may open a display is not asked for its password. */
static const FlagOption graphics_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };

/* Answers, and opens the stream with the descriptor that has come. */
static void answer_stream(Call *call, int fd, GVariant *answer) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) kept = g_variant_ref_sink(answer);
        if (!streams_check(call->client->streams, call->procedure, call->serial, &error)) {
                close(fd);
                call_fail(call, g_steal_pointer(&error));
                return;
        }
        call_answer(call, kept);
        streams_begin(call->client->streams, call->client->conversation, call->procedure, call->serial, fd);
}

static void on_opened(Call *call, GVariant *reply) {
        int fd = row_take_fd(call, reply);
        if (fd < 0)
                return;
        if (call->row->procedure == REMOTE_DOMAIN_SCREENSHOT)
                answer_stream(call, fd, g_variant_new("(ms)", "image/png"));
        else
                answer_stream(call, fd, g_variant_new_tuple(NULL, 0));
}

/* How well a device is what was asked for, by its name or, where none was given, by its kind; 0: not at all. libvirt takes the
 * first
 * console, and a serial port where there is none. */
static int rate(GVariant *interfaces, const char *wanted, bool channels) {
        g_autoptr(GVariant) device = g_variant_lookup_value(interfaces, DEVICE, G_VARIANT_TYPE_VARDICT);
        g_autoptr(GVariant) console = g_variant_lookup_value(interfaces, CONSOLE, G_VARIANT_TYPE_VARDICT);
        const char *kind = "", *alias = "", *name = "";
        uint32_t port = 0;
        if (!device || !console)
                return 0;
        g_variant_lookup(device, "Kind", "&s", &kind);
        g_variant_lookup(device, "Alias", "&s", &alias);
        g_variant_lookup(console, "Name", "&s", &name);
        g_variant_lookup(console, "Port", "u", &port);
        bool is_channel = strcmp(kind, "channel") == 0;
        if (wanted)
                return strcmp(alias, wanted) == 0 || (is_channel && strcmp(name, wanted) == 0);
        if (is_channel != channels)
                return 0;
        return (strcmp(kind, "console") == 0) + (strcmp(kind, "serial") == 0) * 2 + (port == 0) * 4 + channels;
}

static void on_consoles(Call *call, GVariant *reply) {
        bool channels = call->row->procedure == REMOTE_DOMAIN_OPEN_CHANNEL;
        const char *wanted = call_optional(call, 1), *path;
        g_autofree char *best = NULL;
        int best_rate = 0;
        g_autoptr(GVariantIter) objects = NULL;
        GVariant *interfaces;
        g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
        while (g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                int rated = rate(interfaces, wanted, channels);
                if (rated <= best_rate)
                        continue;
                g_free(best);
                best = g_strdup(path);
                best_rate = rated;
        }
        if (best)
                call_ask_with_fds(call, best, CONSOLE, "Open", g_variant_new("(@a{sv})", call_options(call)), NULL, "(h)",
                                  on_opened);
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "cannot find %s device %s", channels ? "channel" : "character",
                            wanted ? wanted : "");
}

static void open_console(Call *call) {
        call_ask(call, call->domain, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})",
                 on_consoles);
}

static void take_screenshot(Call *call) {
        uint32_t screen;
        g_variant_get_child(call->arguments, 1, "u", &screen);
        call_ask_with_fds(call, call->domain, DOMAIN, "Screenshot", g_variant_new("(ua{sv})", screen, NULL), NULL, "(h)",
                          on_opened);
}

static void on_display(Call *call, GVariant *reply) {
        int fd = row_take_fd(call, reply);
        if (fd >= 0)
                call_answer_fds(call, &fd, 1);
}

static int compare_paths(const void *a, const void *b) {
        const char *x = *(const char *const *) a, *y = *(const char *const *) b;
        size_t n = strlen(x), m = strlen(y);
        return n != m ? (n > m) - (n < m) : strcmp(x, y);
}

/* Aliases, which end the paths, count up in the document's order. */
static void on_displays(Call *call, GVariant *reply) {
        g_autoptr(GPtrArray) displays = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GVariantIter) objects = NULL;
        const char *path;
        GVariant *interfaces;
        uint32_t index;
        g_variant_get_child(call->arguments, 1, "u", &index);
        g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
        while (g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                g_autoptr(GVariant) display = g_variant_lookup_value(interfaces, GRAPHICS, G_VARIANT_TYPE_VARDICT);
                if (display)
                        g_ptr_array_add(displays, g_strdup(path));
        }
        g_ptr_array_sort(displays, compare_paths);
        if (index < displays->len)
                call_ask(call, displays->pdata[index], GRAPHICS, "Open", g_variant_new("(a{sv})", NULL), "(h)", on_display);
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "internal error: No graphics backend with index %u", index);
}

static void on_active_to_show(Call *call, GVariant *properties) {
        (void) properties;
        row_objects(call, on_displays);
}

static void open_display(Call *call) {
        row_if_active(call, on_active_to_show);
}

const CallRow stream_calls[] = {
        { REMOTE_DOMAIN_OPEN_GRAPHICS_FD, open_display, NULL, CHANGES, graphics_flags },
        { REMOTE_DOMAIN_OPEN_CONSOLE, open_console, NULL, CHANGES, console_flags },
        { REMOTE_DOMAIN_OPEN_CHANNEL, open_console, NULL, CHANGES, channel_flags },
        { REMOTE_DOMAIN_SCREENSHOT, take_screenshot, NULL, CHANGES },
        {},
};
