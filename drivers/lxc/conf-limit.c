/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a container may use of memory, processors and disks: files of cgroups, of both versions. */

#include <inttypes.h>
#include <string.h>

#include "lxc/conf-read.h"

/* More is no limit. */
#define LIMIT_MAX (UINT64_C(1) << 60)

/* Disks that have limits of their own. */
#define DEVICES_MAX 256

/* What one disk may do. */
typedef enum DeviceLimit { WEIGHT, READ_OPERATIONS, WRITE_OPERATIONS, READ_BYTES, WRITE_BYTES, N_DEVICE_LIMITS } DeviceLimit;

struct ConfDevice {
        char *number; /* MAJOR:MINOR */
        guint64 limits[N_DEVICE_LIMITS];
};

void conf_device_free(void *data) {
        ConfDevice *device = data;
        g_free(device->number);
        g_free(device);
}

bool conf_limit_size(const char *text, guint64 *bytes) {
        static const char units[] = "kmgt";
        char *end;
        guint64 number = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 10) : 0;
        if (!g_ascii_isdigit(*text))
                return false;
        const char *unit = *end ? strchr(units, g_ascii_tolower(*end)) : NULL;
        unsigned shift = unit ? (unsigned) (unit - units + 1) * 10 : 0;
        if ((*end && !unit) || (unit && end[1]) || number > LIMIT_MAX >> shift)
                return false;
        *bytes = number << shift;
        return true;
}

/* Limits of memory; "-1" and "max" are none. */
static bool read_memory(const ConfLine *line, guint64 *limit, GError **error) {
        bool is_none = strcmp(line->value, "-1") == 0 || strcmp(line->value, "max") == 0;
        *limit = 0;
        return is_none || conf_limit_size(line->value, limit) ||
               conf_file_invalid(line, error, "'%.64s' is not a size in bytes, such as 512M", line->value);
}

static bool read_number(const ConfLine *line, guint64 min, guint64 max, guint64 *number, GError **error) {
        return (conf_file_number(line->value, max, number) && *number >= min) ||
               conf_file_invalid(line, error, "'%.64s' is not a number from %" PRIu64 " to %" PRIu64, line->value, min, max);
}

/* Processors and NUMA nodes are numbers below this. */
#define SET_MAX 4096

/* Marks the numbers of "0-2,5"; false where that is no such list. */
static bool mark_set(const char *text, bool *marks) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        for (size_t i = 0; parts[i]; i++) {
                g_auto(GStrv) ends = g_strsplit(g_strstrip(parts[i]), "-", 2);
                guint64 first, last;
                if (!ends[0] || !conf_file_number(ends[0], SET_MAX - 1, &first))
                        return false;
                last = first;
                if (ends[1] && (!conf_file_number(ends[1], SET_MAX - 1, &last) || last < first))
                        return false;
                for (; first <= last; first++)
                        marks[first] = true;
        }
        return parts[0];
}

/* A list, as documents have it: in order, with what belongs together. */
static bool read_set(const ConfLine *line, char **set, GError **error) {
        g_autofree bool *marks = g_new0(bool, SET_MAX + 1);
        g_autoptr(GString) text = g_string_new(NULL);
        if (!mark_set(line->value, marks))
                return conf_file_invalid(line, error, "'%.64s' is not a list such as 0-2,5", line->value);
        for (unsigned i = 0; i < SET_MAX; i++) {
                unsigned first = i;
                if (!marks[i])
                        continue;
                while (marks[i + 1])
                        i++;
                g_string_append_printf(text, i > first ? "%s%u-%u" : "%s%u", text->len ? "," : "", first, i);
        }
        g_free(*set);
        *set = g_string_free(g_steal_pointer(&text), FALSE);
        return true;
}

static bool is_device(const char *text) {
        size_t major = strspn(text, "0123456789"), minor = text[major] == ':' ? strspn(text + major + 1, "0123456789") : 0;
        return major > 0 && major < 10 && minor > 0 && minor < 10 && !text[major + 1 + minor];
}

static ConfDevice *find_device(Conf *conf, const ConfLine *line, const char *number, GError **error) {
        for (guint i = 0; i < conf->devices->len; i++)
                if (strcmp(((ConfDevice *) conf->devices->pdata[i])->number, number) == 0)
                        return conf->devices->pdata[i];
        if (conf->devices->len >= DEVICES_MAX) {
                conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are limits of more than %d disks", DEVICES_MAX);
                return NULL;
        }
        ConfDevice *device = g_new0(ConfDevice, 1);
        device->number = g_strdup(number);
        g_ptr_array_add(conf->devices, device);
        return device;
}

