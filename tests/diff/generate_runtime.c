/* SPDX-License-Identifier: Apache-2.0
 *
 * What every generated program brings along: the checksum, printing, bounds on how long it runs,
 * variadic and jumping helpers, constructors and destructors, a second thread, and main.
 */
#include <stdio.h>
#include <string.h>

#include "generate_private.h"

static const char checksum[] =
    "@jt_sum = global i64 81985529216486895\n"
    "@jt_fuel = global i32 600\n"
    "@jt_depth = global i32 0\n"
    "@jt_lines = internal global i32 24\n"
    "@.line = private unnamed_addr constant [16 x i8] c\"%d %d %016llx\\0A\\00\\00\"\n"
    "declare i32 @printf(ptr, ...)\n"
    "declare i64 @llvm.fshl.i64(i64, i64, i64)\n"
    "define void @jt_mix(i64 %v) {\n"
    "  %s = load i64, ptr @jt_sum\n"
    "  %x = xor i64 %s, %v\n"
    "  %r = call i64 @llvm.fshl.i64(i64 %x, i64 %x, i64 23)\n"
    "  %m = mul i64 %r, -7046029254386353131\n"
    "  store i64 %m, ptr @jt_sum\n"
    "  ret void\n"
    "}\n\n"
    "define void @jt_print(i32 %kind, i32 %tag) {\n"
    "  %s = load i64, ptr @jt_sum\n"
    "  %n = call i32 (ptr, ...) @printf(ptr @.line, i32 %kind, i32 %tag, i64 %s)\n"
    "  ret void\n"
    "}\n\n"
    "define void @jt_trace(i32 %tag) {\n"
    "  %n = load i32, ptr @jt_lines\n"
    "  %some = icmp sgt i32 %n, 0\n"
    "  br i1 %some, label %print, label %out\n"
    "print:\n"
    "  %less = sub i32 %n, 1\n"
    "  store i32 %less, ptr @jt_lines\n"
    "  call void @jt_print(i32 1, i32 %tag)\n"
    "  br label %out\n"
    "out:\n"
    "  ret void\n"
    "}\n\n";

static const char jump_function[] = "declare void @longjmp(ptr, i32) noreturn\n"
                                    "define void @jt_jump(ptr %buffer, i32 %value) {\n"
                                    "  call void @longjmp(ptr %buffer, i32 %value)\n"
                                    "  unreachable\n"
                                    "}\n\n";

/* A va_list is 24 bytes on x86-64 and 32 on AArch64; both pass it as a pointer. */
static const char format_function[] =
    "declare i32 @vsnprintf(ptr, i64, ptr, ptr)\n"
    "define i64 @jt_format(ptr %format, ...) {\n"
    "  %list = alloca [4 x i64], align 16\n"
    "  %text = alloca [8 x i64], align 16\n"
    "  store [8 x i64] zeroinitializer, ptr %text\n"
    "  call void @llvm.va_start.p0(ptr %list)\n"
    "  %n = call i32 @vsnprintf(ptr %text, i64 64, ptr %format, ptr %list)\n"
    "  call void @llvm.va_end.p0(ptr %list)\n"
    "  %a = load i64, ptr %text\n"
    "  %p = getelementptr [8 x i64], ptr %text, i64 0, i64 2\n"
    "  %b = load i64, ptr %p\n"
    "  %m = mul i64 %a, 1000003\n"
    "  %x = xor i64 %m, %b\n"
    "  %w = sext i32 %n to i64\n"
    "  %r = add i64 %x, %w\n"
    "  ret i64 %r\n"
    "}\n\n";

