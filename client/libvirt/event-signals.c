/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-signals.h"

#include <string.h>
#include <systemd/sd-bus.h>

/* libvirt's kinds. */
typedef enum EventKind {
        EVENT_REBOOT = 1,
        EVENT_RTC_CHANGE = 2,
        EVENT_WATCHDOG = 3,
        EVENT_IO_ERROR = 4,
        EVENT_GRAPHICS = 5,
        EVENT_IO_ERROR_REASON = 6,
        EVENT_CONTROL_ERROR = 7,
        EVENT_BLOCK_JOB = 8,
        EVENT_DISK_CHANGE = 9,
        EVENT_PMSUSPEND_DISK = 14,
        EVENT_BLOCK_JOB_2 = 16,
        EVENT_DEVICE_REMOVAL_FAILED = 22,
        EVENT_METADATA_CHANGE = 23,
        EVENT_BLOCK_THRESHOLD = 24,
        EVENT_MEMORY_FAILURE = 25,
        EVENT_MEMORY_DEVICE_SIZE_CHANGE = 26,
} EventKind;

char *event_signals_alias(const char *path) {
        static const char below[] = "/device";
        const char *part = strstr(path, "/device/");
        g_autofree char *prefix = part ? g_strndup(path, (size_t) (part - path) + strlen(below)) : NULL;
        char *alias = NULL;
        return prefix && sd_bus_path_decode(path, prefix, &alias) > 0 ? alias : NULL;
}

/* libvirt's numbers of words: the place in a list. */
static int32_t number_of(const char *const *names, size_t n, const char *name, int32_t otherwise) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return (int32_t) i;
        return otherwise;
}

static void tell_block_job(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        static const char *const types[] = { "", "pull", "copy", "commit", "active-commit" };
        static const char *const states[] = { "completed", "failed", "cancelled", "ready" };
        const char *target, *path, *operation, *state;
        (void) alias;
        g_variant_get(arguments, "(&s&s&s&s&s)", &target, &path, &operation, &state, NULL);
        int32_t type = number_of(types, G_N_ELEMENTS(types), operation, 0),
                status = number_of(states, G_N_ELEMENTS(states), state, 1);
        GVariant *by_path[] = { g_variant_new_string(path), g_variant_new_int32(type), g_variant_new_int32(status) },
                 *by_target[] = { g_variant_new_string(target), g_variant_new_int32(type), g_variant_new_int32(status) };
        events_tell(events, EVENT_BLOCK_JOB, REMOTE_DOMAIN_EVENT_CALLBACK_BLOCK_JOB, LAYOUT_NESTED, properties, by_path,
                    G_N_ELEMENTS(by_path));
        events_tell(events, EVENT_BLOCK_JOB_2, REMOTE_DOMAIN_EVENT_BLOCK_JOB_2, LAYOUT_FLAT, properties, by_target,
                    G_N_ELEMENTS(by_target));
}

/* Of the top image by the disk's name, and by that with its index, as libvirt tells it. */
static void tell_threshold(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        const char *target, *path;
        uint32_t index;
        (void) alias;
        uint64_t threshold, excess;
        g_variant_get(arguments, "(&su&stt)", &target, &index, &path, &threshold, &excess);
        g_autofree char *numbered = g_strdup_printf("%s[%u]", target, index);
        const char *const names[] = { target, numbered };
        for (size_t i = index == 1 ? 0 : 1; i < G_N_ELEMENTS(names); i++) {
                GVariant *body[] = { g_variant_new_string(names[i]),
                                     g_variant_new_maybe(G_VARIANT_TYPE_STRING, g_variant_new_string(path)),
                                     g_variant_new_uint64(threshold), g_variant_new_uint64(excess) };
                events_tell(events, EVENT_BLOCK_THRESHOLD, REMOTE_DOMAIN_EVENT_BLOCK_THRESHOLD, LAYOUT_FLAT, properties, body,
                            G_N_ELEMENTS(body));
        }
}

/* What a guest does */

static void tell_reboot(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        (void) alias;
        (void) arguments;
        events_tell(events, EVENT_REBOOT, REMOTE_DOMAIN_EVENT_CALLBACK_REBOOT, LAYOUT_NESTED, properties, NULL, 0);
}

