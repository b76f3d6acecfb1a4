/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check.h"

#include <string.h>

#include "base/xml.h"
#include "qemu/check/check-index.h"
#include "qemu/check/check-reader.h"

/* A document that breaks no rule; what a case adds comes below <domain>, or below <devices>. */
static const char document_format[] =
                "<domain type='kvm'><name>d</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><memory "
                "unit='MiB'>1024</memory>"
                "<vcpu>4</vcpu><os><type arch='x86_64' machine='%s'>hvm</type></os>%s<devices>%s</devices></domain>";

typedef struct Case {
        const char *in_domain, *in_devices, *phrase; /* of the error; NULL where there is none */
} Case;

static void try_case(const Case *one, const char *machine) {
        g_autofree char *text = g_strdup_printf(document_format, machine, one->in_domain, one->in_devices);
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(text, "domain", &error);
        g_assert_no_error(error);
        const char *overlooked = check_overlooked(document);
        if (overlooked)
                g_error("%s%s: this finds a fault, and is not tried: %s", one->in_domain, one->in_devices, overlooked);
        bool good = check_given(document, &error) && check_document(document, &error);
        if (good != !one->phrase || (one->phrase && !strstr(error->message, one->phrase)))
                g_error("%.512s%.512s: expected '%s', got '%s'", one->in_domain, one->in_devices,
                        one->phrase ? one->phrase : "no error", error ? error->message : "no error");
}

static void try_cases(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++)
                try_case(cases + i, "pc-q35-7.2");
}

