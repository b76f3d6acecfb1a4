/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Networks of libvirt's: those that its daemon for networks has started, with their bridges, DHCP servers and firewall rules. */

#include <glib.h>

/* The bridge of an active network, to be freed; NULL with an error that says what to do. */
char *networks_find_bridge(const char *name, GError **error);
