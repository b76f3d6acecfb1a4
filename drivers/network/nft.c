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

struct Nft {
        Process *process;
        int log;
        NftDone done;
        void *data;
};

void nft_free(Nft *nft) {
        g_clear_pointer(&nft->process, process_free);
        autofd_close(&nft->log);
        g_free(nft);
}

static void on_ended(void *data, int status) {
        g_autoptr(Nft) nft = data;
        g_autoptr(GError) error = NULL;
        g_autofree char *said = program_said(nft->log);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "nft does not take the rules: %s", said);
        nft->done(nft->data, error);
}

/* A file in memory that has TEXT in it. */
static int text_file(const char *text) {
        g_autofd int fd = memfd_create("rules", MFD_CLOEXEC);
        size_t length = strlen(text);
        if (fd < 0 || write(fd, text, length) != (ssize_t) length || lseek(fd, 0, SEEK_SET) != 0)
                return -1;
        return steal_fd(&fd);
}

Nft *nft_begin(sd_event *event, const char *text, NftDone done, void *data, GError **error) {
        g_autoptr(Nft) nft = g_new0(Nft, 1);
        g_autofd int input = text_file(text);
        g_autofree char *program = program_find("nft", "nftables", error);
        *nft = (Nft){ .log = memfd_create("log", MFD_CLOEXEC), .done = done, .data = data };
        if (!program)
                return NULL;
        if (input < 0 || nft->log < 0) {
                virtbus_error_set_errno(error, errno, "nft cannot be told the rules");
                return NULL;
        }
        char *arguments[] = { program, (char *) "-f", (char *) "-", NULL };
        const ProcessSetup setup = {
                .arguments = arguments, .input = input, .log = nft->log, .uid = geteuid(), .gid = getegid(), .ends_with_us = true
        };
        nft->process = process_new(event, &setup, on_ended, nft, error);
        if (!nft->process)
                return NULL;
        process_go(nft->process);
        return g_steal_pointer(&nft);
}
