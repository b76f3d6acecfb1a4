/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a client is made of, for those of its functions that are in files of their own. */

#include "virtbus-follower.h"
#include "virtbus-waits.h"

struct _VirtbusClient {
        GObject parent;
        GDBusConnection *bus;
        Follower follower;
        guint job_signals;
        VirtbusWaits waits;
        GListStore *lists[N_FOLLOWED_KINDS]; /* each is made when it is asked for first */
};
