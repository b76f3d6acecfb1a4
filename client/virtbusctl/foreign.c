/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What other programs call it: virsh, virt-install, and what people type who come from machinectl, podman and the like. */

#include <string.h>

#include "ctl.h"
#include "verbs.h"

static const char *const verbs[][2] = {
        { "attach-device", "attach DOMAIN FILE" },
        { "attach-disk", "attach DOMAIN --disk=PATH" },
        { "attach-interface", "attach DOMAIN --network=KIND" },
        { "blkdeviotune", "set DOMAIN DISK total_bytes_sec=N and the like" },
        { "backup-begin", "backup begin DOMAIN [FILE]" },
        { "backup-dumpxml", "backup xml DOMAIN" },
        { "blkiotune", "set DOMAIN blkio_weight=N" },
        { "blockcommit", "disk commit DOMAIN DISK [BASE [TOP]]" },
        { "blockcopy", "disk copy DOMAIN DISK FILE" },
        { "blockjob", "disk abort, pivot, finish or limit DOMAIN DISK" },
        { "blockpull", "disk pull DOMAIN DISK [BASE]" },
        { "blockresize", "set DOMAIN DISK size=SIZE" },
        { "checkpoint-create", "checkpoint create DOMAIN [CHECKPOINT]" },
        { "checkpoint-create-as", "checkpoint create DOMAIN [CHECKPOINT]" },
        { "checkpoint-delete", "checkpoint delete DOMAIN CHECKPOINT" },
        { "checkpoint-dumpxml", "checkpoint show DOMAIN CHECKPOINT" },
        { "checkpoint-info", "checkpoint list DOMAIN --full" },
        { "checkpoint-list", "checkpoint list DOMAIN" },
        { "checkpoint-parent", "checkpoint list DOMAIN" },
        { "change-media", "set DOMAIN DISK media=PATH" },
        { "cpu-baseline", "cpu baseline FILE host=yes" },
        { "cpu-compare", "cpu compare FILE host=yes" },
        { "cpu-models", "capabilities cpus ARCHITECTURE" },
        { "cpu-stats", "stats DOMAIN" },
        { "delete", "undefine DOMAIN" },
        { "desc", "set DOMAIN title=TEXT or description=TEXT" },
        { "detach-device", "detach DOMAIN DEVICE" },
        { "detach-device-alias", "detach DOMAIN DEVICE" },
        { "detach-disk", "detach DOMAIN DISK" },
        { "detach-interface", "detach DOMAIN DEVICE" },
        { "domblkerror", "status DOMAIN --json (Error)" },
        { "domblkinfo", "disk info DOMAIN DISK" },
        { "domblklist", "status DOMAIN" },
        { "domblkstat", "stats DOMAIN" },
        { "domblkthreshold", "disk threshold DOMAIN DISK BYTES" },
        { "domcapabilities", "capabilities domain" },
        { "domdirtyrate-calc", "dirty-rate DOMAIN" },
        { "domdisplay", "display DOMAIN --list" },
        { "domfsfreeze", "agent DOMAIN freeze-file-systems" },
        { "domfsinfo", "agent DOMAIN get-file-systems" },
        { "domfsthaw", "agent DOMAIN thaw-file-systems" },
        { "domfstrim", "agent DOMAIN trim-file-systems" },
        { "domhostname", "agent DOMAIN get-host-name" },
        { "domid", "show DOMAIN -p ID --value" },
        { "domif-getlink", "xml DOMAIN" },
        { "domif-setlink", "set DOMAIN DEVICE link=on or link=off" },
        { "domifaddr", "addresses DOMAIN" },
        { "domiflist", "status DOMAIN" },
        { "domifstat", "stats DOMAIN" },
        { "domiftune", "set DOMAIN DEVICE inbound_average=N and the like" },
        { "dominfo", "status DOMAIN" },
        { "domjobabort", "cancel JOB" },
        { "domjobinfo", "jobs" },
        { "dommemstat", "stats DOMAIN" },
        { "domname", "show UUID -p Name --value" },
        { "dompmsuspend", "agent DOMAIN suspend" },
        { "dompmwakeup", "wakeup DOMAIN" },
        { "domrename", "rename DOMAIN NAME" },
        { "domstate", "show DOMAIN -p State --value" },
        { "domstats", "stats" },
        { "domtime", "agent DOMAIN time" },
        { "domuuid", "show DOMAIN -p UUID --value" },
        { "domxml-from-native", "translate FILE" },
        { "domxml-to-native", "translate FILE" },
        { "dumpxml", "xml DOMAIN" },
        { "emulatorpin", "set DOMAIN emulator_cpus=LIST" },
        { "event", "monitor" },
        { "get-user-sshkeys", "agent DOMAIN get-ssh-keys USER" },
        { "guest-agent-timeout", "agent DOMAIN set-agent-response-timeout SECONDS" },
        { "guestinfo", "agent DOMAIN info" },
        { "guestvcpus", "agent DOMAIN get-vcpus" },
        { "hypervisor-cpu-baseline", "cpu baseline FILE" },
        { "hypervisor-cpu-compare", "cpu compare FILE" },
        { "info", "status DOMAIN" },
        { "inject-nmi", "nmi DOMAIN" },
        { "iothreadadd", "set DOMAIN iothread.N=on" },
        { "iothreaddel", "set DOMAIN iothread.N=off" },
        { "iothreadinfo", "xml DOMAIN" },
        { "iothreadpin", "set DOMAIN iothread_cpus.N=LIST" },
        { "iothreadset", "set DOMAIN iothread_poll_max_ns.N=VALUE and the like" },
        { "kill", "destroy DOMAIN" },
        { "logs", "log DOMAIN" },
        { "ls", "list" },
        { "managedsave", "save DOMAIN" },
        { "managedsave-define", "saved DOMAIN FILE" },
        { "managedsave-dumpxml", "saved DOMAIN" },
        { "managedsave-edit", "saved DOMAIN, and saved DOMAIN FILE" },
        { "managedsave-remove", "discard DOMAIN" },
        { "memtune", "set DOMAIN memory_hard_limit=SIZE and the like" },
        { "net-autostart", "network autostart NETWORK on" },
        { "net-define", "network define FILE" },
        { "net-destroy", "network stop NETWORK" },
        { "net-dhcp-leases", "network leases NETWORK" },
        { "net-dumpxml", "network show NETWORK" },
        { "net-info", "network list" },
        { "net-list", "network list" },
        { "net-start", "network start NETWORK" },
        { "net-undefine", "network undefine NETWORK" },
        { "net-update", "network update NETWORK COMMAND SECTION FILE" },
        { "nwfilter-define", "filter define FILE" },
        { "nwfilter-dumpxml", "filter show FILTER" },
        { "nwfilter-list", "filter list" },
        { "nwfilter-undefine", "filter undefine FILTER" },
        { "nodeinfo", "capabilities host" },
        { "numatune", "set DOMAIN memory_nodes=LIST" },
        { "pause", "suspend DOMAIN" },
        { "poweroff", "shutdown DOMAIN" },
        { "ps", "list" },
        { "qemu-monitor-command", "qmp DOMAIN COMMAND" },
        { "qemu-monitor-event", "qmp-events DOMAIN" },
        { "qemu-agent-command", "agent DOMAIN command TEXT" },
        { "remove", "undefine DOMAIN" },
        { "rm", "undefine DOMAIN" },
        { "run", "start DOMAIN, or create NAME --start" },
        { "save-image-define", "saved FILE DOCUMENT" },
        { "save-image-dumpxml", "saved FILE" },
        { "save-image-edit", "saved FILE, and saved FILE DOCUMENT" },
        { "schedinfo", "set DOMAIN cpu_shares=N and the like" },
        { "secret-define", "secret define FILE" },
        { "secret-dumpxml", "secret show SECRET" },
        { "secret-get-value", "secret get-value SECRET" },
        { "secret-list", "secret list" },
        { "secret-set-value", "secret set-value SECRET [FILE]" },
        { "secret-undefine", "secret undefine SECRET" },
        { "send-key", "press DOMAIN KEY..." },
        { "set-user-password", "agent DOMAIN set-user-password USER PASSWORD" },
        { "set-user-sshkeys", "agent DOMAIN add-ssh-keys USER KEY..." },
        { "setmaxmem", "set DOMAIN max_memory=SIZE" },
        { "setmem", "set DOMAIN memory=SIZE" },
        { "set-lifecycle-action", "set DOMAIN on_reboot=ACTION and the like" },
        { "setvcpu", "set DOMAIN vcpu.LIST=on or vcpu.LIST=off" },
        { "setvcpus", "set DOMAIN vcpus=N" },
        { "shell", "console DOMAIN" },
        { "snapshot-create", "snapshot create DOMAIN [SNAPSHOT]" },
        { "snapshot-create-as", "snapshot create DOMAIN [SNAPSHOT]" },
        { "snapshot-current", "snapshot list DOMAIN" },
        { "snapshot-delete", "snapshot delete DOMAIN SNAPSHOT" },
        { "snapshot-dumpxml", "snapshot show DOMAIN SNAPSHOT" },
        { "snapshot-info", "snapshot list DOMAIN --full" },
        { "snapshot-list", "snapshot list DOMAIN" },
        { "snapshot-parent", "snapshot list DOMAIN" },
        { "snapshot-revert", "snapshot revert DOMAIN SNAPSHOT" },
        { "stop", "shutdown DOMAIN" },
        { "sysinfo", "capabilities host" },
        { "terminate", "destroy DOMAIN" },
        { "ttyconsole", "status DOMAIN" },
        { "unpause", "resume DOMAIN" },
        { "update-device", "update DOMAIN DEVICE FILE" },
        { "update-memory-device", "update DOMAIN DEVICE FILE" },
        { "uri", "status" },
        { "vcpucount", "status DOMAIN" },
        { "vcpuinfo", "stats DOMAIN" },
        { "vcpupin", "set DOMAIN vcpu_cpus.N=LIST" },
        { "version", "--version" },
        { "virt-install", "create NAME" },
        { "vncdisplay", "display DOMAIN --list" },
};

