/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/lean-fork.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALIGNMENT 16

/* Lies at the beginning of its own memory. */
struct Parcel {
        size_t size, used;
};

static size_t align(size_t bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

Parcel *parcel_new(size_t bytes, size_t n_pieces) {
        size_t size = align(sizeof(Parcel)) + bytes + n_pieces * ALIGNMENT;
        Parcel *parcel = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (parcel == MAP_FAILED)
                return NULL;
        *parcel = (Parcel){ .size = size, .used = align(sizeof(Parcel)) };
        return parcel;
}

void parcel_free(Parcel *parcel) {
        munmap(parcel, parcel->size);
}

static void *take(Parcel *parcel, size_t bytes) {
        g_assert(align(bytes) <= parcel->size - parcel->used);
        char *piece = (char *) parcel + parcel->used;
        parcel->used += align(bytes);
        return piece;
}

void *parcel_put(Parcel *parcel, const void *data, size_t bytes) {
        return bytes > 0 ? memcpy(take(parcel, bytes), data, bytes) : NULL;
}

char **parcel_put_strings(Parcel *parcel, char *const *strings) {
        size_t n = g_strv_length((char **) strings);
        char **copies = take(parcel, (n + 1) * sizeof(char *));
        for (size_t i = 0; i < n; i++)
                copies[i] = parcel_put(parcel, strings[i], strlen(strings[i]) + 1);
        copies[n] = NULL;
        return copies;
}

void parcel_measure_strings(char *const *strings, size_t *bytes, size_t *n_pieces) {
        size_t n = g_strv_length((char **) strings);
        *bytes += (n + 1) * sizeof(char *);
        *n_pieces += n + 1;
        for (size_t i = 0; i < n; i++)
                *bytes += strlen(strings[i]) + 1;
}

/* Where the heap of malloc's main arena begins: it grows by brk(2), in one piece. What the linker and libraries have taken before
 * this goes along. */
static char *heap;

__attribute__((constructor)) static void find_heap(void) {
        uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
        heap = (char *) (((uintptr_t) sbrk(0) + page - 1) / page * page);
}

/* The C library has no fork for that; what it then does not know of the child, its number, the child does not ask for. */
static pid_t clone_into(unsigned namespaces) {
#ifdef __s390__
        return (pid_t) syscall(SYS_clone, NULL, (unsigned long) namespaces | SIGCHLD, NULL, NULL, NULL);
#else
        return (pid_t) syscall(SYS_clone, (unsigned long) namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
#endif
}

pid_t lean_fork(void) {
        return lean_fork_into(0);
}

pid_t lean_fork_into(unsigned namespaces) {
        const char *end = sbrk(0);
        size_t size = end > heap ? (size_t) (end - heap) : 0;
        /* Where that is refused the child has more than it needs. */
        bool left_behind = size > 0 && madvise(heap, size, MADV_DONTFORK) == 0;
        /* Not fork(): in the child that would look at the open files of stdio, which are in the heap. */
        pid_t pid = namespaces ? clone_into(namespaces) : _Fork();
        if (pid == 0)
                return 0;
        int failure = errno;
        if (left_behind)
                madvise(heap, size, MADV_DOFORK);
        errno = failure;
        return pid;
}
