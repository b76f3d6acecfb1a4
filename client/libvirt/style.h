/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Documents as libvirt writes them: people's scripts look for lines such as <source bridge='br0'/>. */

/* A document of the bus with its attributes between ' and without the line that says that it is XML. It has to be well-formed; to
 * be freed. */
char *style_document(const char *text);