/* What there is not yet, by how the verbs for it begin. */
static const char *const missing[][2] = {
        { "clone", "clones: copy the image, and define a changed document" },
        { "iface", "interfaces of the host" },
        { "migrate", "migration" },
        { "net", "lists of ports of networks" },
        { "nodedev", "a list of the host's devices" },
        { "nwfilter", "what network filters are bound to" },
        { "pool", "storage pools: name files and devices by their paths" },
        { "vol", "volumes: qemu-img(1) makes images, as does create --disk=PATH,size=SIZE" },
};

/* What virtbus leaves to others, or does by other means: what is said behind its name. */
static const char *const elsewhere[][2] = {
        { "allocpages", "does not set up the host's pages: sysctl(8) does" },
        { "dom-fd-associate", "is given no descriptors of images: it opens their paths" },
        { "domblkthreshold", "tells of no thresholds; virtbusctl stats --openmetrics has what is allocated" },
        { "domcontrol", "tells what is at work by: virtbusctl jobs" },
        { "domlaunchsecinfo", "has no launch security" },
        { "domsetlaunchsecstate", "has no launch security" },
        { "find-storage-pool-sources", "has no storage pools: images are named by their paths" },
        { "find-storage-pool-sources-as", "has no storage pools: images are named by their paths" },
        { "freecell", "does not tell of the host: numactl(8) does" },
        { "freepages", "does not tell of the host: numactl(8) does" },
        { "hostname", "does not tell of the host: hostnamectl(1) does" },
        { "lxc-enter-namespace", "has no containers" },
        { "maxvcpus", "tells that by: virtbusctl capabilities domain" },
        { "metadata", "sets that by: virtbusctl edit DOMAIN, or the method SetMetadata" },
        { "node-memory-tune", "does not tune the host: sysctl(8) does" },
        { "nodecpumap", "does not tell of the host: lscpu(1) does" },
        { "nodecpustats", "does not tell of the host: top(1) does" },
        { "nodememstats", "does not tell of the host: free(1) does" },
        { "nodesevinfo", "has no launch security" },
        { "nodesuspend", "does not suspend the host: systemctl(1) does" },
        { "perf", "has no performance counters: perf(1) has" },
        { "qemu-attach", "runs only what it has started" },
        { "secret-event", "tells of secrets by signals of org.virtbus1 only" },
        { "send-process-signal", "sends none; an agent runs programs: virtbusctl agent DOMAIN exec PROGRAM" },
        { "set-lifecycle-action", "sets that by: virtbusctl edit DOMAIN" },
        { "checkpoint-edit", "changes that by the method RedefineCheckpoint" },
        { "snapshot-edit", "changes that by the method RedefineSnapshot" },
};

