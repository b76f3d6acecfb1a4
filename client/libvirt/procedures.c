/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "procedures.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
        const Procedure *x = a, *y = b;
        if (x->program != y->program)
                return x->program < y->program ? -1 : 1;
        return (x->number > y->number) - (x->number < y->number);
}

const Procedure *procedure_find(uint32_t program, int number) {
        const Procedure key = { .program = program, .number = number };
        const Procedure *found = bsearch(&key, procedures, N_PROCEDURES, sizeof key, compare);
        return found && !found->event ? found : NULL;
}
