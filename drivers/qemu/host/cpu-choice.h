/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processor of a guest whose document leaves it to this host: mode host-model, or match minimum. */

#include "domain/connection.h"
#include "qemu/monitor/capabilities.h"

/* Whether a document leaves it so; then whether the models of its QEMU are known, or else are being asked for, and DONE is called
 * once they are. */
bool cpu_choice_is_left(const xmlDoc *document);
bool cpu_choice_learn(Connection *connection, const Capabilities *capabilities, void (*done)(void *data), void *data);

/* Writes the processor by name and features; where its QEMU's models are not known, it stays as it is, which means what QEMU
 * calls "host" or "max". False with an error where this host cannot give the guest what the document requires. */
bool cpu_choice_make(Connection *connection, const Capabilities *capabilities, xmlDoc *document, GError **error);
