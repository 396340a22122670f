/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols of the process. Knows no LLVM, no engine.
 * Sources: dlsym(3); Itanium C++ ABI 3.3.6 (__cxa_atexit, __dso_handle); LSB __register_atfork.
 */
#include "process_symbols.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "exit_list.h"
#include "host_tls.h"

uintptr_t jd_process_symbol(const char *name)
{
    if (!strcmp(name, "__emutls_get_address"))
        return (uintptr_t)jd_host_tls_get_address;
    if (!strcmp(name, "__cxa_atexit"))
        return (uintptr_t)jd_exit_register;
    return (uintptr_t)dlsym(RTLD_DEFAULT, name);
}

static const struct {
    const char *name, *ir;
} statics[] = {
    {"atexit", "@__dso_handle = external global i8\n"
               "declare i32 @__cxa_atexit(ptr, ptr, ptr)\n"
               "define i32 @atexit(ptr %f) {\n"
               "  %r = tail call i32 @__cxa_atexit(ptr %f, ptr null, ptr @__dso_handle)\n"
               "  ret i32 %r\n}\n"},
    {"at_quick_exit", "@__dso_handle = external global i8\n"
                      "declare i32 @__cxa_at_quick_exit(ptr, ptr)\n"
                      "define i32 @at_quick_exit(ptr %f) {\n"
                      "  %r = tail call i32 @__cxa_at_quick_exit(ptr %f, ptr @__dso_handle)\n"
                      "  ret i32 %r\n}\n"},
    {"pthread_atfork",
     "@__dso_handle = external global i8\n"
     "declare i32 @__register_atfork(ptr, ptr, ptr, ptr)\n"
     "define i32 @pthread_atfork(ptr %a, ptr %b, ptr %c) {\n"
     "  %r = tail call i32 @__register_atfork(ptr %a, ptr %b, ptr %c, ptr @__dso_handle)\n"
     "  ret i32 %r\n}\n"},
};

const char *jd_process_symbol_ir(const char *name)
{
    for (size_t i = 0; i < sizeof statics / sizeof *statics; i++)
        if (!strcmp(statics[i].name, name))
            return statics[i].ir;
    return NULL;
}
