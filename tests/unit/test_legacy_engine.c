/* SPDX-License-Identifier: Apache-2.0
 *
 * The legacy engine through its contract: what the conformance cases, which every engine must pass,
 * cannot ask of all. Life cycle and memory, laziness of data, errors in the middle of a run.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "legacy_fixture.h"
#include "patience.h"

static struct {
    jmp_buf back;
    struct jd_error error;
    char name[64];
} handled;

static uintptr_t on_error(void *context, const char *name, const struct jd_error *error)
{
    (void)context;
    handled.error = *error;
    snprintf(handled.name, sizeof handled.name, "%s", name);
    longjmp(handled.back, 1);
}

static void create_handled(struct jd_engine_options options)
{
    options.on_error = on_error;
    create(options);
}

static int set_up(void **state)
{
    (void)state;
    create_handled((struct jd_engine_options){0});
    return 0;
}

static void one_partition_per_first_call(void **state)
{
    (void)state;
    add("m", "define i32 @f(i32 %x) { %c = icmp eq i32 %x, 0 br i1 %c, label %a, label %b\n"
             "a: ret i32 7\n b: %r = call i32 @g() ret i32 %r }\n"
             "define i32 @g() { ret i32 8 }\n");
    int (*f)(int) = (int (*)(int))find("f");
    assert_int_equal(count().functions_compiled, 0);
    assert_int_equal(f(0), 7);
    assert_int_equal(count().functions_compiled, 1);
    assert_int_equal(f(1), 8);
    assert_int_equal(f(1), 8);
    assert_int_equal(count().functions_compiled, 2);
    assert_int_equal(count().bodies_materialised, 2);
}

static void data_costs_nothing_until_it_is_used(void **state)
{
    (void)state;
    add("m", "@big = global [1048576 x i8] zeroinitializer\n"
             "@small = global i32 3\n"
             "define i32 @f() { %x = load i32, ptr @small ret i32 %x }\n"
             "define ptr @g() { ret ptr @big }\n");
    assert_int_equal(call("f"), 3);
    assert_true(count().data_bytes < 4096);
    assert_non_null(((void *(*)(void))find("g"))());
    assert_true(count().data_bytes >= 1048576);
}

static void rounds_of_adding_and_removing_reuse_memory(void **state)
{
    static const char caller[] = "declare i32 @f()\n"
                                 "define i32 @call() { %r = call i32 @f() ret i32 %r }\n";
    static const char callee[] = "@g = global i32 5\n"
                                 "define i32 @f() { %x = load i32, ptr @g %y = add i32 %x, 1\n"
                                 "store i32 %y, ptr @g ret i32 %y }\n";
    struct jd_counters early = {0}, late;
    (void)state;
    add("caller", caller);
    for (int round = 0; round < 2000; round++) {
        jd_module_id id = add("callee", callee);
        assert_int_equal(call("call"), 6);
        expect_ok(engine->ops->remove_module(engine, id, &err), &err);
        if (round == 20)
            early = count();
    }
    late = count();
    assert_int_equal(late.code_bytes, early.code_bytes);
    assert_int_equal(late.data_bytes, early.data_bytes);
    assert_int_equal(late.got_bytes, early.got_bytes);
    assert_int_equal(late.stubs_live, early.stubs_live);
    assert_int_equal(late.committed_bytes, early.committed_bytes);
    assert_int_equal(late.modules_added, 1);
}

static void removed_function_is_unresolved_until_defined_again(void **state)
{
    jd_module_id id;
    uintptr_t addr;
    (void)state;
    add("caller", "declare i32 @f()\ndefine i32 @call() { %r = call i32 @f() ret i32 %r }\n");
    id = add("one", "define i32 @f() { ret i32 1 }\n");
    assert_int_equal(call("call"), 1);
    expect_ok(engine->ops->remove_module(engine, id, &err), &err);
    if (!setjmp(handled.back)) {
        call("call");
        fail();
    }
    assert_int_equal(handled.error.code, JD_E_UNRESOLVED);
    assert_string_equal(handled.name, "f");
    expect_error(engine->ops->lookup(engine, "f", &addr, &err), JD_E_NOT_FOUND, "f", &err);
    add("two", "define i32 @f() { ret i32 2 }\n");
    assert_int_equal(call("call"), 2);
}

static void weak_definition_takes_over_when_the_strong_one_goes(void **state)
{
    jd_module_id id;
    (void)state;
    add("weak", "define weak i32 @f() { ret i32 1 }\n");
    id = add("strong", "define i32 @f() { ret i32 2 }\n");
    add("caller", "declare i32 @f()\ndefine i32 @call() { %r = call i32 @f() ret i32 %r }\n");
    assert_int_equal(call("call"), 2);
    expect_ok(engine->ops->remove_module(engine, id, &err), &err);
    assert_int_equal(call("call"), 1);
}

static void recompile_leads_every_way_to_the_new_body(void **state)
{
    static const char two[] = "define i32 @f() { ret i32 2 }\n";
    struct jd_ir ir = {two, sizeof two - 1, "two"};
    int (*kept)(void);
    (void)state;
    add("m", "define i32 @f() { ret i32 1 }\n"
             "define i32 @g() { %r = call i32 @f() ret i32 %r }\n"
             "@table = global [1 x ptr] [ptr @f]\n"
             "define i32 @h() { %p = load ptr, ptr @table %r = call i32 %p() ret i32 %r }\n");
    kept = (int (*)(void))find("f");
    assert_int_equal(kept(), 1); /* compiled first, so that g binds to the body */
    assert_int_equal(call("g"), 1);
    assert_int_equal(call("h"), 1);
    expect_ok(engine->ops->recompile(engine, "f", &ir, &err), &err);
    assert_int_equal(kept(), 2);
    assert_int_equal(call("g"), 2);
    assert_int_equal(call("h"), 2);
    assert_int_equal(find("f"), (uintptr_t)kept);
}

