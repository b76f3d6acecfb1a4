/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which files the guest of a document needs. */

#include "qemu/command/command-line.h"

/* Lists them, as File: of a guest that runs, those of the devices that it lacks. */
GPtrArray *files_plan(const CommandLineContext *context);

/* Those of one disk. */
GPtrArray *files_plan_medium(const CommandLineContext *context, guint device);

/* Adds the password of the key by which QEMU shows who it is, for a use of build-tls.h; a key need not have one. What it is for,
 * and of which device, is to be said in it. */
File *files_plan_tls(GPtrArray *files, const xmlNode *element, const char *use);
