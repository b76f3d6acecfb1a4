/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds <cpu> and <vcpu>: the model of the processors, and how many there are. */

#include "qemu/command/builder.h"

/* -cpu: after all that adds to the builder's options of it. */
void build_cpu(Builder *builder);

/* -smp; and checks what is said of them that QEMU does not do. */
void build_cpus(Builder *builder);
