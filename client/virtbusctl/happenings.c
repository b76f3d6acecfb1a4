/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "happenings.h"

#include <inttypes.h>
#include <string.h>

static char *tell_clock(GVariant *arguments) {
        gint64 offset;
        g_variant_get(arguments, "(x)", &offset);
        return g_strdup_printf("has set its clock: %+" PRId64 " s", (int64_t) offset);
}

static char *tell_watchdog(GVariant *arguments) {
        const char *action;
        g_variant_get(arguments, "(&s)", &action);
        return g_strdup_printf("its watchdog has expired: %s", action);
}

static char *tell_memory_failure(GVariant *arguments) {
        const char *recipient, *action;
        g_variant_get(arguments, "(&s&sbb)", &recipient, &action, NULL, NULL);
        return g_strdup_printf("memory of the %s is broken: %s", recipient, action);
}

static char *tell_control_lost(GVariant *arguments) {
        const char *message;
        g_variant_get(arguments, "(&s)", &message);
        return g_strdup_printf("cannot be controlled: %s", message);
}

static char *tell_metadata(GVariant *arguments) {
        const char *uri;
        g_variant_get(arguments, "(&s)", &uri);
        return g_strdup_printf("metadata have changed: %s", uri);
}

static char *tell_io(GVariant *arguments) {
        const char *source, *action, *reason;
        g_variant_get(arguments, "(&s&s&s)", &source, &action, &reason);
        return g_strdup_printf("cannot be read or written: %s (%s): %s", source, reason, action);
}

static char *tell_missing(GVariant *arguments) {
        const char *source;
        gboolean left_out;
        g_variant_get(arguments, "(&sb)", &source, &left_out);
        return g_strdup_printf("image is missing, %s: %s", left_out ? "it starts without the disk" : "the drive is empty",
                               source);
}

static char *tell_size(GVariant *arguments) {
        guint64 size;
        g_variant_get(arguments, "(t)", &size);
        return g_strdup_printf("the guest uses %" PRIu64 " bytes of it", (uint64_t) size);
}

static char *tell_client(GVariant *arguments) {
        const char *phase, *host, *service;
        g_autoptr(GVariant) remote = g_variant_get_child_value(arguments, 2);
        g_variant_get_child(arguments, 0, "&s", &phase);
        g_variant_get(remote, "(&s&s&s)", NULL, &host, &service);
        return *host ? g_strdup_printf("client %s: %s:%s", phase, host, service) : g_strdup_printf("client %s", phase);
}

static const struct {
        const char *signal, *type, *text; /* TEXT: where its arguments say no more */
        char *(*tell)(GVariant *arguments);
} happenings[] = {
        { "Rebooted", "()", "has rebooted", NULL },
        { "ClockChanged", "(x)", NULL, tell_clock },
        { "WatchdogExpired", "(s)", NULL, tell_watchdog },
        { "MemoryFailed", "(ssbb)", NULL, tell_memory_failure },
        { "SuspendedToDisk", "()", "has suspended itself to its disk", NULL },
        { "ControlLost", "(s)", NULL, tell_control_lost },
        { "MetadataChanged", "(s)", NULL, tell_metadata },
        { "DefinitionChanged", "()", "its definition has changed", NULL },
        { "DetachFailed", "()", "the guest does not release it", NULL },
        { "SizeChanged", "(t)", NULL, tell_size },
        { "IOFailed", "(sss)", NULL, tell_io },
        { "ImageMissing", "(sb)", NULL, tell_missing },
        { "ClientChanged", "(s(sss)(sss)sss)", NULL, tell_client },
};

char *happenings_text(const char *signal, GVariant *arguments) {
        for (size_t i = 0; i < G_N_ELEMENTS(happenings); i++)
                if (strcmp(happenings[i].signal, signal) == 0 &&
                    g_variant_is_of_type(arguments, G_VARIANT_TYPE(happenings[i].type)))
                        return happenings[i].tell ? happenings[i].tell(arguments) : g_strdup(happenings[i].text);
        return NULL;
}
