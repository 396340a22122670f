# SPDX-License-Identifier: Apache-2.0
# Lua: the interpreter with all of its libraries as one module. Sourced by scripts/build-recipes.
# Licence of Lua: MIT. Nothing of it is kept in this tree.
# shellcheck shell=bash disable=SC2034

package=lua5.4
# Upstream version, name and SHA-256 of the distribution's upstream tarball. One line per version.
pins=(
    "5.4.4 lua5.4_5.4.4.orig.tar.gz 164c7849653b80ae67bec4b7473b884bf5cc8d2dca05653475ec2ed27b9ebf61"
)
needs=()
libraries=(-lm)
# POSIX without dlopen and readline, so that libc and libm are all it asks for.
flags=(-DLUA_USE_POSIX)

# In the unpacked source: print the C files to compile, relative to it.
prepare() {
    local file
    for file in src/l*.c; do
        [ "$file" = src/luac.c ] || echo "$file"
    done
}
