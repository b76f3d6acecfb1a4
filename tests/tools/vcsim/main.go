// SPDX-License-Identifier: LGPL-2.1-or-later

// vcsim is what stands for an ESX host or a vCenter in tests: govmomi's simulator, as Debian has it, behind a front. The front
// writes what real servers write and the simulator does not (the types of what is in arrays), answers as VMware documents what
// the simulator lacks (ReconfigureAutostart, RebootGuest, CancelTask, AnswerVM, what RegisterVM_Task reads of a .vmx file, RemoveSnapshot_Task of the
// current one at the root, the state that RevertToSnapshot_Task brings), and misbehaves when it is told to.
//
// It prints its port, and then does what it reads, a line each, and prints "done" and what there is to tell:
//
//	freeze | thaw          answers nothing any more; goes on
//	expire                 forgets all who have logged in
//	half N | huge N | garbage N | status N   the next N answers to methods are cut, endless, not XML, or of HTTP's status 503
//	fault METHOD TYPE      the next call of a method fails with a fault of that type; TEXT is "because"
//	counts                 how often each method was called since the last "counts"
//	work NAME PERCENT      a task is at work on a machine, and so far; at 100 it is done
//	use NAME MHZ MEGABYTES BALLOONED   what a machine uses now, as its host measures it
//	ask NAME QUESTION      a machine has a question; "answers" tells what was answered
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

var (
	lock     sync.Mutex
	thawed   = sync.NewCond(&lock)
	frozen   bool
	revoked  = map[string]bool{}
	seen     = map[string]bool{}
	spoil    string
	nSpoil   int
	faults   = map[string]string{}
	counts   = map[string]int{}
	answers  []string
	working  *simulator.Task
	array    = regexp.MustCompile(`(?s)type="ArrayOf(\w+)">.*?</val>`)
	method   = regexp.MustCompile(`<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)`)
	this     = regexp.MustCompile(`<_this type="\w+">([^<]*)</_this>`)
	file     = regexp.MustCompile(`<path>\[(\w+)\] ([^<]*)</path>`)
	named    = regexp.MustCompile(`<name>([^<]*)</name>`)
	chosen   = regexp.MustCompile(`<answerChoice>([^<]*)</answerChoice>`)
	envelope = `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`
)

