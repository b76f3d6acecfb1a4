/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much an interface may carry: <bandwidth> by the kernel's traffic control, tc(8).
 *
 * What the host sends into the interface waits its turn (htb); what comes out of it beyond its rate is dropped (police), as
 * nothing on the way in can wait. Inbound and outbound are the guest's: of a tap the host's sending is the guest's inbound, of a
 * macvtap, which is a card of the host's own, it is the other way round.
 *
 * Units: domain XML format, "Quality of service": average and peak in kilobytes (1000 bytes) a second, burst in kibibytes. */

#include "base/xml.h"

/* The largest rate: 2^32 kilobytes a second is more than any network carries. */
#define BANDWIDTH_RATE_MAX UINT32_MAX
/* And burst, in KiB: the kernel counts its time in 32 bits. */
#define BANDWIDTH_BURST_MAX (64 * 1024)

typedef struct BandwidthRate {
        uint64_t average, peak, burst; /* in the document's units; 0: not given */
} BandwidthRate;

typedef struct Bandwidth {
        BandwidthRate inbound, outbound; /* average 0: not limited */
} Bandwidth;

/* Reads a <bandwidth>, which has been checked. */
Bandwidth bandwidth_of(const xmlNode *element);

/* Sets the limits of an interface, instead of those it has; DIRECT: it is a macvtap. The kernel answers at once. */
bool bandwidth_set(const char *interface, bool direct, const Bandwidth *bandwidth, GError **error);
