/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-network.h"

#include <string.h>

static const VmxNetwork networks[] = {
        { "bridged", "bridge", "bridge", "VMnet0", false }, /* the host's card, if nothing else is said */
        { "custom", "bridge", "bridge", NULL, true },
        { "nat", "user", NULL, NULL, false },
        { "hostonly", "network", "network", "hostonly", false },
};

const VmxNetwork *vmx_network_find(const char *connection) {
        for (size_t i = 0; connection && i < G_N_ELEMENTS(networks); i++)
                if (g_ascii_strcasecmp(connection, networks[i].connection) == 0)
                        return networks + i;
        return NULL;
}

static const struct {
        const char *model, *device;
} models[] = {
        { "vlance", "vlance" },   { "vmxnet", "vmxnet" }, { "vmxnet2", "vmxnet" },
        { "vmxnet3", "vmxnet3" }, { "e1000", "e1000" },   { "e1000e", "e1000e" },
};

const char *vmx_network_model(const char *device, bool is_vmxnet2) {
        if (is_vmxnet2 && g_ascii_strcasecmp(device, "vmxnet") == 0)
                return "vmxnet2";
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (g_ascii_strcasecmp(device, models[i].device) == 0)
                        return models[i].model;
        return NULL;
}

const char *vmx_network_device(const char *model) {
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (g_ascii_strcasecmp(model, models[i].model) == 0)
                        return models[i].device;
        return NULL;
}

char *vmx_network_split_digits(const char *uuid) {
        GString *text = g_string_new(NULL);
        unsigned n = 0;
        for (const char *c = uuid; *c; c++)
                if (*c != '-') {
                        if (n > 0 && n % 2 == 0)
                                g_string_append_c(text, n == 16 ? '-' : ' ');
                        g_string_append_c(text, *c);
                        n++;
                }
        return g_string_free(text, FALSE);
}

char *vmx_network_join_digits(char *text) {
        char *end = text;
        for (const char *c = text; *c; c++)
                if (*c != ' ' && *c != '-')
                        *end++ = *c;
        *end = '\0';
        return text;
}
