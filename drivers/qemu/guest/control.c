/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bus.h"
#include "vtables.h"

/* The largest picture that is given away, in bytes. */
#define PICTURE_BYTES_MAX (256 * 1024 * 1024)

/* A call that waits for QEMU to do one thing, perhaps to a file. */
typedef struct Deed {
        Guest *guest;
        Call *call;
        int file; /* what QEMU writes, or -1 */
        uint64_t address, size;
        bool is_virtual;
        char *device;
} Deed;

static void deed_free(Deed *deed) {
        g_queue_remove(&deed->guest->deeds, deed);
        autofd_close(&deed->file);
        g_free(deed->device);
        g_free(deed);
}

/* Calls that wait are answered by their guest's end: its monitor fails what waits for it. */
static Deed *deed_new(Domain *domain, Call *call) {
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(domain, &error)) {
                call_fail(call, error);
                return NULL;
        }
        Deed *deed = g_new0(Deed, 1);
        *deed = (Deed){ .guest = domain->run, .call = call, .file = -1 };
        g_queue_push_tail(&deed->guest->deeds, deed);
        return deed;
}

static void fail(Deed *deed, const GError *error) {
        g_autoptr(GError) named = NULL;
        domain_fail(deed->guest->domain, &named, virtbus_error_code(error), "%s", error->message);
        call_fail(deed->call, named);
        deed_free(deed);
}

static void on_forgotten(Guest *guest) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        for (Deed *deed; (deed = g_queue_peek_head(&guest->deeds));)
                fail(deed, error);
}

static void on_done(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        (void) answer;
        if (error) {
                fail(deed, error);
                return;
        }
        call_reply(deed->call, "");
        deed_free(deed);
}

static void simple(Domain *domain, const char *command, JsonObject *arguments, Call *call) {
        Deed *deed = deed_new(domain, call);
        if (deed)
                monitor_command(deed->guest->monitor, command, arguments, -1, on_done, deed);
        else if (arguments)
                json_object_unref(arguments);
}

void control_inject_nmi(Domain *domain, Call *call) {
        simple(domain, "inject-nmi", NULL, call);
}

void control_wake_up(Domain *domain, Call *call) {
        simple(domain, "system_wakeup", NULL, call);
}

/* Keys */

/* Linux's names of keys (linux/input-event-codes.h) that QEMU calls otherwise (QAPI's QKeyCode). */
static const char *const linux_keys[][2] = {
        { "LEFTCTRL", "ctrl" },
        { "RIGHTCTRL", "ctrl_r" },
        { "LEFTALT", "alt" },
        { "RIGHTALT", "alt_r" },
        { "LEFTSHIFT", "shift" },
        { "RIGHTSHIFT", "shift_r" },
        { "LEFTMETA", "meta_l" },
        { "RIGHTMETA", "meta_r" },
        { "ENTER", "ret" },
        { "SPACE", "spc" },
        { "CAPSLOCK", "caps_lock" },
        { "NUMLOCK", "num_lock" },
        { "SCROLLLOCK", "scroll_lock" },
        { "EQUAL", "equal" },
        { "LEFTBRACE", "bracket_left" },
        { "RIGHTBRACE", "bracket_right" },
        { "GRAVE", "grave_accent" },
        { "PAGEUP", "pgup" },
        { "PAGEDOWN", "pgdn" },
        { "KPENTER", "kp_enter" },
        { "KPASTERISK", "kp_multiply" },
        { "KPMINUS", "kp_subtract" },
        { "KPPLUS", "kp_add" },
        { "KPSLASH", "kp_divide" },
        { "KPDOT", "kp_decimal" },
        { "COMPOSE", "compose" },
        { "102ND", "less" },
        { "PRINT", "print" },
        { "MUTE", "audiomute" },
        { "VOLUMEUP", "volumeup" },
        { "VOLUMEDOWN", "volumedown" },
};

/* QEMU's name of a key, to be freed. */
static char *key_name(const char *key) {
        if (!g_str_has_prefix(key, "KEY_"))
                return g_strdup(key);
        const char *name = key + strlen("KEY_");
        for (size_t i = 0; i < G_N_ELEMENTS(linux_keys); i++)
                if (strcmp(name, linux_keys[i][0]) == 0)
                        return g_strdup(linux_keys[i][1]);
        if (g_str_has_prefix(name, "KP") && g_ascii_isdigit(name[2]) && !name[3])
                return g_strdup_printf("kp_%c", name[2]);
        return g_ascii_strdown(name, -1);
}

