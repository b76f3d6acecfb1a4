/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/xml.h"
#include "qemu/complete/hardware.h"

/* What is kept of a document is what libvirt keeps of it. */

#define NUMA(more) "<cpu mode='maximum'><numa><cell id='0' cpus='0' memory='2' unit='MiB'/>" more "</numa></cpu>"

typedef struct Case {
        const char *in_domain, *in_devices;
        const char *kept, *dropped; /* texts that are there in what is kept, and that are not; NULL: any */
} Case;

static char *complete(const char *in_domain, const char *in_devices) {
        g_autofree char *text = g_strdup_printf("<domain type='qemu'><name>d</name>%s<os><type arch='x86_64' "
                                                "machine='pc'>hvm</type></os><devices>%s</devices></domain>",
                                                in_domain, in_devices);
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(text, "domain", &error);
        g_assert_no_error(error);
        hardware_complete(document, NULL, &error);
        g_assert_no_error(error);
        return xml_element_text(xmlDocGetRootElement(document));
}

static void try_cases(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                g_autofree char *kept = complete(cases[i].in_domain, cases[i].in_devices);
                if (cases[i].kept && !strstr(kept, cases[i].kept))
                        g_error("'%s' is missing in: %s", cases[i].kept, kept);
                if (cases[i].dropped && strstr(kept, cases[i].dropped))
                        g_error("'%s' is in: %s", cases[i].dropped, kept);
        }
}

