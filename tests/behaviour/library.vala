/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What test-library.py builds and runs: libvirtbus-1 as a program in Vala sees it. Starts the domain that is named, follows it, and
 * saves it. */

async void use (string name) throws Error {
	var client = yield new Virtbus.Client (null, null);
	var domain = client.find_domain (name);
	domain.state_changed.connect ((before, state, reason) => print ("%s -> %s\n", before, state));
	yield domain.start (Virtbus.DomainStartFlags.NONE, null);
	Variant stats;
	var none = new VariantDict ().end ();
	yield client.get_connection_of (domain).call_get_domain_stats ({ ((DBusProxy) domain).g_object_path }, { "cpu", "state" }, none, DBusCallFlags.NONE, -1, null, out stats);
	print ("statistics: %s\n", stats.get_type_string ());
	yield domain.call_send_keys ({ "ctrl", "a" }, none, DBusCallFlags.NONE, -1, null);
	print ("%u domains in the list\n", client.domain_list.get_n_items ());
	string job;
	yield domain.managed_save (Virtbus.DomainManagedSaveFlags.NONE, null, out job);
	client.job_changed[job].connect ((job) => print ("%s: %u of 100\n", job.operation, (uint) (job.progress * 100)));
	yield client.wait_for_job (job, null);
	print ("saved: %s\n", domain.has_managed_save ? "yes" : "no");
	try {
		client.find_domain ("nobody");
	} catch (Virtbus.Error error) {
		print ("%s\n", (error is Virtbus.Error.NO_SUCH_DOMAIN) ? "nobody is not there" : error.message);
	}
}

int main (string[] arguments) {
	var loop = new MainLoop ();
	var status = 1;
	use.begin (arguments[1], (source, result) => {
		try {
			use.end (result);
			status = 0;
		} catch (Error error) {
			printerr ("%s\n", error.message);
		}
		loop.quit ();
	});
	loop.run ();
	return status;
}