void control_send_keys(Domain *domain, char **keys, uint64_t hold_time, Call *call) {
        JsonArray *codes = json_array_new();
        for (char **key = keys; *key; key++) {
                g_autofree char *name = key_name(*key);
                bool fine = *name && strlen(name) < 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
                if (!fine) {
                        g_autoptr(GError) error = NULL;
                        virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                          "there is no key '%.64s'; use names such as KEY_LEFTCTRL, or ctrl", *key);
                        json_array_unref(codes);
                        call_fail(call, error);
                        return;
                }
                json_array_add_object_element(codes, json_make("type", 's', "qcode", "data", 's', name, NULL));
        }
        JsonObject *arguments = json_make("hold-time", 'i', (gint64) ((hold_time + 999) / 1000), NULL);
        json_object_set_array_member(arguments, "keys", codes);
        simple(domain, "send-key", arguments, call);
}

/* What QEMU writes into a file of ours, which has no name */

typedef void (*FileWritten)(void *data, JsonObject *answer, const GError *error);

/* Opens what the file is by another description, which may write, or only read. */
static int open_again(int file, int flags) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", file);
        return open(path, flags | O_CLOEXEC);
}

static void let_go(const Deed *deed, gint64 set) {
        monitor_command(deed->guest->monitor, "remove-fd", json_make("fdset-id", 'i', set, NULL), -1, NULL, NULL);
}

/* Gives QEMU a new file; ADDED gets the number of its set. */
static bool give_file(Deed *deed, MonitorDone added) {
        deed->file = memfd_create("virtbus-picture", MFD_CLOEXEC);
        g_autofd int writer = deed->file >= 0 ? open_again(deed->file, O_WRONLY) : -1;
        if (writer < 0) {
                g_autoptr(GError) error = NULL;
                virtbus_error_set_errno(&error, errno, "a file in memory cannot be made");
                fail(deed, error);
                return false;
        }
        monitor_command(deed->guest->monitor, "add-fd", json_make("opaque", 's', "control", NULL), writer, added, deed);
        return true;
}

static void on_pictured(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        g_autofd int reader = error ? -1 : open_again(deed->file, O_RDONLY);
        struct stat info;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        (void) answer;
        let_go(deed, (gint64) deed->size);
        if (!failure && (reader < 0 || fstat(reader, &info) < 0))
                virtbus_error_set_errno(&failure, errno, "the picture cannot be read");
        else if (!failure && (info.st_size == 0 || info.st_size > PICTURE_BYTES_MAX))
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU made a picture of %" PRId64 " bytes",
                                  (int64_t) info.st_size);
        if (failure) {
                fail(deed, failure);
                return;
        }
        reply_domain_screenshot(deed->call, reader);
        deed_free(deed);
}

static void on_picture_file(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        if (error) {
                fail(deed, error);
                return;
        }
        gint64 set = json_int(json_member(answer, "return"), "fdset-id", 0);
        g_autofree char *path = g_strdup_printf("/dev/fdset/%" G_GINT64_FORMAT, set);
        deed->size = (uint64_t) set;
        monitor_command(deed->guest->monitor, "screendump",
                        json_make("filename", 's', path, "device", 's', deed->device, "format", 's', "png", NULL), -1,
                        on_pictured, deed);
}

void control_screenshot(Domain *domain, uint32_t screen, Call *call) {
        uint32_t n = 0;
        const DeviceDefinition *video = NULL;
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                if (strcmp(device->kind, "video") == 0 && strcmp(device->model, "none") != 0 && n++ == screen)
                        video = device;
        }
        if (!video) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it has %u video cards, and no screen %u", n, screen);
                call_fail(call, error);
                return;
        }
        Deed *deed = deed_new(domain, call);
        if (!deed)
                return;
        deed->device = g_strdup(video->alias);
        give_file(deed, on_picture_file);
}

static void on_peeked(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        g_autofree uint8_t *bytes = g_malloc0(deed->size);
        (void) answer;
        ssize_t n = error ? 0 : pread(deed->file, bytes, deed->size, 0);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (!failure && n != (ssize_t) deed->size)
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "there is no memory at 0x%" PRIx64, deed->address);
        if (failure) {
                fail(deed, failure);
                return;
        }
        call_reply_bytes(deed->call, bytes, deed->size);
        deed_free(deed);
}

/* These commands open their file by themselves: by the number that it has in QEMU. */
static void on_peek_file(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        if (error) {
                fail(deed, error);
                return;
        }
        JsonObject *result = json_member(answer, "return");
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%" G_GINT64_FORMAT, json_int(result, "fd", 0));
        monitor_command(deed->guest->monitor, deed->is_virtual ? "memsave" : "pmemsave",
                        json_make("val", 'i', (gint64) deed->address, "size", 'i', (gint64) deed->size, "filename", 's', path,
                                  NULL),
                        -1, on_peeked, deed);
        let_go(deed, json_int(result, "fdset-id", 0)); /* after that: QEMU does one after the other */
}

void control_peek_memory(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call) {
        Deed *deed = deed_new(domain, call);
        if (!deed)
                return;
        deed->address = address;
        deed->size = size;
        deed->is_virtual = is_virtual;
        give_file(deed, on_peek_file);
}

const GuestModule control_module = {
        .forget = on_forgotten,
};
