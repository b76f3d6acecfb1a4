/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of other daemons: leases, as lines or JSON. foreign_read is this file's, by the linker. */

#include <string.h>

#include "base/foreign.h"
#include "bus.h"
#include "domain/agent/leases.h"
#include "fuzz-qemu.h"
#include "interfaces.h"

static const char *contents;

char *__wrap_foreign_read(const char *path);
char *__wrap_foreign_read(const char *path) {
        (void) path;
        return g_strdup(contents);
}

static Call *arrived;

static void keep_call(Call *call, void *unused) {
        (void) unused;
        arrived = call;
}

/* A call of GetAddresses, as virtbusd would make it. */
static Call *make_call(sd_bus *bus) {
        static Objects *objects;
        static MethodHandler *handlers;
        static Vtable vtable = { .info = &interface_device_network_interface };
        static const Vtable *const vtables[] = { &vtable, NULL };
        if (!objects) {
                handlers = g_new0(MethodHandler, vtable.info->n_methods);
                for (size_t i = 0; i < vtable.info->n_methods; i++)
                        handlers[i] = keep_call;
                vtable.methods = handlers;
                objects = objects_new();
                objects_publish(objects, "/a", NULL, vtables);
        }
        g_autoptr(sd_bus_message) message = NULL;
        g_assert_cmpint(sd_bus_message_new_method_call(bus, &message, NULL, "/a", vtable.info->name, "GetAddresses"), >=, 0);
        g_assert_cmpint(sd_bus_message_append(message, "sa{sv}", "lease", 0), >=, 0);
        g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
        g_assert_cmpint(objects_dispatch(objects, message), ==, 1);
        return arrived;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static sd_event *event;
        static sd_bus *client, *server;
        static Worker *worker;
        g_autofree char *text = g_strndup((const char *) data, size);
        if (!event) {
                fuzz_folder();
                g_assert_cmpint(sd_event_new(&event), >=, 0);
                fuzz_bus_pair(event, &client, &server);
                worker = worker_new(event, 1, NULL);
        }
        contents = text;
        leases_answer(worker, &(LeasesPlace){ .bridge = "virbr0" }, "52:54:00:00:00:01", make_call(client));
        while (worker_pending(worker) > 0)
                sd_event_run(event, UINT64_MAX);
        fuzz_settle(event);
        return 0;
}
