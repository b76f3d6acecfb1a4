/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/taint.h"

#include "base/xml.h"

/* libvirt's words. */
static const char *const words[DOMAIN_N_TAINTS] = {
        [TAINT_CUSTOM_ARGV] = "custom-argv",
        [TAINT_CUSTOM_MONITOR] = "custom-monitor",
        [TAINT_HIGH_PRIVILEGES] = "high-privileges",
        [TAINT_HOST_CPU] = "host-cpu",
        [TAINT_CDROM_PASSTHROUGH] = "cdrom-passthrough",
        [TAINT_CUSTOM_DTB] = "custom-dtb",
        [TAINT_CUSTOM_GUEST_AGENT] = "custom-ga-command",
        [TAINT_CUSTOM_DEVICE] = "custom-device",
};

const char **domain_taints(const Domain *domain) {
        const char **found = g_new0(const char *, DOMAIN_N_TAINTS + 1);
        size_t n = 0;
        for (size_t i = 0; i < DOMAIN_N_TAINTS; i++)
                if (domain->taints & 1U << i)
                        found[n++] = words[i];
        return found;
}

void domain_taints_write(const Domain *domain, xmlNode *root) {
        g_autofree const char **found = domain_taints(domain);
        g_autofree char *text = g_strjoinv(" ", (char **) found);
        if (*text)
                xml_set_attribute(root, "taints", text);
}

void domain_taints_read(Domain *domain, const xmlNode *root) {
        g_autofree char *text = xml_attribute(root, "taints");
        g_auto(GStrv) found = g_strsplit(text ? text : "", " ", -1);
        domain->taints = 0;
        for (size_t i = 0; i < DOMAIN_N_TAINTS; i++)
                if (g_strv_contains((const char *const *) found, words[i]))
                        domain->taints |= 1U << i;
}
