/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people and programs say of a domain: title, description and metadata. A change of it is one of the document alone. */

#include "domain/operations/device-edit.h"

/* How long they may be, in bytes. */
#define TITLE_BYTES_MAX 1024
#define DESCRIPTION_BYTES_MAX 65536

/* Each puts what it is given into a change; false with an error where a document cannot have that. An empty text takes it
 * away. */
bool words_set_title(DeviceChange *change, const char *title, GError **error);
bool words_set_description(DeviceChange *change, const char *description, GError **error);
bool words_set_metadata(DeviceChange *change, const char *uri, const char *key, const char *xml, GError **error);

/* The element of a namespace in a document, or an empty text. */
char *words_get_metadata(const char *document, const char *uri);
