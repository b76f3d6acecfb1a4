/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The secrets that a guest's disks need: fetched from the secrets' driver (virtbus-secret) as descriptors of memory, which
 * QEMU reads. They are the driver's own errands, whoever starts the guest: who may define a domain may let it use a secret,
 * and not read it. No value comes into this process, or into a text. */

#include "qemu/guest/guest.h"

typedef void (*SecretsFetched)(Guest *guest, const GError *error);

/* Fetches the value of each FILE_SECRET among FILES, which are borrowed, one after the other. A QEMU that runs is given it
 * too, for an object to be made of. Calls DONE, before this returns where there are none; unless they are forgotten before. */
void guest_secrets_fetch(Guest *guest, GPtrArray *files, SecretsFetched done);

/* Nobody wants them any more. */
void guest_secrets_forget(Guest *guest);

/* A QEMU that runs has read what it was given, or will not: it closes that; one of a paused guest keeps it, as all that it is
 * to close. */
void guest_secrets_close(Guest *guest);

/* The secret by which a disk, or an image below it, is encrypted, for a message: "the secret UUID". ELEMENT is the disk's, or
 * NULL. To be freed. */
char *guest_secret_of_disk(const xmlNode *element);
