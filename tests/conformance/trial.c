/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials: engines, IR and checks for the cases. IR goes to the engine as text, or as bitcode that
 * LLVM's C API makes of the text; the bitcode names the host's triple and data layout as a front
 * end's does, the text leaves them out, so both ways are tried.
 */
#include "trial.h"

#include <llvm-c/BitWriter.h>
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/TargetMachine.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trial_buffer {
    struct trial_buffer *next;
    char *text;                  /* when it is text */
    LLVMMemoryBufferRef bitcode; /* when it is bitcode */
};

/* --- checks --- */

static void print_verdict(const struct trial *t, const char *verdict)
{
    fflush(stdout);
    fprintf(stderr, "%s %s.%s -O%u %s: ", verdict, t->ops->name, t->case_name, t->opt_level,
            t->form == TRIAL_TEXT ? "text" : "bitcode");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void trial_fail(const struct trial *t, const char *file, int line, const char *format, ...)
{
    va_list args;
    print_verdict(t, "FAIL");
    fprintf(stderr, "%s:%d: ", base_name(file), line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    _exit(TRIAL_EXIT_FAIL);
}

void trial_skip(struct trial *t, const char *format, ...)
{
    va_list args;
    trial_end(t);
    print_verdict(t, "SKIP");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(TRIAL_EXIT_SKIP);
}

void trial_check_equal(const struct trial *t, const char *file, int line, const char *expression,
                       int64_t actual, int64_t expected)
{
    if (actual != expected)
        trial_fail(t, file, line, "%s is %lld, expected %lld", expression, (long long)actual,
                   (long long)expected);
}

static const char *error_line(const struct trial *t, char *out, size_t out_bytes)
{
    return t->err.code ? jd_error_line(&t->err, out, out_bytes) : "no text";
}

void trial_check_code(const struct trial *t, const char *file, int line, const char *expression,
                      int code, int expected)
{
    char text[1100];
    if (expected == -1 ? code != JD_OK : code == expected)
        return;
    trial_fail(t, file, line, "%s gave %s (%s), expected %s", expression, jd_code_name(code),
               error_line(t, text, sizeof text),
               expected == -1 ? "a failure" : jd_code_name(expected));
}

void trial_check_kind(const struct trial *t, const char *file, int line, const char *expression,
                      int code, enum jd_kind expected)
{
    char text[1100];
    if (jd_code_kind(code) == expected && (!code || t->err.kind == expected))
        return;
    trial_fail(t, file, line, "%s gave kind %s (%s), expected %s", expression,
               jd_kind_name(jd_code_kind(code)), error_line(t, text, sizeof text),
               jd_kind_name(expected));
}

/* --- text --- */

void text_add(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t more = (size_t)vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (text->used_bytes + more + 1 > text->room_bytes) {
        text->room_bytes = 2 * (text->used_bytes + more + 1);
        text->chars = realloc(text->chars, text->room_bytes);
        if (!text->chars)
            abort();
    }
    vsnprintf(text->chars + text->used_bytes, more + 1, format, again);
    va_end(again);
    text->used_bytes += more;
}

void text_free(struct text *text)
{
    free(text->chars);
    *text = (struct text){0};
}

/* --- IR --- */

static struct trial_buffer *new_buffer(struct trial *t)
{
    struct trial_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        abort();
    buffer->next = t->buffers;
    t->buffers = buffer;
    return buffer;
}

static void set_host_target(LLVMModuleRef module)
{
    LLVMTargetRef target;
    char *message = NULL;
    char *triple = LLVMGetDefaultTargetTriple();
    LLVMInitializeNativeTarget();
    if (LLVMGetTargetFromTriple(triple, &target, &message)) {
        fprintf(stderr, "no native target: %s\n", message);
        abort();
    }
    LLVMTargetMachineRef machine = LLVMCreateTargetMachine(
        target, triple, "generic", "", LLVMCodeGenLevelNone, LLVMRelocPIC, LLVMCodeModelDefault);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(module, triple);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeTargetMachine(machine);
    LLVMDisposeMessage(triple);
}

/* Writing bitcode parses the module's assembly for its symbols; what is wrong there is for the
 * engine to say, and without a handler LLVM would end the process. */
static void ignore_diagnostic(LLVMDiagnosticInfoRef info, void *context)
{
    (void)info;
    (void)context;
}

static LLVMMemoryBufferRef assemble(const struct trial *t, const char *name, const char *ir_text)
{
    LLVMModuleRef module;
    char *message = NULL;
    LLVMContextRef context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(context, ignore_diagnostic, NULL);
    LLVMMemoryBufferRef source =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(ir_text, strlen(ir_text), name);
    if (LLVMParseIRInContext(context, source, &module, &message))
        trial_fail(t, __FILE__, __LINE__, "the case's own IR does not parse: %s", message);
    set_host_target(module);
    LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(module);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    return bitcode;
}

struct jd_ir trial_ir_as(struct trial *t, enum trial_form form, const char *name,
                         const char *ir_text)
{
    struct trial_buffer *buffer = new_buffer(t);
    if (form == TRIAL_TEXT) {
        buffer->text = strdup(ir_text);
        return (struct jd_ir){buffer->text, strlen(ir_text), name};
    }
    buffer->bitcode = assemble(t, name, ir_text);
    return (struct jd_ir){LLVMGetBufferStart(buffer->bitcode), LLVMGetBufferSize(buffer->bitcode),
                          name};
}

struct jd_ir trial_ir(struct trial *t, const char *name, const char *ir_text)
{
    return trial_ir_as(t, t->form, name, ir_text);
}

static void free_buffers(struct trial *t)
{
    while (t->buffers) {
        struct trial_buffer *buffer = t->buffers;
        t->buffers = buffer->next;
        free(buffer->text);
        if (buffer->bitcode)
            LLVMDisposeMemoryBuffer(buffer->bitcode);
        free(buffer);
    }
}

/* --- engines --- */

static uintptr_t on_fault(void *context, const char *name, const struct jd_error *err)
{
    struct trial *t = context;
    char line[1100];
    t->fault.count++;
    snprintf(t->fault.name, sizeof t->fault.name, "%s", name);
    t->fault.error = *err;
    if (t->fault.landing)
        longjmp(*t->fault.landing, 1);
    if (!t->fault.substitute_addr)
        trial_fail(t, __FILE__, __LINE__, "the first call of '%s' failed: %s", name,
                   jd_error_line(err, line, sizeof line));
    return t->fault.substitute_addr;
}

struct jd_engine_options trial_options(struct trial *t)
{
    return (struct jd_engine_options){
        .struct_size = sizeof(struct jd_engine_options),
        .opt_level = t->opt_level,
        .on_error = on_fault,
        .on_error_context = t,
    };
}

void trial_create(struct trial *t, const struct jd_engine_options *options)
{
    struct jd_engine_options defaults = trial_options(t);
    CHECK_OK(t->ops->create(options ? options : &defaults, &t->engine, &t->err));
    CHECK(t->engine && t->engine->ops == t->ops);
}

void trial_destroy(struct trial *t)
{
    if (t->engine)
        t->ops->destroy(t->engine);
    t->engine = NULL;
}

void trial_end(struct trial *t)
{
    trial_destroy(t);
    free_buffers(t);
}

jd_module_id trial_add(struct trial *t, const char *name, const char *ir_text)
{
    jd_module_id id = 0;
    struct jd_ir ir = trial_ir(t, name, ir_text);
    CHECK_OK(t->ops->add_module(t->engine, &ir, &id, &t->err));
    CHECK(id != 0);
    return id;
}

int trial_try_add(struct trial *t, const char *name, const char *ir_text)
{
    struct jd_ir ir = trial_ir(t, name, ir_text);
    jd_error_clear(&t->err);
    return t->ops->add_module(t->engine, &ir, NULL, &t->err);
}

void trial_prepare(struct trial *t)
{
    CHECK_OK(t->ops->prepare(t->engine, &t->err));
}

uintptr_t trial_lookup(struct trial *t, const char *name)
{
    uintptr_t addr = 0;
    CHECK_OK(t->ops->lookup(t->engine, name, &addr, &t->err));
    CHECK(addr != 0);
    return addr;
}

int trial_try_lookup(struct trial *t, const char *name, uintptr_t *out_addr)
{
    jd_error_clear(&t->err);
    return t->ops->lookup(t->engine, name, out_addr, &t->err);
}

void trial_define(struct trial *t, const char *name, enum jd_symbol_kind kind, uintptr_t addr)
{
    CHECK_OK(t->ops->define_symbol(t->engine, name, kind, addr, &t->err));
}

struct jd_counters trial_counters(struct trial *t)
{
    struct jd_counters counters = {.struct_size = sizeof counters};
    CHECK_OK(t->ops->counters(t->engine, &counters, &t->err));
    return counters;
}

static bool names_symbol(const struct jd_error *err, const char *symbol)
{
    return strstr(err->where, symbol) || strstr(err->text, symbol);
}

static int64_t minus_one(int64_t x)
{
    (void)x;
    return -1;
}

void trial_check_unresolved(struct trial *t, const char *entry, const char *symbol)
{
    uintptr_t addr = 0;
    jd_error_clear(&t->err);
    int code = t->ops->prepare(t->engine, &t->err);
    if (!code)
        code = t->ops->lookup(t->engine, entry, &addr, &t->err);
    if (code) {
        CHECK_EQ(code, JD_E_UNRESOLVED);
        CHECK(names_symbol(&t->err, symbol));
        return;
    }
    CHECK(trial_has(t, JD_CAP_LAZY));
    unsigned count = t->fault.count;
    t->fault.substitute_addr = (uintptr_t)&minus_one;
    CHECK_EQ(((int64_t(*)(int64_t))addr)(1), -1);
    t->fault.substitute_addr = 0;
    CHECK_EQ(t->fault.count, count + 1);
    CHECK_EQ(t->fault.error.code, JD_E_UNRESOLVED);
    CHECK(names_symbol(&t->fault.error, symbol));
}
