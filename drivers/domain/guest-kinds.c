/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/guest-kinds.h"

#include <string.h>

char *guest_kinds_capabilities(const char *os_type, const char *domain_type, const char *const *architectures, const char *host,
                               const char *cpu) {
        g_autoptr(GString) text = g_string_new("<capabilities>\n  <host>\n");
        g_string_append_printf(text, "%s    <cpu>\n      <arch>x86_64</arch>\n%s    </cpu>\n  </host>\n", host, cpu);
        for (; *architectures; architectures++)
                g_string_append_printf(
                                text,
                                "  <guest>\n    <os_type>%s</os_type>\n    <arch name='%s'>\n      <wordsize>%s</wordsize>\n"
                                "      <domain type='%s'/>\n    </arch>\n  </guest>\n",
                                os_type, *architectures, strcmp(*architectures, "x86_64") == 0 ? "64" : "32", domain_type);
        g_string_append(text, "</capabilities>\n");
        return g_string_free(g_steal_pointer(&text), FALSE);
}
