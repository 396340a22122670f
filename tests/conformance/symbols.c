/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 48, 50 and 51: names that the host defines, far ones and missing weak ones.
 */
#include "cases.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- 48 --- */

void case_extern_weak_unresolved_is_null(struct trial *t)
{
    static const char ir[] = "@absent_variable = extern_weak global i64\n"
                             "declare extern_weak i64 @absent_function()\n"
                             "declare extern_weak i32 @getpid()\n"
                             "@in_table = global [2 x ptr] [ptr @absent_function, ptr @getpid]\n"
                             "define ptr @address_of_variable() {\n"
                             "  ret ptr @absent_variable\n"
                             "}\n"
                             "define i64 @call_if_there() {\n"
                             "  %is = icmp ne ptr @absent_function, null\n"
                             "  br i1 %is, label %call, label %skip\n"
                             "call:\n"
                             "  %r = call i64 @absent_function()\n"
                             "  ret i64 %r\n"
                             "skip:\n"
                             "  ret i64 48\n"
                             "}\n"
                             "define ptr @address_of_getpid() {\n"
                             "  ret ptr @getpid\n"
                             "}\n";
    trial_create(t, NULL);
    trial_add(t, "weak", ir);
    trial_prepare(t);
    CHECK_EQ(CALLEE(t, "address_of_variable", uintptr_t, void)(), 0);
    CHECK_EQ(CALLEE(t, "call_if_there", int64_t, void)(), 48);
    uintptr_t getpid_addr = (uintptr_t)dlsym(RTLD_DEFAULT, "getpid");
    CHECK_EQ(CALLEE(t, "address_of_getpid", uintptr_t, void)(), getpid_addr);
    const uintptr_t *table = (const uintptr_t *)trial_lookup(t, "in_table");
    CHECK_EQ(table[0], 0);
    CHECK_EQ(table[1], getpid_addr);
}

/* --- 50 --- */

static int64_t host_first(void)
{
    return 1;
}

static int64_t host_second(void)
{
    return 2;
}

/* A module's function that has run: the symbol's new address is where calls go that were bound to
 * the body, and calls through the address that was known. Or the engine refuses. */
static void check_definition_of_compiled(struct trial *t)
{
    trial_create(t, NULL);
    trial_add(t, "owner", "define i64 @owned() {\n  ret i64 3\n}\n");
    trial_add(t, "user",
              "declare i64 @owned()\n"
              "define i64 @call() {\n"
              "  %r = call i64 @owned()\n"
              "  ret i64 %r\n"
              "}\n");
    int64_t (*call)(void) = CALLEE(t, "call", int64_t, void);
    int64_t (*kept)(void) = CALLEE(t, "owned", int64_t, void);
    bool can_redefine = trial_has(t, JD_CAP_REDEFINE_SYMBOL);
    CHECK_EQ(call(), 3);
    CHECK_EQ(call(), 3);
    CHECK_EQ(kept(), 3);
    CHECK_CODE(t->ops->define_symbol(t->engine, "owned", JD_SYMBOL_FUNCTION,
                                     (uintptr_t)&host_second, &t->err),
               can_redefine ? JD_OK : JD_E_UNSUPPORTED);
    CHECK_EQ(call(), can_redefine ? 2 : 3);
    CHECK_EQ(kept(), can_redefine ? 2 : 3);
    CHECK_EQ(CALLEE(t, "owned", int64_t, void)(), can_redefine ? 2 : 3);
    trial_destroy(t);
}

