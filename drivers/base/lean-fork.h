/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fork that leaves the heap behind. fork(2) copies the page tables of all memory: for the heap of a driver of 10,000 domains
 * that is 4 ms, and faults of both processes after it. The child has stacks, static data, and what was put into a parcel:
 * nothing that malloc gave. Until it executes a program it does only what signal-safety(7) allows. */

#include <glib.h>
#include <sys/types.h>

typedef struct Parcel Parcel;

/* Memory that a child has too, for so many bytes in so many pieces; NULL with errno. The parent frees it; the child does not. */
Parcel *parcel_new(size_t bytes, size_t n_pieces);
void parcel_free(Parcel *parcel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Parcel, parcel_free)

/* Copies a piece, or strings with NULL at their end, into it. */
void *parcel_put(Parcel *parcel, const void *data, size_t bytes);
char **parcel_put_strings(Parcel *parcel, char *const *strings);

/* What strings need in a parcel: adds to both numbers. */
void parcel_measure_strings(char *const *strings, size_t *bytes, size_t *n_pieces);

/* As fork(2); or as clone(2) with NAMESPACES, of CLONE_NEWPID and others, which the child begins in. */
pid_t lean_fork(void);
pid_t lean_fork_into(unsigned namespaces);