// Real servers say the type of what is in an array.
func typed(b []byte) []byte {
	return array.ReplaceAllFunc(b, func(s []byte) []byte {
		x := string(array.FindSubmatch(s)[1])
		add := ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="` + x + `"`
		return regexp.MustCompile(`<`+x+`>`).ReplaceAll(s, []byte(`<`+x+add+`>`))
	})
}

func fault(w http.ResponseWriter, kind string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(500)
	fmt.Fprintf(w, envelope, `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>because</faultstring><detail><`+
		kind+`Fault xmlns="urn:vim25" xsi:type="`+kind+`"></`+kind+`Fault></detail></soapenv:Fault>`)
}

func empty(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, envelope, `<`+name+`Response xmlns="urn:vim25"></`+name+`Response>`)
}

func machineOf(body []byte) *simulator.VirtualMachine {
	if match := this.FindSubmatch(body); match != nil {
		return machine(string(match[1]))
	}
	return nil
}

func machine(value string) *simulator.VirtualMachine {
	vm, _ := simulator.Map.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: value}).(*simulator.VirtualMachine)
	return vm
}

func change(vm *simulator.VirtualMachine, changes []types.PropertyChange) {
	simulator.Map.Update(vm, changes)
}

// A machine has no files but its configuration before it was started; the simulator wants others, too.
func putFiles(store, path string, name string) {
	for _, d := range simulator.Map.All("Datastore") {
		if ds := d.(*simulator.Datastore); ds.Name == store {
			folder := ds.Info.GetDatastoreInfo().Url + "/" + filepath.Dir(path) + "/"
			os.WriteFile(folder+name+".nvram", nil, 0600)
			os.WriteFile(folder+"vmware.log", nil, 0600)
		}
	}
}

// Real servers tell of all that a task has changed.
func tell(vm *simulator.VirtualMachine) {
	change(vm, []types.PropertyChange{{Name: "name", Val: vm.Name}, {Name: "config.uuid", Val: vm.Config.Uuid},
		{Name: "config.annotation", Val: vm.Config.Annotation}, {Name: "config.guestId", Val: vm.Config.GuestId},
		{Name: "config.hardware.device", Val: vm.Config.Hardware.Device},
		{Name: "config.hardware.memoryMB", Val: vm.Config.Hardware.MemoryMB}, {Name: "config.hardware.numCPU", Val: vm.Config.Hardware.NumCPU}})
}

// The devices of a .vmx file, as far as tests have them: disks of one SCSI controller, and interfaces.
func devices(keys map[string]string) (list []types.BaseVirtualDevice) {
	controller := int32(1000)
	if keys["scsi0.present"] != "" {
		list = append(list, &types.VirtualLsiLogicController{VirtualSCSIController: types.VirtualSCSIController{VirtualController: types.VirtualController{VirtualDevice: types.VirtualDevice{Key: controller}}}})
	}
	for unit := int32(0); unit < 16; unit++ {
		if name := keys[fmt.Sprintf("scsi0:%d.fileName", unit)]; name != "" {
			place := regexp.MustCompile(`^/vmfs/volumes/([^/]*)/`).ReplaceAllString(name, "[$1] ")
			at := unit
			list = append(list, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{Key: 2000 + unit, ControllerKey: controller, UnitNumber: &at,
				Backing: &types.VirtualDiskFlatVer2BackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: place}, DiskMode: "persistent"}}})
		}
	}
	for i := int32(0); i < 10; i++ {
		if network := keys[fmt.Sprintf("ethernet%d.networkName", i)]; network != "" {
			list = append(list, &types.VirtualE1000{VirtualEthernetCard: types.VirtualEthernetCard{MacAddress: keys[fmt.Sprintf("ethernet%d.address", i)], AddressType: "manual",
				VirtualDevice: types.VirtualDevice{Key: 4000 + i, Backing: &types.VirtualEthernetCardNetworkBackingInfo{VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: network}}}}})
		}
	}
	return list
}

// What a host reads of the .vmx file of a machine that is registered.
func readFile(path string) {
	for _, o := range simulator.Map.All("VirtualMachine") {
		vm := o.(*simulator.VirtualMachine)
		match := file.FindStringSubmatch("<path>" + vm.Config.Files.VmPathName + "</path>")
		if match == nil || vm.Config.Files.VmPathName != path {
			continue
		}
		var store string
		for _, d := range simulator.Map.All("Datastore") {
			if ds := d.(*simulator.Datastore); ds.Name == match[1] {
				store = ds.Info.GetDatastoreInfo().Url
			}
		}
		text, _ := os.ReadFile(store + "/" + match[2])
		keys := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^(\S+) = "(.*)"$`).FindAllStringSubmatch(string(text), -1) {
			keys[m[1]] = m[2]
		}
		uuid := strings.NewReplacer(" ", "", "-", "").Replace(keys["uuid.bios"])
		if len(uuid) == 32 {
			uuid = uuid[:8] + "-" + uuid[8:12] + "-" + uuid[12:16] + "-" + uuid[16:20] + "-" + uuid[20:]
		}
		memory, _ := strconv.Atoi(keys["memsize"])
		cpus, _ := strconv.Atoi(keys["numvcpus"])
		vm.Config.Uuid, vm.Config.Hardware.MemoryMB, vm.Config.Hardware.NumCPU = uuid, int32(memory), int32(max(cpus, 1))
		vm.Config.Hardware.NumCoresPerSocket = 1
		vm.Config.Annotation, vm.Config.GuestId, vm.Config.Version = keys["annotation"], "other", "vmx-0"+keys["virtualHW.version"]
		if strings.HasSuffix(keys["guestOS"], "-64") {
			vm.Config.GuestId = "otherGuest64"
		}
		vm.Name = keys["displayName"]
		vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, devices(keys)...)
		tell(vm)
	}
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// The machine that has a snapshot, and what is told of that.
func snapshot(value string) (*simulator.VirtualMachine, *types.VirtualMachineSnapshotTree) {
	var find func(list []types.VirtualMachineSnapshotTree) *types.VirtualMachineSnapshotTree
	find = func(list []types.VirtualMachineSnapshotTree) *types.VirtualMachineSnapshotTree {
		for i := range list {
			if list[i].Snapshot.Value == value {
				return &list[i]
			}
			if below := find(list[i].ChildSnapshotList); below != nil {
				return below
			}
		}
		return nil
	}
	for _, o := range simulator.Map.All("VirtualMachine") {
		vm := o.(*simulator.VirtualMachine)
		if vm.Snapshot != nil {
			if tree := find(vm.Snapshot.RootSnapshotList); tree != nil {
				return vm, tree
			}
		}
	}
	return nil, nil
}