static void failed_recompile_changes_nothing(void **state)
{
    static const char bad[] =
        "define i32 @f() { call void asm sideeffect \"no such thing\", \"\"() ret i32 2 }";
    static const char other[] = "define i32 @other() { ret i32 2 }\n";
    struct jd_ir bad_ir = {bad, sizeof bad - 1, "bad"}, other_ir = {other, sizeof other - 1, "o"};
    (void)state;
    add("m", "define i32 @f() { ret i32 1 }\n");
    assert_int_equal(call("f"), 1);
    expect_error(engine->ops->recompile(engine, "f", &bad_ir, &err), JD_E_COMPILE, "f", &err);
    expect_error(engine->ops->recompile(engine, "f", &other_ir, &err), JD_E_NOT_FOUND, "o", &err);
    expect_error(engine->ops->recompile(engine, "nowhere", &other_ir, &err), JD_E_NOT_FOUND,
                 "nowhere", &err);
    assert_int_equal(call("f"), 1);
}

static void empty_body_has_an_address(void **state)
{
    (void)state;
    add("m", "define void @empty() { unreachable }\n"
             "define i32 @f(i1 %c) { br i1 %c, label %a, label %b\n"
             "a: call void @empty() unreachable\n b: ret i32 3 }\n");
    expect_ok(engine->ops->set_lazy(engine, false, &err), &err);
    int (*f)(int) = (int (*)(int))find("f");
    assert_int_equal(f(0), 3);
    assert_int_equal(count().functions_compiled, 2);
}

#if defined(__x86_64__)
/* LLVM writes f@@8 into the object for a function f of this calling convention. */
static void adorned_names_are_those_of_their_functions(void **state)
{
    static const char text[] =
        "define x86_vectorcallcc i32 @f(i32 %a) { %r = add i32 %a, 1 ret i32 %r }\n"
        "@also = alias i32 (i32), ptr @f\n"
        "declare x86_vectorcallcc i32 @h(i32)\n"
        "define i32 @g() { %a = call x86_vectorcallcc i32 @f(i32 1)\n"
        "  %b = call x86_vectorcallcc i32 @h(i32 %a)\n"
        "  %r = call x86_vectorcallcc i32 @also(i32 %b) ret i32 %r }\n";
    (void)state;
    add("m", text);
    add("n", "define x86_vectorcallcc i32 @h(i32 %a) { %r = mul i32 %a, 10 ret i32 %r }\n");
    assert_int_equal(call("g"), 21);
}
#endif

