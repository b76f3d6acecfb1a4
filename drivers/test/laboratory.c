/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/laboratory.h"

#include <string.h>

#include "domain/connection.h"

static const char *const operation_names[TEST_N_OPERATIONS] = {
        [TEST_START] = "start",
        [TEST_SUSPEND] = "suspend",
        [TEST_RESUME] = "resume",
        [TEST_SHUTDOWN] = "shutdown",
        [TEST_RESET] = "reset",
        [TEST_DESTROY] = "destroy",
        [TEST_DUMP] = "dump",
        [TEST_SAVE] = "save",
        [TEST_ATTACH] = "attach",
        [TEST_DETACH] = "detach",
        [TEST_UPDATE] = "update",
        [TEST_RESIZE] = "resize",
        [TEST_STATISTICS] = "statistics",
        [TEST_OPEN_CONSOLE] = "open-console",
        [TEST_OPEN_GRAPHICS] = "open-graphics",
        [TEST_SNAPSHOT] = "snapshot",
        [TEST_CHECKPOINT] = "checkpoint",
        [TEST_BACKUP] = "backup",
};

Laboratory *laboratory_new(void) {
        return g_new0(Laboratory, 1);
}

void laboratory_free(Laboratory *laboratory) {
        for (size_t i = 0; i < TEST_N_OPERATIONS; i++)
                g_clear_error(&laboratory->failures[i]);
        sd_event_source_disable_unref(laboratory->churn);
        g_free(laboratory);
}

int laboratory_find_operation(const char *name, GError **error) {
        for (int i = 0; i < TEST_N_OPERATIONS; i++)
                if (strcmp(operation_names[i], name) == 0)
                        return i;
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no operation '%.32s'", name);
        return -1;
}

uint64_t laboratory_delay(const Domain *domain, TestOperation kind) {
        return ((const Laboratory *) domain->connection->data)->delays[kind];
}

GError *laboratory_take_failure(const Domain *domain, TestOperation kind) {
        return g_steal_pointer(&((Laboratory *) domain->connection->data)->failures[kind]);
}
