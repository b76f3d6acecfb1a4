/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds guest memory: its size, what backs it on the host, and how it is split over NUMA nodes. */

#include "qemu/command/builder.h"

void build_memory(Builder *builder);
void build_numa(Builder *builder);

/* A memory backend of -object: for NUMA node NODE, -1 for none; ELEMENT is the memory device or the cell, or NULL. */
void build_memory_backend(Builder *builder, const char *id, const xmlNode *element, uint64_t size, int node, bool is_device);
