/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The macvtap interfaces of ports. The kernel leaves one there when its descriptors are closed, as a guest's end does: so whoever
 * has a port has one descriptor more, its holder, the reading end of a FIFO in the runtime directory, which is named by the
 * interface's number and is there before the interface. When the last holder is closed, the interface is removed, by this
 * driver or the next: a FIFO that nobody reads cannot be opened to be written to. */

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "link/macvtap.h"

typedef struct DirectLinks DirectLinks;

/* Removes what nobody holds any more. What the kernel takes its time for is WORKER's. */
DirectLinks *direct_links_open(sd_event *event, Worker *worker, const char *runtime, GError **error);
void direct_links_close(DirectLinks *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirectLinks, direct_links_close)

/* Makes one: as macvtap_open, with a number of its own choosing, *INDEX, and *HOLDER. From any thread. */
bool direct_link_open(const DirectLinks *links, const MacvtapSetup *setup, int *fds, unsigned n, int *holder, char **actual,
                      int *index, GError **error);

/* Takes one back that came to nothing. From any thread. */
void direct_link_take_back(const DirectLinks *links, int index);

/* Whether somebody holds one; if not, what is done in the worker from now on is done when it is removed. */
bool direct_link_is_held(const DirectLinks *links, int index);

/* Its interface has gone by itself, with what it was on, or by somebody's hand. */
void direct_links_gone(const DirectLinks *links, int index);
