/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lists that a program can show: of proxies, in the order of their property Name where they have one, else of their paths. */

#include <gio/gio.h>

/* An empty list of proxies of this type. */
GListStore *list_new(GType type);

/* Adds a proxy at its place, which it changes when it is renamed; takes it away. */
void list_add(GListStore *list, gpointer proxy);
void list_remove(GListStore *list, gpointer proxy);
