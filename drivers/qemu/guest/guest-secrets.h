/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The secrets that a guest's disks need: fetched from the secrets' driver (virtbus-secret) as descriptors of memory, which
 * QEMU reads. They are the driver's own errands, whoever starts the guest: who may define a domain may let it use a secret,
 * and not read it. No value comes into this process, or into a text. */

#include "qemu/guest/guest.h"

/* Asks for the value of a FILE_SECRET (guest-fetch.h). A QEMU that runs is given it too, for an object to be made of. */
void guest_secrets_ask(Guest *guest);

/* Forgets what a QEMU that runs was given. */
void guest_secrets_forget(Guest *guest);

/* A QEMU that runs has read what it was given, or will not: it closes that; one of a paused guest keeps it, as all that it is
 * to close. */
void guest_secrets_close(Guest *guest);

/* The secret by which a disk, or an image below it, is encrypted, for a message: "the secret UUID". ELEMENT is the disk's, or
 * NULL. To be freed. */
char *guest_secret_of_disk(const xmlNode *element);
