/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Saving a guest. A state is written aside and renamed when it is durable; only then the guest ends. Whatever goes wrong before,
 * the guest runs on and no file is left. */

#include "domain/operation.h"
#include "domain/operations/save-image.h"

/* Until it is renamed, a state lies beside its file, under that name with "." and this many random hexadecimal digits behind it. */
#define SAVE_NUMBER_DIGITS 8

typedef struct Saving Saving;

extern const OperationClass save_class;

/* What is to be saved where: a PATH, or FD (which is taken), or neither for the domain's own managed save. NULL with an error. */
Saving *saving_new(const char *path, int fd, const char *compression, bool paused, GError **error);

/* Makes the operation of it, which is taken. */
Operation *save_new(Call *call, Saving *saving);

/* Where the hypervisor writes into. */
int saving_fd(const Operation *operation);

/* The hypervisor has stopped the guest and written all of it; or it could not, and the guest is as before. */
void saving_written(Operation *operation, const GError *error);

/* What has been written is given up, and the guest goes on: the operation ends with this error. */
void saving_failed(Operation *operation, const GError *error);

/* The domain's older managed save is gone: one that is to take its place begins to be written. */
void saving_go_on(const Domain *domain);

/* What was being written when a driver ended, by its path: removed, in a worker. */
void saving_forget(const Connection *connection, const char *path);