/* Options of others, for what a verb here does without them, or otherwise. */
static const char *const options[][2] = {
        { "--accelerate", "leave it out" },
        { "--all", "all domains are listed; --active lists those that run" },
        { "--check", "leave it out" },
        { "--cloud-init", "make a disc with its data, and say --cdrom=PATH" },
        { "--connect", "say --connection=NAME, or --host=HOST for another machine" },
        { "--console", "leave it out: there is a serial console" },
        { "--controller", "leave it out: controllers are added as devices need them" },
        { "--current", "a running domain is changed, or the definition of one that is off" },
        { "--domain", "the domain is named without an option" },
        { "--graphics", "say --display=KIND" },
        { "--hostdev", "make it without, then: virtbusctl attach DOMAIN FILE" },
        { "--hvm", "leave it out" },
        { "--import", "leave it out: the disks are booted before the CD" },
        { "--inactive", "for list, leave out --active; for xml, say --config" },
        { "--install", "say --cdrom=PATH" },
        { "--location", "say --kernel=FILE and --initrd=FILE, or --cdrom=PATH" },
        { "--name", "the domain is named without an option" },
        { "--noautoconsole", "leave it out" },
        { "--nographics", "say --display=none" },
        { "--os", "leave it out: every guest gets what current systems run well with" },
        { "--os-type", "leave it out" },
        { "--os-variant", "leave it out: every guest gets what current systems run well with" },
        { "--osinfo", "leave it out: every guest gets what current systems run well with" },
        { "--persistent", "say --live --config" },
        { "--print-xml", "virtbusctl xml --config shows the document of what was made" },
        { "--pxe", "say --boot=network" },
        { "--ram", "say --memory=SIZE" },
        { "--remove-all-storage", "images are never deleted; status names them" },
        { "--security-info", "say xml as who may see secrets: edit shows them" },
        { "--checkpoints-metadata", "say --checkpoints" },
        { "--snapshots-metadata", "say --snapshots" },
        { "--vcpus", "say --cpus=N" },
        { "--sound", "make it without, then: virtbusctl edit DOMAIN" },
        { "--video", "make it without, then: virtbusctl edit DOMAIN" },
        { "--virt-type", "KVM is used where it is there; --emulate does without" },
};