// What is left of a list without one, whose children are its parent's then, or go with it; CURRENT is its parent where it was
// that, or was below.
func without(list []types.VirtualMachineSnapshotTree, value string, children bool, parent *types.ManagedObjectReference, current **types.ManagedObjectReference) (left []types.VirtualMachineSnapshotTree) {
	var has func(list []types.VirtualMachineSnapshotTree, value string) bool
	has = func(list []types.VirtualMachineSnapshotTree, value string) bool {
		for _, s := range list {
			if s.Snapshot.Value == value || has(s.ChildSnapshotList, value) {
				return true
			}
		}
		return false
	}
	for _, s := range list {
		self := s.Snapshot
		if self.Value != value {
			s.ChildSnapshotList = without(s.ChildSnapshotList, value, children, &self, current)
			left = append(left, s)
			continue
		}
		if *current != nil && ((*current).Value == value || (children && has(s.ChildSnapshotList, (*current).Value))) {
			*current = parent
		}
		if !children {
			left = append(left, s.ChildSnapshotList...)
		}
	}
	return left
}

// Removes a snapshot as a task of its machine.
func removeSnapshot(w http.ResponseWriter, body []byte) bool {
	match := this.FindSubmatch(body)
	if match == nil {
		return false
	}
	vm, tree := snapshot(string(match[1]))
	if tree == nil {
		return false
	}
	task := simulator.CreateTask(vm, "removeSnapshot", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		current := vm.Snapshot.CurrentSnapshot
		left := without(vm.Snapshot.RootSnapshotList, string(match[1]), bytes.Contains(body, []byte("<removeChildren>true<")), nil, &current)
		if len(left) == 0 {
			change(vm, []types.PropertyChange{{Name: "snapshot", Val: nil}})
		} else {
			change(vm, []types.PropertyChange{{Name: "snapshot", Val: &types.VirtualMachineSnapshotInfo{CurrentSnapshot: current, RootSnapshotList: left}}})
		}
		return nil, nil
	})
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, envelope, `<RemoveSnapshot_TaskResponse xmlns="urn:vim25"><returnval type="Task">`+task.Run().Value+`</returnval></RemoveSnapshot_TaskResponse>`)
	return true
}

