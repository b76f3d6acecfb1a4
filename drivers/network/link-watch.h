/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells when an interface of the host goes. */

#include <glib.h>
#include <systemd/sd-event.h>

typedef struct LinkWatch LinkWatch;

/* GONE: the interface of that number and name. LOST: the kernel had more to tell than there was room for; any may have gone. */
typedef struct LinkListener {
        void (*gone)(void *data, int index, const char *name);
        void (*lost)(void *data);
} LinkListener;

LinkWatch *link_watch_new(sd_event *event, const LinkListener *listener, void *data, GError **error);
void link_watch_free(LinkWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinkWatch, link_watch_free)
