/* SPDX-License-Identifier: Apache-2.0
 *
 * Target set-up and IR reading, shared by all engines. Knows no engine.
 * Sources: llvm-c/TargetMachine.h, llvm-c/BitReader.h, llvm-c/IRReader.h; LLVM language reference,
 * "The 'llvm.global_ctors' Global Variable".
 */
#include "target.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module_shim.h"
#include "target_shim.h"

static struct {
    pthread_once_t once;
    struct jd_error error;
    char *triple; /* lives as long as the process */
    LLVMTargetRef target;
} host = {.once = PTHREAD_ONCE_INIT};

static void init_host(void)
{
    char *message = NULL;
    host.triple = LLVMGetDefaultTargetTriple();
    if (!host.triple)
        jd_fail(&host.error, JD_E_NO_MEMORY, "target", "no memory to ask what this machine is");
    else if (LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter() ||
             LLVMInitializeNativeAsmParser())
        jd_fail(&host.error, JD_E_UNSUPPORTED, host.triple, "LLVM was built without this target");
    else if (LLVMGetTargetFromTriple(host.triple, &host.target, &message))
        jd_llvm_take_message(&host.error, JD_E_UNSUPPORTED, host.triple, message);
}

int jd_target_init(struct jd_error *err)
{
    pthread_once(&host.once, init_host);
    if (host.error.code)
        return jd_fail(err, host.error.code, host.error.where, "%s", host.error.text);
    return JD_OK;
}

const char *jd_target_triple(void)
{
    return host.triple;
}

LLVMCodeGenOptLevel jd_target_opt_level(unsigned opt_level)
{
    static const LLVMCodeGenOptLevel levels[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                                 LLVMCodeGenLevelDefault,
                                                 LLVMCodeGenLevelAggressive};
    return levels[opt_level > 3 ? 3 : opt_level];
}

/* Not strdup: what it allocates, tests of failing allocations do not see. */
static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

static bool is_native(const struct jd_engine_options *options)
{
    return options->cpu && !strcmp(options->cpu, "native");
}

char *jd_target_cpu(const struct jd_engine_options *options)
{
    return is_native(options) ? LLVMGetHostCPUName() : copy_text(options->cpu ? options->cpu : "");
}

char *jd_target_features(const struct jd_engine_options *options)
{
    const char *own = options->features ? options->features : "";
    if (!is_native(options))
        return copy_text(own);
    char *host_features = LLVMGetHostCPUFeatures();
    size_t bytes = strlen(host_features) + 1 + strlen(own) + 1;
    char *out = malloc(bytes);
    if (out)
        snprintf(out, bytes, "%s%s%s", host_features, *own ? "," : "", own);
    LLVMDisposeMessage(host_features);
    return out;
}

/* What LLVM says of this machine needs no check. */
static int check_cpu(const struct jd_engine_options *options, struct jd_error *err)
{
    char unknown[64];
    if (options->cpu && *options->cpu && !is_native(options) &&
        !jd_target_shim_knows_cpu(host.target, host.triple, options->cpu))
        return jd_fail(err, JD_E_USAGE, "cpu", "LLVM knows no '%s' for %s", options->cpu,
                       host.triple);
    if (options->features &&
        !jd_target_shim_knows_features(host.target, host.triple, options->features, unknown,
                                       sizeof unknown))
        return jd_fail(err, JD_E_USAGE, "features", "LLVM knows no '%s' for %s (as +name or -name)",
                       unknown, host.triple);
    return JD_OK;
}

static int create_machine(const struct jd_engine_options *options, const char *cpu,
                          const char *features, LLVMTargetMachineRef *out, struct jd_error *err)
{
    int code = check_cpu(options, err);
    if (code)
        return code;
    *out = LLVMCreateTargetMachine(host.target, host.triple, cpu, features,
                                   jd_target_opt_level(options->opt_level), JD_RELOC_MODEL,
                                   JD_CODE_MODEL);
    if (!*out)
        return jd_fail(err, JD_E_INTERNAL, host.triple, "LLVM made no target machine");
    jd_target_shim_configure(*out);
    return JD_OK;
}

int jd_target_machine_create(const struct jd_engine_options *options, LLVMTargetMachineRef *out,
                             struct jd_error *err)
{
    static const struct jd_engine_options defaults = {0};
    *out = NULL;
    if (jd_target_init(err))
        return err ? (int)err->code : JD_E_UNSUPPORTED;
    if (!options)
        options = &defaults;
    if (options->opt_level > 3)
        return jd_fail(err, JD_E_USAGE, "opt_level", "must be 0 to 3, is %u", options->opt_level);
    char *cpu = jd_target_cpu(options), *features = jd_target_features(options);
    int code = cpu && features ? create_machine(options, cpu, features, out, err)
                               : jd_fail(err, JD_E_NO_MEMORY, "target machine", "no memory");
    free(cpu);
    free(features);
    return code;
}