static const char sum_function[] = "define i64 @jt_sum_of(i32 %count, ...) {\n"
                                   "entry:\n"
                                   "  %list = alloca [4 x i64], align 16\n"
                                   "  call void @llvm.va_start.p0(ptr %list)\n"
                                   "  %none = icmp eq i32 %count, 0\n"
                                   "  br i1 %none, label %out, label %round\n"
                                   "round:\n"
                                   "  %i = phi i32 [ 0, %entry ], [ %next, %round ]\n"
                                   "  %s = phi i64 [ 0, %entry ], [ %t, %round ]\n"
                                   "  %a = va_arg ptr %list, i64\n"
                                   "  %d = va_arg ptr %list, double\n"
                                   "  %n = fcmp uno double %d, %d\n"
                                   "  %b = bitcast double %d to i64\n"
                                   "  %c = select i1 %n, i64 77, i64 %b\n"
                                   "  %m = mul i64 %s, 31\n"
                                   "  %u = add i64 %m, %a\n"
                                   "  %t = xor i64 %u, %c\n"
                                   "  %next = add i32 %i, 1\n"
                                   "  %more = icmp ult i32 %next, %count\n"
                                   "  br i1 %more, label %round, label %out\n"
                                   "out:\n"
                                   "  %r = phi i64 [ 1, %entry ], [ %t, %round ]\n"
                                   "  call void @llvm.va_end.p0(ptr %list)\n"
                                   "  ret i64 %r\n"
                                   "}\n\n";

/* It lives in the first module; the others declare what they use of it. */
void emit_runtime(struct gen *g)
{
    text_add(&g->modules[0].code, "%s", checksum);
}

static bool is_needed(const struct gen *g, const char *name)
{
    for (unsigned m = 0; m < g->module_count; m++)
        for (unsigned i = 0; i < g->modules[m].need_count; i++)
            if (strstr(g->modules[m].needs[i], name))
                return true;
    return false;
}

void emit_helpers(struct gen *g)
{
    static const struct {
        const char *name, *text;
    } helpers[] = {{"@jt_jump(", jump_function},
                   {"@jt_format(", format_function},
                   {"@jt_sum_of(", sum_function}};
    struct diff_text *code = &g->modules[0].code;
    bool has_list = false;
    for (unsigned i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        if (!is_needed(g, helpers[i].name))
            continue;
        text_add(code, "%s", helpers[i].text);
        has_list |= i > 0;
    }
    if (has_list)
        text_add(code, "declare void @llvm.va_start.p0(ptr)\ndeclare void @llvm.va_end.p0(ptr)\n");
}

static void emit_structor(struct gen *g, bool is_constructor, unsigned number)
{
    static const unsigned priorities[] = {101, 200, 4000, 65535, 65535};
    struct module *module = &g->modules[g->module];
    struct diff_text *list = is_constructor ? &module->constructor_list : &module->destructor_list;
    const char *name = is_constructor ? "ctor" : "dtor";
    unsigned *count = is_constructor ? &module->structors : &module->destructors;
    need(g, "declare void @jt_mix(i64)");
    need(g, "declare void @jt_print(i32, i32)");
    text_add(&module->code,
             "define internal void @jt_%s%u() {\n  call void @jt_mix(i64 %u)\n"
             "  call void @jt_print(i32 %u, i32 %u)\n  ret void\n}\n\n",
             name, *count, 1 + below(g, 1000), is_constructor ? 2u : 3u, number);
    text_add(list, "%s{ i32, ptr, ptr } { i32 %u, ptr @jt_%s%u, ptr null }", *count ? ", " : "",
             priorities[below(g, 5)], name, *count);
    ++*count;
}

void emit_structors(struct gen *g)
{
    for (unsigned i = below(g, 7); i > 0; i--) {
        bool is_constructor = one_in(g, 2);
        g->module = below(g, g->module_count);
        emit_structor(g, is_constructor, i);
    }
    for (unsigned m = 0; m < g->module_count; m++) {
        struct module *module = &g->modules[m];
        if (module->structors)
            text_add(&module->globals,
                     "@llvm.global_ctors = appending global [%u x { i32, ptr, ptr }] [%s]\n",
                     module->structors, module->constructor_list.bytes);
        if (module->destructors)
            text_add(&module->globals,
                     "@llvm.global_dtors = appending global [%u x { i32, ptr, ptr }] [%s]\n",
                     module->destructors, module->destructor_list.bytes);
    }
}

