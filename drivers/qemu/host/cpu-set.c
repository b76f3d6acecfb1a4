/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/cpu-set.h"

#include <glib.h>

bool cpu_set_read(const char *text, cpu_set_t *set) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        CPU_ZERO(set);
        for (char **part = parts; *part; part++) {
                const char *word = g_strstrip(*part);
                bool without = *word == '^';
                char *end;
                if (!g_ascii_isdigit(*(word += without)))
                        return false;
                guint64 first = g_ascii_strtoull(word, &end, 10), last = first;
                if (*end == '-' && g_ascii_isdigit(end[1]) && !without)
                        last = g_ascii_strtoull(end + 1, &end, 10);
                if (*end || last < first || last >= CPU_SETSIZE)
                        return false;
                for (guint64 i = first; i <= last; i++)
                        if (without)
                                CPU_CLR(i, set);
                        else
                                CPU_SET(i, set);
        }
        return CPU_COUNT(set) > 0;
}
