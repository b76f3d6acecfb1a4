/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/device-helpers.h"

#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "domain/domain-status.h"
#include "qemu/guest/passt.h"
#include "qemu/guest/virtiofsd.h"

static const DeviceHelperKind *const kinds[] = { &passt_helper, &virtiofsd_helper };

struct DeviceHelpers {
        GPtrArray *list;         /* DeviceHelper */
        DeviceHelpersDone ready; /* somebody waits for all to serve */
        sd_event_source *timeout;
        DeviceHelpersDone ended; /* or to be gone */
        GError *error;           /* for that */
};

static void stop_waiting(DeviceHelper *helper) {
        helper->wait = sd_event_source_disable_unref(helper->wait);
        autofd_close(&helper->ready);
        helper->ready = -1;
}

static void device_helper_free(DeviceHelper *helper) {
        stop_waiting(helper);
        helper_forget(&helper->helper);
        g_free(helper->alias);
        g_free(helper);
}

static struct DeviceHelpers *helpers_of(Guest *guest) {
        if (!guest->helpers) {
                guest->helpers = g_new0(struct DeviceHelpers, 1);
                guest->helpers->list = g_ptr_array_new_with_free_func((GDestroyNotify) device_helper_free);
        }
        return guest->helpers;
}

static DeviceHelper *device_helper_new(Guest *guest, const DeviceHelperKind *kind, const char *alias) {
        DeviceHelper *helper = g_new0(DeviceHelper, 1);
        *helper = (DeviceHelper){ .helper = helper_of(guest), .kind = kind, .alias = g_strdup(alias), .ready = -1 };
        g_ptr_array_add(helpers_of(guest)->list, helper);
        return helper;
}

static const DeviceHelperKind *find_kind(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (g_strcmp0(name, kinds[i]->name) == 0)
                        return kinds[i];
        return NULL;
}

/* Making, and serving */

static void on_ended(Helper *ended, int status);

static bool make(DeviceHelper *helper, const GPtrArray *files, File *file, GError **error) {
        HelperProgram program = { .arguments = g_ptr_array_new_with_free_func(g_free),
                                  .fds = g_array_new(FALSE, FALSE, sizeof(int)),
                                  .log = -1 };
        bool fine = helper->kind->plan(helper, files, file, &program, error) &&
                    helper_run(&helper->helper, &program, on_ended, error);
        for (guint i = 0; i < program.fds->len; i++)
                close(g_array_index(program.fds, int, i));
        autofd_close(&program.log);
        g_array_unref(program.fds);
        g_ptr_array_unref(program.arguments);
        return fine;
}

bool device_helpers_make(Guest *guest, const GPtrArray *files, GError **error) {
        for (guint i = 0; i < files->len; i++) {
                File *file = files->pdata[i];
                if (file->purpose != FILE_HELPER)
                        continue;
                const DeviceHelperKind *kind = find_kind(file->format);
                if (!make(device_helper_new(guest, kind, file->alias), files, file, error))
                        return false;
        }
        return true;
}

bool device_helpers_wanted(const GPtrArray *files) {
        for (guint i = 0; i < files->len; i++)
                if (((const File *) files->pdata[i])->purpose == FILE_HELPER)
                        return true;
        return false;
}

/* The name of one that is waited for, or NULL. */
static const char *find_awaited(const Guest *guest) {
        for (guint i = 0; guest->helpers && guest->helpers->ready && i < guest->helpers->list->len; i++) {
                const DeviceHelper *helper = guest->helpers->list->pdata[i];
                if (helper->ready >= 0)
                        return helper->kind->name;
        }
        return NULL;
}

static void tell_ready(Guest *guest, const GError *error) {
        DeviceHelpersDone ready = guest->helpers->ready;
        if (!ready || (!error && find_awaited(guest)))
                return;
        guest->helpers->timeout = sd_event_source_disable_unref(guest->helpers->timeout);
        guest->helpers->ready = NULL;
        ready(guest, error);
}

/* It serves; or it ends, which is seen next. */
static int on_ready(sd_event_source *source, int fd, uint32_t events, void *data) {
        DeviceHelper *helper = data;
        char byte;
        (void) events;
        if (read(fd, &byte, 1) != 1) {
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
                return 0;
        }
        stop_waiting(helper);
        tell_ready(helper->helper.guest, NULL);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT, "%s did not begin to serve within %d seconds",
                    find_awaited(guest), (int) (DEVICE_HELPERS_TIMEOUT / 1000000));
        tell_ready(guest, error);
        return 0;
}

void device_helpers_go(Guest *guest, DeviceHelpersDone done) {
        g_autoptr(GError) error = NULL;
        helpers_of(guest)->ready = done;
        for (guint i = 0; i < guest->helpers->list->len && !error; i++) {
                DeviceHelper *helper = guest->helpers->list->pdata[i];
                if (!helper->helper.process || helper->goes)
                        continue;
                helper->goes = true;
                int r = helper->ready < 0 ? 0
                                          : sd_event_add_io(guest->domain->connection->event, &helper->wait, helper->ready,
                                                            EPOLLIN, on_ready, helper);
                if (r < 0)
                        virtbus_error_set_errno(&error, -r, "%s cannot be watched", helper->kind->name);
                else
                        helper_go(&helper->helper);
        }
        if (!error && find_awaited(guest))
                sd_event_add_time_relative(guest->domain->connection->event, &guest->helpers->timeout, CLOCK_MONOTONIC,
                                           DEVICE_HELPERS_TIMEOUT, 0, on_timeout, guest);
        tell_ready(guest, error);
}