static bool read_device(Conf *conf, const ConfLine *line, DeviceLimit limit, GError **error) {
        g_auto(GStrv) words = conf_file_words(line->value);
        guint64 number;
        if (g_strv_length(words) != 2 || !is_device(words[0]) || !conf_file_number(words[1], LIMIT_MAX, &number))
                return conf_file_invalid(line, error, "'%.64s' is not MAJOR:MINOR and a number", line->value);
        ConfDevice *device = find_device(conf, line, words[0], error);
        if (device)
                device->limits[limit] = number;
        return device;
}

/* "8:0 rbps=1 wiops=2": of the second version. */
static bool read_device_v2(Conf *conf, const ConfLine *line, GError **error) {
        static const struct {
                const char *name;
                DeviceLimit limit;
        } names[] = {
                { "rbps=", READ_BYTES }, { "wbps=", WRITE_BYTES }, { "riops=", READ_OPERATIONS }, { "wiops=", WRITE_OPERATIONS }
        };
        g_auto(GStrv) words = conf_file_words(line->value);
        if (!words[0] || !is_device(words[0]) || !words[1])
                return conf_file_invalid(line, error, "'%.64s' is not MAJOR:MINOR and limits", line->value);
        ConfDevice *device = find_device(conf, line, words[0], error);
        for (size_t i = 1; device && words[i]; i++) {
                size_t j = 0;
                while (j < G_N_ELEMENTS(names) && !g_str_has_prefix(words[i], names[j].name))
                        j++;
                const char *value = j < G_N_ELEMENTS(names) ? words[i] + strlen(names[j].name) : NULL;
                if (!value || (strcmp(value, "max") != 0 && !conf_file_number(value, LIMIT_MAX, &device->limits[names[j].limit])))
                        return conf_file_invalid(line, error, "'%.64s' is not a limit: rbps, wbps, riops or wiops", words[i]);
        }
        return device;
}

/* How long, in microseconds; "-1" and "max" are no quota. */
static bool read_quota(const ConfLine *line, const char *text, guint64 *quota, GError **error) {
        *quota = 0;
        return strcmp(text, "-1") == 0 || strcmp(text, "max") == 0 || conf_file_number(text, INT64_MAX / 1000, quota) ||
               conf_file_invalid(line, error, "'%.64s' is not a number of microseconds", text);
}

bool conf_limit_read(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        static const struct {
                const char *name;
                DeviceLimit limit;
        } of_devices[] = {
                { "blkio.device_weight", WEIGHT },
                { "blkio.weight_device", WEIGHT },
                { "blkio.throttle.read_bps_device", READ_BYTES },
                { "blkio.throttle.write_bps_device", WRITE_BYTES },
                { "blkio.throttle.read_iops_device", READ_OPERATIONS },
                { "blkio.throttle.write_iops_device", WRITE_OPERATIONS },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(of_devices); i++)
                if (strcmp(rest, of_devices[i].name) == 0)
                        return read_device(conf, line, of_devices[i].limit, error);
        if (strcmp(rest, "memory.limit_in_bytes") == 0)
                return read_memory(line, &conf->memory_max, error);
        if (strcmp(rest, "memory.soft_limit_in_bytes") == 0)
                return read_memory(line, &conf->memory_soft, error);
        if (strcmp(rest, "memory.memsw.limit_in_bytes") == 0)
                return read_memory(line, &conf->swap_max, error);
        if (strcmp(rest, "cpu.shares") == 0)
                return read_number(line, 2, 262144, &conf->shares, error);
        if (strcmp(rest, "cpu.cfs_period_us") == 0)
                return read_number(line, 1000, 1000000, &conf->period, error);
        if (strcmp(rest, "cpu.cfs_quota_us") == 0)
                return read_quota(line, line->value, &conf->quota, error);
        if (strcmp(rest, "cpuset.cpus") == 0)
                return read_set(line, &conf->cpus, error);
        if (strcmp(rest, "cpuset.mems") == 0)
                return read_set(line, &conf->nodes, error);
        if (strcmp(rest, "blkio.weight") == 0)
                return read_number(line, 10, 1000, &conf->weight, error);
        if (g_str_has_prefix(rest, "devices.")) /* a container has the devices that its document gives to it */
                return true;
        return conf_file_unsupported(line, error, "no document can say this limit; leave it out");
}

static bool read_processors_v2(Conf *conf, const ConfLine *line, GError **error) {
        g_auto(GStrv) words = conf_file_words(line->value);
        guint n = g_strv_length(words);
        if (n < 1 || n > 2)
                return conf_file_invalid(line, error, "'%.64s' is not a quota and a period", line->value);
        if (n == 2 && (!conf_file_number(words[1], 1000000, &conf->period) || conf->period < 1000))
                return conf_file_invalid(line, error, "'%.64s' is not a period of 1000 to 1000000 microseconds", words[1]);
        return read_quota(line, words[0], &conf->quota, error);
}