void case_define_symbol_function_and_variable(struct trial *t)
{
    static const char ir[] = "declare i64 @function()\n"
                             "@variable = external global i64\n"
                             "define i64 @call() {\n"
                             "  %r = call i64 @function()\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define i64 @load() {\n"
                             "  %r = load i64, ptr @variable, align 8\n"
                             "  ret i64 %r\n"
                             "}\n";
    static const int64_t first = 10, second = 20;
    bool can_redefine = trial_has(t, JD_CAP_REDEFINE_SYMBOL);
    trial_create(t, NULL);
    trial_define(t, "function", JD_SYMBOL_FUNCTION, (uintptr_t)&host_first);
    trial_add(t, "user", ir);
    trial_define(t, "variable", JD_SYMBOL_VARIABLE, (uintptr_t)&first);
    int64_t (*call)(void) = CALLEE(t, "call", int64_t, void);
    int64_t (*load)(void) = CALLEE(t, "load", int64_t, void);
    CHECK_EQ(call(), 1);
    CHECK_EQ(load(), 10);
    CHECK_EQ(trial_lookup(t, "variable"), (uintptr_t)&first);

    int expected = can_redefine ? JD_OK : JD_E_UNSUPPORTED;
    CHECK_CODE(t->ops->define_symbol(t->engine, "function", JD_SYMBOL_FUNCTION,
                                     (uintptr_t)&host_second, &t->err),
               expected);
    CHECK_CODE(t->ops->define_symbol(t->engine, "variable", JD_SYMBOL_VARIABLE, (uintptr_t)&second,
                                     &t->err),
               expected);
    CHECK_EQ(call(), can_redefine ? 2 : 1);
    CHECK_EQ(load(), can_redefine ? 20 : 10);
    trial_destroy(t);

    check_definition_of_compiled(t);

    trial_create(t, NULL); /* a defined symbol wins over the process and over modules */
    trial_define(t, "getpid", JD_SYMBOL_FUNCTION, (uintptr_t)&host_second);
    trial_define(t, "owned", JD_SYMBOL_FUNCTION, (uintptr_t)&host_second);
    trial_add(t, "owner", "define i64 @owned() {\n  ret i64 3\n}\n");
    trial_add(t, "winner",
              "declare i64 @getpid()\n"
              "declare i64 @owned()\n"
              "define i64 @both() {\n"
              "  %a = call i64 @getpid()\n"
              "  %b = call i64 @owned()\n"
              "  %c = mul i64 %a, 10\n"
              "  %r = add i64 %b, %c\n"
              "  ret i64 %r\n"
              "}\n");
    CHECK_EQ(CALLEE(t, "both", int64_t, void)(), 22);
}

/* --- 51 --- */

/* Machine code of `return 51`. */
#if defined(__x86_64__)
static const uint8_t return_51[] = {0xB8, 51, 0, 0, 0, 0xC3};
#elif defined(__aarch64__)
static const uint8_t return_51[] = {0x60, 0x06, 0x80, 0x52, 0xC0, 0x03, 0x5F, 0xD6};
#endif

enum { PAGE_BYTES_MAX = 65536 };

/* Two pages at an address where no loader puts anything: code, then data. */
static uint8_t *map_far_away(void)
{
    static const uintptr_t places[] = {0x1000000000, 0x2000000000, 0x10000000000};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        void *wanted = (void *)places[i];
        void *got = mmap(wanted, 2 * (size_t)PAGE_BYTES_MAX, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == wanted)
            return got;
        if (got != MAP_FAILED)
            munmap(got, 2 * (size_t)PAGE_BYTES_MAX);
    }
    return NULL;
}

static bool is_far(uintptr_t a, uintptr_t b)
{
    return (a > b ? a - b : b - a) > (uintptr_t)1 << 31;
}

void case_libc_over_2gb_away(struct trial *t)
{
    static const char ir[] =
        "declare i64 @far_function()\n"
        "@far_variable = external global i64\n"
        "@far_pointers = global [2 x ptr] [ptr @far_function, ptr @far_variable]\n"
        "define i64 @call() {\n"
        "  %r = call i64 @far_function()\n"
        "  ret i64 %r\n"
        "}\n"
        "define i64 @exchange(i64 %x) {\n"
        "  %r = load i64, ptr @far_variable, align 8\n"
        "  store i64 %x, ptr @far_variable, align 8\n"
        "  ret i64 %r\n"
        "}\n"
        "define ptr @address() {\n"
        "  ret ptr @far_function\n"
        "}\n";
    uint8_t *far = map_far_away();
    if (!far)
        SKIP("no memory could be mapped far away from everything else");
    memcpy(far, return_51, sizeof return_51);
    int64_t *variable = (int64_t *)(void *)(far + PAGE_BYTES_MAX);
    *variable = 510;
    CHECK(!mprotect(far, PAGE_BYTES_MAX, PROT_READ | PROT_EXEC));

    trial_create(t, NULL);
    trial_add(t, "far", ir);
    trial_define(t, "far_function", JD_SYMBOL_FUNCTION, (uintptr_t)far);
    trial_define(t, "far_variable", JD_SYMBOL_VARIABLE, (uintptr_t)variable);
    CHECK(is_far(trial_lookup(t, "call"), (uintptr_t)far));
    CHECK_EQ(CALLEE(t, "call", int64_t, void)(), 51);
    CHECK_EQ(CALLEE(t, "exchange", int64_t, int64_t)(511), 510);
    CHECK_EQ(*variable, 511);
    CHECK_EQ(((int64_t(*)(void))CALLEE(t, "address", uintptr_t, void)())(), 51);
    const uintptr_t *pointers = (const uintptr_t *)trial_lookup(t, "far_pointers");
    CHECK_EQ(pointers[1], (uintptr_t)variable);
    CHECK_EQ(((int64_t(*)(void))pointers[0])(), 51);
    trial_destroy(t);
    munmap(far, 2 * (size_t)PAGE_BYTES_MAX);
}