/* Ending */

static bool is_any_there(const Guest *guest) {
        for (guint i = 0; guest->helpers && i < guest->helpers->list->len; i++)
                if (((DeviceHelper *) guest->helpers->list->pdata[i])->helper.process)
                        return true;
        return false;
}

static void tell_lost(DeviceHelper *helper) {
        helper->is_lost = false;
        helper->kind->has_ended(helper);
        domain_save_status(helper->helper.guest->domain); /* that this has been told */
}

/* What it means is told by what the guest is at: mostly QEMU has ended too, which is told next. */
static void on_ended(Helper *ended, int status) {
        DeviceHelper *helper = (DeviceHelper *) ended; /* its first member */
        Guest *guest = ended->guest;
        struct DeviceHelpers *helpers = guest->helpers;
        g_autoptr(GError) error = NULL;
        bool was_awaited = helper->ready >= 0 && helpers->ready;
        (void) status;
        stop_waiting(helper);
        if (helpers->ended) {
                if (!is_any_there(guest))
                        helpers->ended(guest, helpers->error);
        } else if (helper->leaves)
                g_ptr_array_remove(helpers->list, helper);
        else if (was_awaited) {
                g_autofree char *words = helper_last_words(ended);
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s of %s '%s' has ended%s%s",
                            helper->kind->name, helper->kind->of, helper->alias, *words ? ": " : "", words);
                tell_ready(guest, error);
        } else if (!guest->has_ended && guest->domain->state != DOMAIN_STOPPING)
                tell_lost(helper);
}

void device_helpers_leave(Guest *guest, const char *alias) {
        for (guint i = guest->helpers ? guest->helpers->list->len : 0; i-- > 0;) {
                DeviceHelper *helper = guest->helpers->list->pdata[i];
                if (helper->leaves || strcmp(helper->alias, alias) != 0)
                        continue;
                helper->leaves = true;
                if (!helper_end(&helper->helper))
                        g_ptr_array_remove_index(guest->helpers->list, i);
        }
}

void device_helpers_end(Guest *guest, const GError *error, DeviceHelpersDone done) {
        if (!is_any_there(guest)) {
                done(guest, error);
                return;
        }
        guest->helpers->ready = NULL;
        guest->helpers->timeout = sd_event_source_disable_unref(guest->helpers->timeout);
        guest->helpers->ended = done;
        guest->helpers->error = error ? g_error_copy(error) : NULL;
        for (guint i = 0; i < guest->helpers->list->len; i++)
                helper_end(&((DeviceHelper *) guest->helpers->list->pdata[i])->helper);
}

/* A later driver */

static void save(const Guest *guest, xmlNode *saved) {
        for (guint i = 0; guest->helpers && i < guest->helpers->list->len; i++) {
                const DeviceHelper *helper = guest->helpers->list->pdata[i];
                xmlNode *element = xml_add(saved, "helper", NULL);
                xml_set_attribute(element, "kind", helper->kind->name);
                xml_set_attribute(element, "alias", helper->alias);
                xml_set_attribute(element, "leaves", helper->leaves ? "yes" : "no");
                helper_save(&helper->helper, element);
        }
}

static void load(Guest *guest, xmlNode *saved) {
        for (const xmlNode *element = xml_child(saved, "helper"); element; element = xml_next(element, "helper")) {
                g_autofree char *name = xml_attribute(element, "kind"), *alias = xml_attribute(element, "alias"),
                                *pid = xml_attribute(element, "pid");
                const DeviceHelperKind *kind = find_kind(name);
                if (!kind || !alias)
                        continue;
                DeviceHelper *helper = device_helper_new(guest, kind, alias);
                helper->goes = true;
                helper->leaves = xml_attribute_is(element, "leaves", "yes");
                helper_load(&helper->helper, element, on_ended);
                helper->is_lost = pid && !helper->helper.process && !helper->leaves;
        }
}

/* Those that have ended while no driver was there, and those that had begun to leave. */
static void recover(Guest *guest) {
        for (guint i = 0; guest->helpers && i < guest->helpers->list->len; i++) {
                DeviceHelper *helper = guest->helpers->list->pdata[i];
                if (helper->is_lost)
                        tell_lost(helper);
                else if (helper->leaves)
                        helper_end(&helper->helper);
        }
}

static void forget(Guest *guest) {
        struct DeviceHelpers *helpers = g_steal_pointer(&guest->helpers);
        if (!helpers)
                return;
        sd_event_source_disable_unref(helpers->timeout);
        g_ptr_array_unref(helpers->list);
        g_clear_error(&helpers->error);
        g_free(helpers);
}

const GuestModule device_helpers_module = { .save = save, .load = load, .recover = recover, .forget = forget };
