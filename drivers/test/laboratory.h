/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a test has set of the test hypervisor: how long its operations take, and which fails next. connection->data. */

#include "domain/domain.h"

/* Operations whose time and failure can be set. */
typedef enum TestOperation {
        TEST_START,
        TEST_SUSPEND,
        TEST_RESUME,
        TEST_SHUTDOWN,
        TEST_RESET,
        TEST_DESTROY,
        TEST_DUMP,
        TEST_SAVE,
        TEST_ATTACH,
        TEST_DETACH,
        TEST_UPDATE,
        TEST_RESIZE,
        TEST_STATISTICS,
        TEST_OPEN_CONSOLE,
        TEST_OPEN_GRAPHICS,
        TEST_SNAPSHOT,
        TEST_CHECKPOINT,
        TEST_BACKUP,
        TEST_N_OPERATIONS
} TestOperation;

typedef struct Laboratory {
        GError *failures[TEST_N_OPERATIONS]; /* of the next one */
        uint64_t delays[TEST_N_OPERATIONS];
        bool unreachable; /* the hypervisor elsewhere */
        uint64_t populated, churned, churn_left, churn_done, churn_rate, churn_began;
        sd_event_source *churn;
} Laboratory;

Laboratory *laboratory_new(void);
void laboratory_free(Laboratory *laboratory);

/* The operation of this name, or -1 with an error. */
int laboratory_find_operation(const char *name, GError **error);

/* How long an operation on a domain takes, in microseconds; why it fails (NULL: it does not), which the caller takes. */
uint64_t laboratory_delay(const Domain *domain, TestOperation kind);
GError *laboratory_take_failure(const Domain *domain, TestOperation kind);
