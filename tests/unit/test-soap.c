/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/xml.h"
#include "esx/hardware.h"
#include "esx/vim.h"
#include "remote/remote-uri.h"
#include "remote/soap.h"

#define HEAD \
        "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/' " \
        "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><soapenv:Header><x><returnval>no</returnval></x></" \
        "soapenv:Header>" \
        "<soapenv:Body>"
#define TAIL "</soapenv:Body></soapenv:Envelope>"

static bool collect(void *data, xmlNode *element, GError **error) {
        g_autofree char *text = xml_text(element);
        (void) error;
        g_string_append_printf(data, "%s=%s ", (const char *) element->name, text ? text : "");
        return true;
}

/* What is read of an answer, or "" with an error. */
static char *read_text(const char *text, size_t length, const char *const *opened, SoapFault *fault, GError **error) {
        g_autoptr(GString) read = g_string_new(NULL);
        bool is_fine = soap_read(text, length, &(SoapReader){ collect, read, opened }, fault, error);
        g_assert_true(is_fine == !*error);
        return g_strdup(read->str);
}

static void refuse(const char *text, const char *part) {
        g_auto(SoapFault) fault = { 0 };
        g_autoptr(GError) error = NULL;
        g_autofree char *read = read_text(text, strlen(text), NULL, &fault, &error);
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_HYPERVISOR_FAILED);
        if (!strstr(error->message, part))
                g_error("'%s' is not in '%s'", part, error->message);
}

