/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols of the process. Knows no LLVM, no engine.
 * Sources: dlsym(3); Itanium C++ ABI 3.3.6 (__cxa_atexit, __dso_handle); LSB __register_atfork.
 */
#include "process_symbols.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "bfloat.h"
#include "exit_list.h"
#include "host_tls.h"

/* The C library looks for the caller among the loaded libraries to know what comes after it; code
 * of an engine is in none, and before all of them (dlsym(3), RTLD_NEXT). */
static void *find_next(void *handle, const char *name)
{
    return dlsym(handle == RTLD_NEXT ? RTLD_DEFAULT : handle, name);
}

static const struct jd_static_symbol replaced[] = {
    {"__emutls_get_address", (uintptr_t)jd_host_tls_get_address},
    {"__cxa_atexit", (uintptr_t)jd_exit_register},
    {"__once_proxy", (uintptr_t)jd_host_tls_once_proxy},
    {"dlsym", (uintptr_t)find_next},
    {NULL, 0},
};

/* What generated code calls and the system may lack. */
static const struct jd_static_symbol provided[] = {
    {"__truncsfbf2", (uintptr_t)__truncsfbf2},
    {"__truncdfbf2", (uintptr_t)__truncdfbf2},
    {NULL, 0},
};

static uintptr_t find_static(const struct jd_static_symbol *symbols, const char *name)
{
    for (; symbols->name; symbols++)
        if (!strcmp(symbols->name, name))
            return symbols->addr;
    return 0;
}

/* NAME@VERSION, as file-level assembly asks for it with .symver. */
static void *find_version(const char *name, const char *at)
{
    char plain[256];
    size_t length = (size_t)(at - name);
    if (length >= sizeof plain)
        return NULL;
    memcpy(plain, name, length);
    plain[length] = '\0';
    return dlvsym(RTLD_DEFAULT, plain, at + strspn(at, "@"));
}

uintptr_t jd_process_symbol(const char *name)
{
    uintptr_t addr = find_static(replaced, name);
    const char *at = strchr(name, '@');
    if (!addr)
        addr = (uintptr_t)dlsym(RTLD_DEFAULT, name);
    if (!addr && at)
        addr = (uintptr_t)find_version(name, at);
    if (!addr)
        addr = find_static(provided, name);
    return addr ? addr : find_static(jd_static_symbols_cpu, name);
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
    {"llvm_gc_root_chain", "@llvm_gc_root_chain = linkonce global ptr null\n"},
};

const char *jd_process_symbol_ir(const char *name)
{
    for (size_t i = 0; i < sizeof statics / sizeof *statics; i++)
        if (!strcmp(statics[i].name, name))
            return statics[i].ir;
    return NULL;
}
