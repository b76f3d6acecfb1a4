# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion for virtbusctl in bash. virtbusctl itself says what may come next; "/files" is for the shell to complete.

_virtbusctl() {
    # bash takes --name=value for three words, and name:more as well; the program gets them as they were typed.
    local line=${COMP_LINE:0:COMP_POINT} words=() word value candidate i
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        line=${line#*"${COMP_WORDS[i - 1]}"}
        if ((${#words[@]})) && [[ $line != [[:space:]]* ]]; then words[-1]+=$word; else words+=("$word"); fi
    done
    value=${words[-1]#--*=}
    COMPREPLY=()
    while IFS= read -r candidate; do
        if [[ $candidate == /files ]]; then
            compopt -o filenames 2> /dev/null
            while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "${value#media=}")
        elif [[ $candidate == "$value"* ]]; then
            [[ $candidate != *= ]] || compopt -o nospace 2> /dev/null
            # Only what follows the last place where bash has parted the word is put there.
            [[ ${COMP_WORDS[COMP_CWORD]} == "$value" || $value != *=* ]] || candidate=${candidate#"${value%=*}="}
            printf -v candidate %q "$candidate"
            COMPREPLY+=("$candidate")
        fi
    done < <(virtbusctl complete "${words[@]}" 2> /dev/null)
}
complete -F _virtbusctl virtbusctl
