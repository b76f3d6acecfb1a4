/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* LXC's configuration of a container as a document, and its parts (conf-*.c): of both generations of keys, those before LXC
 * 2.1 and those since. What the container would be, and no document can say, is refused by name; what says only how LXC itself
 * behaves is left out. */

#include <libxml/tree.h>

#include "base/xml.h"
#include "lxc/conf-file.h"

/* The memory of a container whose configuration has no limit, in bytes: documents must name some. */
#define CONF_MEMORY_DEFAULT (UINT64_C(64) * 1024 * 1024)

/* What its first program is then, as LXC's is. */
#define CONF_INIT_DEFAULT "/sbin/init"

typedef struct ConfCard ConfCard;
typedef struct ConfDevice ConfDevice;

/* What has been read. Texts are NULL where nothing is said. */
typedef struct Conf {
        char *name, *architecture;
        char **init; /* with its arguments */
        char *directory, *user, *group;
        GPtrArray *environment; /* char *, "NAME=VALUE" */

        char *root;
        bool root_is_read_only;
        GPtrArray *mounts; /* ConfLine, which its lines own */

        GPtrArray *cards;   /* ConfCard */
        guint64 n_consoles; /* terminals */

        GArray *ranges;        /* ConfRange */
        guint64 dropped, kept; /* capabilities: 1 << number */
        bool keeps;            /* only those that are kept */
        char *share_net, *share_ipc, *share_uts;

        guint64 memory_max, memory_soft, swap_max; /* bytes; swap with the memory; 0: no limit */
        guint64 swap_alone;                        /* without it */
        guint64 shares, period, quota, weight;
        bool has_swap_alone;
        char *cpus, *nodes;
        GPtrArray *devices; /* ConfDevice */
} Conf;

/* One range of users or of groups; IS_GROUP, and numbers in the container and outside. */
typedef struct ConfRange {
        bool is_group;
        guint64 inside, outside, count;
} ConfRange;

/* As HypervisorDocuments.from_native. */
xmlDoc *conf_from_native(const char *text, GError **error);

/* What a line of the parts says. REST is what follows the key that the part has in the table of keys: of lxc.net. "0.type". */
bool conf_network_read(Conf *conf, const ConfLine *line, const char *rest, GError **error);
bool conf_network_read_old(Conf *conf, const ConfLine *line, const char *rest, GError **error);
bool conf_limit_read(Conf *conf, const ConfLine *line, const char *rest, GError **error);
bool conf_limit_read_v2(Conf *conf, const ConfLine *line, const char *rest, GError **error);

/* The parts of the document. */
bool conf_network_write(const Conf *conf, xmlNode *features, xmlNode *devices, GError **error);
void conf_limit_write_block(const Conf *conf, xmlNode *root);
void conf_limit_write_memory(const Conf *conf, xmlNode *root);
void conf_limit_write_processors(const Conf *conf, xmlNode *root);
bool conf_mount_write(const Conf *conf, xmlNode *devices, GError **error);

/* The memory that it has, in bytes. */
guint64 conf_limit_memory(const Conf *conf);

void conf_card_free(void *card);
void conf_device_free(void *device);

/* The size that a text says, as the kernel reads it: a number, and K, M, G or T. False where it is none. */
bool conf_limit_size(const char *text, guint64 *bytes);
