/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tunables.h"

#include <string.h>

#include "documents.h"

#define KIB 1024
#define KILO 1000
#define UNLIMITED (INT64_MAX >> 10) /* KiB of memory, by which libvirt says that there is no limit */

#define PERIOD .least = 1000, .most = 1000000
#define QUOTA .least = 1000, .most = 17592186044415

const Tunable tunables_scheduler[] = {
        { "cpu_shares", "t", "cputune/shares", "cpu_shares" },
        { "vcpu_period", "t", "cputune/period", "vcpu_period", PERIOD },
        { "vcpu_quota", "x", "cputune/quota", "vcpu_quota", QUOTA },
        { "emulator_period", "t", "cputune/emulator_period", "emulator_period", PERIOD },
        { "emulator_quota", "x", "cputune/emulator_quota", "emulator_quota", QUOTA },
        { "global_period", "t", "cputune/global_period", "cpu_period", PERIOD },
        { "global_quota", "x", "cputune/global_quota", "cpu_quota", QUOTA },
        { "iothread_period", "t", "cputune/iothread_period", "iothread_period", PERIOD },
        { "iothread_quota", "x", "cputune/iothread_quota", "iothread_quota", QUOTA },
        {},
};

const Tunable tunables_memory[] = {
        { "hard_limit", "t", "memtune/hard_limit", "memory_hard_limit", KIB, UNLIMITED },
        { "soft_limit", "t", "memtune/soft_limit", "memory_soft_limit", KIB, UNLIMITED },
        { "swap_hard_limit", "t", "memtune/swap_hard_limit", "swap_hard_limit", KIB, UNLIMITED },
        {},
};

/* Limits of single devices of the host are told; the bus has limits of the domain's disks instead. */
const Tunable tunables_weights[] = {
        { "weight", "u", "blkiotune/weight", "blkio_weight" },
        { "device_weight", "s", "weight" },
        { "device_read_iops_sec", "s", "read_iops_sec" },
        { "device_write_iops_sec", "s", "write_iops_sec" },
        { "device_read_bytes_sec", "s", "read_bytes_sec" },
        { "device_write_bytes_sec", "s", "write_bytes_sec" },
        {},
};

const Tunable tunables_nodes[] = {
        { "numa_mode", "i", "numatune/memory@mode" },
        { "numa_nodeset", "s", "numatune/memory@nodeset" },
        {},
};

#define THROTTLE(name, group) \
        { name, "t", "iotune/" name, name, 0, 0, 0, 0, group }
const Tunable tunables_throttles[] = {
        THROTTLE("total_bytes_sec", "bytes"),
        THROTTLE("read_bytes_sec", "bytes"),
        THROTTLE("write_bytes_sec", "bytes"),
        THROTTLE("total_iops_sec", "operations"),
        THROTTLE("read_iops_sec", "operations"),
        THROTTLE("write_iops_sec", "operations"),
        THROTTLE("total_bytes_sec_max", "bytes_max"),
        THROTTLE("read_bytes_sec_max", "bytes_max"),
        THROTTLE("write_bytes_sec_max", "bytes_max"),
        THROTTLE("total_iops_sec_max", "operations_max"),
        THROTTLE("read_iops_sec_max", "operations_max"),
        THROTTLE("write_iops_sec_max", "operations_max"),
        THROTTLE("size_iops_sec", "size"),
        { "group_name", "s", "iotune/group_name" },
        THROTTLE("total_bytes_sec_max_length", "bytes_length"),
        THROTTLE("read_bytes_sec_max_length", "bytes_length"),
        THROTTLE("write_bytes_sec_max_length", "bytes_length"),
        THROTTLE("total_iops_sec_max_length", "operations_length"),
        THROTTLE("read_iops_sec_max_length", "operations_length"),
        THROTTLE("write_iops_sec_max_length", "operations_length"),
        {},
};

