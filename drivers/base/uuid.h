/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Reads a UUID in any spelling that libvirt takes: in lower case with '-', to be freed; NULL where it is not a UUID. */
char *uuid_normalize(const char *text);

/* The same of a caller's argument: NULL with InvalidArgument. */
char *uuid_of_argument(const char *text, GError **error);
