# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Installing packages on a machine where other things happen too: another process holds apt's locks,
# a site does not answer once, dpkg was interrupted. Sourced by bash after lib.sh, whose say and die
# it uses; it knows nothing of which packages.

# How to become root, as words before a command.
as_root=()

# Whether packages can be installed at all; else die with the command that root would have to type.
need_root() {
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
        die "$EX_UNAVAILABLE" "missing packages: $*; as root, run:" \
            "apt-get update && apt-get install -y --no-install-recommends $*"
    as_root=(sudo -n)
}

# What apt said in the file: why another try may help, or nothing where it would not.
reason_to_try_again() {
    if grep -qE 'Could not get lock|is another process using it' "$1"; then
        echo lock
    elif grep -q 'dpkg was interrupted' "$1"; then
        echo interrupted
    elif grep -qE 'Failed to fetch|Temporary failure|Could not (connect|resolve)|timed out' "$1"; then
        echo site
    fi
}

# What has to happen before the next try; fails where there was one for that reason too often.
# apt_recover REASON: counts in lock_waits, site_waits and repairs of the caller.
apt_recover() {
    case $1 in
    lock) # ten minutes: as long as a machine installs its updates by itself
        [ $((lock_waits++)) -lt 60 ] || return 1
        [ "$lock_waits" != 1 ] || say "another process has apt's locks; waiting for it (at most 10 minutes)"
        sleep 10
        ;;
    interrupted)
        [ $((repairs++)) -lt 1 ] || return 1
        say "dpkg was interrupted; finishing what it had begun: dpkg --configure -a"
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a >&2 </dev/null
        ;;
    site)
        [ $((site_waits++)) -lt 2 ] || return 1
        say "a package site does not answer; trying again in $((site_waits * 10)) s"
        sleep $((site_waits * 10))
        ;;
    *) return 1 ;;
    esac
}

# apt_get WORD...: as root, its messages on standard error; its exit code after the last try.
apt_get() {
    local log status lock_waits=0 site_waits=0 repairs=0
    log=$(mktemp) || die "$EX_CANTCREAT" "no temporary file can be made; is \$TMPDIR writable?"
    while :; do
        status=0
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o Acquire::Retries=3 "$@" \
            2>&1 </dev/null | tee "$log" >&2 || status=$?
        [ "$status" != 0 ] && apt_recover "$(reason_to_try_again "$log")" || break
    done
    rm -f "$log"
    return "$status"
}

# apt_install PACKAGE...: or die with the reason. Lists that are a part short are used as they are.
apt_install() {
    need_root "$@"
    say "installing $*"
    apt_get -o APT::Update::Error-Mode=any update ||
        say "'apt-get update' failed at least in part; trying with the package lists that are here"
    apt_get -y --no-install-recommends install "$@" ||
        die "$EX_UNAVAILABLE" "apt-get could not install: $*; its own message is above"
}
