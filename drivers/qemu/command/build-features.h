/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds <features> and <pm>: what the machine, the accelerator and the processors have beside their models. */

#include "qemu/command/builder.h"

/* ACCELERATOR gets the options of -accel; those of -machine and -cpu go to the builder's. */
void build_features(Builder *builder, GString *accelerator);

/* Whether the guest may sleep. */
void build_power_management(Builder *builder);
