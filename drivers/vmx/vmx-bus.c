/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-bus.h"

#include <string.h>

#include "domain/device-alias.h"

const VmxBus vmx_buses[] = {
        { "scsi", "scsi", "sd", 4, 16, 7, false, "scsi-hardDisk", "disk" },
        { "sata", "sata", "sd", 4, 30, -1, false, "sata-hardDisk", "disk" },
        { "ide", "ide", "hd", 2, 2, -1, true, "ata-hardDisk", "disk" },
};
const unsigned vmx_n_buses = G_N_ELEMENTS(vmx_buses);

/* How many drives a controller has. */
static unsigned drives_of(const VmxBus *bus) {
        return bus->units - (bus->reserved >= 0);
}

unsigned vmx_bus_index(const VmxBus *bus, unsigned controller, unsigned unit) {
        return controller * drives_of(bus) + unit - (bus->reserved >= 0 && unit > (unsigned) bus->reserved);
}

char *vmx_bus_target(const VmxBus *bus, unsigned index) {
        char letters[8];
        char *letter = letters + sizeof letters;
        *--letter = '\0';
        for (unsigned rest = index + 1; rest > 0; rest = (rest - 1) / 26)
                *--letter = (char) ('a' + (rest - 1) % 26);
        return g_strconcat(bus->prefix, letter, NULL);
}

bool vmx_bus_find_target(const VmxBus *bus, const char *target, unsigned *controller, unsigned *unit) {
        int index = g_str_has_prefix(target, bus->prefix) ? disk_index(target) : -1;
        if (index < 0 || (unsigned) index >= bus->n_controllers * drives_of(bus))
                return false;
        *controller = (unsigned) index / drives_of(bus);
        *unit = (unsigned) index % drives_of(bus);
        *unit += bus->reserved >= 0 && *unit >= (unsigned) bus->reserved;
        return true;
}

static const struct {
        const char *model, *device;
} scsi_models[] = {
        { "lsilogic", "lsilogic" },
        { "buslogic", "buslogic" },
        { "lsisas1068", "lsisas1068" },
        { "vmpvscsi", "pvscsi" },
};

const char *vmx_scsi_model(const char *device) {
        for (size_t i = 0; i < G_N_ELEMENTS(scsi_models); i++)
                if (g_ascii_strcasecmp(device, scsi_models[i].device) == 0)
                        return scsi_models[i].model;
        return NULL;
}

const char *vmx_scsi_device(const char *model) {
        for (size_t i = 0; i < G_N_ELEMENTS(scsi_models); i++)
                if (strcmp(model, scsi_models[i].model) == 0)
                        return scsi_models[i].device;
        return NULL;
}