/* The second of the row whose first is NAME; NULL: there is none. */
static const char *find(const char *const rows[][2], size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(rows[i][0], name) == 0)
                        return rows[i][1];
        return NULL;
}

/* "net-list" is of "net", "network" is not. */
static const char *find_missing(const char *name) {
        g_autofree char *first = g_strndup(name, strcspn(name, "-"));
        return find(missing, G_N_ELEMENTS(missing), first);
}

char *verb_explain_unknown(const char *name) {
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        const char *ours = find(verbs, G_N_ELEMENTS(verbs), name), *what = ours ? NULL : find_missing(name),
                   *why = find(elsewhere, G_N_ELEMENTS(elsewhere), name);
        if (ours)
                return g_strdup_printf("there is no verb '%s'; that is: virtbusctl %s", name, ours);
        if (why)
                return g_strdup_printf("there is no verb '%s': virtbus %s", name, why);
        if (what)
                return g_strdup_printf("there is no verb '%s': virtbus does not yet have %s", name, what);
        for (const VerbEntry *verb = verb_entries; verb->name || verb->description; verb++)
                if (verb->name)
                        g_strv_builder_add(builder, verb->name);
        g_auto(GStrv) names = g_strv_builder_end(builder);
        g_autofree char *hint = suggestion(name, (const char *const *) names);
        return g_strdup_printf("there is no verb '%s'%s", name, *hint ? hint : "; see virtbusctl --help");
}

const char *option_explain_unknown(const char *name) {
        return find(options, G_N_ELEMENTS(options), name);
}
