# SPDX-License-Identifier: LGPL-2.1-or-later
# What build-guest and build-host share: Debian's packages, unpacked and not installed, and kernel modules. To be sourced.

# unpack FOLDER PACKAGE...: downloads packages and unpacks them into a folder.
unpack() {
    local folder=$1 debs
    shift
    debs=$(mktemp -d "$folder.XXXXXX")
    echo "  downloading ${#} packages"
    (cd "$debs" && apt-get -q -o APT::Sandbox::User=root download "$@" > apt.log 2>&1) || { cat "$debs/apt.log" >&2; return 1; }
    echo "  unpacking"
    for package in "$debs"/*.deb; do dpkg -x "$package" "$folder"; done
    rm -r "$debs"
}

# kernel_package META: the package of the kernel that a package of Debian's stands for.
kernel_package() {
    local name
    name=$(apt-cache depends "$1" | awk '/Depends: linux-image/ { print $2; exit }')
    [ -n "$name" ] || { echo "apt knows no $1; run: apt-get update" >&2; return 1; }
    echo "$name"
}

# modules UNPACKED FOLDER NAME...: copies kernel modules and those that they need; FOLDER/order lists them as they can be loaded.
modules() {
    local unpacked=$1 folder=$2 name
    shift 2
    touch "$folder/order"
    for name; do
        local file needed
        file=$(find "$unpacked/lib/modules" -name "$(sed 's/[-_]/[-_]/g' <<< "$name").ko*" | sed -n 1p)
        [ -n "$file" ] || continue # built in
        needed=$(tr "\0" "\n" < "$file" | sed -n "s/^depends=//p" | tr , " ")
        [ -z "$needed" ] || modules "$unpacked" "$folder" $needed
        grep -qx "$(basename "$file")" "$folder/order" && continue
        cp "$file" "$folder/"
        basename "$file" >> "$folder/order"
    done
}

# initramfs ROOT FILE: packs an initial file system, which has busybox.
initramfs() { (cd "$1" && find . | bin/busybox cpio -o -H newc 2> /dev/null | gzip -1) > "$2"; }
