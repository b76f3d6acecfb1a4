/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/offers.h"

#include "domain/connection.h"
#include "errors.h"

#define LACKS "the hypervisor of connection %s has no %s"

bool offers_check(const Connection *connection, bool has, const char *what, GError **error) {
        return has || virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, LACKS, connection->name, what);
}

bool offers_check_domain(const Domain *domain, bool has, const char *what, GError **error) {
        return has || domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED, LACKS, domain->connection->name, what);
}

bool offers_check_fds(const Connection *connection, const GPtrArray *fds, GError **error) {
        return offers_check(connection, !fds || connection->hypervisor->takes_fds,
                            "use for descriptors: leave out the option fds", error);
}