const Tunable tunables_bandwidth[] = {
        { "inbound.average", "u", "bandwidth/inbound@average", "inbound_average", KILO, .group = "inbound" },
        { "inbound.peak", "u", "bandwidth/inbound@peak", "inbound_peak", KILO, .group = "inbound" },
        { "inbound.burst", "u", "bandwidth/inbound@burst", "inbound_burst", KIB, .group = "inbound" },
        { "inbound.floor", "u", "bandwidth/inbound@floor" },
        { "outbound.average", "u", "bandwidth/outbound@average", "outbound_average", KILO, .group = "outbound" },
        { "outbound.peak", "u", "bandwidth/outbound@peak", "outbound_peak", KILO, .group = "outbound" },
        { "outbound.burst", "u", "bandwidth/outbound@burst", "outbound_burst", KIB, .group = "outbound" },
        {},
};

int32_t tunables_count(const Tunable *tunables) {
        int32_t n = 0;
        while (tunables[n].name)
                n++;
        return n;
}

/* What the document says of a parameter that is a number. */
uint64_t tunable_number_in(const Tunable *tunable, xmlNode *node) {
        if (tunable->otherwise == UNLIMITED)
                return document_kib(node, tunable->path, UNLIMITED);
        g_autofree char *text = document_value(node, tunable->path);
        return text ? g_ascii_strtoull(text, NULL, 10) : tunable->otherwise;
}

GVariant *tunable_value(const Tunable *tunable, xmlNode *node) {
        g_autofree char *text = *tunable->type == 's' ? document_value(node, tunable->path) : NULL;
        uint64_t number = *tunable->type == 's' ? 0 : tunable_number_in(tunable, node);
        GVariant *value = NULL;
        switch (*tunable->type) {
        case 's':
                value = g_variant_new_string(text ? text : "");
                break;
        case 'u':
                value = g_variant_new_uint32((uint32_t) number);
                break;
        case 'x':
                value = g_variant_new_int64((int64_t) number);
                break;
        default:
                value = g_variant_new_uint64(number);
        }
        return value;
}

/* A parameter of each device of the host in one string, "PATH,VALUE,PATH,VALUE". */
GVariant *tunable_value_of_devices(const Tunable *tunable, xmlNode *root) {
        if (*tunable->type != 's')
                return tunable_value(tunable, root);
        g_autoptr(GString) text = g_string_new(NULL);
        xmlNode *tune = document_find(root, "blkiotune");
        for (xmlNode *device = tune ? xmlFirstElementChild(tune) : NULL; device; device = xmlNextElementSibling(device)) {
                g_autofree char *path = document_value(device, "path"), *value = document_value(device, tunable->path);
                if (strcmp((const char *) device->name, "device") == 0 && path && value)
                        g_string_append_printf(text, "%s%s,%s", text->len > 0 ? "," : "", path, value);
        }
        return g_variant_new_string(text->str);
}

/* By libvirt's numbers. */
static const char *const modes[] = { "strict", "preferred", "interleave", "restrictive" };

int32_t tunable_mode_in(xmlNode *root) {
        g_autofree char *mode = document_value(root, "numatune/memory@mode");
        int32_t number = 0;
        for (size_t i = 0; mode && i < G_N_ELEMENTS(modes); i++)
                if (strcmp(mode, modes[i]) == 0)
                        number = (int32_t) i;
        return number;
}

GVariant *tunable_value_of_nodes(const Tunable *tunable, xmlNode *root) {
        return *tunable->type == 'i' ? g_variant_new_int32(tunable_mode_in(root)) : tunable_value(tunable, root);
}

bool tunable_is_in_range(const Tunable *tunable, GVariant *value) {
        uint64_t number = *tunable->type == 'x'   ? (uint64_t) MAX(g_variant_get_int64(value), 0)
                          : *tunable->type == 't' ? g_variant_get_uint64(value)
                                                  : 0;
        return number == 0 || tunable->most == 0 || (number >= tunable->least && number <= tunable->most);
}

uint64_t tunable_limit_of(const Tunable *tunable, GVariant *value) {
        uint64_t number = *tunable->type == 'x'   ? (uint64_t) MAX(g_variant_get_int64(value), 0)
                          : *tunable->type == 'u' ? g_variant_get_uint32(value)
                                                  : g_variant_get_uint64(value);
        uint64_t unit = tunable->unit > 0 ? tunable->unit : 1;
        return (tunable->otherwise > 0 && number >= tunable->otherwise) || number > UINT64_MAX / unit ? 0 : number * unit;
}