static void tell_clock(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        int64_t offset;
        (void) alias;
        g_variant_get(arguments, "(x)", &offset);
        GVariant *body[] = { g_variant_new_int64(offset) };
        events_tell(events, EVENT_RTC_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_RTC_CHANGE, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
}

static void tell_watchdog(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        static const char *const actions[] = { "none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi" };
        const char *action;
        (void) alias;
        g_variant_get(arguments, "(&s)", &action);
        GVariant *body[] = { g_variant_new_int32(number_of(actions, G_N_ELEMENTS(actions), action, 0)) };
        events_tell(events, EVENT_WATCHDOG, REMOTE_DOMAIN_EVENT_CALLBACK_WATCHDOG, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
}

static void tell_control_error(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        (void) alias;
        (void) arguments;
        events_tell(events, EVENT_CONTROL_ERROR, REMOTE_DOMAIN_EVENT_CALLBACK_CONTROL_ERROR, LAYOUT_NESTED, properties, NULL, 0);
}

static void tell_suspend_to_disk(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        (void) alias;
        (void) arguments;
        events_tell(events, EVENT_PMSUSPEND_DISK, REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK, LAYOUT_WITH_REASON, properties,
                    NULL, 0);
}

#define METADATA_ELEMENT 2

static void tell_metadata(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        g_autoptr(GVariant) uri = g_variant_get_child_value(arguments, 0);
        GVariant *body[] = { g_variant_new_int32(METADATA_ELEMENT), g_variant_new_maybe(G_VARIANT_TYPE_STRING, uri) };
        (void) alias;
        events_tell(events, EVENT_METADATA_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, LAYOUT_FLAT, properties, body,
                    G_N_ELEMENTS(body));
}

#define MEMORY_FAILURE_ACTION_REQUIRED 1
#define MEMORY_FAILURE_RECURSIVE 2

static void tell_memory_failure(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        static const char *const recipients[] = { "hypervisor", "guest" };
        static const char *const actions[] = { "ignored", "injected", "fatal", "reset" };
        const char *recipient, *action;
        gboolean action_required, recursive;
        (void) alias;
        g_variant_get(arguments, "(&s&sbb)", &recipient, &action, &action_required, &recursive);
        GVariant *body[] = { g_variant_new_int32(number_of(recipients, G_N_ELEMENTS(recipients), recipient, 0)),
                             g_variant_new_int32(number_of(actions, G_N_ELEMENTS(actions), action, 0)),
                             g_variant_new_uint32((action_required ? MEMORY_FAILURE_ACTION_REQUIRED : 0) |
                                                  (recursive ? MEMORY_FAILURE_RECURSIVE : 0)) };
        events_tell(events, EVENT_MEMORY_FAILURE, REMOTE_DOMAIN_EVENT_MEMORY_FAILURE, LAYOUT_FLAT, properties, body,
                    G_N_ELEMENTS(body));
}

/* What a device does */

static void tell_io_error(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        static const char *const actions[] = { "ignored", "paused", "reported" };
        const char *source, *action, *reason;
        g_variant_get(arguments, "(&s&s&s)", &source, &action, &reason);
        int32_t number = number_of(actions, G_N_ELEMENTS(actions), action, 0);
        GVariant *body[] = { g_variant_new_string(source), g_variant_new_string(alias), g_variant_new_int32(number) },
                 *with_reason[] = { g_variant_new_string(source), g_variant_new_string(alias), g_variant_new_int32(number),
                                    g_variant_new_string(strcmp(reason, "no-space") == 0 ? "enospc" : "") };
        events_tell(events, EVENT_IO_ERROR, REMOTE_DOMAIN_EVENT_CALLBACK_IO_ERROR, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
        events_tell(events, EVENT_IO_ERROR_REASON, REMOTE_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, LAYOUT_NESTED, properties,
                    with_reason, G_N_ELEMENTS(with_reason));
}

static void tell_image_missing(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        g_autoptr(GVariant) source = g_variant_get_child_value(arguments, 0);
        gboolean left_out;
        g_variant_get_child(arguments, 1, "b", &left_out);
        GVariant *body[] = { g_variant_new_maybe(G_VARIANT_TYPE_STRING, source), g_variant_new_maybe(G_VARIANT_TYPE_STRING, NULL),
                             g_variant_new_string(alias), g_variant_new_int32(left_out ? 1 : 0) };
        events_tell(events, EVENT_DISK_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_DISK_CHANGE, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
}

static void tell_removal_failed(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        GVariant *body[] = { g_variant_new_string(alias) };
        (void) arguments;
        events_tell(events, EVENT_DEVICE_REMOVAL_FAILED, REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, LAYOUT_FLAT,
                    properties, body, G_N_ELEMENTS(body));
}

static void tell_memory_size(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        uint64_t size;
        g_variant_get(arguments, "(t)", &size);
        GVariant *body[] = { g_variant_new_string(alias), g_variant_new_uint64(size) };
        events_tell(events, EVENT_MEMORY_DEVICE_SIZE_CHANGE, REMOTE_DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE, LAYOUT_FLAT,
                    properties, body, G_N_ELEMENTS(body));
}

/* One end of a connection to a display: (iss). */
static GVariant *graphics_address(GVariant *arguments, size_t index) {
        static const char *const families[] = { "ipv4", "ipv6", "unix" };
        const char *family, *host, *service;
        g_variant_get_child(arguments, index, "(&s&s&s)", &family, &host, &service);
        return g_variant_new("(iss)", number_of(families, G_N_ELEMENTS(families), family, 0), host, service);
}

static void tell_graphics(Events *events, GVariant *properties, const char *alias, GVariant *arguments) {
        static const char *const phases[] = { "connected", "initialized", "disconnected" };
        const char *phase, *authentication, *certificate, *user;
        GVariantBuilder subject;
        (void) alias;
        g_variant_get_child(arguments, 0, "&s", &phase);
        g_variant_get_child(arguments, 3, "&s", &authentication);
        g_variant_get_child(arguments, 4, "&s", &certificate);
        g_variant_get_child(arguments, 5, "&s", &user);
        g_variant_builder_init(&subject, G_VARIANT_TYPE("a(ss)"));
        if (*certificate)
                g_variant_builder_add(&subject, "(ss)", "x509dname", certificate);
        if (*user)
                g_variant_builder_add(&subject, "(ss)", "saslUsername", user);
        GVariant *body[] = { g_variant_new_int32(number_of(phases, G_N_ELEMENTS(phases), phase, 0)),
                             graphics_address(arguments, 1), graphics_address(arguments, 2), g_variant_new_string(authentication),
                             g_variant_builder_end(&subject) };
        events_tell(events, EVENT_GRAPHICS, REMOTE_DOMAIN_EVENT_CALLBACK_GRAPHICS, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
}

static const struct {
        const char *member, *type;
        bool of_device;
        void (*tell)(Events *events, GVariant *properties, const char *alias, GVariant *arguments);
} signals[] = {
        { "Rebooted", "()", false, tell_reboot },
        { "ClockChanged", "(x)", false, tell_clock },
        { "WatchdogExpired", "(s)", false, tell_watchdog },
        { "ControlLost", "(s)", false, tell_control_error },
        { "SuspendedToDisk", "()", false, tell_suspend_to_disk },
        { "MetadataChanged", "(s)", false, tell_metadata },
        { "MemoryFailed", "(ssbb)", false, tell_memory_failure },
        { "IOFailed", "(sss)", true, tell_io_error },
        { "ImageMissing", "(sb)", true, tell_image_missing },
        { "DetachFailed", "()", true, tell_removal_failed },
        { "SizeChanged", "(t)", true, tell_memory_size },
        { "ClientChanged", "(s(sss)(sss)sss)", true, tell_graphics },
        { "JobStateChanged", "(sssss)", true, tell_block_job },
        { "ThresholdReached", "(sustt)", true, tell_threshold },
};

void event_signals_told(void *data, GVariant *properties, const char *path, const char *member, GVariant *arguments) {
        g_autofree char *alias = event_signals_alias(path);
        for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
                if (strcmp(signals[i].member, member) == 0 && signals[i].of_device == (alias != NULL) &&
                    g_variant_is_of_type(arguments, G_VARIANT_TYPE(signals[i].type)))
                        signals[i].tell(data, properties, alias, arguments);
}
