/* SPDX-License-Identifier: Apache-2.0
 *
 * What others can see of the legacy engine's code: the unwinder from within a first call and at
 * every instruction on the way there, profilers and debuggers where an option says so.
 */
#include "expect.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "jitduel/engine.h"
#include "stubs.h"

extern const struct jd_engine_ops jd_legacy_ops;

/* @outer calls @inner, and neither call is in tail position. */
static const char program[] = "define i32 @inner(i32 %x) uwtable {\n"
                              "  %r = add i32 %x, 1\n"
                              "  ret i32 %r\n"
                              "}\n"
                              "define i32 @outer(i32 %x) uwtable {\n"
                              "  %y = call i32 @inner(i32 %x)\n"
                              "  %r = mul i32 %y, 2\n"
                              "  ret i32 %r\n"
                              "}\n";

enum { FRAMES_MAX = 200 };

/* The functions that a walk met, innermost first. */
struct walk {
    uintptr_t functions[FRAMES_MAX];
    size_t count;
};

struct fixture {
    struct jd_engine *engine;
    struct jd_probe probe;
    struct jd_error err;
    struct walk walk; /* from the first phase of kind `wanted` within `inner`'s first call */
    enum jd_phase wanted;
    bool is_armed;
    uintptr_t outer_addr, inner_addr; /* bodies */
    size_t outer_bytes, inner_bytes;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    if (walk->count == FRAMES_MAX)
        return _URC_END_OF_STACK;
    walk->functions[walk->count++] = (uintptr_t)_Unwind_GetRegionStart(context);
    return _URC_NO_REASON;
}

/* The position of a function in a walk; fails the test where it is not. */
static size_t position_of(const struct walk *walk, uintptr_t function_addr)
{
    for (size_t i = 0; i < walk->count; i++)
        if (walk->functions[i] == function_addr)
            return i;
    return SIZE_MAX;
}

static void on_begin(void *context, enum jd_phase phase)
{
    struct fixture *f = context;
    if (!f->is_armed || phase != f->wanted || !f->outer_addr)
        return;
    f->is_armed = false;
    f->walk.count = 0;
    _Unwind_Backtrace(visit, &f->walk);
}

static void on_compiled(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    struct fixture *f = context;
    bool is_outer = !strcmp(name, "outer");
    *(is_outer ? &f->outer_addr : &f->inner_addr) = code_addr;
    *(is_outer ? &f->outer_bytes : &f->inner_bytes) = code_bytes;
}

static void open_with(struct fixture *f, struct jd_engine_options options)
{
    const struct jd_ir ir = {.bytes = program, .size_bytes = sizeof program - 1, .name = "p.ll"};
    options.struct_size = sizeof options;
    memset(f, 0, sizeof *f);
    f->probe = (struct jd_probe){
        .struct_size = sizeof f->probe, .context = f, .begin = on_begin, .compiled = on_compiled};
    options.probe = &f->probe;
    expect_ok(jd_legacy_ops.create(&options, &f->engine, &f->err), &f->err);
    expect_ok(jd_legacy_ops.add_module(f->engine, &ir, NULL, &f->err), &f->err);
}

static void open_fixture(struct fixture *f, unsigned opt_level)
{
    open_with(f, (struct jd_engine_options){.opt_level = opt_level});
}

static void close_fixture(struct fixture *f)
{
    jd_legacy_ops.destroy(f->engine);
}

static int (*lookup(struct fixture *f, const char *name))(int)
{
    uintptr_t addr;
    expect_ok(jd_legacy_ops.lookup(f->engine, name, &addr, &f->err), &f->err);
    return (int (*)(int))addr;
}

/* Neither inlined nor cloned, and no tail call: it has a frame to be found. */
__attribute__((noipa)) static int call_from_here(int (*function)(int), int x)
{
    int result = function(x);
    __asm__ volatile("" ::: "memory");
    return result;
}

static void expect_whole_walk(const struct fixture *f)
{
    size_t in_switch = position_of(&f->walk, (uintptr_t)jd_call_on_stack);
    size_t in_trampoline = position_of(&f->walk, (uintptr_t)jd_trampoline);
    size_t in_outer = position_of(&f->walk, f->outer_addr);
    size_t in_host = position_of(&f->walk, (uintptr_t)call_from_here);
    assert_true(in_switch < in_trampoline);
    assert_int_equal(in_outer, in_trampoline + 1);
    assert_int_equal(in_host, in_outer + 1);
    assert_true(f->walk.count > in_host + 1);
}

static void walks_from_within_a_first_call(void **state)
{
    static const enum jd_phase phases[] = {JD_PHASE_RESOLVE, JD_PHASE_PARTITION, JD_PHASE_CODEGEN,
                                           JD_PHASE_LINK};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof phases / sizeof *phases; i++) {
        struct fixture f;
        open_fixture(&f, i % 2 ? 2 : 0);
        f.wanted = phases[i / 2];
        f.is_armed = true;
        assert_int_equal(call_from_here(lookup(&f, "outer"), 20), 42);
        assert_false(f.is_armed);
        expect_whole_walk(&f);
        close_fixture(&f);
    }
}

