/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to a guest and changes no property: each is told once, by a signal of org.virtbus1.Domain or of the device that
 * it is about. The words are those of introspection/. */

#include "domain/domain.h"

void domain_signal_rebooted(const Domain *domain);
void domain_signal_clock(const Domain *domain, int64_t offset); /* seconds */
void domain_signal_watchdog(const Domain *domain, const char *action);
void domain_signal_memory_failure(const Domain *domain, const char *recipient, const char *action, bool must_act, bool recursive);
void domain_signal_suspended_to_disk(const Domain *domain);
void domain_signal_control_lost(const Domain *domain, const char *message);
void domain_signal_metadata(const Domain *domain, const char *uri);

/* Of a device, by its alias; nothing where the domain has no such device. */
void domain_signal_detach_failed(const Domain *domain, const char *alias);
void domain_signal_memory_size(const Domain *domain, const char *alias, uint64_t bytes);
void domain_signal_io_failed(const Domain *domain, const char *alias, const char *action, const char *reason);
void domain_signal_image_missing(const Domain *domain, const char *alias, bool left_out);

/* One end of a client's connection to a display. */
typedef struct DisplayEnd {
        const char *family, *host, *service;
} DisplayEnd;

typedef struct DisplayClient {
        const char *phase;
        DisplayEnd local, remote;
        const char *authentication;
        const char *certificate, *sasl; /* whom it has proved to be; "" for nobody */
} DisplayClient;

/* Of the first display of a TYPE. */
void domain_signal_display_client(const Domain *domain, const char *type, const DisplayClient *client);