static size_t arch_length(const char *triple)
{
    return strcspn(triple, "-");
}

static int check_triple(LLVMModuleRef module, const char *name, struct jd_error *err)
{
    const char *triple = LLVMGetTarget(module);
    size_t length = arch_length(triple);
    if (!*triple)
        LLVMSetTarget(module, host.triple);
    else if (length != arch_length(host.triple) || strncmp(triple, host.triple, length))
        return jd_fail(err, JD_E_WRONG_TARGET, name, "module is for '%s', this machine is '%s'",
                       triple, host.triple);
    return JD_OK;
}

static int check_layout(LLVMModuleRef module, LLVMTargetMachineRef machine, const char *name,
                        struct jd_error *err)
{
    LLVMTargetDataRef data = LLVMCreateTargetDataLayout(machine);
    char *expected = LLVMCopyStringRepOfTargetData(data);
    const char *layout = LLVMGetDataLayoutStr(module);
    int result = JD_OK;
    if (!strcmp(layout, expected))
        result = JD_OK; /* usually; to set it again would cost more than the whole check */
    else if (!*layout || jd_target_shim_layout_is(layout, LLVMGetTarget(module), expected))
        LLVMSetDataLayout(module, expected);
    else
        result = jd_fail(err, JD_E_WRONG_TARGET, name, "module has data layout '%s', not '%s'",
                         layout, expected);
    LLVMDisposeMessage(expected);
    LLVMDisposeTargetData(data);
    return result;
}

static int read_bitcode(LLVMContextRef context, struct jd_diagnostics *diagnostics,
                        const struct jd_ir *ir, LLVMModuleRef *out, struct jd_error *err)
{
    LLVMMemoryBufferRef buffer =
        LLVMCreateMemoryBufferWithMemoryRange(ir->bytes, ir->size_bytes, ir->name, 0);
    if (!LLVMGetBitcodeModuleInContext2(context, buffer, out)) /* now owns the buffer */
        return jd_diagnostics_take(diagnostics, JD_E_BAD_IR, ir->name, err);
    *out = NULL;
    LLVMDisposeMemoryBuffer(buffer); /* only a success takes it over: llvm-c/BitReader.h */
    if (!jd_diagnostics_take(diagnostics, JD_E_BAD_IR, ir->name, err))
        jd_fail(err, JD_E_BAD_IR, ir->name, "LLVM cannot read this bitcode");
    return JD_E_BAD_IR;
}

static int read_whole(LLVMContextRef context, const struct jd_ir *ir, LLVMModuleRef *out,
                      struct jd_error *err)
{
    /* The text parser wants a NUL behind the last byte: copy. Bitcode does not. */
    LLVMMemoryBufferRef buffer =
        jd_ir_is_bitcode(ir)
            ? LLVMCreateMemoryBufferWithMemoryRange(ir->bytes, ir->size_bytes, ir->name, 0)
            : LLVMCreateMemoryBufferWithMemoryRangeCopy(ir->bytes, ir->size_bytes, ir->name);
    char *message = NULL;
    if (!LLVMParseIRInContext(context, buffer, out, &message)) /* consumes the buffer */
        return JD_OK;
    *out = NULL;
    return jd_llvm_take_message(err, JD_E_BAD_IR, ir->name, message);
}

/* Emulated thread-local storage aligns a variable that names no alignment as its type asks (LLVM
 * 19, LowerEmuTLS); code next to the definition relies on more for large ones (getPreferredAlign).
 */
static void name_alignment_of_thread_locals(LLVMModuleRef module)
{
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(module);
    for (LLVMValueRef at = LLVMGetFirstGlobal(module); at; at = LLVMGetNextGlobal(at))
        if (LLVMIsThreadLocal(at) && !LLVMIsDeclaration(at) && !LLVMGetAlignment(at))
            LLVMSetAlignment(at, LLVMPreferredAlignmentOfGlobal(layout, at));
}

/* What engines that part a module, or define names themselves, would read otherwise than its own
 * object has it. What is wrong with its assembly is said where it is compiled. */
static void adjust(LLVMModuleRef module, struct jd_diagnostics *diagnostics, const char *name)
{
    name_alignment_of_thread_locals(module);
    jd_shim_apply_versions(module);
    (void)jd_diagnostics_take(diagnostics, JD_E_COMPILE, name, NULL);
}

