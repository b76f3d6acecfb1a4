/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* UEFI firmware: which of those that the host has a document means. What is installed is told by the descriptors of QEMU's
 * docs/interop/firmware.json; without any, by the places where Debian and Fedora have it. */

#include "base/xml.h"
#include "domain/connection.h"
#include "domain/definition.h"

typedef struct Firmware {
        char *code, *format;                   /* the code's file, raw or qcow2 */
        char *variables, *variables_format;    /* the template of a machine's variables; NULL where none is known */
        bool secure_boot, enrolled, needs_smm; /* checks signatures; has keys to do so; keeps the variables to itself */
} Firmware;

void firmware_free(Firmware *firmware);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Firmware, firmware_free)

/* The firmware that <os> asks for: the one whose code it names, or the first that is installed and has the features. NULL where
 * there is none; where the document names its code, an unknown one is as it says itself. */
Firmware *firmware_choose(xmlNode *root, const Definition *definition);

/* What is installed for machines of a kind, the first one first; Firmware, to be unreferenced. */
GPtrArray *firmware_list(const char *architecture, const char *machine);

/* Whether the firmware that a document names is as it says. */
bool firmware_fits(const Firmware *firmware, xmlNode *root, const Definition *definition);

/* The format of a machine's own variables. */
char *firmware_variables_format(xmlNode *root, const Firmware *firmware);

/* Where a document keeps them: a file or a device; NULL where it names none. */
char *firmware_variables(xmlNode *root);

/* The element that a document's variables belong to. */
xmlNode *firmware_variables_element(xmlNode *root);

/* Where a domain's UEFI variables lie. */
char *firmware_nvram(Connection *connection, const char *uuid);
