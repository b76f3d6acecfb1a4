/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "lxc/capability.h"
#include "lxc/conf-read.h"
#include "lxc/lxc-document.h"

#define HEAD "lxc.uts.name = web\nlxc.rootfs.path = /srv/web\n"
#define DOCUMENT(more, devices) \
        "<domain type='lxc' xmlns:lxc='" LXC_NAMESPACE "'><name>web</name><memory unit='MiB'>64</memory>" more \
        "<devices>" devices "</devices></domain>"
#define OS "<os><type>exe</type><init>/bin/sh</init></os>"

static char *translate(const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = conf_from_native(text, &error);
        g_assert_no_error(error);
        return xml_document_text(document);
}

static void contains(const char *text, const char *part) {
        if (!strstr(text, part))
                g_error("'%s' is not in '%s'", part, text);
}

static void makes(const char *lines, const char *part) {
        g_autofree char *text = g_strconcat(HEAD, lines, NULL), *xml = translate(text);
        contains(xml, part);
}

static void refuses(const char *text, VirtbusError code, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = conf_from_native(text, &error);
        g_assert_null(document);
        g_assert_error(error, VIRTBUS_ERROR, (int) code);
        contains(error->message, part);
}

static void test_a_configuration_of_either_generation_is_a_document(void) {
        static const char *const generations[] = {
                "lxc.uts.name = web\nlxc.rootfs.path = /srv/web\nlxc.net.0.type = veth\nlxc.net.0.link = br0\n"
                "lxc.net.0.ipv4.address = 10.0.0.2/24\nlxc.idmap = u 0 1000 9\nlxc.idmap = g 0 1000 9\nlxc.tty.max = 1\n",
                "lxc.utsname = web\nlxc.rootfs = /srv/web\nlxc.network.type = veth\nlxc.network.link = br0\n"
                "lxc.network.ipv4 = 10.0.0.2/24\nlxc.id_map = u 0 1000 9\nlxc.id_map = g 0 1000 9\nlxc.tty = 1\n",
        };
        g_autofree char *newer = translate(generations[0]), *older = translate(generations[1]);
        g_assert_cmpstr(newer, ==, older);
        contains(newer, "<name>web</name>");
        contains(newer, "<source dir=\"/srv/web\"/>");
        contains(newer, "<ip address=\"10.0.0.2\" family=\"ipv4\" prefix=\"24\"/>");
        contains(newer, "<uid start=\"0\" target=\"1000\" count=\"9\"/>");
        contains(newer, "<console type=\"pty\">");
}

static void test_ranges_are_read_the_way_round_that_has_root(void) {
        makes("lxc.idmap = u 1000 0 9\nlxc.idmap = g 1000 0 9\n", "<uid start=\"0\" target=\"1000\" count=\"9\"/>");
        makes("lxc.idmap = b 0 1000 9\n", "<gid start=\"0\" target=\"1000\" count=\"9\"/>");
        refuses(HEAD "lxc.idmap = u 5 1000 9\n", VIRTBUS_ERROR_INVALID_XML, "root");
        refuses(HEAD "lxc.idmap = b 0 1000 9\nlxc.idmap = b 5 2000 9\n", VIRTBUS_ERROR_INVALID_XML, "overlaps");
}

static void test_a_container_without_cards_has_a_network_of_its_own(void) {
        makes("", "<privnet/>");
        makes("lxc.net.0.type = empty\n", "<privnet/>");
        g_autofree char *host = translate(HEAD "lxc.net.0.type = none\n");
        g_assert_null(strstr(host, "privnet"));
}

static void test_sizes_are_the_kernels(void) {
        makes("lxc.cgroup.memory.limit_in_bytes = 512M\n", "<hard_limit unit=\"KiB\">524288</hard_limit>");
        makes("lxc.cgroup2.memory.max = 512M\nlxc.cgroup2.memory.swap.max = 1g\n",
              "<swap_hard_limit unit=\"KiB\">1572864</swap_hard_limit>");
        makes("lxc.cgroup.memory.limit_in_bytes = -1\n", "<memory unit=\"KiB\">65536</memory>");
        makes("lxc.mount.entry = x run tmpfs size=50% 0 0\n", "<source usage=\"32768\"");
        refuses(HEAD "lxc.cgroup.memory.limit_in_bytes = 99999999999999T\n", VIRTBUS_ERROR_INVALID_ARGUMENT, "line 3");
        makes("lxc.cgroup.cpuset.cpus = 5,0,1,2\n", "cpuset=\"0-2,5\"");
}

