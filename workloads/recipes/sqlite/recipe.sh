# SPDX-License-Identifier: Apache-2.0
# SQLite: the library and its command-line shell as one module. Sourced by scripts/build-recipes.
# Licence of SQLite: public domain. Nothing of it is kept in this tree.
# shellcheck shell=bash disable=SC2034

package=sqlite3
# Upstream version, name and SHA-256 of the distribution's upstream tarball. One line per version.
pins=(
    "3.40.1 sqlite3_3.40.1.orig.tar.xz aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655"
)
# The tarball holds the sources of the amalgamation, which a Tcl program puts together.
needs=(tclsh:tcl make:make gcc:gcc)
libraries=(-lm)
# Neither dlopen, threads, readline nor zlib: libc and libm are all it asks for.
flags=(-DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_THREADSAFE=0)

# In the unpacked source: print the C files to compile, relative to it.
prepare() {
    {
        ./configure --disable-readline --disable-tcl --disable-load-extension
        make sqlite3.c shell.c
    } >prepare.log 2>&1 || {
        tail -n 20 prepare.log >&2
        return 1
    }
    echo sqlite3.c
    echo shell.c
}