static void memory_of_numa_cells_is_their_sum(void) {
        static const Case cases[] = {
                { "<memory unit='KiB'>1</memory>" NUMA(""), "", "<memory unit=\"KiB\">2048</memory>", NULL },
                { NUMA("<cell id='1' memory='1024'/>"), "", "<memory unit=\"KiB\">3072</memory>", NULL },
                { "<memory unit='KiB'>9000</memory><currentMemory>9000</currentMemory>" NUMA(""), "",
                  "<currentMemory unit=\"KiB\">2048</currentMemory>", "9000" },
                { "<memory unit='KiB'>9000</memory><currentMemory>1000</currentMemory>" NUMA(""), "",
                  "<currentMemory unit=\"KiB\">1000</currentMemory>", "9000" },
                { "<memory unit='KiB'>2048</memory><maxMemory slots='2' unit='KiB'>65536</maxMemory>" NUMA(""),
                  "<memory model='dimm'><target><size unit='KiB'>512</size><node>0</node></target></memory>",
                  "<memory unit=\"KiB\">2560</memory>", NULL },
                /* without cells it is what the document says */
                { "<memory unit='KiB'>4096</memory><currentMemory unit='KiB'>9000</currentMemory>", "",
                  "<currentMemory unit=\"KiB\">4096</currentMemory>", "9000" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

/* Values in the document that stand for none, and those that are not there. */
static void what_is_left_out_is_written_as_libvirt_writes_it(void) {
        static const Case cases[] = {
                { "", "<tpm model='tpm-crb'><backend type='emulator'/></tpm>", "version=\"2.0\"", NULL },
                { "", "<tpm><backend type='emulator'/></tpm>",
                  "<tpm model=\"tpm-tis\"><backend type=\"emulator\" version=\"1.2\"/>", NULL },
                { "", "<smartcard mode='host' type='tcp'/>", "<smartcard mode=\"host\"", "tcp" },
                { "<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>", "",
                  "<page size=\"2048\" unit=\"KiB\"/>", NULL },
                { "<seclabel type='dynamic' model='dac'/>", "", "<seclabel type=\"dynamic\" model=\"dac\" relabel=\"yes\"/>",
                  NULL },
                { "<seclabel type='static' model='dac'><label>+0:+0</label></seclabel>", "", "relabel=\"no\"", NULL },
                { "", "<filesystem><driver type='virtiofs'/><source socket='/a'/><target dir='b'/></filesystem>", NULL,
                  "accessmode" },
                { "", "<disk device='cdrom'><source file=''/><target dev='hdc' bus='ide'/></disk>", NULL, "<source" },
                { "", "<disk device='cdrom'><source file='' startupPolicy='optional'/><target dev='hdc' bus='ide'/></disk>",
                  "<source startupPolicy=\"optional\"/>", NULL },
                { "", "<interface type='ethernet'><source/><bandwidth/></interface>", NULL, "<source" },
                { "", "<interface type='bridge'><source bridge='b'/><bandwidth/></interface>", NULL, "<bandwidth" },
                { "", "<interface type='direct'><source dev='e'/></interface>", "<source dev=\"e\" mode=\"vepa\"/>", NULL },
                { "<cputune/>", "<interface type='direct'><source/></interface>", NULL, "<source" },
                { "<cputune/>", "", NULL, "cputune" },
                { "", "<disk><source file='/a'/><target dev='vda'/><iotune><total_bytes_sec>0</total_bytes_sec></iotune></disk>",
                  NULL, "iotune" },
                { "", "<disk snapshot='no' device='cdrom'><target dev='hdc'/></disk>", NULL, "snapshot" },
                { "", "<memory model='dimm'><target><size unit='M'>512</size><node>0</node></target></memory>",
                  "<size unit=\"KiB\">524288</size>", NULL },
                { "", "<graphics type='spice' autoport='yes'><listen type='none'/></graphics>", NULL, "autoport" },
                { "<sysinfo type='smbios'><bios/><system><entry name='sku'/><entry name='serial'>1</entry></system></sysinfo>",
                  "", "<system><entry name=\"serial\">1</entry></system>", "<bios" },
                { "<cpu mode='custom'/>", "", "<model fallback=\"forbid\">qemu64</model>", NULL },
                { "", "<filesystem><source dir='/a'/><target dir='b'/></filesystem>",
                  "<filesystem type=\"mount\" accessmode=\"passthrough\">", NULL },
                { "", "<vsock model='virtio'><cid address='3'/></vsock>", "<cid address=\"3\" auto=\"no\"/>", NULL },
                { "", "<hostdev type='pci'><source><address bus='6'/></source></hostdev>",
                  "<address bus=\"6\" domain=\"0x0000\" slot=\"0x00\" function=\"0x0\"/>", NULL },
                { "", "<hostdev type='pci'><source><address bus='6'/></source></hostdev>", "mode=\"subsystem\"", NULL },
                { "", "<rng model='virtio'><backend model='random'/></rng>", "/dev/random", NULL },
                { "", "<video><model type='qxl' ram='0'/></video>", "ram=\"65536\"", "ram=\"0\"" },
                { "", "<controller type='pci' index='0' model='pci-root'><pcihole64 unit='M'>1024</pcihole64></controller>",
                  "<pcihole64 unit=\"KiB\">1048576</pcihole64>", NULL },
                { "",
                  "<disk device='disk'><source file='/a'/><target dev='sda' bus='sata'/><address type='drive' unit='1'/></disk>",
                  "<address type=\"drive\" unit=\"1\" controller=\"0\" bus=\"0\" target=\"0\"/>", NULL },
                { "", "<input type='tablet' bus='usb'><address type='usb' port='1'/></input>",
                  "<address type=\"usb\" port=\"1\" bus=\"0\"/>", NULL },
                { "", "<serial type='unix'><source path='/a'/></serial>", "<source path=\"/a\" mode=\"connect\"/>", NULL },
                { "", "<channel type='unix'><source path=''/><target type='virtio' name='a'/></channel>", NULL, "<source" },
                { "",
                  "<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='1'/></console>",
                  "<target type=\"serial\" port=\"0\"/>", "port=\"1\"" },
                { "<clock offset='localtime' adjustment='3600'/>", "",
                  "<clock offset=\"variable\" adjustment=\"3600\" basis=\"localtime\"/>", NULL },
                { "<clock offset='utc' adjustment='reset'/>", "", "offset=\"utc\"", "basis" },
                { "<vcpu>4</vcpu><cpu mode='maximum'><numa><cell id='1' cpus='1' memory='1024'/><cell id='0' cpus='0' "
                  "memory='1024'/></numa></cpu>",
                  "", "cpus=\"0,2-3\"", NULL },
                { "<cpu mode='maximum'><feature name='vmx'/></cpu>", "", "<feature name=\"vmx\" policy=\"require\"/>", NULL },
                /* no more than whether it is there */
                { "", "<memory model='nvdimm'><source><path>/a</path><pmem>on</pmem></source><target/></memory>", "<pmem/>",
                  NULL },
                { "",
                  "<disk><driver name='qemu' type='qcow2'><metadata_cache><max_size "
                  "unit='KiB'>2</max_size></metadata_cache></driver>"
                  "<source file='/a'/><target dev='vda'/></disk>",
                  "<max_size unit=\"bytes\">2048</max_size>", NULL },
                { "<features><tcg><tb-cache unit='MiB'>128</tb-cache></tcg></features>", "",
                  "<tb-cache unit=\"KiB\">131072</tb-cache>", NULL },
                { "", "<memory model='virtio-mem'><target><size unit='KiB'>8</size></target></memory>",
                  "<requested unit=\"KiB\">0</requested>", NULL },
                { "", "<video><model type='bochs' primary='no'/></video>", "primary=\"yes\"", "primary=\"no\"" },
                /* what says nothing */
                { "", "<rng model='virtio'><driver/><backend model='random'>/dev/random</backend></rng>", NULL, "<driver" },
                { "", "<interface type='user'><rom/><model type='e1000'/></interface>", NULL, "<rom" },
                { "", "<graphics type='vnc' connected='keep'/>", NULL, "connected" },
                { "", "<graphics type='vnc' passwd='a' connected='keep'/>", "connected=\"keep\"", NULL },
                /* consoles are numbered by their place */
                { "", "<console type='pty'><target type='virtio' port='7'/></console>",
                  "<console type=\"pty\"><target type=\"virtio\" port=\"0\"/>", NULL },
                { "",
                  "<serial type='pty'/><console type='pty'><target type='serial'/></console>"
                  "<console type='pty'><target type='virtio' port='7'/></console>",
                  "<target type=\"virtio\" port=\"1\"/>", NULL },
                { "", "<graphics type='egl-headless'/>", NULL, "<audio" },
                { "", "<graphics type='egl-headless'/><sound model='ich6'/>", "<audio", NULL },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

/* Ports, addresses and sockets of displays, in all the ways that there have been to write them. */
static void a_display_listens_where_libvirt_lets_it(void) {
        static const Case cases[] = {
                { "", "<graphics type='vnc'><listen type='address'/></graphics>",
                  "<graphics type=\"vnc\" port=\"-1\" autoport=\"yes\"><listen type=\"address\"/>", NULL },
                { "", "<graphics type='vnc' port='-1' autoport='no'/>", "<graphics type=\"vnc\" autoport=\"no\">", "-1" },
                { "", "<graphics type='vnc' port='5901' listen='127.0.0.1'><listen type='address'/></graphics>",
                  "<listen type=\"address\" address=\"127.0.0.1\"/>", NULL },
                { "", "<graphics type='vnc' socket='/s'><listen type='address' address='::1'/></graphics>",
                  "<graphics type=\"vnc\" socket=\"/s\"><listen type=\"socket\" socket=\"/s\"/>", "::1" },
                { "", "<graphics type='vnc' port='5901' listen=''><listen type='none'/></graphics>", "<graphics type=\"vnc\">",
                  "5901" },
                { "", "<graphics type='spice' port='-1' tlsPort='-1'/>", "<graphics type=\"spice\" autoport=\"yes\">",
                  "ort=\"-1" },
                { "", "<graphics type='spice'><listen type='address' address='::1'/></graphics>",
                  "<graphics type=\"spice\"><listen type=\"none\"/>", "::1" },
                { "", "<graphics type='spice'><listen type='network' network='n'/></graphics>",
                  "<graphics type=\"spice\" autoport=\"no\"><listen type=\"network\" network=\"n\"/>", NULL },
                { "", "<graphics type='spice' port='0' tlsPort='5903'/>", "tlsPort=\"5903\"", "port=\"0\"" },
                { "", "<graphics type='egl-headless'><gl/></graphics>", "<graphics type=\"egl-headless\"/>", NULL },
                { "", "<graphics type='spice'/><graphics type='vnc'/>", "<audio id=\"1\" type=\"none\"/>", NULL },
                { "", "<graphics type='vnc'/><graphics type='spice'/><graphics type='egl-headless'/>",
                  "<audio id=\"1\" type=\"spice\"/>", NULL },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

/* Processors, I/O threads and clocks: what is left out, what counts, and what says nothing of its kind. */
static void counts_and_kinds_are_made_to_agree(void) {
        static const Case cases[] = {
                { "<vcpu>3</vcpu><vcpus><vcpu id='0' enabled='yes'/></vcpus>", "",
                  "<vcpu id=\"0\" enabled=\"yes\" hotpluggable=\"no\"/><vcpu id=\"1\" enabled=\"no\" hotpluggable=\"yes\"/>",
                  NULL },
                { "<vcpu current='3'>3</vcpu><vcpus><vcpu id='2' enabled='no'/><vcpu id='0' enabled='yes'/></vcpus>", "",
                  "current=\"1\"", NULL },
                { "<vcpu placement='auto' cpuset='0'>2</vcpu>", "", NULL, "cpuset" },
                { "<numatune><memory placement='auto'/></numatune>", "", "<vcpu placement=\"auto\">1</vcpu>", NULL },
                { "<vcpu placement='static'>1</vcpu><numatune><memory placement='auto'/></numatune>", "",
                  "<vcpu placement=\"auto\">1</vcpu>", NULL },
                { "<vcpu>1</vcpu><cputune><vcpupin vcpu='0' cpuset='0'/></cputune><numatune><memory "
                  "placement='auto'/></numatune>",
                  "", "<vcpu placement=\"static\">1</vcpu>", NULL },
                { "<vcpu cpuset='0'>1</vcpu><numatune><memory placement='auto'/></numatune>", "",
                  "<vcpu cpuset=\"0\" placement=\"static\">1</vcpu>", NULL },
                { "<numatune><memory placement='static' nodeset='0'/></numatune>", "", "<memory nodeset=\"0\" mode=\"strict\"/>",
                  NULL },
                { "<iothreads>1</iothreads><iothreadids><iothread id='5'/><iothread id='6'/></iothreadids>", "",
                  "<iothreads>2</iothreads>", NULL },
                { "<iothreadids><iothread id='5'/></iothreadids>", "", "<iothreads>1</iothreads>", NULL },
                { "<iothreads>0</iothreads><pm><suspend-to-mem/></pm><perf> </perf><memoryBacking><allocation/></memoryBacking>",
                  "", NULL, "iothreads" },
                { "<pm><suspend-to-mem/></pm><perf> </perf>", "", NULL, "<p" },
                { "<memoryBacking><allocation/></memoryBacking><numatune/><iothreadids/>", "", NULL, "<memoryBacking" },
                { "<seclabel model='dac'/>", "", NULL, "seclabel" },
                { "<features><ioapic/><tcg/><apic state='on'/></features>", "", "<features><apic/></features>", NULL },
                { "<clock offset='timezone' timezone='Europe/Rome' basis='utc'/>", "",
                  "<clock offset=\"timezone\" timezone=\"Europe/Rome\"/>", NULL },
                { "<clock offset='localtime' adjustment='1' basis='utc'/>", "", "basis=\"localtime\"", NULL },
                { "<clock offset='variable'/>", "", "<clock offset=\"variable\" adjustment=\"0\" basis=\"utc\"/>", NULL },
                { "<cpu mode='maximum'><model>EPYC</model><vendor>AMD</vendor></cpu>", "", "mode=\"maximum\"", "EPYC" },
                { "<cpu match='minimum'><model/><cache mode='disable'/></cpu>", "", "<model fallback=\"forbid\">qemu64</model>",
                  "minimum" },
                { "<cpu mode='host-model'><model>EPYC</model></cpu>", "", "<model fallback=\"allow\">EPYC</model>", NULL },
                { "<blkiotune><device><path>/dev/a</path><read_bytes_sec>0</read_bytes_sec></device></blkiotune>", "", NULL,
                  "blkiotune" },
                { "", "<serial type='file'><source path='/a'/></serial><serial type='pty'><target port='1'/></serial>",
                  "<target port=\"2\" type=\"serial\"/>", NULL },
                { "", "<parallel type='pty'/><parallel type='pty'><target port='1'/></parallel>", "<target port=\"0\"/>", NULL },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void a_device_that_does_not_say_its_kind_is_of_the_first(void) {
        static const Case cases[] = {
                { "", "<serial/>", "<serial type=\"pty\">", NULL },
                { "", "<parallel/>", "<parallel type=\"pty\">", NULL },
                { "", "<redirdev type='spicevmc'/>", "bus=\"usb\"", NULL },
                { "", "<interface type='vdpa'><source dev='/dev/v'/></interface>", "<model type=\"virtio\"/>", NULL },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void what_libvirt_says_of_each_is_said(void) {
        static const Case cases[] = {
                { "",
                  "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' "
                  "unit='0'/></source></hostdev>",
                  "managed=\"no\"", NULL },
                { "<vcpu>2</vcpu><vcpus><vcpu id='0' enabled='yes'/><vcpu id='1' enabled='no'/></vcpus>", "", "current=\"1\"",
                  NULL },
                { "",
                  "<disk><source file='/x'><seclabel model='dac'><label>x</label></seclabel></source><target dev='vda'/></disk>",
                  "<seclabel model=\"dac\" relabel=\"yes\">", NULL },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void limits_of_zero_are_none(void) {
        static const Case cases[] = {
                { "<cputune><quota>0</quota><emulator_period>0</emulator_period><shares>0</shares></cputune>", "",
                  "<shares>0</shares>", "<quota>" },
                { "<cputune><quota>0</quota><emulator_period>0</emulator_period></cputune>", "", NULL, "<emulator_period>" },
                { "",
                  "<interface type='user'><bandwidth><inbound average='0'/><outbound average='7' "
                  "burst='0'/></bandwidth></interface>",
                  "<outbound average=\"7\"/>", "<inbound" },
                { "", "<controller type='scsi' index='0' model='virtio-scsi'><driver iothread='0'/></controller>", NULL,
                  "iothread" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void what_says_nothing_is_not_kept(void) {
        static const Case cases[] = {
                { "<title/><description></description>", "", NULL, "<title" },
                { "<title>t</title><description></description>", "", "<title>t</title>", "<description" },
                { "<metadata><a/><x:b xmlns:x='urn:x'/><x:c xmlns:x='urn:x'/><y:d xmlns:y='urn:y'/></metadata>", "", "<y:d",
                  "<x:c" },
                { "<metadata><a/><x:b xmlns:x='urn:x'/><z:c xmlns:z='urn:x'/></metadata>", "", "<x:b", "<a/>" },
                { "", "<disk><driver cache='default'/><source file='/x'/><target dev='vda'/></disk>", NULL, "cache" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void words_are_kept_in_one_form(void) {
        static const Case cases[] = {
                { "", "<interface type='user'><mac address='52:54:00:AB:CD:0E'/></interface>", "52:54:00:ab:cd:0e", NULL },
                { "", "<video><model type='cirrus' vram='9216'/></video>", "vram=\"16384\"", NULL },
                { "", "<video><model type='qxl' ram='70000'/></video>", " ram=\"131072\"", NULL },
                { "", "<interface type='bridge'><source bridge='b'/><virtualport type='openvswitch'/></interface>",
                  "<parameters interfaceid=\"", NULL },
                /* which switches of other kinds are told by name */
                { "", "<interface type='bridge'><source bridge='b'/><virtualport type='802.1Qbh'/></interface>", NULL,
                  "<parameters" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void the_first_console_is_the_first_serial_port(void) {
        static const Case cases[] = {
                { "", "<serial type='file'><source path='/x'/><log file='/l'/></serial>",
                  "<console type=\"file\"><target port=\"0\" type=\"serial\"/><source path=\"/x\"/><log file=\"/l\"/>", NULL },
                { "", "<serial type='file'><source path='/x'/></serial><console type='pty'><target type='virtio'/></console>",
                  "<target type=\"virtio\" port=\"0\"/>", NULL },
                { "", "<serial type='file'><source path='/x'/></serial><console type='pty'><target type='serial'/></console>",
                  NULL, "<console type=\"pty\"" },
                { "",
                  "<serial type='pty'><target type='usb-serial'/></serial><console type='pty'><target type='virtio'/></console>",
                  NULL, "<target type=\"serial\"" },
        };
        g_autofree char *both = complete("", "<serial type='pty'/><console type='pty'><target type='virtio'/></console>");
        const char *first = strstr(both, "<console"), *virtio = strstr(both, "type=\"virtio\"");
        g_assert_true(first && virtio && strstr(first, " type=\"serial\"") < virtio);
        try_cases(cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/complete/what-is-left-out-is-written-as-libvirt-writes-it",
                        what_is_left_out_is_written_as_libvirt_writes_it);
        g_test_add_func("/complete/memory-of-numa-cells-is-their-sum", memory_of_numa_cells_is_their_sum);
        g_test_add_func("/complete/a-device-that-does-not-say-its-kind-is-of-the-first",
                        a_device_that_does_not_say_its_kind_is_of_the_first);
        g_test_add_func("/complete/a-display-listens-where-libvirt-lets-it", a_display_listens_where_libvirt_lets_it);
        g_test_add_func("/complete/counts-and-kinds-are-made-to-agree", counts_and_kinds_are_made_to_agree);
        g_test_add_func("/complete/what-libvirt-says-of-each-is-said", what_libvirt_says_of_each_is_said);
        g_test_add_func("/complete/limits-of-zero-are-none", limits_of_zero_are_none);
        g_test_add_func("/complete/what-says-nothing-is-not-kept", what_says_nothing_is_not_kept);
        g_test_add_func("/complete/words-are-kept-in-one-form", words_are_kept_in_one_form);
        g_test_add_func("/complete/the-first-console-is-the-first-serial-port", the_first_console_is_the_first_serial_port);
        return g_test_run();
}