bool conf_limit_read_v2(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        if (strcmp(rest, "memory.max") == 0)
                return read_memory(line, &conf->memory_max, error);
        if (strcmp(rest, "memory.low") == 0)
                return read_memory(line, &conf->memory_soft, error);
        if (strcmp(rest, "memory.swap.max") == 0) {
                conf->has_swap_alone = strcmp(line->value, "max") != 0;
                return read_memory(line, &conf->swap_alone, error);
        }
        if (strcmp(rest, "cpu.weight") == 0)
                return read_number(line, 1, 10000, &conf->shares, error);
        if (strcmp(rest, "cpu.max") == 0)
                return read_processors_v2(conf, line, error);
        if (strcmp(rest, "cpuset.cpus") == 0)
                return read_set(line, &conf->cpus, error);
        if (strcmp(rest, "cpuset.mems") == 0)
                return read_set(line, &conf->nodes, error);
        if (strcmp(rest, "io.max") == 0)
                return read_device_v2(conf, line, error);
        if (g_str_has_prefix(rest, "devices.")) /* as above */
                return true;
        return conf_file_unsupported(line, error, "no document can say this limit; leave it out");
}

/* Writing */

guint64 conf_limit_memory(const Conf *conf) {
        return conf->memory_max > 0 ? MAX(conf->memory_max, 1024) : CONF_MEMORY_DEFAULT;
}

static void write_number(xmlNode *parent, const char *name, guint64 number) {
        g_autofree char *text = g_strdup_printf("%" PRIu64, number);
        if (number > 0)
                xml_add(parent, name, text);
}

static void write_size(xmlNode *parent, const char *name, guint64 bytes) {
        g_autofree char *text = g_strdup_printf("%" PRIu64, (bytes + 1023) / 1024);
        if (bytes > 0)
                xml_set_attribute(xml_add(parent, name, text), "unit", "KiB");
}

void conf_limit_write_block(const Conf *conf, xmlNode *root) {
        static const char *const names[N_DEVICE_LIMITS] = {
                [WEIGHT] = "weight",
                [READ_OPERATIONS] = "read_iops_sec",
                [WRITE_OPERATIONS] = "write_iops_sec",
                [READ_BYTES] = "read_bytes_sec",
                [WRITE_BYTES] = "write_bytes_sec",
        };
        if (conf->weight == 0 && conf->devices->len == 0)
                return;
        xmlNode *block = xml_add(root, "blkiotune", NULL);
        write_number(block, "weight", conf->weight);
        for (guint i = 0; i < conf->devices->len; i++) {
                const ConfDevice *device = conf->devices->pdata[i];
                g_autofree char *path = g_strdup_printf("/dev/block/%s", device->number);
                xmlNode *element = xml_add(block, "device", NULL);
                xml_add(element, "path", path);
                for (size_t j = 0; j < N_DEVICE_LIMITS; j++)
                        write_number(element, names[j], device->limits[j]);
        }
}

void conf_limit_write_memory(const Conf *conf, xmlNode *root) {
        guint64 swap = conf->swap_max;
        if (conf->has_swap_alone && conf->memory_max > 0)
                swap = conf->memory_max + conf->swap_alone;
        if (conf->memory_max == 0 && conf->memory_soft == 0 && swap == 0)
                return;
        xmlNode *memory = xml_add(root, "memtune", NULL);
        write_size(memory, "hard_limit", conf->memory_max);
        write_size(memory, "soft_limit", conf->memory_soft);
        write_size(memory, "swap_hard_limit", swap);
}

void conf_limit_write_processors(const Conf *conf, xmlNode *root) {
        xmlNode *vcpu = xml_add(root, "vcpu", "1");
        xml_set_attribute(vcpu, "placement", "static");
        if (conf->cpus)
                xml_set_attribute(vcpu, "cpuset", conf->cpus);
        if (conf->shares > 0 || conf->period > 0 || conf->quota > 0) {
                xmlNode *tune = xml_add(root, "cputune", NULL);
                write_number(tune, "shares", conf->shares);
                write_number(tune, "period", conf->period);
                write_number(tune, "quota", conf->quota);
        }
        if (conf->nodes) {
                xmlNode *memory = xml_add(xml_add(root, "numatune", NULL), "memory", NULL);
                xml_set_attribute(memory, "mode", "strict");
                xml_set_attribute(memory, "nodeset", conf->nodes);
        }
}
