/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UEFI firmware, where Debian and Fedora install it. */

#include <string.h>
#include <unistd.h>

#include "command-line.h"

static const Firmware firmwares[] = {
        { "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", false },
        { "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", false },
        { "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd", false },
        { "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", true },
        { "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", true },
        { "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd", true },
};

const Firmware *firmware_choose(const char *path, bool secure) {
        for (size_t i = 0; i < G_N_ELEMENTS(firmwares); i++)
                if (path && *path ? strcmp(path, firmwares[i].code) == 0
                                  : firmwares[i].secure == secure && access(firmwares[i].code, R_OK) == 0)
                        return firmwares + i;
        return NULL;
}

bool firmware_is_secure(xmlNode *root) {
        xmlNode *os = xml_child(root, "os");
        if (xml_attribute_is(xml_child(os, "loader"), "secure", "yes"))
                return true;
        for (xmlNode *feature = xml_find(os, "firmware/feature"); feature; feature = xml_next(feature, "feature"))
                if (xml_attribute_is(feature, "enabled", "yes"))
                        return true;
        return false;
}

xmlNode *firmware_variables_element(xmlNode *root) {
        xmlNode *os = xml_child(root, "os"), *nvram = xml_child(os, "nvram"), *loader = xml_child(os, "loader");
        return nvram ? nvram : loader ? loader : root;
}
