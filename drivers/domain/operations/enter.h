/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done in a container that runs: each is begun in its turn, and goes on by itself from there. */

#include "domain/hypervisor.h"
#include "domain/operation.h"

/* Takes the program's strings. */
Operation *enter_exec_new(Call *call, const ContainerProgram *program);
void enter_program_clear(ContainerProgram *program);

Operation *enter_signal_new(Call *call, int64_t process, int number);
Operation *enter_namespaces_new(Call *call);
