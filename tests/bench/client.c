/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that waits until the client library knows all domains: for tests/bench. */

#include <stdio.h>

#include "virtbus.h"

int main(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusClient) client = virtbus_client_new_sync(NULL, NULL, &error);
        if (!client)
                fprintf(stderr, "%s\n", error->message);
        return client ? 0 : 1;
}