static int verify(LLVMModuleRef module, const char *name, struct jd_error *err)
{
    char *message = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message))
        return jd_llvm_take_message(err, JD_E_BAD_IR, name, message);
    LLVMDisposeMessage(message);
    return JD_OK;
}

int jd_target_read_ir(LLVMContextRef context, struct jd_diagnostics *diagnostics,
                      LLVMTargetMachineRef machine, const struct jd_ir *ir, bool is_lazy,
                      LLVMModuleRef *out, struct jd_error *err)
{
    int result;
    *out = NULL;
    if (!ir->size_bytes)
        return jd_fail(err, JD_E_BAD_IR, ir->name, "the file is empty");
    result = is_lazy && jd_ir_is_bitcode(ir) ? read_bitcode(context, diagnostics, ir, out, err)
                                             : read_whole(context, ir, out, err);
    if (!result)
        result = jd_diagnostics_take(diagnostics, JD_E_BAD_IR, ir->name, err);
    if (!result)
        result = check_triple(*out, ir->name, err);
    if (!result)
        result = check_layout(*out, machine, ir->name, err);
    if (!result && !jd_ir_is_bitcode(ir))
        result = verify(*out, ir->name, err);
    if (!result)
        adjust(*out, diagnostics, ir->name);
    if (result && *out) {
        LLVMDisposeModule(*out);
        *out = NULL;
    }
    return result;
}

int jd_target_each_structor(LLVMModuleRef module, bool is_constructor, jd_structor_fn callback,
                            void *context)
{
    LLVMValueRef list =
        LLVMGetNamedGlobal(module, is_constructor ? "llvm.global_ctors" : "llvm.global_dtors");
    LLVMValueRef entries = list ? LLVMGetInitializer(list) : NULL;
    /* An empty list is a zero initialiser, which has no operands. */
    int count = entries && LLVMIsAConstantArray(entries) ? LLVMGetNumOperands(entries) : 0;
    for (int i = 0; i < count; i++) {
        LLVMValueRef entry = LLVMGetOperand(entries, (unsigned)i);
        if (!LLVMIsAConstantStruct(entry) || LLVMGetNumOperands(entry) < 2)
            continue;
        LLVMValueRef function = LLVMGetOperand(entry, 1);
        if (LLVMIsAConstantPointerNull(function))
            continue; /* the language reference: a null entry ends nothing and calls nothing */
        unsigned priority = (unsigned)LLVMConstIntGetZExtValue(LLVMGetOperand(entry, 0));
        int result = callback(context, priority, function);
        if (result)
            return result;
    }
    return 0;
}

/* Does the variable lie in an array of functions that a linker would hand to the C library? Linkers
 * put those with a number first, by number (GNU ld's default script, SORT_BY_INIT_PRIORITY). */
static bool is_in_array(LLVMValueRef variable, const char *array, unsigned *out_priority)
{
    enum { LAST_PRIORITY = 65535 };
    const char *section = LLVMGetSection(variable);
    size_t length = strlen(array);
    *out_priority = LAST_PRIORITY;
    if (!section || strncmp(section, array, length) || LLVMIsDeclaration(variable))
        return false;
    if (section[length] == '.')
        *out_priority = (unsigned)strtoul(section + length + 1, NULL, 10);
    return section[length] == '.' || !section[length];
}

int jd_target_each_array_structor(LLVMModuleRef module, bool is_constructor,
                                  jd_structor_fn callback, void *context)
{
    const char *array = is_constructor ? ".init_array" : ".fini_array";
    unsigned priority;
    int result = 0;
    for (LLVMValueRef v = LLVMGetFirstGlobal(module); v && !result; v = LLVMGetNextGlobal(v)) {
        if (!is_in_array(v, array, &priority))
            continue;
        LLVMValueRef value = LLVMGetInitializer(v);
        bool is_list = LLVMIsAConstantArray(value);
        int count = is_list ? LLVMGetNumOperands(value) : 1;
        for (int i = 0; i < count && !result; i++) {
            LLVMValueRef function = is_list ? LLVMGetOperand(value, (unsigned)i) : value;
            if (LLVMIsAGlobalValue(function))
                result = callback(context, priority, function);
        }
    }
    return result;
}

void jd_target_call_constructor(uintptr_t addr, const struct jd_engine_options *options)
{
    static char *none[] = {NULL};
    ((void (*)(int, char **, char **))addr)(options->start_argv ? options->start_argc : 0,
                                            options->start_argv ? options->start_argv : none,
                                            environ);
}
