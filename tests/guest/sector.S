# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest of one boot sector: it writes B to its serial port for ever.
.code16
.globl _start
_start: mov $0x3f8, %dx
        mov $'B', %al
again:  out %al, %dx
        hlt
        jmp again
.org 510
.word 0xaa55
