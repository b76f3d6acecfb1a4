/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-sound.h"

#include <string.h>

#include "domain/device-elements.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

const char *build_sound_audio(Builder *builder, xmlNode *element) {
        const char *id = builder_get(builder, element, "audio/@id");
        const char *name = id ? builder_format(builder, "audio%s", id) : builder->default_audio;
        return name ? builder_escape(builder, name) : NULL;
}

typedef struct AudioOption {
        const char *type; /* "" for all */
        Property property;
} AudioOption;

static void add_audio_options(Builder *builder, xmlNode *element, const char *type, JsonObject *object,
                              const AudioOption *options, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!options[i].type[0] || strcmp(type, options[i].type) == 0)
                        builder_copy_properties(builder, element, object, &options[i].property, 1);
}

/* One direction: what the document calls input is QEMU's "in". */
static void add_direction(Builder *builder, xmlNode *audio, const char *type, const char *name, const char *member,
                          JsonObject *object) {
        static const AudioOption options[] = {
                { "", { "@mixingEngine", "mixing-engine", PROPERTY_FLAG } },
                { "", { "@fixedSettings", "fixed-settings", PROPERTY_FLAG } },
                { "", { "@voices", "voices", PROPERTY_NUMBER } },
                { "", { "@bufferLength", "buffer-length", PROPERTY_NUMBER } },
                { "", { "settings/@frequency", "frequency", PROPERTY_NUMBER } },
                { "", { "settings/@channels", "channels", PROPERTY_NUMBER } },
                { "", { "settings/@format", "format", PROPERTY_STRING } },
                { "alsa", { "@dev", "dev", PROPERTY_STRING } },
                { "alsa", { "@tryPoll", "try-poll", PROPERTY_FLAG } },
                { "oss", { "@dev", "dev", PROPERTY_STRING } },
                { "oss", { "@bufferCount", "buffer-count", PROPERTY_NUMBER } },
                { "oss", { "@tryPoll", "try-poll", PROPERTY_FLAG } },
                { "coreaudio", { "@bufferCount", "buffer-count", PROPERTY_NUMBER } },
                { "sdl", { "@bufferCount", "buffer-count", PROPERTY_NUMBER } },
                { "jack", { "@serverName", "server-name", PROPERTY_STRING } },
                { "jack", { "@clientName", "client-name", PROPERTY_STRING } },
                { "jack", { "@connectPorts", "connect-ports", PROPERTY_STRING } },
                { "jack", { "@exactName", "exact-name", PROPERTY_FLAG } },
                { "pulseaudio", { "@name", "name", PROPERTY_STRING } },
                { "pulseaudio", { "@streamName", "stream-name", PROPERTY_STRING } },
                { "pulseaudio", { "@latency", "latency", PROPERTY_NUMBER } },
        };
        xmlNode *element = builder_element(builder, audio, name);
        if (!element)
                return;
        JsonObject *direction = json_object_new();
        add_audio_options(builder, element, type, direction, options, G_N_ELEMENTS(options));
        json_add(object, member, 'o', direction, NULL);
}

void build_audio(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *type, *driver;
                bool foreign; /* another machine's, which QEMU for Linux lacks */
        } drivers[] = {
                { "none", "none", false }, { "alsa", "alsa", false },   { "coreaudio", "coreaudio", true },
                { "jack", "jack", false }, { "oss", "oss", false },     { "pulseaudio", "pa", false },
                { "sdl", "sdl", false },   { "spice", "spice", false }, { "file", "wav", false },
                { "dbus", "dbus", false },
        };
        static const AudioOption options[] = {
                { "oss", { "@tryMMap", "try-mmap", PROPERTY_FLAG } },
                { "oss", { "@exclusive", "exclusive", PROPERTY_FLAG } },
                { "oss", { "@dspPolicy", "dsp-policy", PROPERTY_NUMBER } },
                { "pulseaudio", { "@serverName", "server", PROPERTY_STRING } },
                { "file", { "@path", "path", PROPERTY_STRING } },
                { "", { "@timerPeriod", "timer-period", PROPERTY_NUMBER } },
        };
        const char *type = builder_require(builder, element, "@type");
        uint64_t id = builder_number(builder, element, "@id", 1, UINT32_MAX, 1);
        (void) part;
        builder_know(builder, element, "@driver alias");
        for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++)
                if (strcmp(type, drivers[i].type) == 0) {
                        JsonObject *backend = json_make("id", 's', builder_format(builder, "audio%" PRIu64, id), "driver", 's',
                                                        drivers[i].driver, NULL);
                        add_audio_options(builder, element, type, backend, options, G_N_ELEMENTS(options));
                        add_direction(builder, element, type, "input", "in", backend);
                        add_direction(builder, element, type, "output", "out", backend);
                        if (drivers[i].foreign && !builder->context->to_show)
                                builder_unsupported(builder, element, "QEMU for Linux has no audio of type %s", type);
                        builder_add_json(builder, "-audiodev", backend);
                        return;
                }
        builder_unsupported(builder, element, "QEMU has no audio of type '%.32s'", type);
}

static void build_codecs(Builder *builder, xmlNode *element, const DeviceDefinition *part, const char *audio) {
        unsigned n = 0;
        xmlNode *codec = builder_element(builder, element, "codec");
        do {
                const char *type = builder_choose(builder, codec, "@type", "duplex micro output");
                builder_add_json(builder, "-device",
                                 json_make("driver", 's', builder_format(builder, "hda-%s", type ? type : "duplex"), "id", 's',
                                           builder_format(builder, "%s-codec%u", part->alias, n), "bus", 's',
                                           builder_format(builder, "%s.0", part->alias), "cad", 'i', (gint64) n, "audiodev", 's',
                                           audio, NULL));
                n++;
        } while (codec && (codec = builder_next(builder, codec)));
}

void build_sound(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *model, *driver;
                bool has_codecs;
        } models[] = {
                { "es1370", "ES1370", false }, { "sb16", "sb16", false },          { "ac97", "AC97", false },
                { "ich6", "intel-hda", true }, { "ich9", "ich9-intel-hda", true }, { "usb", "usb-audio", false },
        };
        const char *audio = build_sound_audio(builder, element), *model = builder_require(builder, element, "@model");
        int multichannel = builder_flag(builder, element, "@multichannel");
        if (strcmp(model, "pcspk") == 0) {
                g_string_append_printf(builder->machine, ",pcspk-audiodev=%s", audio ? audio : "audio1");
                builder_know(builder, element, "alias");
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(model, models[i].model) == 0) {
                        JsonObject *device = builder_device_new(models[i].driver, part);
                        if (multichannel >= 0)
                                json_add(device, "multi", 'b', multichannel, NULL);
                        if (!models[i].has_codecs)
                                json_add(device, "audiodev", 's', audio, NULL);
                        builder_add_device(builder, element, device);
                        if (models[i].has_codecs)
                                build_codecs(builder, element, part, audio);
                        return;
                }
        builder_unsupported(builder, element, "QEMU has no sound card of model '%.32s'", model);
}
