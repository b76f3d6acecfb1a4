/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface of the connection by which secrets are made and found. */

#include "secret/secrets.h"

/* Publishes it at the PATH of the connection, and what secrets there are and will be below it. */
void secrets_publish(Secrets *secrets, Objects *objects, const char *path);

/* Takes all of it back. */
void secrets_withdraw(Secrets *secrets);