static void documents_that_break_no_rule_are_taken(void) {
        static const Case cases[] = {
                { "", "", NULL },
                { "<cpu><numa><cell id='0' cpus='0-1' memory='524288'/><cell id='1' cpus='2-3' memory='524288'/></numa></cpu>",
                  "", NULL },
                { "<features><acpi/><smm state='on'><tseg unit='MiB'>48</tseg></smm></features>", "", NULL },
                { "",
                  "<disk type='file' device='disk'><target dev='sda' "
                  "bus='scsi'/><wwn>5000c50015ea71ad</wwn><vendor>SEAGATE</vendor></disk>",
                  NULL },
                { "", "<shmem name='a'><size unit='MiB'>4</size></shmem><shmem name='b'><size unit='MiB'>1</size></shmem>",
                  NULL },
                { "<sysinfo type='smbios'><bios><entry name='date'>04/30/2024</entry></bios></sysinfo>", "", NULL },
                { "", "<memballoon model='none'><stats period='5'/></memballoon>",
                  NULL }, /* what is turned off has its options still */
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

/* Of what is not a list; what a document that was read twice would mean is nobody's guess. */
static void an_element_is_there_once(void) {
        static const Case cases[] = {
                { "<name>e</name>", "", "only one <name> of <domain>" },
                { "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>", "", "only one <uuid> of <domain>" },
                { "<description>a</description><description>b</description>", "", "only one <description>" },
                { "<on_crash>destroy</on_crash><title>t</title><on_crash>restart</on_crash>", "", "only one <on_crash>" },
                { "<cputune><shares>2</shares><shares>4</shares></cputune>", "", "only one <shares> of <cputune>" },
                { "<memoryBacking><locked/><locked/></memoryBacking>", "", "only one <locked> of <memoryBacking>" },
                { "", "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/><readonly/></disk>",
                  "only one <readonly> of <disk>" },
                { "", "<interface type='user'><link state='up'/><link state='down'/></interface>", "only one <link>" },
                { "<metadata><a xmlns='urn:a'/><a xmlns='urn:a'/></metadata><clock offset='utc'><timer name='pit'/><timer "
                  "name='rtc'/></clock>",
                  "<input type='mouse' bus='usb'/><input type='mouse' bus='usb'/>", NULL },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void what_completing_would_hide_is_refused_before(void) {
        static const Case cases[] = {
                { "", "<graphics type='vnc' port='4294967295' autoport='yes'/>", "number of a port" },
                { "", "<graphics type='vnc' autoport=' yes'/>", "autoport" },
                { "", "<video><model type='qxl' primary='first'/></video>", "primary" },
                { "", "<channel type='unix'><source mode='abc'/><target type='virtio'/></channel>", "mode" },
                { "", "<rng model='virtio'><backend model='egd' type='tcp'><source mode='abc'/></backend></rng>", "mode" },
                { "", "<parallel type='tcp'><protocol type='abc'/></parallel>", "raw" },
                { "", "<disk type='file'><backingStore index='0x1'/></disk>", "'index' in element 'backingStore'" },
                { "<cpu mode='host-model'><model fallback='abc'/></cpu>", "", "fallback" },
                { "<cpu><numa><cell memory='109550 '/></numa></cpu>", "", "'memory' in element 'cell'" },
                { "<memoryBacking><hugepages><page size='4 '/></hugepages></memoryBacking>", "", "'size' in element 'page'" },
                { "", "<console type='pty'><target port='1k'/></console>", "'port' in element 'target'" },
                { "", "<console type='pty'><log file='/a' append='maybe'/></console>", "append" },
                { "", "<graphics type='vnc'><listen address='127.0.0.1'/></graphics>", "'type' is missing" },
                { "", "<disk type='block'><target dev='sda' bus='usb'/><address type='pci'/></disk>", "address type 'pci'" },
                { "", "<disk type='block'><driver iothread='0'/><target dev='vda'/></disk>", "zero is not permitted" },
                { "<iothreads>0x1</iothreads>", "", "'0x1'" },
                { "<iothreads>some</iothreads>", "", "'some'" },
                { "<on_poweroff> destroy </on_poweroff>", "", "white space around the text of <on_poweroff>" },
                { "<maxMemory slots='1'>4 </maxMemory>", "", "white space around the text of <maxMemory>" },
                { "<cputune><shares>\n4</shares></cputune>", "", "white space around the text of <shares>" },
                { "<cputune><vcpupin vcpu='0x1' cpuset='0'/></cputune>", "", "'vcpu' in element 'vcpupin'" },
                { "<numatune><memory mode='strict' placement='static'/></numatune>", "", "nodeset" },
                { "<numatune><memory mode='strict' placement='somewhere'/></numatune>", "", "placement" },
                { "<seclabel><label>a</label></seclabel>", "", "security model" },
                { "<seclabel type='none'/><seclabel model='dac'/>", "", "security model" },
                { "", "<memory model='dimm'><target><size> 512</size></target></memory>", "'size'" },
                { "", "<parallel type='pty'><target port='9223372036854775808'/></parallel>", "'port' in element 'target'" },
                { "",
                  "<hostdev mode='subsystem' type='usb'><source><vendor id='1'/><product id='2'/></source><address "
                  "type='unassigned'/></hostdev>",
                  "'unassigned' for the USB device <hostdev>" },
                { "<cpu><topology sockets='0x1' cores='1' threads='1'/></cpu>", "", "'sockets' in element 'topology'" },
                { "<blkiotune><device><path>/dev/sdb</path><read_iops_sec>4294967296</read_iops_sec></device></blkiotune>", "",
                  "'read_iops_sec': '4294967296'" },
                { "<blkiotune><device><path></path><weight>100</weight></device></blkiotune>", "", "needs its <path>" },
                { "", "<memballoon model='virtio'><address type='unassigned'/></memballoon>", "only for hostdevs" },
                { "", "<memballoon model='virtio'><address type='virtio-s390'/></memballoon>", "virtio-s390" },
                { "", "<redirdev bus='usb' type='spicevmc'><address type='pci'/></redirdev>",
                  "'pci' for the USB device <redirdev>" },
                { "", "<redirdev bus='usb' type='spicevmc'><address type='usb' bus='-0'/></redirdev>",
                  "'bus' in element 'address'" },
                { "", "<interface type='user'><mac address=' 52:54:00:00:00:01'/></interface>", "without spaces" },
                { "<cpu mode='host-model' match=' exact '/>", "", "attribute 'match'" },
                { "<blkiotune><device><path>/dev/a</path><weight>200</weight><read_iops_sec>1k</read_iops_sec></device></"
                  "blkiotune>",
                  "", "element 'read_iops_sec'" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void faults_of_the_machine_are_named(void) {
        static const Case cases[] = {
                { "<seclabel model='selinux'/><seclabel model='selinux'/>", "", "'selinux' is given twice" },
                { "<vcpu>2</vcpu>", "", "only one <vcpu>" },
                { "<on_reboot>preserve</on_reboot>", "", "'preserve' action for 'on_reboot'" },
                { "<on_reboot>coredump-restart</on_reboot>", "", "only a crash can be dumped" },
                { "<bootloader>/usr/bin/pygrub</bootloader>", "", "bootloader is not supported" },
                { "<vcpus><vcpu id='1' enabled='yes'/></vcpus>", "", "vcpu 0 can't be offline" },
                { "<memtune><min_guarantee>4</min_guarantee></memtune>", "", "'min_guarantee'" },
                { "<cputune><vcpusched vcpus='2-4' scheduler='batch'/></cputune>", "", "cannot find the vcpu 4 of vcpusched" },
                { "<seclabel type='static' model='dac'><label/></seclabel>", "", "security label is missing" },
                { "<cputune><shares>0xff</shares></cputune>", "", "non-negative integer" },
                { "<cpu><feature name='vmx'/></cpu>", "", "without a CPU model" },
                { "",
                  "<disk type='file' device='disk'><target dev='vda' bus='virtio'/><iotune><group_name>g</group_name>"
                  "<read_iops_sec>1</read_iops_sec></iotune></disk><disk type='file' device='disk'><target dev='vdb' "
                  "bus='virtio'/><iotune><group_name>g</group_name><read_iops_sec>2</read_iops_sec></iotune></disk>",
                  "different iotunes" },
                { "",
                  "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='6' slot='18' function='5'/></source>"
                  "</hostdev><hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x06' slot='0x12' "
                  "function='0x5'/></source></hostdev>",
                  "already exists" },
                { "<os firmware='efi'><type>hvm</type></os>", "", "only one <os>" },
                { "<features><ccf-assist state='on'/></features>", "",
                  "'ccf-assist' feature is not supported for architecture 'x86_64' or machine type 'pc-q35-7.2': leave it out" },
                { "<sysinfo type='smbios'><bios><entry name='date'>30/04/2024</entry></bios></sysinfo>", "",
                  "bios date '30/04/2024'" },
                { "<sysinfo type='smbios'><system><entry "
                  "name='uuid'>17a5fdbd-edaf-9455-926a-d65c16db1809</entry></system></sysinfo>",
                  "", "does not match the domain's <uuid>" },
                { "<genid>x</genid>", "", "malformed genid 'x'" },
                { "<cpu><feature name='avx'/><feature name='avx'/></cpu>", "", "CPU feature 'avx' is specified more than once" },
                { "<cpu mode='custom' migratable='off'/>", "", "migratable is only allowed" },
                { "<cpu><model vendor_id='short'>qemu64</model></cpu>", "", "must be exactly 12 characters" },
                { "<cpu><numa><cell id='0' cpus='0-2' memory='1'/><cell id='1' cpus='2-3' memory='1'/></numa></cpu>", "",
                  "overlapping vCPU ids" },
                { "<cpu><numa><cell id='0' cpus='0-1' memory='1'/><cell id='0' cpus='2-3' memory='1'/></numa></cpu>", "",
                  "duplicate NUMA cell" },
                { "<cpu><numa><cell id='0' cpus='0-1' memory='1'/><cell id='2' cpus='2-3' memory='1'/></numa></cpu>", "",
                  "there is no cell 1" },
                { "<cpu><numa><cell id='0' cpus='0-7' memory='1'/></numa></cpu>", "", "exceeds the <vcpu> count" },
                { "<cpu><numa><cell id='0' cpus='8' memory='1'/></numa></cpu>", "", "exceed the <vcpu> count" },
                { "<cpu><numa><cell id='0' cpus='0' memory='1'><distances><sibling id='3' "
                  "value='20'/></distances></cell></numa></cpu>",
                  "", "does not refer to a valid cell" },
                { "<numatune><memnode cellid='0' mode='strict' nodeset='0'/></numatune>", "", "without any guest NUMA cells" },
                { "<numatune><memory mode='strict'/></numatune>", "", "nodeset for NUMA memory tuning must be set" },
                { "<memtune><hard_limit>many</hard_limit></memtune>", "", "element 'hard_limit': 'many'" },
                { "<memtune><soft_limit>99999999999999999999</soft_limit></memtune>", "", "too great" },
                { "<vcpus><vcpu id='0'/></vcpus>", "", "'enabled' is missing" },
                { "<vcpus><vcpu id='4' enabled='yes'/></vcpus>", "", "vcpu id '4' is out of range" },
                { "<vcpus><vcpu id='0' enabled='no'/></vcpus>", "", "vcpu 0 can't be offline" },
                { "<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/></cputune>", "",
                  "duplicate vcpupin for vcpu '0'" },
                { "<cputune><vcpusched vcpus='0-2' scheduler='fifo' priority='1'/><vcpusched vcpus='2' scheduler='fifo' "
                  "priority='1'/></cputune>",
                  "", "overlapping vcpus" },
                { "<maxMemory slots='0' unit='MiB'>4096</maxMemory>", "", "slots' is '0'" },
                { "<maxMemory slots='4'/>", "", "maxMemory has no size" },
                { "<maxMemory slots='4' unit='MiB'>512</maxMemory>", "",
                  "must be equal to or greater than the actual memory size" },
                { "<memoryBacking><hugepages><page size='4'/><page size='8'/></hugepages></memoryBacking>", "",
                  "two master hugepages" },
                { "<clock offset='absolute'/>", "", "'start' of a clock" },
                { "<clock offset='utc'><timer name='kvmclock' tickpolicy='delay'/></clock>", "",
                  "doesn't support setting of the timer tickpolicy" },
                { "<features><smm state='on'><tseg unit='KiB'>1</tseg></smm></features>", "", "divisible by 1 MiB" },
                { "<features><gic version='3'/></features>", "", "'gic' feature is not supported" },
                { "<features><hyperv><spinlocks state='on' retries='10'/></hyperv></features>", "", "at least 4095" },
                { "<seclabel type='static'/>", "", "<label>, which is missing" },
                { "<memtune><hard_limit unit='q'>1</hard_limit></memtune>", "", "unknown unit (suffix) 'q'" },
                { "<cpu><topology sockets='1' cores='4'/></cpu>", "", "'threads' is missing" },
                { "<cpu><vendor>Intel</vendor></cpu>", "", "without a CPU model" },
                { "<memoryBacking><hugepages/><source type='anonymous'/></memoryBacking>", "", "not allowed with an anonymous" },
                { "<on_lockfailure>wait</on_lockfailure>", "", "it must be one of: poweroff" },
                { "<on_poweroff>restart</on_poweroff><on_reboot>destroy</on_reboot>", "", "on_reboot set to 'destroy'" },
                { "<sysinfo type='fwcfg'><entry name='opt/ovmf/X'>1</entry></sysinfo>", "", "'opt/ovmf/X' is reserved" },
                { "<cputune><emulatorpin cpuset='0-'/></cputune>", "", "failed to parse the bitmap '0-'" },
                { "<iothreads>2</iothreads><cputune><iothreadsched iothreads='2-3' scheduler='batch'/></cputune>", "",
                  "cannot find the iothread 3" },
                { "<cputune><cachetune vcpus='0'><cache id='0' level='3' size='3' unit='MiB'/></cachetune></cputune>", "",
                  "'type' is missing" },
                { "<cputune><cachetune vcpus='0'><monitor level='3' vcpus='1'/></cachetune></cputune>", "",
                  "conflict with the allocation" },
                { "<cputune><memorytune vcpus='0'><node id='0' bandwidth='2'/><node id='0' "
                  "bandwidth='3'/></memorytune></cputune>",
                  "", "already defined for node 0" },
                { "<cpu><numa><cell id='0' cpus='0-3' memory='1'/><interconnects><latency initiator='0' target='1' type='access' "
                  "value='5'/></interconnects></numa></cpu>",
                  "", "'target' refers to a non-existent NUMA node" },
                { "<cpu><numa><cell id='0' cpus='0-3' memory='1'/><interconnects><latency initiator='0' target='0' cache='1' "
                  "type='access' value='5'/></interconnects></numa></cpu>",
                  "", "non-existent NUMA node cache" },
                { "<cpu><numa><cell id='0' cpus='0-3' memory='1'/><cell id='1' memory='1'/><interconnects><latency initiator='1' "
                  "target='0' type='access' value='5'/></interconnects></numa></cpu>",
                  "", "can't be initiator" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
        try_case(&(Case){ "<features><smm state='on'><tseg unit='MiB'>48</tseg></smm></features>", "", "q35" }, "pc-i440fx-7.2");
}

static void faults_of_disks_and_controllers_are_named(void) {
#define DISK(inside) "<disk type='file' device='disk'><target dev='vda' bus='virtio'/>" inside "</disk>"
#define SCSI(inside) "<disk type='file' device='disk'><target dev='sda' bus='scsi'/>" inside "</disk>"
        static const Case cases[] = {
                { "", "<disk type='file'><source file='a.img'/><target dev='vda' bus='virtio'/></disk>",
                  "'a.img' is not an absolute path" },
                { "", DISK("<wwn>5000c50015ea71ad</wwn>"),
                  "wwn is only supported for disks on a bus of: ide sata scsi; not on bus 'virtio'" },
                { "", SCSI("<wwn>5000</wwn>"), "malformed wwn '5000'" },
                { "", SCSI("<vendor>NINECHARS</vendor>"), "vendor 'NINECHARS' is more than 8 characters" },
                { "", SCSI("<product>12345678901234567</product>"), "more than 16 characters" },
                { "", SCSI("<driver iothread='1'/>"), "an iothread is only supported for disks" },
                { "", DISK("<driver queue_size='100'/>"), "power of two" },
                { "", DISK("<driver copy_on_read='on'/><readonly/>"),
                  "copy_on_read is not compatible with the readonly disk 'vda'" },
                { "", DISK("<driver cache='sometimes'/>"), "invalid value for attribute 'cache'" },
                { "", DISK("<blockio logical_block_size='1000'/>"), "logical_block_size '1000' must be a power of two" },
                { "", DISK("<transient/><readonly/>"), "the transient disk 'vda' must not be read-only" },
                { "", DISK("<address type='drive'/>"), "address type drive" },
                { "", DISK("<address type='moon'/>"), "unknown address type 'moon'" },
                { "", DISK("<serial>a\tb</serial>"), "contains unsafe characters" },
                { "", SCSI("<address type='drive' bus='1'/>"), "only supports 1 bus" },
                { "", DISK("<driver type='raw'><metadata_cache><max_size>9</max_size></metadata_cache></driver>"),
                  "only with qcow2 images" },
                { "", "<disk type='nvme'><source type='pci' namespace='1'/><target dev='vda' bus='virtio'/></disk>",
                  "missing its address" },
                { "", "<filesystem type='mount' accessmode='mapped' fmode='8'><source dir='/'/><target dir='t'/></filesystem>",
                  "octal" },
                { "", "<controller type='isa' index='0'/>", "no controller of type 'isa'" },
                { "", DISK("<iotune><total_bytes_sec>5</total_bytes_sec><read_bytes_sec>5</read_bytes_sec></iotune>"),
                  "cannot be set at the same time" },
                { "", "<disk type='file' device='cdrom'><target dev='vda' bus='virtio'/></disk>",
                  "invalid bus type 'virtio' for a cdrom" },
                { "", "<disk type='file' device='lun'><target dev='sda' bus='scsi'/></disk>",
                  "only valid for a block type disk source" },
                { "", "<controller type='usb' index='0' model='none'/><input type='tablet' bus='usb'/>", "USB bus is disabled" },
                { "", "<controller type='scsi' index='0' model='lsilogic'><driver queues='4'/></controller>",
                  "only supported by the virtio-scsi controller" },
                { "", "<controller type='pci' index='1' model='pci-bridge'><target chassisNr='256'/></controller>",
                  "chassisNr '256' is out of range" },
                { "", "<controller type='pci' index='1' model='pci-bridge'><model name='pxb'/></controller>",
                  "'pxb' is not valid for the model 'pci-bridge'" },
                { "", "<filesystem type='mount'><source dir='/'/><target dir='abcdefghijklmnopqrstuvwxyz01234'/></filesystem>",
                  NULL },
                { "", "<filesystem type='mount'><source dir='/'/><target dir='abcdefghijklmnopqrstuvwxyz0123ü'/></filesystem>",
                  "longer than the 31 bytes" },
                { "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
                  "<filesystem type='mount'><driver type='virtiofs'/><source dir='/'/>"
                  "<target dir='abcdefghijklmnopqrstuvwxyz0123456789x'/></filesystem>",
                  "longer than the 36 bytes" },
                { "", "<filesystem type='mount'><driver type='virtiofs'/><source dir='/'/><target dir='t'/></filesystem>",
                  "requires shared memory" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void faults_of_devices_are_named(void) {
        static const Case cases[] = {
                { "", "<memballoon model='virtio'/><memballoon model='virtio'/>", "only a single memory balloon device" },
                { "", "<watchdog model='i6300esb'/><watchdog model='i6300esb'/>", "only a single watchdog device" },
                { "", "<audio id='1' type='none'/><audio id='1' type='none'/>", "audio ID '1' is used multiple times" },
                { "", "<sound model='ich6'><audio id='7'/></sound>", "no audio device with ID '7'" },
                { "", "<graphics type='vnc'/><graphics type='vnc'/>", "only 1 graphics device of each type" },
                { "", "<graphics type='vnc' port='80'/>", "vnc port '80' must be in range" },
                { "", "<graphics type='egl-headless'/><graphics type='sdl'/>", "only supported with one of" },
                { "", "<graphics type='vnc' connected='fail'/>", "connected='keep' only" },
                { "", "<smartcard mode='host'/><smartcard mode='host'/>", "multiple smartcard" },
                { "", "<smartcard mode='host-certificates'><database>certificates</database></smartcard>", "absolute path" },
                { "", "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
                  "not supported without spice graphics" },
                { "",
                  "<channel type='pty'><target type='virtio' name='a'/><address type='virtio-serial' controller='0' "
                  "port='31'/></channel>",
                  "does not have port 31" },
                { "",
                  "<tpm model='tpm-crb'><backend type='emulator' "
                  "version='2.0'><active_pcr_banks><md5/></active_pcr_banks></backend></tpm>",
                  "unsupported PCR banks 'md5'" },
                { "", "<hostdev mode='subsystem' type='usb'><source><product id='1'/></source></hostdev>", "missing its" },
                { "", "<hostdev mode='subsystem' type='usb'><source><vendor/><product id='1'/></source></hostdev>",
                  "'id' is missing" },
                { "", "<hostdev mode='subsystem' type='usb'><source><address bus='0' device='1'/></source></hostdev>",
                  "numbered from 1" },
                { "",
                  "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' "
                  "target='0'/></source></hostdev>",
                  "'unit' is missing" },
                { "",
                  "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='-1' target='0' "
                  "unit='0'/></source></hostdev>",
                  "'bus' of the SCSI device" },
                { "", "<console type='bogus'/>", "attribute 'type': it is 'bogus'" },
                { "", "<console type='pty'><source path='/a'/><source path='/b'/></console>", "only one source element" },
                { "", "<console type='udp'><source/><source/><source/></console>", "only two source elements" },
                { "", "<console type='tcp'><source mode='bind' service='1'/><protocol type='loud'/></console>", "'loud'" },
                { "", "<graphics type='vnc' port='0x1' autoport='yes'/>", "attribute 'port' in element 'graphics': '0x1'" },
                { "", "<rng model='virtio'><address type='dimm' slot='1'/><backend model='random'>/dev/random</backend></rng>",
                  "address type 'dimm' of <rng>" },
                { "", "<disk device='disk'><driver iothread='0'/><target dev='vda' bus='virtio'/></disk>",
                  "zero is not permitted" },
                { "",
                  "<disk device='disk'><source file='/a'/><target dev='vda' bus='virtio'/><address type='usb' bus='0' "
                  "port='1'/></disk>",
                  "address type usb is not supported" },
                { "", "<disk type='file' device='disk'><driver name='qemu' io='native'/><target dev='vda' bus='virtio'/></disk>",
                  "native I/O needs" },
                { "",
                  "<disk type='network' device='disk'><source protocol='nfs' name='/a'><host name='h' port='1'/></source><target "
                  "dev='vda' bus='virtio'/></disk>",
                  "port cannot be specified" },
                { "", "<hostdev mode='subsystem' type='usb'><source><vendor id='0'/><product id='1'/></source></hostdev>",
                  "zero is not permitted" },
                { "", "<vsock model='vhs'><cid auto='yes'/></vsock>", "invalid value for attribute 'model'" },
                { "", "<video><model type='vga' primary='yes'/></video><video><model type='qxl' primary='yes'/></video>",
                  "only one primary video" },
                { "", "<video><model type='none'/></video><video><model type='vga'/></video>", "must be the only video device" },
                { "", "<video><model type='vga' ram='65536'/></video>",
                  "ram attribute is only supported for the video type qxl" },
                { "", "<video><model type='qxl' vgamem='9000'/></video>", "'vgamem', 9000, must be a power of two" },
                { "", "<video><model type='vga' vram='4294967295'/></video>", "must be less than 4194304" },
                { "", "<input type='tablet' bus='ps2'/>", "ps2 bus does not support the tablet" },
                { "", "<smartcard mode='passthrough' type='spicevmc'/>", "not supported without spice graphics" },
                { "", "<tpm model='tpm-crb'><backend type='emulator' version='1.2'/></tpm>",
                  "not supported with the CRB interface" },
                { "", "<vsock><cid auto='no' address='2'/></vsock>", "guest CIDs must be >= 3" },
                { "", "<iommu model='intel'><driver intremap='on'/></iommu>", "split I/O APIC" },
                { "", "<shmem name='a'><size unit='MiB'>3</size></shmem>", "shmem size '3' must be a power of two" },
                { "", "<shmem name='..'/>", "cannot be equal to '..'" },
                { "", "<memory model='dimm'><target><size>1</size><node>0</node></target></memory>", "no NUMA nodes" },
                { "", "<panic model='isa'/><panic model='isa'/>", "multiple panic devices" },
                { "", "<serial type='tcp'><source mode='connect' host='h'/></serial>", "source service attribute" },
                { "", "<rng model='virtio'/>", "the backend of the RNG device is missing" },
                { "",
                  "<hostdev mode='subsystem' type='usb' display='on'><source><vendor id='1'/><product "
                  "id='1'/></source></hostdev>",
                  "'display' is only supported" },
                { "", "<input type='mouse' bus='virtio'><driver ats='yes'/></input>", "ats" },
                { "", "<rng model='virtio'><driver packed='yes'/><backend model='random'>/dev/random</backend></rng>", "packed" },
                { "", "<vsock model='virtio'><cid auto='yes'/><driver iommu='1'/></vsock>", "iommu" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void faults_of_interfaces_are_named(void) {
#define CARD(inside) "<interface type='user'><model type='virtio'/>" inside "</interface>"
        static const Case cases[] = {
                { "", CARD("<mac address='01:00:00:00:00:01'/>"), "found the multicast '01:00:00:00:00:01'" },
                { "", CARD("<mtu size='1400'/>"), "setting MTU on the interface type user" },
                { "", CARD("<filterref filter='f'/>"), "filterref is not supported for network interfaces of type user" },
                { "", CARD("<driver rx_queue_size='300'/>"), "rx_queue_size '300' has to be a power of two" },
                { "", CARD("<port isolated='yes'/>"), "isolated" },
                { "", CARD("<ip address='here'/>"), "invalid address 'here'" },
                { "", CARD("<ip address='10.0.0.1' family='ipv6'/>"), "of the other family" },
                { "", "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/><model type='e1000'/></interface>",
                  "an invalid model for an interface of type 'vdpa'" },
                { "", "<interface type='direct'><source dev='e'/><virtualport type='802.1Qbg'/></interface>",
                  "missing managerid" },
                { "", "<interface type='bridge'><source network='n'/></interface>", "'bridge' attribute" },
                { "", "<interface type='bridge'><source bridge='b'/><backend type='passt'/></interface>",
                  "'passt' backend can only be used" },
                { "", "<interface type='bridge'><source bridge='b'/><model type='e1000'/><driver queues='2'/></interface>",
                  "only supported for virtio" },
                { "", "<interface type='bridge'><source bridge='b'/><vlan><tag id='42'/></vlan></interface>",
                  "vlan tag is not supported" },
                { "", "<interface type='user'><mac address='52:54:00:00:00:01' type='chosen'/></interface>", "generated static" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

/* Of each form of expression: what it finds something in, and what it plainly finds nothing in. */
/* Numbers that have a form, words that must be of a list, and what must be there. */
static void numbers_words_and_what_is_missing_are_named(void) {
        static const Case cases[] = {
                { "", "<audio id='0x10' type='none'/>", "audio ID '0x10' must be a decimal number" },
                { "", "<audio id='1' type='oss'><output voices='0'/></audio>", "zero is not permitted" },
                { "", "<audio id='1' type='oss'><output bufferCount='4294967296'/></audio>", "'bufferCount'" },
                { "", "<graphics type='dbus'><audio id='1'/></graphics><audio id='1' type='none'/>", "not of 'dbus' kind" },
                { "", "<smartcard mode='host'><address type='ccid' controller='0x10' slot='0'/></smartcard>", "'controller'" },
                { "", "<smartcard mode='host'><address type='ccid' controller='0' slot='1'/></smartcard>",
                  "lacks multiple smartcard support" },
                { "",
                  "<channel type='pty'><target type='virtio'/><address type='virtio-serial' controller='' bus='0' "
                  "port='1'/></channel>",
                  "'controller' in element 'address': ''" },
                { "", "<channel type='pty'><target type='virtio'/><address controller='0'/></channel>", "no type is specified" },
                { "", "<hub type='usb'><address type='usb' bus='0' port=''/></hub>", "the USB port ''" },
                { "", "<hub type='usb'><address type='usb' bus='0' port='1.2'/></hub>", NULL },
                { "", "<controller type='virtio-serial' index='0' ports='0x10'/>", "'ports'" },
                { "", "<controller type='virtio-serial' index='0' vectors='4294967296'/>", "'vectors'" },
                { "", "<controller type='virtio-serial' index='0' model='virtio-scsi'/>", "unknown model type 'virtio-scsi'" },
                { "",
                  "<controller type='usb' index='0' model='ich9-ehci1'/><controller type='usb' index='0' "
                  "model='ich9-uhci1'><master startport='0'/></controller>",
                  NULL },
                { "", "<controller type='usb' index='0' model='qemu-xhci'/><controller type='usb' index='0' model='ich9-ehci1'/>",
                  "duplicate USB controllers with index 0" },
                { "", "<disk type='' device='disk'><target dev='sda' bus='sata'/></disk>", "attribute 'type'" },
                { "", "<disk type='network' device='disk'><source/><target dev='sda' bus='sata'/></disk>", "'protocol'" },
                { "", "<disk type='file' device='disk'><driver name='qemu' type=''/><target dev='sda' bus='sata'/></disk>",
                  "unknown driver format value ''" },
                { "", "<disk type='file' device='disk'><target dev='fda' bus='sata'/></disk>", "invalid hard disk device name" },
                { "", "<disk type='file' device='cdrom'><target dev='sda' bus='sata' rotation_rate='7200'/></disk>",
                  "only valid for the disk device 'disk'" },
                { "", "<graphics type='vnc' port='0x10' autoport='no'/>", "attribute 'port' in element 'graphics': '0x10'" },
                { "", "<graphics type='vnc' port='-1' autoport='yes'><listen/></graphics>",
                  "'type' is missing in element 'listen'" },
                { "", "<serial type='pty'><target type='serial' port='0'/></serial>", "unknown target type 'serial'" },
                { "",
                  "<serial type='pty'><target type='isa-serial' port='1'/></serial><serial type='pty'><target "
                  "type='isa-serial' port='1'/></serial>",
                  "port '1' is already allocated" },
                { "", "<serial type='pty'><target type='isa-serial' port='4'/></serial>", "ISA serial ports is 4" },
                { "",
                  "<serial type='tcp'><source mode='bind' host='h' service='1'/><source mode='connect' host='h' "
                  "service='2'/><target port='0'/></serial>",
                  "only one source element" },
                { "", "<hostdev mode='subsystem' type='scsi_host'><source wwpn='naa.5123456789abcde0'/></hostdev>",
                  "subsystem protocol is missing" },
                { "",
                  "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5123456789abcde0'/></hostdev>"
                  "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5123456789abcde0'/></hostdev>",
                  "already exists" },
                { "",
                  "<interface type='hostdev'><mac address='52:54:00:00:00:01'/><source><address type='pci' domain='0' bus='6' "
                  "slot='18' function='5'/></source></interface><hostdev mode='subsystem' type='pci'><source><address domain='0' "
                  "bus='0x6' slot='0x12' function='5'/></source></hostdev>",
                  "already exists" },
                { "", "<filesystem type='mount'><source/><target dir='x'/></filesystem>", "source of the folder 'x' is missing" },
                { "", "<vsock model='virtio'><cid auto='no' address='0x10'/></vsock>", "'address' in element 'cid'" },
                { "<vcpu/>", "", "only one <vcpu>" },
                { "<cpu><numa><cell id='0' cpus='0-3' memory='0x100000'/></numa></cpu>", "", "'memory' in element 'cell'" },
                { "<cputune><shares>1</shares></cputune>", "", "range 2 to 262144" },
                { "<cputune><shares>0</shares></cputune>", "", NULL },
                { "<idmap><uid start='0' target='4294967296' count='1'/><gid start='0' target='1' count='1'/></idmap>", "",
                  "'target' in element 'uid'" },
                { "<seclabel relabel='yes'/>", "", "security model is missing" },
                { "<resource><partition>production</partition></resource>", "", "must start with '/'" },
                { "<resource><partition/></resource>", "", "must start with '/'" },
                { "<clock offset='absolute' start='0x10'/>", "", "seconds since the epoch" },
                { "<iothreads>2</iothreads><cputune><iothreadsched iothreads='0' scheduler='batch'/></cputune>", "",
                  "cannot find the iothread 0" },
                { "",
                  "<interface type='bridge'><source bridge='b'/><virtualport type='openvswitch'><parameters "
                  "interfaceid='bogus'/></virtualport></interface>",
                  "as a uuid" },
                { "",
                  "<interface type='bridge'><source bridge='b'/><virtualport type='openvswitch'><parameters "
                  "managerid='11'/></virtualport></interface>",
                  "extra managerid unsupported" },
                { "", "<interface type='bridge'><source bridge='b'/><virtualport/></interface>",
                  "'type' is missing in element 'virtualport'" },
                { "",
                  "<interface type='network'><source network='n'/><bandwidth><inbound average='0x10'/></bandwidth></interface>",
                  "'average' in element 'inbound'" },
                { "", "<interface type='server'><source address='127.0.0.1' port='bogus'/></interface>", "'port'" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

static void an_expression_is_tried_where_it_may_find_something_and_not_where_it_plainly_cannot(void) {
        static const struct {
                const char *at, *found, *not_found;
        } forms[] = {
                { "a", "<a/>", "<b/>" },
                { "a/b", "<a><b/></a>", "<b/><a/>" },
                { "a/@x", "<a x=''/>", "<a><b x=''/></a>" },
                { "*/b", "<a><b/></a>", "<a/>" },
                { "*/*/@x", "<a><b x=''/></a>", "<a><b y=''/></a>" },
                { "a//b", "<a><c><b/></c></a>", "<a><c/></a>" },
                { "/domain/a", "<a/>", "<b/>" },
                { "a | b", "<b/>", "<c/>" },
                { "a[c]/../b/@x", "<a><c/></a><b x=''/>", "<a/><b x=''/>" },
                { "a[2]", "<a/><a/>", "<a/><b><a/></b>" },
                { "a[3]", "<a/><a/><a/>", "<a/><a/>" },
                { "a[@x]", "<a x=''/>", "<a/>" },
                { "a[@x='1']", "<a x='1'/>", "<a x='2'/>" },
                { "a[@x != '1']", "<a x='2'/>", "<a x='1'/>" },
                { "a[@x='1' or @y]", "<a y=''/>", "<a x='2'/>" },
                { "a[@x and @y]", "<a x='' y=''/>", "<a x=''/>" },
                { "a[@x and @y or @z]", "<a z=''/>", "<b/>" },
                { "a[not(@x)]", "<a/>", "<a x=''/>" },
                { "a[not(@x='1')]", "<a/>", "<a x='1'/>" },
                { "a[not(b)]", "<a/>", "<a><b/></a>" },
                { "a[not(@x or @y)]", "<a/>", "<b/>" },
                { "a[not(listed(@x, 'v w'))]", "<a x='u'/>", "<a x='w'/>" },
                { "a[listed(@x, 'v w')]", "<a x='w'/>", "<a x='u'/>" },
                { "a[b/@x='1']", "<a><b x='1'/></a>", "<a><b x='2'/></a>" },
                { "a[b[c]/@x]", "<a><b x=''><c/></b></a>", "<a/>" },
                { "a[. = 't']", "<a>t</a>", "<a>u</a>" },
                { "a/@x[. = 't']", "<a x='t'/>", "<a x='u'/>" },
                { "a/@x[not(matches(., '[0-9]+'))]", "<a x='1a'/>", "<a x='12'/>" },
                { "a/@x[not(listed(., 'v'))]", "<a x='u'/>", "<a x='v'/>" },
                { "a[@x=preceding-sibling::a/@x]", "<a x='1'/><a x='1'/>", "<a x='1'/>" },
                { "a[twice(@x)]", "<a x='1'/><a x='1'/>", "<a x='1'/>" },
                { "a[num(@x) > 0]", "<a x='1'/>", "<a/>" },
                { "a[starts-with(@x, 'v')]", "<a x='vw'/>", "<a/>" },
                { "a[count(b) > 1]", "<a><b/><b/></a>", "<a/>" },
                { "*[listed(name(), 'a b')]/@x", "<b x=''/>", "<c x=''/>" },
                { "*[self::a or self::b][@x]", "<b x=''/>", "<c x=''/>" },
                { "*[self::a or self::b][2]", "<a/><b/>", "<c/>" },
                { "a[name()='a']", "<a/>", "<b/>" },
        };
        CheckRule rules[G_N_ELEMENTS(forms)] = { 0 };
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
                rules[i].at = forms[i].at;
        const CheckTable table = { .rules = rules, .n_rules = G_N_ELEMENTS(rules) }, *const tables[] = { &table };
        CheckIndex *index = check_index_read(tables, 1);
        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
                for (int found = 0; found < 2; found++) {
                        g_autofree char *text =
                                        g_strdup_printf("<domain>%s</domain>", found ? forms[i].found : forms[i].not_found);
                        g_autoptr(xmlDoc) document = xml_parse(text, "domain", NULL);
                        g_autoptr(CheckTraits) traits = check_traits_new(index, xmlDocGetRootElement(document));
                        if (check_may_break_rule(traits, 0, i) != found)
                                g_error("%s in %s: %s", forms[i].at, text, found ? "is not tried" : "is tried");
                }
        check_index_free(index);
}

/* N elements, each with a number of its own; then perhaps the first one again. */
static char *many(const char *open, const char *format, unsigned n, bool again, const char *close) {
        GString *text = g_string_new(open);
        for (unsigned i = 0; i < n + again; i++)
                g_string_append_printf(text, format, i % n); /* NOLINT: formats of ours */
        g_string_append(text, close);
        return g_string_free(text, FALSE);
}

/* Rules that looked from each element at all before it would take minutes. */
static void test_documents_of_very_many_elements_are_decided_on(void) {
        static const struct {
                const char *open, *format, *close, *phrase; /* of the error where one is there twice */
        } kinds[] = {
                { "<cpu mode='custom'><model>qemu64</model>", "<feature name='f%u'/>", "</cpu>", "more than once" },
                { "<cputune>", "<vcpupin vcpu='%u' cpuset='0'/>", "</cputune>", "duplicate vcpupin" },
                { "<iothreads>1</iothreads><iothreadids>", "<iothread id='1%05u'/>", "</iothreadids>", "duplicate" },
                { "<perf>", "<event name='e%u' enabled='yes'/>", "</perf>", "already specified" },
                { "<blkiotune>", "<device><path>/dev/%u</path></device>", "</blkiotune>", "duplicate blkio" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *good = many(kinds[i].open, kinds[i].format, 9000, false, kinds[i].close),
                                *bad = many(kinds[i].open, kinds[i].format, 9000, true, kinds[i].close);
                const Case cases[] = { { good, "", NULL }, { bad, "", kinds[i].phrase } };
                try_cases(cases, G_N_ELEMENTS(cases));
        }
        g_autofree char *labels = many("", "<seclabel type='none' model='m%u'/>", 19000, false, ""),
                        *devices = many("", "<channel type='pty'><target type='virtio' name='c%u'/></channel>", 1000, false, ""),
                        *twice = many("", "<channel type='pty'><target type='virtio' name='c%u'/></channel>", 1000, true, "");
        const Case cases[] = {
                { labels, "", "too many elements of one kind" },
                { "", devices, NULL },
                { "", twice, "is another channel's" },
        };
        try_cases(cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/check/documents_that_break_no_rule_are_taken", documents_that_break_no_rule_are_taken);
        g_test_add_func("/check/an-element-is-there-once", an_element_is_there_once);
        g_test_add_func("/check/what-completing-would-hide-is-refused-before", what_completing_would_hide_is_refused_before);
        g_test_add_func("/check/faults_of_the_machine_are_named", faults_of_the_machine_are_named);
        g_test_add_func("/check/faults_of_disks_and_controllers_are_named", faults_of_disks_and_controllers_are_named);
        g_test_add_func("/check/faults_of_devices_are_named", faults_of_devices_are_named);
        g_test_add_func("/check/faults_of_interfaces_are_named", faults_of_interfaces_are_named);
        g_test_add_func("/check/numbers_words_and_what_is_missing_are_named", numbers_words_and_what_is_missing_are_named);
        g_test_add_func("/check/an_expression_is_tried_where_it_may_find_something_and_not_where_it_plainly_cannot",
                        an_expression_is_tried_where_it_may_find_something_and_not_where_it_plainly_cannot);
        g_test_add_func("/check/documents_of_very_many_elements_are_decided_on",
                        test_documents_of_very_many_elements_are_decided_on);
        return g_test_run();
}