// The front: true where it has answered by itself.
func answered(w http.ResponseWriter, r *http.Request, name string, body []byte) bool {
	lock.Lock()
	for frozen {
		thawed.Wait()
	}
	if r.Header.Get("X-Somebody-Else") != "" { // whom nothing is withheld from
		lock.Unlock()
		return name == "RemoveSnapshot_Task" && removeSnapshot(w, body)
	}
	counts[name]++
	cookie, _ := r.Cookie("vmware_soap_session")
	if cookie != nil {
		seen[cookie.Value] = true
	}
	gone := cookie != nil && revoked[cookie.Value] && name != "RetrieveServiceContent"
	kind := faults[name]
	delete(faults, name)
	how := ""
	if nSpoil > 0 && name != "Logout" { // which nobody waits for
		nSpoil--
		how = spoil
	}
	lock.Unlock()
	switch {
	case gone && name == "Login":
		r.Header.Del("Cookie")
	case gone:
		fault(w, "NotAuthenticated")
		return true
	case kind != "":
		fault(w, kind)
		return true
	case how == "half":
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><x><ret`)
		return true
	case how == "garbage":
		io.WriteString(w, `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>`)
		return true
	case how == "huge":
		page := bytes.Repeat([]byte("<a>x</a>"), 8192)
		io.WriteString(w, `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><x>`)
		for i := 0; i < 4096; i++ {
			if _, err := w.Write(page); err != nil {
				break
			}
		}
		return true
	case how == "status":
		w.WriteHeader(503)
		return true
	case name == "RebootGuest":
		empty(w, name)
		return true
	case name == "RemoveSnapshot_Task":
		return removeSnapshot(w, body)
	case name == "CancelTask":
		lock.Lock()
		fault := types.LocalizedMethodFault{Fault: &types.RequestCanceled{}, LocalizedMessage: "it was cancelled there"}
		simulator.Map.Update(working, []types.PropertyChange{{Name: "info.error", Val: &fault}, {Name: "info.state", Val: types.TaskInfoStateError}})
		working = nil
		lock.Unlock()
		empty(w, name)
		return true
	case name == "AnswerVM":
		if vm := machineOf(body); vm != nil {
			lock.Lock()
			answers = append(answers, vm.Name+" "+chosen.FindStringSubmatch(string(body))[1])
			lock.Unlock()
			change(vm, []types.PropertyChange{{Name: "runtime.question", Val: nil}})
		}
		empty(w, name)
		return true
	}
	return false
}

// The list of machines that a host starts: real hosts have one, the simulator does not.
type autoStart struct {
	mo.HostAutoStartManager
}

func (m *autoStart) ReconfigureAutostart(req *types.ReconfigureAutostart) soap.HasFault {
	config := m.Config
	if d := req.Spec.Defaults; d != nil && d.Enabled != nil {
		config.Defaults = &types.AutoStartDefaults{Enabled: d.Enabled}
	}
	for _, info := range req.Spec.PowerInfo {
		list := []types.AutoStartPowerInfo{info}
		for _, old := range config.PowerInfo {
			if old.Key != info.Key {
				list = append(list, old)
			}
		}
		config.PowerInfo = list
	}
	simulator.Map.Update(m, []types.PropertyChange{{Name: "config", Val: config}})
	return &methods.ReconfigureAutostartBody{Res: &types.ReconfigureAutostartResponse{}}
}

func do(words []string) string {
	lock.Lock()
	defer lock.Unlock()
	switch words[0] {
	case "freeze":
		frozen = true
	case "thaw":
		frozen = false
		thawed.Broadcast()
	case "expire":
		for cookie := range seen {
			revoked[cookie] = true
		}
	case "half", "huge", "garbage", "status":
		spoil = words[0]
		nSpoil, _ = strconv.Atoi(words[1])
	case "fault":
		faults[words[1]] = words[2]
	case "counts":
		var lines []string
		for name, n := range counts {
			lines = append(lines, fmt.Sprintf("%s=%d", name, n))
		}
		sort.Strings(lines)
		counts = map[string]int{}
		return strings.Join(lines, " ")
	case "answers":
		return strings.Join(answers, ",")
	case "work": // a task begins, is so far, or ends
		for _, o := range simulator.Map.All("VirtualMachine") {
			if vm := o.(*simulator.VirtualMachine); vm.Name == words[1] && working == nil {
				working = simulator.CreateTask(vm, "relocate", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) { return nil, nil })
				working.Info.Cancelable = true
			}
		}
		progress, _ := strconv.Atoi(words[2])
		changes := []types.PropertyChange{{Name: "info.state", Val: types.TaskInfoStateRunning}, {Name: "info.progress", Val: int32(progress)}}
		if progress == 100 {
			changes[0].Val = types.TaskInfoStateSuccess
		}
		simulator.Map.Update(working, changes)
		if progress == 100 {
			working = nil
		}
	case "use":
		for _, o := range simulator.Map.All("VirtualMachine") {
			if vm := o.(*simulator.VirtualMachine); vm.Name == words[1] {
				stats := &vm.Summary.QuickStats
				for i, value := range []*int32{&stats.OverallCpuUsage, &stats.HostMemoryUsage, &stats.BalloonedMemory} {
					n, _ := strconv.Atoi(words[2+i])
					*value = int32(n)
				}
			}
		}
	case "ask":
		for _, o := range simulator.Map.All("VirtualMachine") {
			if vm := o.(*simulator.VirtualMachine); vm.Name == words[1] {
				question := &types.VirtualMachineQuestionInfo{Id: "17", Text: strings.Join(words[2:], " "), Choice: types.ChoiceOption{ChoiceInfo: []types.BaseElementDescription{
					&types.ElementDescription{Description: types.Description{Label: "Cancel", Summary: "Cancel"}, Key: "0"},
					&types.ElementDescription{Description: types.Description{Label: "I copied it", Summary: "I copied it"}, Key: "2"}}, DefaultIndex: 1}}
				change(vm, []types.PropertyChange{{Name: "runtime.question", Val: question}})
			}
		}
	default:
		return "unknown"
	}
	return ""
}

func main() {
	listen := flag.String("l", "127.0.0.1:0", "where it listens")
	esx := flag.Bool("esx", true, "an ESX host, not a vCenter")
	machines := flag.Int("vm", 2, "machines")
	trace := flag.Bool("trace", false, "tell of each request on standard error")
	flag.Parse()
	log.SetOutput(io.Discard)
	m := simulator.VPX()
	if *esx {
		m = simulator.ESX()
	}
	m.Machine = *machines
	if err := m.Create(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	starts := &autoStart{}
	starts.Self = types.ManagedObjectReference{Type: "HostAutoStartManager", Value: "ha-autostart-mgr"}
	starts.Config.Defaults = &types.AutoStartDefaults{Enabled: types.NewBool(false)}
	simulator.Map.Put(starts)
	m.Service.RegisterEndpoints = true
	m.Service.Listen = &url.URL{Scheme: "http", Host: "127.0.0.1:0", User: url.UserPassword("user", "pass")}
	s := m.Service.NewServer()
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.URL.Host})
	p.ErrorLog = log.New(io.Discard, "", 0)
	p.ModifyResponse = func(r *http.Response) error {
		if !strings.Contains(r.Header.Get("Content-Type"), "xml") {
			return nil
		}
		b, _ := io.ReadAll(r.Body)
		b = typed(b)
		r.Body = io.NopCloser(bytes.NewReader(b))
		r.ContentLength = int64(len(b))
		r.Header.Set("Content-Length", fmt.Sprint(len(b)))
		return nil
	}
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "HTTP-" + r.Method
		var body []byte
		if r.Method == "POST" {
			body, _ = io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if match := method.FindStringSubmatch(string(body)); match != nil {
				name = match[1]
			}
		}
		if *trace {
			began := time.Now()
			defer func() { fmt.Fprintln(os.Stderr, began.Format("05.000"), time.Since(began), name) }()
		}
		if answered(w, r, name, body) {
			return
		}
		path, called := file.FindStringSubmatch(string(body)), named.FindStringSubmatch(string(body))
		if match := this.FindSubmatch(body); name == "RevertToSnapshot_Task" && match != nil {
			if vm, tree := snapshot(string(match[1])); tree != nil {
				change(vm, []types.PropertyChange{{Name: "runtime.powerState", Val: tree.State}, {Name: "summary.runtime.powerState", Val: tree.State}})
			}
		}
		if name == "RegisterVM_Task" && path != nil && called != nil {
			putFiles(path[1], path[2], called[1])
		}
		p.ServeHTTP(w, r)
		if vm := machineOf(body); name == "CreateSnapshot_Task" && vm != nil && vm.Snapshot != nil && vm.Snapshot.CurrentSnapshot != nil && bytes.Contains(body, []byte("<memory>false<")) {
			if _, tree := snapshot(vm.Snapshot.CurrentSnapshot.Value); tree != nil {
				tree.State = types.VirtualMachinePowerStatePoweredOff
				change(vm, []types.PropertyChange{{Name: "snapshot.rootSnapshotList", Val: vm.Snapshot.RootSnapshotList}})
			}
		}
		if name == "RegisterVM_Task" && path != nil {
			readFile("[" + path[1] + "] " + path[2])
		}
		if vm := machineOf(body); name == "ReconfigVM_Task" && vm != nil {
			tell(vm)
		}
	})
	f := httptest.NewUnstartedServer(front)
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f.Listener.Close()
	f.Listener = ln
	f.StartTLS()
	fmt.Println(ln.Addr().(*net.TCPAddr).Port)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 0 {
			fmt.Println("done", do(words))
		}
	}
}
