/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Saving a guest. A state is written aside and renamed when it is durable; only then the guest ends. Whatever goes wrong before,
 * the guest runs on and no file is left. */

#include "domain/operation.h"
#include "domain/operations/save-image.h"

typedef struct Saving Saving;

extern const OperationClass save_class;

/* What is to be saved where: a PATH, or FD (which is taken), or neither for the domain's own managed save. NULL with an error. */
Saving *saving_new(const char *path, int fd, const char *compression, SavedRuns runs, GError **error);

/* Makes the operation of it, which is taken. */
Operation *save_new(Call *call, Saving *saving);

/* Whether a domain is just being saved into its managed save. */
bool save_is_managed(const Domain *domain);

/* Where the hypervisor writes into. */
int saving_fd(const Operation *operation);

/* The hypervisor has stopped the guest and written all of it; or it could not, and the guest is as before. */
void saving_written(Operation *operation, const GError *error);

/* What has been written is given up, and the guest goes on: the operation ends with this error. */
void saving_failed(Operation *operation, const GError *error);
