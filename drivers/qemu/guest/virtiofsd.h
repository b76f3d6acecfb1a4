/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* virtiofsd, which shares a folder of the host's with a guest: it has the folder and its end of a socket as descriptors, and
 * sees nothing else when it serves. A domain that has its owner's rights alone, and one of a user's session, has one that is that
 * user, and root only of what is that user's; else it is root with the capabilities that files of all users need. */

#include "qemu/guest/device-helpers.h"

extern const DeviceHelperKind virtiofsd_helper;
