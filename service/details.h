/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The details of a call that polkit's rules can look up: action.lookup(name). The manual page virtbus-polkit(7) is made of this table. A detail
 * that does not apply is left out. */
#define POLKIT_DETAILS(DETAIL) \
        DETAIL(connection, "The connection's name, such as *qemu*.") \
        DETAIL(domain_name, "The domain's name. Of a job, that of the domain that it is done to.") \
        DETAIL(domain_uuid, "The domain's UUID, in lower case with '-'.") \
        DETAIL(domain_owner, "The number of the user who defined the domain.") \
        DETAIL(job_operation, "What a job does, such as *save*.") \
        DETAIL(caller_is_owner, "*true* where the caller defined the domain, or began the job; else *false*.")
