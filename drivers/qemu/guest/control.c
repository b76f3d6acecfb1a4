/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/named-file.h"
#include "bus.h"
#include "qemu/guest/fd-sets.h"
#include "vtables.h"

/* The largest picture that is given away, in bytes. */
#define PICTURE_BYTES_MAX (256 * 1024 * 1024)

/* A call that waits for QEMU to do one thing, perhaps to a file. */
typedef struct Deed {
        Guest *guest;
        Call *call;
        LentFile *file; /* what QEMU writes, or NULL */
        void (*lent)(struct Deed *deed);
        struct Copying *copying;
        uint64_t address, size;
        bool is_virtual;
        char *device;
} Deed;

/* Of a picture whose file stays with QEMU: who asked for it has one that changes no more. */
struct Copying {
        Deed *deed; /* NULL: the guest has been let go of */
        int from, to;
        off_t size;
};

static void deed_free(Deed *deed) {
        g_queue_remove(&deed->guest->deeds, deed);
        if (deed->copying)
                deed->copying->deed = NULL;
        if (deed->file && deed->guest->monitor)
                fd_sets_take_back(deed->guest, g_steal_pointer(&deed->file));
        g_clear_pointer(&deed->file, lent_file_free);
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
        *deed = (Deed){ .guest = domain->run, .call = call };
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

/* What QEMU writes into a file of ours */

static void on_lent(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        if (error) {
                fail(deed, error);
                return;
        }
        JsonObject *result = json_member(answer, "return");
        deed->file->set = json_int(result, "fdset-id", 0);
        deed->file->number = json_int(result, "fd", 0);
        deed->lent(deed);
}

/* Has QEMU a file to write, then calls LENT. */
static void lend(Deed *deed, void (*lent)(Deed *deed)) {
        g_autoptr(GError) error = NULL;
        deed->lent = lent;
        deed->file = fd_sets_lend(deed->guest, &error);
        if (!deed->file) {
                fail(deed, error);
                return;
        }
        if (deed->file->set >= 0)
                lent(deed);
        else
                monitor_command(deed->guest->monitor, "add-fd", json_make("opaque", 's', "control", NULL), deed->file->writer,
                                on_lent, deed);
}

static void give_picture(Deed *deed, int file) {
        g_autofd int reader = named_file_use(file, O_RDONLY);
        g_autoptr(GError) error = NULL;
        if (reader < 0) {
                virtbus_error_set_errno(&error, errno, "the picture cannot be read");
                fail(deed, error);
                return;
        }
        reply_domain_screenshot(deed->call, reader);
        deed_free(deed);
}

static void copy_in_worker(void *data, GError **error) {
        struct Copying *copying = data;
        off_t place = 0;
        ssize_t n = 1;
        copying->to = memfd_create("virtbus-picture", MFD_CLOEXEC);
        while (copying->to >= 0 && n > 0 && place < copying->size)
                n = sendfile(copying->to, copying->from, &place, (size_t) (copying->size - place));
        if (copying->to < 0 || n <= 0)
                virtbus_error_set_errno(error, n == 0 ? EIO : errno, "the picture cannot be copied");
}

static void on_copied(void *data, const GError *error) {
        struct Copying *copying = data;
        Deed *deed = copying->deed;
        if (deed)
                deed->copying = NULL;
        if (deed && error)
                fail(deed, error);
        else if (deed)
                give_picture(deed, copying->to);
        close(copying->from);
        autofd_close(&copying->to);
        g_free(copying);
}

static void on_pictured(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        struct stat info;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        (void) answer;
        g_autofd int file = failure ? -1 : fcntl(deed->file->file, F_DUPFD_CLOEXEC, 3);
        if (!failure && (file < 0 || fstat(file, &info) < 0))
                virtbus_error_set_errno(&failure, errno, "the picture cannot be read");
        else if (!failure && (info.st_size == 0 || info.st_size > PICTURE_BYTES_MAX))
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU made a picture of %" PRId64 " bytes",
                                  (int64_t) info.st_size);
        if (failure) {
                fail(deed, failure);
        } else if (fd_sets_stay(deed->guest)) {
                deed->copying = g_new0(struct Copying, 1);
                *deed->copying = (struct Copying){ deed, steal_fd(&file), -1, info.st_size };
                worker_run(deed->guest->domain->connection->worker, copy_in_worker, on_copied, deed->copying);
        } else {
                give_picture(deed, file);
        }
}

static void picture(Deed *deed) {
        g_autofree char *path = g_strdup_printf("/dev/fdset/%" G_GINT64_FORMAT, deed->file->set);
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
        lend(deed, picture);
}

static void on_peeked(void *data, JsonObject *answer, const GError *error) {
        Deed *deed = data;
        g_autofree uint8_t *bytes = g_malloc0(deed->size);
        (void) answer;
        ssize_t n = error ? 0 : pread(deed->file->file, bytes, deed->size, 0);
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
static void peek(Deed *deed) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%" G_GINT64_FORMAT, deed->file->number);
        monitor_command(deed->guest->monitor, deed->is_virtual ? "memsave" : "pmemsave",
                        json_make("val", 'i', (gint64) deed->address, "size", 'i', (gint64) deed->size, "filename", 's', path,
                                  NULL),
                        -1, on_peeked, deed);
}

void control_peek_memory(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call) {
        Deed *deed = deed_new(domain, call);
        if (!deed)
                return;
        deed->address = address;
        deed->size = size;
        deed->is_virtual = is_virtual;
        lend(deed, peek);
}

const GuestModule control_module = {
        .forget = on_forgotten,
};
