/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads a UUID in any spelling that libvirt takes: in lower case with '-', to be freed; NULL where it is not a UUID. */
char *uuid_normalize(const char *text);