static void test_a_path_below_the_root_is_one_in_the_container(void) {
        makes("lxc.mount.entry = /a\\040b /srv/web/mnt none bind,ro 0 0\n", "<source dir=\"/a b\"/>");
        makes("lxc.mount.entry = /a /srv/web/mnt none bind,ro 0 0\n", "<target dir=\"/mnt\"/>");
        refuses(HEAD "lxc.mount.entry = /a ../../etc none bind 0 0\n", VIRTBUS_ERROR_INVALID_XML, "..");
}

static void test_what_no_document_can_say_is_refused_by_name(void) {
        static const struct {
                const char *line, *part;
        } cases[] = {
                { "lxc.mount.fstab = /etc/fstab", "lxc.mount.entry" },
                { "lxc.mount = /etc/fstab", "lxc.mount.entry" },
                { "lxc.include = /usr/share/lxc/config/common.conf", "common.conf" },
                { "lxc.hook.start = /bin/true", "lxc.hook.start" },
                { "lxc.apparmor.profile = strict", "AppArmor" },
                { "lxc.seccomp.profile = /x", "lxc.seccomp.profile" },
                { "lxc.net.0.type = ipvlan", "ipvlan" },
                { "lxc.net.0.script.up = /x", "lxc.net.0.script.up" },
                { "lxc.cgroup.pids.max = 1", "lxc.cgroup.pids.max" },
                { "lxc.sysctl.net.x = 1", "lxc.sysctl.net.x" },
                { "lxc.mount.entry = /a b none bind,optional 0 0", "optional" },
                { "lxc.arch = armhf", "armhf" },
                { "lxc.nonsense = 1", "lxc.nonsense" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = g_strconcat(HEAD, cases[i].line, "\n", NULL);
                refuses(text, VIRTBUS_ERROR_UNSUPPORTED, cases[i].part);
        }
}

static void test_what_is_wrong_names_its_line(void) {
        static const struct {
                const char *line, *part;
        } cases[] = {
                { "nonsense", "line 3 is not KEY = VALUE" },     { "lxc.tty.max = many", "line 3: lxc.tty.max" },
                { "lxc.cap.drop = fly", "capability 'fly'" },    { "lxc.net.0.hwaddr = 02:00", "02:00" },
                { "lxc.net.0.link = br0", "has no type" },       { "lxc.network.link = br0", "lxc.network.type begins one" },
                { "lxc.net.0.type = phys", "has no link" },      { "lxc.idmap = u 0 0", "u or g and three numbers" },
                { "lxc.cgroup.blkio.weight = 1", "10 to 1000" }, { "lxc.mount.entry = /a", "fstab" },
                { "lxc.init.cmd = init", "absolute path" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = g_strconcat(HEAD, cases[i].line, "\n", NULL);
                refuses(text, VIRTBUS_ERROR_INVALID_ARGUMENT, cases[i].part);
        }
        refuses("lxc.uts.name = web\n", VIRTBUS_ERROR_INVALID_ARGUMENT, "lxc.rootfs.path");
}

static void test_a_strangers_file_is_bounded(void) {
        g_autoptr(GString) large = g_string_new(HEAD), many = g_string_new(HEAD), mounts = g_string_new(HEAD);
        for (int i = 0; i <= CONF_BYTES_MAX; i++)
                g_string_append_c(large, 'x');
        for (int i = 0; i <= CONF_LINES_MAX; i++)
                g_string_append_c(many, '\n');
        for (int i = 0; i <= LXC_FILESYSTEMS_MAX; i++)
                g_string_append_printf(mounts, "lxc.mount.entry = /a b%d none bind 0 0\n", i);
        refuses(large->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "bytes");
        refuses(many->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "lines");
        refuses(mounts->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "mounts");
}

/* Documents */

static void refuses_document(const char *text, VirtbusError code, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(text, "domain", &error);
        g_assert_no_error(error);
        if (lxc_document_check(document, true, &error))
                g_error("it was taken: %s", text);
        g_assert_error(error, VIRTBUS_ERROR, (int) code);
        contains(error->message, part);
}

static void test_a_document_that_no_container_can_be_is_refused_by_name(void) {
        static const struct {
                const char *text, *part;
                VirtbusError code;
        } cases[] = {
                { DOCUMENT("<os><type>exe</type></os>", ""), "init", VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT("<os><type>hvm</type><init>/a</init></os>", ""), "exe", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS "<seclabel type='static' model='apparmor'/>", ""), "seclabel", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS, "<interface type='bridge'><source bridge='b'/><vlan/></interface>"), "VLAN",
                  VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS "<features><acpi/></features>", ""), "acpi", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS "<features><capabilities><fly state='on'/></capabilities></features>", ""), "fly",
                  VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS "<cpu mode='host-model'/>", ""), "cpu", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS "<idmap><uid start='0' target='0' count='5000000000'/></idmap>", ""), "count",
                  VIRTBUS_ERROR_LIMIT_EXCEEDED },
                { DOCUMENT(OS "<idmap><uid start='0' target='9' count='1'/></idmap>", ""), "gid", VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS "<lxc:namespace><lxc:sharepid type='name' value='a'/></lxc:namespace>", ""), "sharepid",
                  VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS OS, ""), "twice", VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS, "<emulator>/bin/sh</emulator>"), "/bin/sh", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS, "<graphics type='vnc'/>"), "graphics", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS, "<console type='file'/>"), "file", VIRTBUS_ERROR_UNSUPPORTED },
                { DOCUMENT(OS, "<filesystem><source dir='/a/../b'/><target dir='/'/></filesystem>"), "..",
                  VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS, "<filesystem><source dir='/a'/></filesystem>"), "target", VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS, "<filesystem type='ram'><source dir='/a'/><target dir='/b'/></filesystem>"), "usage",
                  VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS, "<filesystem><source dir='/a'/><target dir='/b'/></filesystem>"
                               "<filesystem><source dir='/a'/><target dir='//b/'/></filesystem>"),
                  "another filesystem", VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS, "<interface type='bridge'/>"), "bridge", VIRTBUS_ERROR_INVALID_XML },
                { DOCUMENT(OS, "<interface type='ethernet'><guest dev='a/b'/></interface>"), "a/b", VIRTBUS_ERROR_INVALID_XML },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuses_document(cases[i].text, cases[i].code, cases[i].part);
}

