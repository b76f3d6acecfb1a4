/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of a guest: files-plan.h lists them, a worker opens them, and command-line.h passes them. */

#include "base/executable.h"
#include "base/user-rights.h"
#include "domain/card-port.h"
#include "qemu/command/image.h"
#include "qemu/command/leave.h"
#include "qemu/host/host-access.h"
#include "qemu/host/host-device.h"
#include "qemu/host/unix-socket.h"

/* A file that the guest needs. */
typedef enum FilePurpose {
        FILE_PROGRAM, /* the emulator: looked at, not opened */
        FILE_IMAGE,   /* a disk's, or firmware's */
        FILE_NVRAM,   /* UEFI variables: made from a template where it is missing */
        FILE_READ,    /* a kernel: read by QEMU's own user */
        FILE_APPEND,  /* a console's output */
        FILE_DEVICE,  /* one of the host's */
        FILE_SOCKET,  /* of a character device, which QEMU listens at */
        FILE_ACCESS,  /* a device that QEMU opens by its name: looked at, not opened */
        FILE_OPEN,    /* a device that is opened for it */
        FILE_SHARED,  /* memory that guests share */
        FILE_FOLDER,  /* shared with the guest by a helper, which has it as a descriptor */
        FILE_PEER,    /* a socket that somebody else listens at: connected to */
        FILE_HELPER,  /* QEMU's end of the socket of a device's helper, which is made later: its program is looked at */
        FILE_TPM,     /* the folder of an emulated TPM, which is given to its emulator; missing: there is no TPM in it yet */
        FILE_PORT,    /* of a network, or of the host: the network driver's, as FILE_SECRET (domain/card-port.h) */
        FILE_LEAVE,   /* polkit's, for what of the host the same element asks for (guest-leave.h) */
        FILE_SECRET,  /* a secret's value: the secrets driver's, fetched before the others are opened (guest-secrets.h) */
} FilePurpose;

typedef struct File {
        FilePurpose purpose;
        const xmlNode *element;         /* that asks for it */
        char *path, *format, *template; /* FILE_HELPER: its program, its kind */
        uid_t rights; /* of the user with whose rights it is opened, the same for all of them; or USER_RIGHTS_ALL */
        bool read_only;
        bool truncate;          /* FILE_APPEND: the document says append='off' */
        bool may_lack, missing; /* startupPolicy: the guest can do without; it does */
        uint64_t size;          /* FILE_SHARED */
        HostUser user;     /* FILE_ACCESS, FILE_SHARED, FILE_TPM; FILE_FOLDER: whom its helper runs as, where that is its owner */
        GPtrArray *layers; /* FILE_IMAGE, FILE_NVRAM: ImageLayer */
        char *group;       /* FILE_IMAGE: of descriptors, one of which it is; or NULL */
        GPtrArray *handed; /* FILE_IMAGE: FdGroup, what was handed over; or NULL */
        ImageBacking *backing; /* what the document says is below a FILE_IMAGE, or NULL */
        int fd;                /* others */
        HostDevice *device;    /* FILE_DEVICE */
        ExecutableIdentity program;
        UnixSocket *socket; /* FILE_SOCKET */
        CardPort *port;     /* FILE_PORT */
        Leave *leave;       /* FILE_LEAVE */
        char *object;       /* FILE_SECRET, FILE_PORT: its object, or its network's, once that is known */
        char *whose;        /* FILE_SECRET, FILE_PORT: what needs it, for a message */
        char *alias;        /* FILE_SECRET, FILE_HELPER: the device's */
        char *usage;        /* FILE_SECRET: the type of its secret's usage */
        bool by_uuid;       /* FILE_SECRET: its path is the secret's UUID, else what the secret is for */
        int number; /* FILE_SECRET, of a guest that runs: the descriptor that QEMU has by now, and the set that it is in */
        unsigned set;
} File;

/* Whether none of them is what a domain may not have that has the rights of its owner alone. */
bool files_check_rights(const GPtrArray *files, GError **error);

/* Opens them, makes sockets and takes devices; for a worker. FOREIGN_USER: QEMU will run as another user than this. Where
 * nobody wants them any more, files_give_back removes the sockets and gives the devices back; also for a worker. */
bool files_open(GPtrArray *files, bool foreign_user, GError **error);
void files_give_back(const GPtrArray *files);

void file_free(File *file);