/* The same code on a second thread, while the first waits. */
static void emit_thread(struct gen *g)
{
    struct function f = {.name = "@jt_thread",
                         .module = g->module,
                         .twin_module = g->module,
                         .convention = "",
                         .result_attribute = "",
                         .result = T_VOID};
    begin_function(g, &f);
    begin_block(g, fresh_label(g));
    emit_entry(g, "%%level = add i32 0, 1");
    emit_guarded_call(g, below(g, g->function_count));
    emit(g, "ret void");
    emit_entry(g, "br label %%L0");
    finish_function(g, &f, f.module, LINK_INTERNAL, "");
    text_fini(&g->entry);
    text_fini(&g->body);
}

static void emit_calls_of_main(struct gen *g)
{
    for (unsigned i = 1 + below(g, 3); i > 0; i--) {
        unsigned chosen = below(g, g->function_count);
        const struct function *f = &g->functions[chosen];
        if (f->linkage == LINK_INTERNAL && f->module != g->module)
            continue;
        emit(g, "store i32 300, ptr @jt_fuel");
        emit(g, "store i32 0, ptr @jt_depth");
        emit_guarded_call(g, chosen);
        emit(g, "call void @jt_print(i32 4, i32 %u)", chosen);
    }
}

static void emit_end_of_main(struct gen *g)
{
    unsigned sum = fresh_value(g), code = fresh_value(g), masked = fresh_value(g);
    for (unsigned m = 0; m < g->module_count; m++) {
        if (m != g->module)
            need(g, "declare void @jt_hash_module%u()", m);
        emit(g, "call void @jt_hash_module%u()", m);
        emit(g, "call void @jt_print(i32 5, i32 %u)", m);
    }
    emit(g, "%%v%u = load i64, ptr @jt_sum", sum);
    emit(g, "%%v%u = trunc i64 %%v%u to i32", code, sum);
    emit(g, "%%v%u = and i32 %%v%u, 63", masked, code);
    if (one_in(g, 6)) {
        need(g, "declare void @exit(i32) noreturn");
        emit(g, "call void @exit(i32 %%v%u)", masked);
        emit(g, "unreachable");
    } else {
        emit(g, "ret i32 %%v%u", masked);
    }
}

void emit_main(struct gen *g)
{
    struct function f = {.name = "@main",
                         .convention = "",
                         .result_attribute = "",
                         .result = T_I32,
                         .parameter_count = 1,
                         .parameters = {T_I32},
                         .attributes = {""}};
    f.module = f.twin_module = g->module = below(g, g->module_count);
    bool has_thread = one_in(g, 5);
    for (unsigned i = 0; has_thread && i < g->function_count; i++)
        has_thread = g->functions[i].linkage != LINK_INTERNAL || g->functions[i].module == f.module;
    if (has_thread)
        emit_thread(g);
    begin_function(g, &f);
    begin_block(g, fresh_label(g));
    need(g, "declare void @jt_mix(i64)");
    need(g, "declare void @jt_print(i32, i32)");
    need(g, "@jt_sum = external global i64");
    need(g, "@jt_fuel = external global i32");
    need(g, "@jt_depth = external global i32");
    emit_entry(g, "%%level = add i32 0, 1");
    mix(g, T_I32, value_text(g, 0));
    emit(g, "call void @jt_print(i32 0, i32 0)");
    emit_calls_of_main(g);
    if (has_thread) {
        need(g, "declare i32 @pthread_create(ptr, ptr, ptr, ptr)");
        need(g, "declare i32 @pthread_join(i64, ptr)");
        unsigned handle = fresh_value(g), result = fresh_value(g), id = fresh_value(g);
        emit(g, "%%v%u = alloca i64", handle);
        emit(g, "%%v%u = call i32 @pthread_create(ptr %%v%u, ptr null, ptr @jt_thread, ptr null)",
             result, handle);
        emit(g, "%%v%u = load i64, ptr %%v%u", id, handle);
        unsigned joined = fresh_value(g);
        emit(g, "%%v%u = call i32 @pthread_join(i64 %%v%u, ptr null)", joined, id);
        mix(g, T_I32, value_text(g, joined));
    }
    emit_end_of_main(g);
    emit_entry(g, "br label %%L0");
    finish_function(g, &f, f.module, LINK_EXTERNAL, "");
    text_fini(&g->entry);
    text_fini(&g->body);
}
