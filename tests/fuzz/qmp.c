/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A QEMU that says what it likes, to a guest that a driver has found running, while callers use it. A line of the input that
 * begins with '!' is a call; every other one is said on the monitor, a "return" or "error" without id as the answer to what
 * was asked first. */

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/lines.h"
#include "bus.h"
#include "stage.h"

#define ALIAS(name) "<alias name='" name "'/>"
#define SLOT(slot) "<address type='pci' domain='0x0000' bus='0x00' slot='" slot "' function='0x0'/>"

static const char status[] =
                "<virtbus-status state='running' reason='booted' id='1' owner='0' start-time='1' reboot='0' saving='0' "
                "resumes='0'>"
                "<run agent-timeout='-1' pid='@PID@' start-time='@START@'><capabilities>"
                "{\"version\":\"7.2\",\"target\":\"x86_64\",\"machines\":[{\"name\":\"pc-i440fx-7.2\",\"alias\":\"pc\",\"cpu-"
                "max\":"
                "255}],\"devices\":\"virtio-blk-pci virtio-net-pci virtio-scsi-pci VGA virtio-balloon-pci\",\"cpus\":{}}"
                "</capabilities><terminal alias='serial0'>/dev/pts/0</terminal></run>"
                "<domain type='qemu'><name>fuzzed</name><uuid>" STAGE_UUID "</uuid><memory unit='MiB'>64</memory>"
                "<vcpu current='1'>2</vcpu><os><type arch='x86_64' "
                "machine='pc-i440fx-7.2'>hvm</type></os><features><acpi/></features>"
                "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>preserve</on_crash><devices>"
                "<serial type='pty'><source path='/dev/pts/0'/>" ALIAS(
                                "serial0") "</serial>"
                                           "<controller type='pci' index='0' model='pci-root'>" ALIAS(
                                                           "pci.0") "</controller>"
                                                                    "<disk type='file' device='disk'><driver name='qemu' "
                                                                    "type='raw'/><source file='/dev/null'/>"
                                                                    "<target dev='vda' bus='virtio'/>" ALIAS("virtio-disk0") SLOT(
                                                                                    "0x04") "</disk>"
                                                                                            "<disk type='file' "
                                                                                            "device='cdrom'><target dev='hda' "
                                                                                            "bus='ide'/>" ALIAS(
                                                                                                            "ide0-0-0") "<address"
                                                                                                                        " type='"
                                                                                                                        "drive' "
                                                                                                                        "controll"
                                                                                                                        "er='0' "
                                                                                                                        "bus='0' "
                                                                                                                        "target='"
                                                                                                                        "0' "
                                                                                                                        "unit='0'"
                                                                                                                        "/></"
                                                                                                                        "disk>"
                                                                                                                        "<interfa"
                                                                                                                        "ce "
                                                                                                                        "type='"
                                                                                                                        "user'><"
                                                                                                                        "mac "
                                                                                                                        "address="
                                                                                                                        "'52:54:"
                                                                                                                        "00:00:"
                                                                                                                        "00:01'/"
                                                                                                                        "><model "
                                                                                                                        "type='"
                                                                                                                        "virtio'/"
                                                                                                                        ">" ALIAS("net0") SLOT("0x03") "</interface><graphics type='vnc' socket='@RUN@/vnc'>" ALIAS(
                                                                                                                                        "graphics0") "</graphics>"
                                                                                                                                                     "<memballoon model='virtio'>" ALIAS(
                                                                                                                                                                     "balloon0")
                                                                                                                                                                     SLOT("0x05") "</memballoon></devices></domain></virtbus-status>";

typedef struct Qemu {
        Stage stage;
        int fd;
        Lines heard;
        GQueue asked; /* the ids, as text, of commands without an answer */
} Qemu;

static int listen_at(const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", fuzz_folder(), name);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        g_autofree char *folder = g_path_get_dirname(address.sun_path);
        g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
        g_assert_cmpint(bind(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
        g_assert_cmpint(listen(fd, 4), ==, 0);
        return fd;
}

static int on_arrival(sd_event_source *source, int listener, uint32_t events, void *data) {
        (void) source;
        (void) events;
        int *fd = data;
        *fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return 0;
}

/* What comes before the driver connects is done by its threads and by its event loop in turns: the loop runs until it has
 * connected. */
static int wait_for_driver(sd_event *event, int listener) {
        int fd = -1;
        sd_event_source *arrival = NULL;
        g_assert_cmpint(sd_event_add_io(event, &arrival, listener, EPOLLIN, on_arrival, &fd), >=, 0);
        while (fd < 0)
                g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
        sd_event_source_unref(arrival);
        return fd;
}

static void hear(Qemu *qemu) {
        fuzz_settle(qemu->stage.event);
        while (lines_receive(&qemu->heard, qemu->fd) > 0)
                ;
        for (char *line; (line = lines_next(&qemu->heard, NULL)); g_free(line)) {
                g_autoptr(JsonNode) node = json_parse(line, -1, NULL);
                g_assert_nonnull(node); /* the driver speaks QMP, whatever it is told */
                gint64 id = json_int(json_node_get_object(node), "id", -1);
                if (id >= 0)
                        g_queue_push_tail(&qemu->asked, g_strdup_printf("%" G_GINT64_FORMAT, id));
        }
}

static void say(Qemu *qemu, const char *line) {
        bool is_answer = (g_str_has_prefix(line, "{\"return\"") || g_str_has_prefix(line, "{\"error\"")) &&
                         !strstr(line, "\"id\"");
        g_autofree char *id = is_answer ? g_queue_pop_head(&qemu->asked) : NULL,
                        *text = id ? g_strdup_printf("{\"id\":%s,%s\n", id, line + 1) : g_strconcat(line, "\n", NULL);
        send(qemu->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        hear(qemu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_auto(GStrv) lines = g_strsplit(text, "\n", 256);
        Qemu qemu = { .fd = -1 };
        stage_clean();
        stage_write("run/domains/" STAGE_UUID ".xml", status);
        g_autofd int listener = listen_at("run/monitors/" STAGE_UUID);
        stage_open(&qemu.stage);
        qemu.fd = wait_for_driver(qemu.stage.event, listener);
        lines_open(&qemu.heard);
        for (char **line = lines; *line; line++)
                if ((*line)[0] == '!') {
                        stage_call(&qemu.stage, *line);
                        hear(&qemu);
                } else if ((*line)[0])
                        say(&qemu, *line);
        close(qemu.fd); /* what still waits for it fails */
        fuzz_settle(qemu.stage.event);
        stage_close(&qemu.stage);
        lines_close(&qemu.heard);
        g_queue_clear_full(&qemu.asked, g_free);
        return 0;
}
