/* SPDX-License-Identifier: Apache-2.0
 *
 * LLVM outlives the program. exit(3) runs handlers in reverse order of registration, and LLVM
 * registers destructors of tables in its code generator when it first uses them, long after the
 * program's own handlers could be made to come first. A handler of the program that is compiled at
 * exit, or a thread that still compiles then, would find those tables destroyed (seen: a crash in
 * SelectionDAG::getNode). Nothing of LLVM needs to be destroyed in a process that ends, so its
 * registrations are dropped, those of everybody else passed on.
 *
 * Works by defining the function for the whole process; linked into the executable only. Knows of
 * LLVM the name of its library. With LLVM linked statically its objects are the executable's.
 * Source: Itanium C++ ABI, 3.3.6.3 (__cxa_atexit).
 */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef int (*register_fn)(void (*)(void *), void *, void *);

extern void *__dso_handle;
int __cxa_atexit(void (*handler)(void *), void *object, void *dso_handle);

/* Objects of C++ code in the executable are LLVM's or a shim's; handlers without an object come
 * from atexit and are kept. */
static bool belongs_to_llvm(const void *object, void *dso_handle)
{
    struct dl_find_object library; /* dladdr would search the symbols too: 0.4 ms a process */
    if (dso_handle == &__dso_handle)
        return object != NULL;
    return dso_handle && !_dl_find_object(dso_handle, &library) && library.dlfo_link_map &&
           strstr(library.dlfo_link_map->l_name, "/libLLVM");
}

int __cxa_atexit(void (*handler)(void *), void *object, void *dso_handle)
{
    /* libLLVM alone registers some thousand of them before main: ask once per run of the same. */
    static void *_Atomic last_of_llvm;
    if (last_of_llvm && dso_handle == last_of_llvm)
        return 0;
    if (belongs_to_llvm(object, dso_handle)) {
        if (dso_handle != &__dso_handle)
            last_of_llvm = dso_handle;
        return 0;
    }
    void *symbol = dlsym(RTLD_NEXT, "__cxa_atexit");
    register_fn pass_on;
    memcpy(&pass_on, &symbol, sizeof pass_on);
    return pass_on(handler, object, dso_handle);
}
