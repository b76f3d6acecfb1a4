.code16
.globl _start
/* Obeys letters that its serial port gets: R begins anew, W lets a watchdog ib700 expire, C sets the clock, D reads sector 200 of its disk. */
_start: cli
 xor %ax,%ax
 mov %ax,%ds
 mov %ax,%es
 mov %ax,%ss
 mov $0x7c00,%sp
 sti
 mov $'U',%al
say:
 mov $0x3f8,%dx
 out %al,%dx
wait:
 mov $0x3fd,%dx
 in %dx,%al
 test $1,%al
 jz wait
 mov $0x3f8,%dx
 in %dx,%al
 cmp $'R',%al
 jne 1f
 mov $0xcf9,%dx
 mov $0x06,%al
 out %al,%dx
 hlt
1: cmp $'W',%al
 jne 2f
 mov $0x443,%dx
 mov $0x0f,%al
 out %al,%dx
 mov $'w',%al
 jmp say
2: cmp $'C',%al
 jne 3f
 mov $0x09,%al
 out %al,$0x70
 mov $0x31,%al
 out %al,$0x71
 mov $'c',%al
 jmp say
3: cmp $'D',%al
 jne wait
 mov $0x42,%ah
 mov $0x80,%dl
 mov $dap,%si
 int $0x13
 mov $'d',%al
 jmp say
.align 4
dap: .byte 16,0
 .word 1
 .word 0x8000,0
 .long 200,0
.org 510
.word 0xaa55