static void freed_function_compiles_again(void **state)
{
    struct jd_counters before, after;
    (void)state;
    add("m", "@s = private constant [3 x i8] c\"ab\\00\"\n"
             "define i32 @f() { %x = load i8, ptr @s %y = zext i8 %x to i32 ret i32 %y }\n"
             "define i32 @g() { %r = call i32 @f() ret i32 %r }\n");
    assert_int_equal(call("f"), 'a');
    assert_int_equal(call("g"), 'a');
    before = count();
    for (int round = 0; round < 100; round++) {
        expect_ok(engine->ops->free_function(engine, "f", &err), &err);
        assert_int_equal(call("g"), 'a');
    }
    after = count();
    assert_int_equal(after.code_bytes, before.code_bytes);
    assert_int_equal(after.rodata_bytes, before.rodata_bytes);
    assert_int_equal(after.functions_compiled, before.functions_compiled + 100);
}

static void uncompilable_callee_leaves_the_rest_running(void **state)
{
    (void)state;
    add("m", "define i32 @bad() { call void asm sideeffect \"no such thing\", \"\"() ret i32 0 }\n"
             "define i32 @f(i32 %x) { %c = icmp eq i32 %x, 0 br i1 %c, label %a, label %b\n"
             "a: ret i32 7\n b: %r = call i32 @bad() ret i32 %r }\n");
    int (*f)(int) = (int (*)(int))find("f");
    assert_int_equal(f(0), 7);
    for (int round = 0; round < 3; round++) {
        if (!setjmp(handled.back)) {
            f(1);
            fail();
        }
        assert_int_equal(handled.error.code, JD_E_COMPILE);
        assert_string_equal(handled.name, "bad");
        assert_int_equal(f(0), 7);
    }
}

static void full_arena_leaves_earlier_functions_running(void **state)
{
    static char text[4096];
    char name[16];
    volatile int calls = 0;
    (void)state;
    destroy(NULL);
    create_handled((struct jd_engine_options){.arena_limit_bytes = 64 << 10});
    add("first", "define i32 @first() { ret i32 1 }\n");
    assert_int_equal(call("first"), 1);
    for (volatile int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        snprintf(text, sizeof text,
                 "@t%d = global [500 x i8] zeroinitializer\n"
                 "define ptr @f%d() { ret ptr @t%d }\n",
                 i, i, i);
        struct jd_ir ir = {text, strlen(text), "more"};
        uintptr_t addr;
        if (engine->ops->add_module(engine, &ir, NULL, &err) ||
            engine->ops->lookup(engine, name, &addr, &err))
            break;
        if (setjmp(handled.back)) {
            err = handled.error;
            break;
        }
        assert_non_null(((void *(*)(void))addr)());
        calls = calls + 1;
    }
    assert_int_equal(err.code, JD_E_ARENA_FULL);
    jd_error_clear(&err);
    assert_true(calls > 10);
    assert_int_equal(call("first"), 1);
}

static void labels_are_known_to_other_functions(void **state)
{
    (void)state;
    add("m", "@labels = constant [2 x ptr] [ptr blockaddress(@f, %a), ptr blockaddress(@f, %b)]\n"
             "define i32 @f(ptr %to) { indirectbr ptr %to, [label %a, label %b]\n"
             "a: ret i32 1\n b: ret i32 2 }\n"
             "define i32 @g(i64 %i) { %p = getelementptr ptr, ptr @labels, i64 %i\n"
             "%to = load ptr, ptr %p %r = call i32 @f(ptr %to) ret i32 %r }\n");
    int (*g)(int64_t) = (int (*)(int64_t))find("g");
    assert_int_equal(g(0), 1);
    assert_int_equal(g(1), 2);
    /* Its code must stay: the table holds addresses inside it. */
    expect_ok(engine->ops->free_function(engine, "f", &err), &err);
    assert_int_equal(g(1), 2);
}