/* Nova, virt-install and libvirt itself write these into every container's document. */
static void test_what_programs_write_into_each_document_is_taken(void) {
        static const char *const cases[] = {
                DOCUMENT(OS "<seclabel type='dynamic' model='apparmor' relabel='yes'/><seclabel type='dynamic' model='dac'/>",
                         ""),
                DOCUMENT(OS "<clock offset='timezone' timezone='Europe/Berlin'/>", ""),
                DOCUMENT("<os><type>exe</type><init>/bin/sh</init><cmdline>console=tty0</cmdline></os>", ""),
                DOCUMENT(OS, "<filesystem accessmode='mapped'><source dir='/a'/><target dir='/'/></filesystem>"),
                DOCUMENT(OS, "<interface type='bridge'><source bridge='b'/><model type='virtio'/></interface>"),
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(xmlDoc) document = xml_parse(cases[i], "domain", &error);
                g_assert_no_error(error);
                lxc_document_check(document, true, &error);
                g_assert_no_error(error);
        }
}

static void test_each_capability_has_its_name(void) {
        for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
                g_assert_cmpint(capability_number(capability_name(i)), ==, (int) i);
        g_assert_cmpint(capability_number("CAP_MKNOD"), ==, -1);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lxc/a_configuration_of_either_generation_is_a_document",
                        test_a_configuration_of_either_generation_is_a_document);
        g_test_add_func("/lxc/ranges_are_read_the_way_round_that_has_root", test_ranges_are_read_the_way_round_that_has_root);
        g_test_add_func("/lxc/a_container_without_cards_has_a_network_of_its_own",
                        test_a_container_without_cards_has_a_network_of_its_own);
        g_test_add_func("/lxc/sizes_are_the_kernels", test_sizes_are_the_kernels);
        g_test_add_func("/lxc/a_path_below_the_root_is_one_in_the_container", test_a_path_below_the_root_is_one_in_the_container);
        g_test_add_func("/lxc/what_no_document_can_say_is_refused_by_name", test_what_no_document_can_say_is_refused_by_name);
        g_test_add_func("/lxc/what_is_wrong_names_its_line", test_what_is_wrong_names_its_line);
        g_test_add_func("/lxc/a_strangers_file_is_bounded", test_a_strangers_file_is_bounded);
        g_test_add_func("/lxc/a_document_that_no_container_can_be_is_refused_by_name",
                        test_a_document_that_no_container_can_be_is_refused_by_name);
        g_test_add_func("/lxc/what_programs_write_into_each_document_is_taken",
                        test_what_programs_write_into_each_document_is_taken);
        g_test_add_func("/lxc/each_capability_has_its_name", test_each_capability_has_its_name);
        return g_test_run();
}