struct thread_call {
    int (*function)(int);
    int result;
};

static void *call_on_thread(void *argument)
{
    struct thread_call *call = argument;
    call->result = call_from_here(call->function, 20);
    return NULL;
}

static void walks_to_a_small_thread(void **state)
{
    struct fixture f;
    pthread_attr_t attributes;
    pthread_t thread;
    (void)state;
    open_fixture(&f, 0);
    f.wanted = JD_PHASE_CODEGEN;
    f.is_armed = true;
    struct thread_call call = {.function = lookup(&f, "outer")};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    assert_int_equal(pthread_create(&thread, &attributes, call_on_thread, &call), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    assert_int_equal(call.result, 42);
    expect_whole_walk(&f);
    assert_true(position_of(&f.walk, (uintptr_t)call_on_thread) < f.walk.count);
    close_fixture(&f);
}

#if defined(__x86_64__)
/* ---- every instruction on the way ---- */

enum { TRAP_FLAG = 0x100, TRAMPOLINE_BYTES = 1024 };

static struct {
    uintptr_t stub_page_addr;
    volatile sig_atomic_t is_over;
    unsigned in_arena, in_trampoline, lost;
    struct walk walk;
} steps;

static bool is_on_the_way(uintptr_t pc)
{
    return pc - (uintptr_t)jd_trampoline < TRAMPOLINE_BYTES &&
           pc - (uintptr_t)jd_trampoline < (uintptr_t)jd_call_on_stack - (uintptr_t)jd_trampoline;
}

/* Walks from the instruction that was interrupted, and lets the next one be interrupted too. */
static void on_step(int number, siginfo_t *info, void *argument)
{
    greg_t *registers = ((ucontext_t *)argument)->uc_mcontext.gregs;
    uintptr_t pc = (uintptr_t)registers[REG_RIP];
    bool is_arena = pc - steps.stub_page_addr < 4096;
    (void)number, (void)info;
    if (pc == (uintptr_t)jd_stub_resolve) {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        steps.is_over = 1;
    }
    if (!is_arena && !is_on_the_way(pc))
        return;
    steps.walk.count = 0;
    _Unwind_Backtrace(visit, &steps.walk);
    steps.lost += position_of(&steps.walk, (uintptr_t)call_from_here) == SIZE_MAX;
    steps.in_arena += is_arena;
    steps.in_trampoline += !is_arena;
}

static void walks_from_every_instruction(void **state)
{
    struct fixture f;
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, old;
    (void)state;
    open_fixture(&f, 0);
    int (*inner)(int) = lookup(&f, "inner");
    memset(&steps, 0, sizeof steps);
    steps.stub_page_addr = (uintptr_t)inner & ~(uintptr_t)4095;
    sigaction(SIGTRAP, &action, &old);
    __asm__ volatile("pushfq; orl %0, (%%rsp); popfq" ::"i"(TRAP_FLAG) : "memory", "cc");
    int result = call_from_here(inner, 41);
    sigaction(SIGTRAP, &old, NULL);
    assert_int_equal(result, 42);
    assert_true(steps.is_over);
    assert_int_equal(steps.lost, 0);
    assert_int_equal(steps.in_arena, 5); /* stub: jmp, push, jmp; entry: push, jmp */
    assert_true(steps.in_trampoline > 20);
    close_fixture(&f);
}
#else
static void walks_from_every_instruction(void **state)
{
    (void)state;
    print_message("single steps are made by the trap flag of x86-64\n");
    skip();
}
#endif

/* ---- perf map ---- */

static const char *map_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    return path;
}

/* How many lines of the map say exactly this of a function. */
static int count_lines(const char *name, uintptr_t addr, size_t bytes)
{
    FILE *map = fopen(map_path(), "r");
    char line[256], wanted[256];
    int count = 0;
    assert_non_null(map);
    snprintf(wanted, sizeof wanted, "%zx %zx %s\n", (size_t)addr, bytes, name);
    while (fgets(line, sizeof line, map))
        count += !strcmp(line, wanted);
    fclose(map);
    return count;
}

/* What a process that once had this number left behind. */
static int remove_old_map(void **state)
{
    (void)state;
    return remove(map_path()) != 0 && errno != ENOENT;
}

static void perf_map_names_what_was_compiled(void **state)
{
    struct fixture first, second;
    (void)state;
    open_with(&first, (struct jd_engine_options){.wants_perf_map = true});
    open_with(&second, (struct jd_engine_options){.wants_perf_map = true});
    assert_int_equal(call_from_here(lookup(&first, "outer"), 20), 42);
    assert_int_equal(count_lines("outer", first.outer_addr, first.outer_bytes), 1);
    assert_int_equal(count_lines("inner", first.inner_addr, first.inner_bytes), 1);
    assert_int_equal(call_from_here(lookup(&second, "inner"), 20), 21);
    assert_int_equal(count_lines("inner", second.inner_addr, second.inner_bytes), 1);
    assert_true(first.inner_bytes && second.inner_bytes);
    close_fixture(&second);
    close_fixture(&first);
    assert_int_equal(count_lines("outer", first.outer_addr, first.outer_bytes), 1);
    assert_int_equal(unlink(map_path()), 0);
}

