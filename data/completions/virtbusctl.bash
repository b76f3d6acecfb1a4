# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion for virtbusctl in bash. Verbs and options are those that --help tells, domains those that the bus knows.

_virtbusctl() {
    local current=${COMP_WORDS[COMP_CWORD]} word verb= help places=()
    help=$(virtbusctl --help 2> /dev/null)
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        --user) places+=(--user) ;;
        -*) ;;
        *) [ -n "$verb" ] || verb=$word ;;
        esac
    done
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$(grep -oE -- '--[a-z-]+=?' <<< "$help")" -- "$current"))
    elif [ -z "$verb" ]; then
        COMPREPLY=($(compgen -W "$(sed -nE 's/^  ([a-z]+) .*/\1/p' <<< "$help")" -- "$current"))
    else
        case $verb in
        define | restore | import | translate) COMPREPLY=($(compgen -f -- "$current")) ;;
        create | monitor | capabilities) ;;
        *)
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(virtbusctl "${places[@]}" --no-ask-password --no-legend list 2> /dev/null | cut -d ' ' -f 1)" -- "$current"))
            ;;
        esac
    fi
}
complete -o default -F _virtbusctl virtbusctl
