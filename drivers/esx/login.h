/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a session begins: what the server is, who we are to it, which of its machines are meant, and what those are. */

#include "esx/session.h"

/* READY is called when all is known and followed; else session_cut. */
void login_begin(Esx *esx, void (*ready)(Esx *esx));