static void test_an_answer_is_read_an_element_at_a_time(void) {
        static const char *const opened[] = { "a", NULL };
        static const char text[] = HEAD "<r xmlns='urn:vim25'><a><b>1</b><b> 2 </b></a><c><d>3</d></c></r>" TAIL;
        g_auto(SoapFault) fault = { 0 };
        g_autoptr(GError) error = NULL;
        g_autofree char *whole = read_text(text, strlen(text), NULL, &fault, &error),
                        *each = read_text(text, strlen(text), opened, &fault, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(whole, ==, "a=1 2 c=3 ");
        g_assert_cmpstr(each, ==, "b=1 b=2 c=3 ");
        g_assert_null(fault.type);
}

static void test_a_fault_has_its_type_and_its_words_in_plain_text(void) {
        static const char text[] = HEAD "<soapenv:Fault><faultcode>x</faultcode><faultstring>a\n\tb</faultstring>"
                                        "<detail><y xsi:type='vim:InvalidLogin'/></detail></soapenv:Fault>" TAIL;
        g_auto(SoapFault) fault = { 0 };
        g_autoptr(GError) error = NULL, meant = NULL;
        g_autofree char *read = read_text(text, strlen(text), NULL, &fault, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(fault.type, ==, "InvalidLogin");
        g_assert_cmpstr(fault.text, ==, "a  b");
        vim_fault_set(&meant, fault.type, fault.text);
        g_assert_error(meant, VIRTBUS_ERROR, VIRTBUS_ERROR_ACCESS_DENIED);
        g_assert_nonnull(strstr(meant->message, "(a  b)"));
}

static void test_what_is_not_an_answer_is_refused(void) {
        static const char whole[] = HEAD "<r><a>1</a><b><c/></b></r>" TAIL;
        g_autoptr(GString) deep = g_string_new(HEAD "<r>"), many = g_string_new(HEAD "<r><a>");
        refuse("", "");
        refuse("hello", "cut");
        refuse("<x/>", "envelope");
        refuse(HEAD TAIL, "cut");
        refuse("<!DOCTYPE x [<!ENTITY a 'b'>]>" HEAD "<r>&a;</r>" TAIL, "document type");
        refuse(HEAD "<r><a>&unknown;</a></r>" TAIL, "");
        for (size_t i = 1; i < sizeof whole - 1; i++) {
                g_auto(SoapFault) fault = { 0 };
                g_autoptr(GError) error = NULL;
                g_autofree char *read = read_text(whole, i, NULL, &fault, &error);
                g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_HYPERVISOR_FAILED);
        }
        for (int i = 0; i <= SOAP_DEPTH_MAX + 1; i++)
                g_string_append(deep, "<a>");
        for (int i = 0; i <= SOAP_DEPTH_MAX + 1; i++)
                g_string_append(deep, "</a>");
        g_string_append(deep, "</r>" TAIL);
        refuse(deep->str, "deep");
        for (int i = 0; i <= SOAP_ELEMENTS_MAX; i++)
                g_string_append(many, "<b/>");
        g_string_append(many, "</a></r>" TAIL);
        refuse(many->str, "many");
}

static void test_what_is_asked_is_text_whatever_it_is(void) {
        g_autoptr(GString) body = g_string_new(NULL);
        soap_put(body, "a", NULL, "<&\"'>");
        g_assert_cmpstr(body->str, ==, "<a>&lt;&amp;&quot;&apos;&gt;</a>");
}

static void test_a_reference_is_bounded(void) {
        g_auto(VimReference) reference = { 0 };
        g_autofree char *many = g_strnfill(VIM_REFERENCE_BYTES_MAX + 1, 'x'),
                        *text = g_strdup_printf("<r><a type='T'>v</a><b type='T'>%s</b><c>v</c><d type='T'/></r>", many);
        g_autoptr(xmlDoc) document = xml_parse_own(text, "r", NULL);
        const xmlNode *root = xmlDocGetRootElement(document);
        g_assert_true(vim_reference_read(&reference, xml_child(root, "a")));
        g_assert_cmpstr(reference.value, ==, "v");
        g_assert_false(vim_reference_read(&reference, xml_child(root, "b")));
        g_assert_false(vim_reference_read(&reference, xml_child(root, "c")));
        g_assert_false(vim_reference_read(&reference, xml_child(root, "d")));
        g_assert_false(vim_reference_read(&reference, NULL));
}

static void test_uris_are_read_as_libvirt_writes_them(void) {
        static const char *const known[] = { "no_verify", "proxy", NULL };
        static const char *const wrong[] = { "esx:///",
                                             "esx://",
                                             "esx://h/?x=1",
                                             "esx://u:p@h/",
                                             "esx://h/#f",
                                             "esx://h/?no_verify",
                                             "esx://h:99999/",
                                             "esx://h/%0a",
                                             "x",
                                             NULL };
        g_autoptr(GError) error = NULL;
        bool flag = false;
        g_autoptr(RemoteUri) uri = remote_uri_parse("vpx://a%40b@[::1]:8443//dc%20one//esx/?no_verify=1&proxy=socks5%3A%2F%2Fp",
                                                    known, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(uri->username, ==, "a@b");
        g_assert_cmpstr(uri->path, ==, "dc one/esx");
        g_assert_cmpstr(remote_uri_parameter(uri, "proxy"), ==, "socks5://p");
        g_assert_true(remote_uri_flag(uri, "no_verify", &flag, &error) && flag);
        g_autofree char *place = remote_uri_place(uri, 443);
        g_assert_cmpstr(place, ==, "[::1]:8443");
        for (size_t i = 0; wrong[i]; i++) {
                g_autoptr(GError) refused = NULL;
                g_autoptr(RemoteUri) none = remote_uri_parse(wrong[i], known, &refused);
                if (none)
                        g_error("%s is read", wrong[i]);
                g_assert_error(refused, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        }
}

#define DEVICE(type, more) "<VirtualDevice xsi:type='" type "'>" more "</VirtualDevice>"

static void test_devices_are_lines_of_a_configuration(void) {
        static const char text[] = "<val xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>" DEVICE(
                        "VirtualDisk",
                        "<backing xsi:type='x'><fileName>[a] "
                        "b.vmdk</fileName><diskMode>independent_nonpersistent</diskMode></backing>"
                        "<controllerKey>9</controllerKey><unitNumber>3</unitNumber>") DEVICE("ParaVirtualSCSIController",
                                                                                             "<key>9</key><busNumber>1</"
                                                                                             "busNumber>")
                        DEVICE("VirtualVmxnet2",
                               "<backing xsi:type='x'><deviceName>n</deviceName></backing><addressType>Manual</addressType>"
                               "<macAddress>00:50:56:00:00:01</macAddress>")
                                        DEVICE("VirtualCdrom", "<backing xsi:type='VirtualCdromIsoBackingInfo'><fileName>[a] "
                                                               "c.iso</fileName></backing><controllerKey>9</controllerKey>"
                                                               "<unitNumber>3</unitNumber>")
                                                        DEVICE("VirtualSomethingNew", "") "</val>";
        g_autoptr(xmlDoc) document = xml_parse_own(text, "val", NULL);
        g_autoptr(GString) lines = g_string_new(NULL);
        hardware_write(xmlDocGetRootElement(document), lines);
        g_assert_cmpstr(lines->str, ==,
                        "scsi1.present = \"TRUE\"\nscsi1.virtualDev = \"pvscsi\"\n"
                        "scsi1:3.present = \"TRUE\"\nscsi1:3.fileName = \"[a] b.vmdk\"\nscsi1:3.mode = "
                        "\"independent-nonpersistent\"\n"
                        "ethernet0.present = \"TRUE\"\nethernet0.virtualDev = \"vmxnet\"\nethernet0.features = \"15\"\n"
                        "ethernet0.addressType = \"static\"\nethernet0.address = \"00:50:56:00:00:01\"\nethernet0.networkName = "
                        "\"n\"\n"
                        "scsi1:4.present = \"TRUE\"\nscsi1:4.deviceType = \"cdrom-image\"\nscsi1:4.fileName = \"[a] c.iso\"\n");
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/soap/an answer is read an element at a time", test_an_answer_is_read_an_element_at_a_time);
        g_test_add_func("/soap/a fault has its type and its words in plain text",
                        test_a_fault_has_its_type_and_its_words_in_plain_text);
        g_test_add_func("/soap/what is not an answer is refused", test_what_is_not_an_answer_is_refused);
        g_test_add_func("/soap/what is asked is text whatever it is", test_what_is_asked_is_text_whatever_it_is);
        g_test_add_func("/soap/a reference is bounded", test_a_reference_is_bounded);
        g_test_add_func("/soap/uris are read as libvirt writes them", test_uris_are_read_as_libvirt_writes_them);
        g_test_add_func("/soap/devices are lines of a configuration", test_devices_are_lines_of_a_configuration);
        return g_test_run();
}
