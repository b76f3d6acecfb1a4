/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check-rules.h"

#include <glib.h>

/* What a document may not say although it would be overwritten or left out when it is completed: the first console is the first
 * serial port under another name, a display whose port is chosen has no number, and an address that names no place is chosen. */

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
        { "devices/graphics/@*[listed(name(), 'port tlsPort websocket')][num(.) > " CHECK_INT " or num(.) < -" CHECK_INT "]",
          "concat(name(), \"' in element '\", name(..), \"': '\", ., \"'\")",
          "invalid value for attribute '{}: it must be a number of a port, or -1 for one of the driver's choosing" },
        CHECK_REQUIRED("devices/graphics/listen", "type"),
        CHECK_DECIMAL("devices/console/target/@port", CHECK_INT),
        { "(memory | currentMemory | maxMemory | vcpu | iothreads | os/type | on_poweroff | on_reboot | on_crash | cputune/* | "
          "devices/disk/iotune/* | features/tcg/tb-cache | features/smm/tseg | devices/controller/pcihole64)[. != "
          "normalize-space(.)]",
          "concat(name(), '>: ', normalize-space(.))", "there is white space around the text of <{}: leave it out" },
        { "iothreads[. != ''][not(matches(., '[0-9]+'))]", ".", "invalid iothreads count '{}': it must be a decimal number" },
        { "devices/disk[target/@bus='usb']/address[@type != 'usb']", "@type", "an unexpected address type '{}' for a usb disk" },
        { "numatune/memory[@placement='static'][not(@nodeset)]", NULL,
          "the nodeset for NUMA memory tuning must be set if 'placement' is 'static'" },
        CHECK_DECIMAL("devices/interface/source/local/@port", CHECK_INT),
        CHECK_COUNT("cputune/vcpupin/@vcpu"),
        CHECK_COUNT("devices/controller/master/@startport"),
        CHECK_DECIMAL("devices/hub/address/@bus", CHECK_UINT),
        CHECK_DECIMAL("cpu/numa/cell/@*[listed(name(), 'id memory')]", "18446744073709551615"),
        CHECK_DECIMAL("memoryBacking/hugepages/page/@size", "18446744073709551615"),
        { "(devices/memory/target/* | devices/memory/target/label/size | devices/memory/source/alignsize | "
          "devices/memory/source/pagesize)[not(*)][. != ''][not(matches(., '[0-9]+'))]",
          "concat(name(), \"': '\", .)", "invalid value for element '{}': it must be a decimal number" },
        { "devices/disk/driver[@iothread='0']", NULL, "invalid value for attribute 'iothread': zero is not permitted" },
        CHECK_COUNT("devices/disk//backingStore/@index"),
        CHECK_COUNT("devices/disk//source/@index"),
        { "devices/disk/wwn[. != normalize-space(.)]", "normalize-space(.)", "there is white space around the wwn {}" },
        { "seclabel[../seclabel[2]][not(@model) or @model='']", NULL,
          "the security model is missing where there are multiple labels" },
        { "seclabel[twice(@model)]", "@model", "the seclabel model '{}' is given twice" },
        { "seclabel[not(@type)][not(@model)]", NULL, "the security model is missing in the domain's seclabel" },
        { "devices/*/address[not(@type)]", "name(..)", "no type is specified for the address of <{}>" },
        { "devices/*[not(self::hostdev)]/address[@type='unassigned']", "name(..)",
          "an address of type 'unassigned' is supported only for hostdevs, not for <{}>" },
        { "devices/*/address[@type='virtio-s390']", "name(..)", "virtio-s390 is not an address type that <{}> can have" },
        { "devices/*[self::redirdev or self::hostdev[@type='usb'] or "
          "self::serial[target/@type='usb-serial']]/address[not(@type='usb')]",
          "concat(@type, \"' for the USB device <\", name(..), '>')", "an invalid address type '{}: use usb" },
        { "devices/hostdev[@type='mdev'][@model='vfio-pci']/address[not(@type='pci')]", "@type",
          "the address type '{}' is not supported with the mediated device model 'vfio-pci'" },
        CHECK_COUNT("devices/*/address[@type='usb']/@bus"),
        CHECK_TEXT_COUNT("blkiotune/device/*[not(self::path)]"),
        { "blkiotune/device/*[self::read_iops_sec or self::write_iops_sec][num(normalize-space(.)) > " CHECK_UINT "]",
          "concat(name(), \"': '\", .)", "invalid value for element '{}': it must be a number, " CHECK_UINT " at most" },
        { "devices/interface/mac/@address[starts-with(., ' ')]", ".",
          "'{}' is not an address: use six pairs of hexadecimal digits, without spaces" },
};

static const CheckChoice choices[] = {
        { "devices/console/@type", "null vc pty dev file pipe stdio udp tcp unix spicevmc spiceport nmdm qemu-vdagent dbus" },
        { "devices/console/log/@append", "on off" },
        { "numatune/memory/@placement", "static auto" },
        { "cpu/@match", "exact minimum strict" },
        { "cpu/model/@fallback", "allow forbid" },
        { "devices/video/model/@primary", "yes no" },
        { "devices/*/source[../@type='tcp' or ../@type='udp' or ../@type='unix']/@mode | devices/rng/backend/source/@mode",
          "connect bind" },
        { "devices/*/protocol/@type | devices/rng/backend/protocol/@type", "raw telnet telnets tls" },
        { "devices/graphics/@autoport", "yes no" },
};

const CheckTable check_given_table = { rules, G_N_ELEMENTS(rules), choices, G_N_ELEMENTS(choices) };
