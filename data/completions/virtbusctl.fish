# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion for virtbusctl in fish. virtbusctl itself says what may come next; "/files" is for the shell to complete.

function __virtbusctl_complete
    set -l current (commandline -ct)
    set -l before (string match -r -- '^(?:--[^=]*=|media=)' $current)
    for candidate in (virtbusctl complete (commandline -opc)[2..-1] $current 2> /dev/null)
        if test "$candidate" = /files
            for path in (__fish_complete_path (string replace -r -- '^(?:--[^=]*=|media=)' '' $current))
                echo $before$path
            end
        else
            echo $before$candidate
        end
    end
end
complete -c virtbusctl -f -a '(__virtbusctl_complete)'
