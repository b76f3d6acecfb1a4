/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/nft.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/process.h"
#include "bus.h"
#include "errors.h"
#include "network/program.h"

/* Of how many transactions it is remembered who has done them: the kernel tells of one within its run. */
#define REMEMBERED 64

struct Nft {
        sd_event *event;
        Process *process; /* NULL while it waits */
        char *program, *text;
        int log;
        NftDone done;
        void *data;
};

static GQueue waiting = G_QUEUE_INIT; /* Nft */
static Nft *at_work;
static uint32_t ports[REMEMBERED]; /* nft's first one is its process ID: netlink(7) */
static unsigned n_ports;

bool nft_is_ours(uint32_t port) {
        for (unsigned i = 0; i < MIN(n_ports, REMEMBERED); i++)
                if (ports[i] == port)
                        return true;
        return false;
}

static void begin_next(void);

static void leave(Nft *nft) {
        if (nft == at_work)
                at_work = NULL;
        else
                g_queue_remove(&waiting, nft);
}

static void nft_clear(Nft *nft) {
        g_clear_pointer(&nft->process, process_free);
        autofd_close(&nft->log);
        g_free(nft->program);
        g_free(nft->text);
        g_free(nft);
}

void nft_free(Nft *nft) {
        leave(nft);
        nft_clear(nft);
        begin_next();
}

/* Tells who has begun it, as the last thing. */
static void finish(Nft *nft, const GError *error) {
        NftDone done = nft->done;
        void *data = nft->data;
        leave(nft);
        nft_clear(nft);
        begin_next();
        done(data, error);
}

static void on_ended(void *data, int status) {
        Nft *nft = data;
        g_autoptr(GError) error = NULL;
        g_autofree char *said = program_said(nft->log);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "nft does not take the rules: %s", said);
        finish(nft, error);
}

/* A file in memory that has TEXT in it. */
static int text_file(const char *text) {
        g_autofd int fd = memfd_create("rules", MFD_CLOEXEC);
        size_t length = strlen(text);
        if (fd < 0 || write(fd, text, length) != (ssize_t) length || lseek(fd, 0, SEEK_SET) != 0)
                return -1;
        return steal_fd(&fd);
}

static bool run(Nft *nft, GError **error) {
        g_autofd int input = text_file(nft->text);
        nft->log = memfd_create("log", MFD_CLOEXEC);
        if (input < 0 || nft->log < 0)
                return virtbus_error_set_errno(error, errno, "cannot send the rules to nft");
        char *arguments[] = { nft->program, (char *) "-f", (char *) "-", NULL };
        const ProcessSetup setup = {
                .arguments = arguments, .input = input, .log = nft->log, .uid = geteuid(), .gid = getegid(), .ends_with_us = true
        };
        nft->process = process_new(nft->event, &setup, on_ended, nft, error);
        if (!nft->process)
                return false;
        at_work = nft;
        ports[n_ports++ % REMEMBERED] = (uint32_t) process_pid(nft->process);
        process_go(nft->process);
        return true;
}

static void begin_next(void) {
        Nft *nft;
        while (!at_work && (nft = g_queue_pop_head(&waiting))) {
                g_autoptr(GError) error = NULL;
                if (!run(nft, &error))
                        finish(nft, error);
        }
}

Nft *nft_begin(sd_event *event, const char *text, NftDone done, void *data, GError **error) {
        g_autofree char *program = program_find("nft", "nftables", error);
        if (!program)
                return NULL;
        Nft *nft = g_new0(Nft, 1);
        *nft = (Nft){ .event = event,
                      .program = g_steal_pointer(&program),
                      .text = g_strdup(text),
                      .log = -1,
                      .done = done,
                      .data = data };
        if (at_work)
                g_queue_push_tail(&waiting, nft);
        else if (!run(nft, error))
                g_clear_pointer(&nft, nft_clear);
        return nft;
}
