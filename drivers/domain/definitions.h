/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a connection's definitions are, and what is known of its domains that run: on our disk (domain/local-definitions.h),
 * or the hypervisor's own, which keeps them itself and tells what there is: nothing of those is written here. */

#include "base/store.h"
#include "domain/domain.h"

struct Definitions {
        /* They are in folders of the connection's, or in others that go with these: nobody else may use them meanwhile. */
        bool keeps_folders;

        /* Makes ready, and takes back. */
        bool (*open)(Connection *connection, GError **error);
        void (*close)(Connection *connection);

        /* Tells what there is, as the connection is opened. NULL: what there is comes later. */
        void (*load)(Connection *connection);

        /* Writes the definition of a UUID, with what is kept beside it (base/kept.h), or with a TEXT of NULL removes it; then
         * calls DONE. */
        void (*define)(Connection *connection, const char *uuid, const char *text, WorkDone done, void *data);

        /* Writes what is known of a domain's run for a successor of this driver, or with NULL removes it. NULL: the hypervisor
         * knows. */
        bool (*save_status)(Connection *connection, const char *uuid, const char *text, GError **error);

        /* The rest may be NULL. Whether something is being written; to wait until it is; and whether domains are to be started
         * with the machine now. */
        bool (*is_busy)(const Connection *connection);
        void (*finish)(Connection *connection);
        bool (*is_first_run)(Connection *connection);
};
