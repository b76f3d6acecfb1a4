/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/lease-bus.h"

#include "network/run.h"

/* Of the block of the network that the address is in; 0 where it is in none any more. */
static uint32_t prefix_of(const Network *network, const Address *address) {
        const NetworkDefinition *definition = run_live(network);
        for (size_t i = 0; i < definition->n_subnets; i++)
                if (subnet_has(&definition->subnets[i], address))
                        return definition->subnets[i].prefix;
        return 0;
}

#define LEASE_SIGNATURE "a{sv}"
#define LEASE_ARGUMENTS(network, lease, address) \
        7, "address", "s", address, "prefix", "u", prefix_of(network, &(lease)->address), "mac", "s", (lease)->mac, "client_id", \
                        "s", (lease)->client_id, "iaid", "s", (lease)->iaid, "hostname", "s", (lease)->name, "expires", "t", \
                        (lease)->until

void lease_bus_answer(Call *call, const Network *network, const GPtrArray *leases) {
        g_autoptr(sd_bus_message) answer = NULL;
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', LEASE_SIGNATURE);
        for (guint i = 0; i < leases->len && r >= 0; i++) {
                const Lease *lease = leases->pdata[i];
                g_autofree char *address = address_text(&lease->address);
                r = sd_bus_message_append(answer, LEASE_SIGNATURE, LEASE_ARGUMENTS(network, lease, address));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
}

void lease_bus_signal(const Network *network, const Vtable *vtable, LeaseChange change, const Lease *lease) {
        static const char *const signals[] = {
                [LEASE_ADDED] = "LeaseAdded", [LEASE_CHANGED] = "LeaseChanged", [LEASE_REMOVED] = "LeaseRemoved"
        };
        g_autofree char *address = address_text(&lease->address);
        if (network->entry.published)
                published_emit(network->entry.published, vtable->info, signals[change], LEASE_SIGNATURE,
                               LEASE_ARGUMENTS(network, lease, address));
}