static void perf_map_that_cannot_be_written_is_an_error(void **state)
{
    const struct jd_engine_options options = {.struct_size = sizeof options,
                                              .wants_perf_map = true};
    struct jd_engine *engine = NULL;
    struct jd_error err = JD_ERROR_INIT;
    (void)state;
    assert_int_equal(mkdir(map_path(), 0700), 0);
    expect_error(jd_legacy_ops.create(&options, &engine, &err), JD_E_IO, map_path(), &err);
    assert_null(engine);
    assert_int_equal(rmdir(map_path()), 0);
    assert_int_equal(symlink("/dev/null", map_path()), 0);
    expect_error(jd_legacy_ops.create(&options, &engine, &err), JD_E_IO, map_path(), &err);
    assert_int_equal(unlink(map_path()), 0);
}

static void nothing_is_written_unasked(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, 0);
    assert_int_equal(call_from_here(lookup(&f, "outer"), 20), 42);
    assert_int_not_equal(access(map_path(), F_OK), 0);
    close_fixture(&f);
}

/* ---- GDB's JIT interface: layout and names are those of its manual ---- */

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

extern __attribute__((visibility("hidden"))) struct jit_descriptor __jit_debug_descriptor;

static size_t count_objects(void)
{
    size_t count = 0;
    struct jit_code_entry *previous = NULL;
    for (struct jit_code_entry *e = __jit_debug_descriptor.first_entry; e; e = e->next_entry) {
        assert_ptr_equal(e->prev_entry, previous);
        previous = e;
        count++;
    }
    return count;
}

/* Where an object says that a function lies; 0: it does not know it. */
static uintptr_t address_in(const struct jit_code_entry *entry, const char *name, uint64_t *bytes)
{
    const Elf64_Ehdr *header = (const void *)entry->symfile_addr;
    const Elf64_Shdr *sections = (const void *)(entry->symfile_addr + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Sym *symbols = (const void *)(entry->symfile_addr + sections[i].sh_offset);
        const char *names = entry->symfile_addr + sections[sections[i].sh_link].sh_offset;
        for (size_t k = 0; k < sections[i].sh_size / sizeof *symbols; k++)
            if (symbols[k].st_shndx != SHN_UNDEF && !strcmp(names + symbols[k].st_name, name)) {
                *bytes = symbols[k].st_size;
                return sections[symbols[k].st_shndx].sh_addr + symbols[k].st_value;
            }
    }
    return 0;
}

static bool is_shown(const char *name, uintptr_t addr, size_t bytes)
{
    uint64_t shown_bytes = 0;
    for (struct jit_code_entry *e = __jit_debug_descriptor.first_entry; e; e = e->next_entry)
        if (address_in(e, name, &shown_bytes) == addr && shown_bytes == bytes)
            return true;
    return false;
}

static void debugger_sees_what_is_compiled(void **state)
{
    struct fixture f, other;
    (void)state;
    assert_int_equal(__jit_debug_descriptor.version, 1);
    assert_int_equal(count_objects(), 0);
    open_with(&f, (struct jd_engine_options){.wants_gdb = true});
    open_fixture(&other, 0);
    assert_int_equal(call_from_here(lookup(&f, "outer"), 20), 42);
    assert_int_equal(call_from_here(lookup(&other, "outer"), 20), 42);
    assert_int_equal(count_objects(), 2);
    assert_true(is_shown("outer", f.outer_addr, f.outer_bytes));
    assert_true(is_shown("inner", f.inner_addr, f.inner_bytes));
    expect_ok(jd_legacy_ops.free_function(f.engine, "inner", &f.err), &f.err);
    assert_int_equal(count_objects(), 1);
    assert_false(is_shown("inner", f.inner_addr, f.inner_bytes));
    assert_int_equal(call_from_here(lookup(&f, "inner"), 20), 21);
    assert_true(is_shown("inner", f.inner_addr, f.inner_bytes));
    close_fixture(&f);
    assert_int_equal(count_objects(), 0);
    close_fixture(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_from_within_a_first_call),
        cmocka_unit_test(walks_to_a_small_thread),
        cmocka_unit_test(walks_from_every_instruction),
        cmocka_unit_test_setup(nothing_is_written_unasked, remove_old_map),
        cmocka_unit_test_setup(perf_map_names_what_was_compiled, remove_old_map),
        cmocka_unit_test_setup(perf_map_that_cannot_be_written_is_an_error, remove_old_map),
        cmocka_unit_test(debugger_sees_what_is_compiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
