# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the scripts share: where the tree is, how to say things, how many jobs. Sourced by bash;
# it knows nothing of engines, suites or packages.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Progress goes to standard error, so that a script's standard output stays a program's own.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die CODE TEXT: one line that says what is wrong and what to do. Codes as in sysexits.h.
die() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

EX_USAGE=64       # an option that makes no sense
EX_UNAVAILABLE=69 # something that the machine lacks
EX_CANTCREAT=73   # an output that cannot be written

# The comment at the top of the calling script, between the SPDX line and the first blank line.
print_help() { sed -n -e '1,2d' -e '/^$/q' -e 's/^# \{0,1\}//p' "$0"; }

# Compile jobs: as many as there are cores, but no more than one for each 1.5 GiB of memory (the
# files that include LLVM's C++ headers need that much). JOBS overrides.
jobs_count() {
    local cores memory_kib by_memory
    [ -n "${JOBS:-}" ] && { echo "$JOBS" && return; }
    cores=$(nproc)
    memory_kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    by_memory=$((memory_kib / 1572864))
    [ "$by_memory" -ge 1 ] || by_memory=1
    echo $((cores < by_memory ? cores : by_memory))
}

# build_preset NAME [TARGET...]: configure build/NAME and build it, or only these targets. Ninja says
# nothing when nothing is to do; the configuration log is shown only when it failed.
build_preset() {
    local preset=$1 log
    shift
    log=$(mktemp) || die "$EX_CANTCREAT" "no temporary file can be made; is \$TMPDIR writable?"
    if ! (cd "$root" && cmake --preset "$preset") >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        die 1 "configuring preset '$preset' failed: see above"
    fi
    rm -f "$log"
    say "building preset '$preset' with $(jobs_count) jobs"
    (cd "$root" && cmake --build --preset "$preset" ${1:+--target "$@"} -- -j "$(jobs_count)") \
        >&2 </dev/null ||
        die 1 "building preset '$preset' failed: see above"
}

# The bitcode of real programs. What cannot be had (no network, no source package) is skipped with
# its reason and is no failure: its tests and workloads say why they were left out.
# build_recipes [OPTION...] as scripts/build-recipes.
build_recipes() {
    "$root/scripts/build-recipes" "$@" >&2 </dev/null ||
        die 1 "building the real programs failed: see above (--no-recipes goes on without them)"
}
