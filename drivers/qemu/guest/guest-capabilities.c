/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-capabilities.h"

#include "domain/domain-status.h"

static void take_capabilities(Guest *guest) {
        Capabilities *known = capabilities_find(host_of(guest->domain->connection)->capabilities, guest->emulator);
        guest->capabilities = known ? capabilities_ref(known) : NULL;
}

static void on_learned(void *data) {
        Guest *guest = data;
        guest->asks = false;
        take_capabilities(guest);
        domain_save_status(guest->domain);
}

void guest_capabilities_learn(Guest *guest) {
        g_autofree ExecutableIdentity *identity = g_steal_pointer(&guest->stranger);
        if (!identity)
                return;
        guest->asks = true;
        if (capabilities_learn(host_of(guest->domain->connection)->capabilities, guest->emulator, identity, on_learned, guest))
                on_learned(guest);
}

void guest_capabilities_recall(Guest *guest, const GPtrArray *files) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->purpose != FILE_PROGRAM)
                        continue;
                if (capabilities_see(host_of(guest->domain->connection)->capabilities, guest->emulator, &file->program))
                        take_capabilities(guest);
                else
                        guest->stranger = g_memdup2(&file->program, sizeof file->program);
        }
}
