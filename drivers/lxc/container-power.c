/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-power.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "domain/connection.h"
#include "domain/definition-edit.h"
#include "domain/operations/device-change.h"
#include "domain/operations/power.h"
#include "domain/statistics.h"
#include "link/counters.h"
#include "lxc/container-group.h"
#include "lxc/container-plug.h"
#include "lxc/container-work.h"
#include "lxc/container.h"

/* How the first programs that there are take it that they are to end, or to restart: systemd(1), busybox's init, which is one of
 * many programs in a file; SIGTERM is what others know, which those that do not handle it do not see: the kernel keeps it from
 * them. */
static const struct {
        const char *file, *name; /* of what runs; as its document calls it, or NULL */
        int shutdown, reboot;    /* offsets from SIGRTMIN are negative */
} programs[] = { { "systemd", NULL, -4, -5 }, { "busybox", "init", SIGUSR2, SIGTERM } };

static bool check_runs(Operation *operation) {
        g_autoptr(GError) error = NULL;
        if (container_check_runs(operation->domain, &error))
                return true;
        operation_finish(operation, error);
        return false;
}

static void suspend(Operation *operation) {
        if (check_runs(operation))
                container_work_freeze(operation, true);
}

static void resume(Operation *operation) {
        if (check_runs(operation))
                container_work_freeze(operation, false);
}

/* 0 where it is not one of those that are known. */
static int find_signal(const Container *container, bool reboots) {
        g_autofree char *link = g_strdup_printf("/proc/%d/exe", container->pid), *path = g_file_read_link(link, NULL),
                        *file = g_path_get_basename(path ? path : "/"), *init = NULL;
        g_autoptr(xmlDoc) document = definition_document(container->domain->live, NULL);
        if (document)
                init = xml_text_at(xmlDocGetRootElement(document), "os/init");
        for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
                int number = reboots ? programs[i].reboot : programs[i].shutdown;
                const char *name = init ? strrchr(init, '/') + 1 : "";
                if (strcmp(file, programs[i].file) == 0 && (!programs[i].name || strcmp(name, programs[i].name) == 0))
                        return number < 0 ? SIGRTMIN - number : number;
        }
        return 0;
}

static void shutdown(Operation *operation) {
        Domain *domain = operation->domain;
        const Container *container = domain->run;
        bool reboots = operation_is(operation, &reboot_class);
        g_autoptr(GError) error = NULL;
        if (!check_runs(operation))
                return;
        int number = find_signal(container, reboots);
        if (number == 0 && reboots) {
                domain->reboot = false;
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "its first program is neither systemd nor busybox, and knows no signal to restart: shut it down and "
                            "start it");
        } else if (syscall(SYS_pidfd_send_signal, container->init, number ? number : SIGTERM, NULL, 0) < 0 && errno != ESRCH)
                virtbus_error_set_errno(&error, errno, "domain '%s' cannot be told", domain_name(domain));
        operation_finish(operation, error);
}

const HypervisorPower container_power = {
        .suspend = suspend,
        .resume = resume,
        .shutdown = shutdown,
};

/* Limits */

static void resize(Operation *operation) {
        const DeviceChange *change = device_change_of(operation);
        g_autoptr(GError) error = NULL;
        if (!check_runs(operation))
                return;
        if (change->vcpus > 0 || change->cpus || change->io_thread != IO_THREAD_SAME || change->listed_vcpus) {
                domain_fail(operation->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "a container has no virtual processors and I/O threads; give its <vcpu> a cpuset, and its <cputune> "
                            "a "
                            "quota");
                operation_finish(operation, error);
                return;
        }
        if (change->is_lifecycle) { /* which is looked at when it ends */
                operation_finish(operation, NULL);
                return;
        }
        container_work_limit(operation, change->document);
}

const HypervisorDevices container_devices = {
        .attach = container_plug_attach,
        .detach = container_plug_detach,
        .update = container_plug_update,
        .resize = resize,
};

/* Statistics */

static void collect(Domain *domain) {
        ContainerUsage usage = container_group_usage(domain->uuid);
        if (usage.has_time) {
                statistics_begin(domain, "cpu");
                statistics_set(domain, "time", usage.time);
                statistics_set(domain, "user_time", usage.user_time);
                statistics_set(domain, "system_time", usage.system_time);
        }
        if (usage.has_memory) {
                statistics_begin(domain, "memory");
                statistics_set(domain, "rss", usage.memory);
        }
        counters_collect(domain);
        statistics_collected(domain);
}

const HypervisorStatistics container_statistics = {
        .collect = collect,
};