/* The body is read again for the second try, with labels of its own. */
static void labels_of_a_function_that_failed_first(void **state)
{
    static int missing = 30;
    (void)state;
    destroy(NULL);
    create_handled((struct jd_engine_options){.opt_level = 0});
    add("m", "@table = internal constant [2 x ptr] [ptr blockaddress(@f, %a), "
             "ptr blockaddress(@f, %b)]\n"
             "@missing = external global i32\n"
             "define i32 @f(i32 %x) {\n"
             "  %p = getelementptr [2 x ptr], ptr @table, i32 0, i32 %x\n"
             "  %l = load ptr, ptr %p\n"
             "  indirectbr ptr %l, [label %a, label %b, label %c]\n"
             "a: %v = load i32, ptr @missing ret i32 %v\n"
             "b: indirectbr ptr blockaddress(@f, %c), [label %c]\n"
             "c: ret i32 2 }\n");
    int (*f)(int) = (int (*)(int))find("f");
    for (int round = 0; round < 3; round++) {
        if (!setjmp(handled.back)) {
            f(1);
            fail();
        }
        assert_int_equal(handled.error.code, JD_E_UNRESOLVED);
    }
    expect_ok(engine->ops->define_symbol(engine, "missing", JD_SYMBOL_VARIABLE, (uintptr_t)&missing,
                                         &err),
              &err);
    assert_int_equal(f(0), 30);
    assert_int_equal(f(1), 2);
}

/* Code memory is a shared mapping: without a copy, parent and child would write into each other. */
static void child_of_a_fork_compiles_on_its_own(void **state)
{
    (void)state;
    add("m", "define i32 @a() { ret i32 1 }\ndefine i32 @b() { ret i32 2 }\n"
             "define i32 @c() { ret i32 3 }\n");
    assert_int_equal(call("a"), 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(call("b") == 2 && call("a") == 1 && call("c") == 3 ? 0 : 1);
    int status;
    assert_int_equal(call("c"), 3);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(call("b"), 2);
    assert_int_equal(call("a"), 1);
}

static void *compile_without_end(void *argument)
{
    atomic_int *stop = argument;
    struct jd_error error = JD_ERROR_INIT;
    while (!*stop) {
        engine->ops->free_function(engine, "busy", &error);
        jd_error_clear(&error);
        uintptr_t addr = 0;
        engine->ops->lookup(engine, "busy", &addr, &error);
        ((int (*)(void))addr)();
    }
    return NULL;
}

/* The lock must not be held by a thread that the child does not have. */
static void child_of_a_fork_in_the_middle_of_a_compile(void **state)
{
    static atomic_int stop;
    pthread_t thread;
    (void)state;
    add("m", "define i32 @busy() { ret i32 1 }\ndefine i32 @b() { ret i32 2 }\n");
    assert_int_equal(call("busy"), 1);
    stop = 0;
    assert_int_equal(pthread_create(&thread, NULL, compile_without_end, (void *)(uintptr_t)&stop),
                     0);
    for (int round = 0; round < 20; round++) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            alarm(PATIENCE_S);
            _exit(call("b") == 2 && call("busy") == 1 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    stop = 1;
    pthread_join(thread, NULL);
}

static void lookup_does_not_depend_on_the_number_of_modules(void **state)
{
    char text[128], name[16];
    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "define i32 @f%d() { ret i32 %d }\n", i, i);
        add("m", text);
    }
    for (int i = 0; i < 3000; i += 499) {
        snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(call(name), i);
    }
    assert_int_equal(count().modules_added, 3000);
    assert_true(count().mappings < 40);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_partition_per_first_call),
        TEST(data_costs_nothing_until_it_is_used),
        TEST(rounds_of_adding_and_removing_reuse_memory),
        TEST(removed_function_is_unresolved_until_defined_again),
        TEST(weak_definition_takes_over_when_the_strong_one_goes),
        TEST(recompile_leads_every_way_to_the_new_body),
        TEST(failed_recompile_changes_nothing),
        TEST(empty_body_has_an_address),
#if defined(__x86_64__)
        TEST(adorned_names_are_those_of_their_functions),
#endif
        TEST(freed_function_compiles_again),
        TEST(uncompilable_callee_leaves_the_rest_running),
        TEST(full_arena_leaves_earlier_functions_running),
        TEST(labels_are_known_to_other_functions),
        TEST(labels_of_a_function_that_failed_first),
        TEST(child_of_a_fork_compiles_on_its_own),
        TEST(child_of_a_fork_in_the_middle_of_a_compile),
        TEST(lookup_does_not_depend_on_the_number_of_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
