/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest whose agent says what it likes. A line that begins with '!' is a call, mostly of the guest's object; every other one is
 * said by the guest, after the syncs that came meanwhile were answered as they should be. */

#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/lines.h"
#include "bus.h"
#include "domain/agent/guest-object.h"
#include "domain/connection-define.h"
#include "errors.h"
#include "stage.h"

static const char document[] = "<domain type='qemu'><name>fuzzed</name><uuid>" STAGE_UUID "</uuid><memory unit='MiB'>64</memory>"
                               "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>";

typedef struct Guest {
        Stage stage;
        int fd;
        Lines heard;
} Guest;

static void answer_syncs(Guest *guest) {
        fuzz_settle(guest->stage.event);
        while (lines_receive(&guest->heard, guest->fd) > 0)
                ;
        for (char *line; (line = lines_next(&guest->heard, NULL)); g_free(line)) {
                const char *command = line[0] == '\xff' ? line + 1 : line;
                g_autoptr(JsonNode) node = json_parse(command, -1, NULL);
                g_assert_nonnull(node);
                JsonObject *arguments = json_member(json_node_get_object(node), "arguments");
                if (!g_str_has_prefix(json_string(json_node_get_object(node), "execute"), "guest-sync"))
                        continue;
                g_autofree char *answer = g_strdup_printf("{\"return\":%" G_GINT64_FORMAT "}\n", json_int(arguments, "id", 0));
                send(guest->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        fuzz_settle(guest->stage.event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_auto(GStrv) lines = g_strsplit(text, "\n", 256);
        g_autoptr(GError) error = NULL;
        static Guest guest; /* its driver and its domain stay */
        static Domain *domain;
        int pair[2];
        if (!domain) {
                stage_clean();
                stage_open(&guest.stage);
                domain = connection_add_transient(guest.stage.connection, document, 0, &error);
                g_assert_no_error(error);
        }
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        guest.fd = pair[1];
        lines_open(&guest.heard);
        GuestObject *object = guest_object_new(domain, pair[0]);
        guest_object_set_connected(object, true);
        for (char **line = lines; *line; line++) {
                if ((*line)[0] == '!')
                        stage_call(&guest.stage, *line);
                else {
                        g_autofree char *said = g_strconcat(*line, "\n", NULL);
                        send(guest.fd, said, strlen(said), MSG_DONTWAIT | MSG_NOSIGNAL);
                }
                answer_syncs(&guest);
        }
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "over");
        guest_object_free(object, error);
        fuzz_settle(guest.stage.event);
        lines_close(&guest.heard);
        close(guest.fd);
        return 0;
}
