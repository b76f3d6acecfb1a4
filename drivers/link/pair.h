/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pairs of interfaces (veth), one end of which is a container's card. */

/* Removes one by its end on the host, of that number and name, where it is there: the kernel does so itself when the container's
 * network goes, but some time later. The kernel answers when it is gone. */
void pair_remove(int index, const char *name);
