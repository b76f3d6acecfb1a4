/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-clock.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

static void build_timer(Builder *builder, xmlNode *timer, GString *rtc) {
        const char *name = builder_choose(builder, timer, "@name", "platform pit rtc hpet tsc kvmclock hypervclock"),
                   *policy = builder_choose(builder, timer, "@tickpolicy", "delay catchup merge discard");
        int present = builder_flag(builder, timer, "@present");
        if (!name)
                return;
        if (strcmp(name, "rtc") == 0) {
                const char *track = builder_choose(builder, timer, "@track", "boot guest wall realtime");
                if (track && strcmp(track, "boot") != 0)
                        g_string_append_printf(rtc, ",clock=%s",
                                               strcmp(track, "guest") == 0  ? "vm"
                                               : strcmp(track, "wall") == 0 ? "host"
                                                                            : "rt");
                if (policy && strcmp(policy, "catchup") == 0)
                        g_string_append(rtc, ",driftfix=slew");
                else if (policy && strcmp(policy, "delay") != 0)
                        builder_unsupported(builder, timer, "the timer rtc has the policies delay and catchup");
                builder_know(builder, timer, "catchup");
        } else if (strcmp(name, "pit") == 0) {
                if (policy && (strcmp(policy, "delay") == 0 || strcmp(policy, "discard") == 0))
                        builder_add(builder, "-global", "kvm-pit.lost_tick_policy=%s", policy);
                else if (policy && strcmp(policy, "catchup") != 0)
                        builder_unsupported(builder, timer, "the timer pit has the policies delay, discard and catchup");
        } else if (strcmp(name, "hpet") == 0) {
                if (present == 0)
                        g_string_append(builder->machine, ",hpet=off");
        } else if (strcmp(name, "kvmclock") == 0) {
                if (present >= 0)
                        g_string_append_printf(builder->cpu, ",kvmclock=%s", present ? "on" : "off");
        } else if (strcmp(name, "hypervclock") == 0) {
                if (present == 1)
                        g_string_append(builder->cpu, ",hv-time=on");
        } else if (strcmp(name, "tsc") == 0) {
                uint64_t frequency = builder_number(builder, timer, "@frequency", 1, G_MAXINT64, 0);
                if (frequency > 0)
                        g_string_append_printf(builder->cpu, ",tsc-frequency=%" PRIu64, frequency);
                /* The guest reads the host's own counter: what is native, and what is chosen here. */
                const char *mode = builder_choose(builder, timer, "@mode", "auto native emulate paravirt smpsafe");
                if (mode && strcmp(mode, "native") != 0 && strcmp(mode, "auto") != 0)
                        builder_not_here(
                                        builder, timer,
                                        "a TSC that is not the host's own, which is Xen's: leave out mode, or use mode='native'");
        } else
                builder_unsupported(builder, timer, "QEMU has no timer '%s'", name);
}

void build_clock(Builder *builder) {
        xmlNode *clock = builder_element(builder, builder->root, "clock");
        const char *offset = builder_choose(builder, clock, "@offset", "utc localtime timezone variable absolute"),
                   *adjustment = builder_get(builder, clock, "@adjustment");
        bool local = builder_is(builder, clock, "@basis", "localtime") || g_strcmp0(offset, "localtime") == 0;
        g_autoptr(GString) rtc = g_string_new("base=");
        builder_choose(builder, clock, "@basis", "utc localtime");
        if ((!offset || strcmp(offset, "utc") == 0 || strcmp(offset, "localtime") == 0) && adjustment) {
                if (strcmp(adjustment, "reset") == 0) /* it begins anew at each start, as here always */
                        adjustment = NULL;
                else /* as libvirt reads it */
                        offset = "variable";
        }
        if (!offset || strcmp(offset, "utc") == 0)
                g_string_append(rtc, "utc");
        else if (strcmp(offset, "localtime") == 0)
                g_string_append(rtc, "localtime");
        else if (strcmp(offset, "timezone") == 0) {
                g_string_append(rtc, "localtime");
                g_ptr_array_add(builder->line->environment,
                                g_strdup_printf("TZ=%s", builder_require(builder, clock, "@timezone")));
        } else {
                gint64 time = g_get_real_time() / G_USEC_PER_SEC;
                if (strcmp(offset, "absolute") == 0)
                        time = (gint64) builder_number(builder, clock, "@start", 0, G_MAXINT64, 0);
                else {
                        char *end = NULL;
                        gint64 seconds = adjustment ? g_ascii_strtoll(adjustment, &end, 10) : 0;
                        if (adjustment && (*end || !*adjustment))
                                builder_invalid(builder, clock, "adjustment is '%.32s'; it must be a number of seconds",
                                                adjustment);
                        time += seconds;
                }
                bool by_local_time = local && strcmp(offset, "absolute") != 0;
                g_autoptr(GDateTime) date =
                                by_local_time ? g_date_time_new_from_unix_local(time) : g_date_time_new_from_unix_utc(time);
                g_autofree char *text = date ? g_date_time_format(date, "%Y-%m-%dT%H:%M:%S") : NULL;
                if (!text)
                        builder_invalid(builder, clock, "there is no such time");
                g_string_append(rtc, text ? text : "utc");
        }
        for_each (builder, timer, clock, "timer")
                build_timer(builder, timer, rtc);
        builder_add(builder, "-rtc", "%s", rtc->str);
}
