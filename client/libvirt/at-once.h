/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that need no more than what is known of a domain: clients that list domains ask for the state of each, and some look each
 * up before anything that they ask. They are answered from the message, without a Call. */

#include "known.h"
#include "procedures.h"

/* Appends the body of the answer; false for what has to be asked for, or refused. */
bool at_once_answer(const Known *known, const Procedure *procedure, const uint8_t *data, size_t size, GByteArray *into);
