/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check-rules.h"

#include <glib.h>

/* What a document may not say although it would be overwritten when it is completed: the first console is the first serial
 * port under another name, and a display whose port is chosen has no number. */

#define CHARACTER "serial parallel console channel smartcard redirdev"

static const CheckRule rules[] = {
        { "devices/*[listed(name(), '" CHARACTER "')][not(@type='udp')]/source[2]", NULL,
          "only one source element is allowed for a character device" },
        { "devices/*[listed(name(), '" CHARACTER "')]/source[3]", NULL,
          "only two source elements are allowed for a character device" },
        { "devices/console/protocol[2]", NULL, "only one protocol element is allowed for a character device" },
        { "devices/graphics/@*[listed(name(), 'port tlsPort websocket')][not(matches(., '[+-]?[0-9]+'))]",
          "concat(name(), \"' in element '\", name(..), \"': '\", ., \"'\")",
          "invalid value for attribute '{}: it must be a decimal number, or -1 for one of the driver's choosing" },
};

static const CheckChoice choices[] = {
        { "devices/console/@type", "null vc pty dev file pipe stdio udp tcp unix spicevmc spiceport nmdm qemu-vdagent dbus" },
        { "devices/console/source/@mode", "bind connect" },
        { "devices/console/protocol/@type", "raw telnet telnets tls" },
};

const CheckTable check_given_table = { rules, G_N_ELEMENTS(rules), choices, G_N_ELEMENTS(choices) };
