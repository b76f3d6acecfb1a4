/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest's agent answers, JSON, as D-Bus. The guest is not trusted: each returns -EBADMSG where the answer is of
 * another type than its protocol says, is deeper than AGENT_ANSWER_DEPTH_MAX, or has a number beyond what was asked for;
 * what is not UTF-8 is made so. */

#include <systemd/sd-bus.h>

#include "base/json.h"

/* What one call may carry to or from a file or a program, in bytes. */
#define AGENT_BYTES_MAX (1024 * 1024)

/* How deep dictionaries may nest in an answer. */
#define AGENT_ANSWER_DEPTH_MAX 8

/* An object, as "a{sv}"; what is in it, as is natural to its type. */
int agent_answer_dictionary(sd_bus_message *message, JsonNode *node);
/* An array of objects, as "aa{sv}". */
int agent_answer_dictionaries(sd_bus_message *message, JsonNode *node);
/* A number, as "x". */
int agent_answer_int(sd_bus_message *message, JsonNode *node);
/* A string, as "s". */
int agent_answer_text(sd_bus_message *message, JsonNode *node);
/* The name of guest-get-host-name, as "s". */
int agent_answer_host_name(sd_bus_message *message, JsonNode *node);
/* guest-get-timezone: name and offset in seconds, as "sx". */
int agent_answer_time_zone(sd_bus_message *message, JsonNode *node);
/* guest-fstrim: its paths, as "aa{sv}". */
int agent_answer_trimmed(sd_bus_message *message, JsonNode *node);
/* guest-ssh-get-authorized-keys, as "as". */
int agent_answer_keys(sd_bus_message *message, JsonNode *node);
/* The number of guest-exec, as "x". */
int agent_answer_pid(sd_bus_message *message, JsonNode *node);
/* guest-exec-status: exited, exit code, signal, output and errors, as "biiayay". */
int agent_answer_exec_status(sd_bus_message *message, JsonNode *node);
/* guest-file-read: bytes and the end of the file, as "ayb". */
int agent_answer_read(sd_bus_message *message, JsonNode *node);
/* How many bytes guest-file-write has taken, as "u". */
int agent_answer_written(sd_bus_message *message, JsonNode *node);
/* guest-file-seek: position and the end of the file, as "xb". */
int agent_answer_position(sd_bus_message *message, JsonNode *node);
/* Any answer, as text: "s". */
int agent_answer_json(sd_bus_message *message, JsonNode *node);
