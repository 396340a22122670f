/* SPDX-License-Identifier: Apache-2.0
 *
 * What the legacy engine needs of LLVM and the C API has no door for:
 *   - a code generation pipeline that is built once and run for each partition;
 *   - reading one function's body out of lazily read bitcode;
 *   - moving a body, and copying data, into a module of their own (a partition).
 * No policy: which globals a partition defines, and how far what it declares may be, is asked of
 * the caller. Not thread-safe: the engine's lock guards all of it, as it guards the context.
 */
#ifndef JITDUEL_LEGACY_CODEGEN_SHIM_H
#define JITDUEL_LEGACY_CODEGEN_SHIM_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A lazily read module and what is remembered about it. */
struct legacy_source;
/** A module that is being put together for one run of the pipeline. */
struct legacy_partition;
/** A persistent pipeline: target machine, passes, output buffer. */
struct legacy_codegen;

/** Consumes the module, also on failure. `*out_asm_symbols` tells whether module asm is present. */
struct legacy_source *legacy_source_create(LLVMModuleRef module, bool *out_has_asm);
void legacy_source_destroy(struct legacy_source *source);
LLVMModuleRef legacy_source_module(const struct legacy_source *source);
/** The global (function, variable, alias or ifunc) of that object-file name; NULL when none. Also
 * finds names that IR spells with a leading \1, and those that its calling convention adorns.
 * Constant time. */
LLVMValueRef legacy_source_find(const struct legacy_source *source, const char *name);
/** Calls back for each global symbol that module asm defines, and takes note of its local ones. */
void legacy_source_each_asm_symbol(struct legacy_source *source,
                                   void (*callback)(void *context, const char *name, bool is_weak),
                                   void *context);
/** Does a declaration stand for a local symbol of the module's own asm? After each_asm_symbol. */
bool legacy_source_is_asm_local(const struct legacy_source *source, LLVMValueRef global);
/** The aliasee of an alias with all constant offsets added up; NULL when it is no global. */
LLVMValueRef legacy_alias_target(LLVMValueRef alias, int64_t *out_offset_bytes);
/** Part a definition from its name, which another module's definition has taken: the name goes to a
 * new declaration that everything in the module refers to but aliases, and the definition becomes
 * internal. Functions and variables only. */
void legacy_source_hide(struct legacy_source *source, LLVMValueRef definition);
/** The resolver function of an ifunc. */
LLVMValueRef legacy_ifunc_resolver(LLVMValueRef ifunc);
/** Read the body of a function if it is still in the bitcode. NULL on success, else a message that
 * the caller disposes of with LLVMDisposeMessage. `*out_was_read` tells whether it was read now. */
char *legacy_source_materialise(LLVMValueRef function, bool *out_was_read);
/** Forget that a body was moved away: the next materialise reads it from the bitcode again. */
void legacy_source_rewind(LLVMValueRef function);
/** Turns a definition into a declaration that codegen never sees again. */
void legacy_source_drop(LLVMValueRef function);

/** Calls back for each direct call in the body of a materialised function, in the order of its
 * blocks, with how likely LLVM's block frequencies make it that one call of the function gets there
 * (0 to 1). */
void legacy_source_each_call(LLVMValueRef function,
                             void (*callback)(void *context, LLVMValueRef callee,
                                              double probability),
                             void *context);

/** Labels: blocks of a function whose address is taken. In the source they are replaced by marker
 * variables, which other partitions refer to as external symbols; the function's own partition
 * defines a table LEGACY_LABEL_TABLE<function> with their addresses, in the markers' order. */
#define LEGACY_LABEL_MARKER "jd.label."
#define LEGACY_LABEL_TABLE "jd.labels."
/** The function that owns a marker; NULL when the global is no marker. */
LLVMValueRef legacy_source_label_owner(const struct legacy_source *source, LLVMValueRef global);
/** Marker number `index` of a function; NULL past the last. */
LLVMValueRef legacy_source_label(const struct legacy_source *source, LLVMValueRef function,
                                 unsigned index);

/** A global without a name gets one that begins like this when a partition meets it. */
#define LEGACY_UNNAMED "jd.unnamed"

/** What a partition does with a global that it meets. */
enum legacy_want {
    LEGACY_WANT_NEAR,      /**< declare; it will lie within reach of the code */
    LEGACY_WANT_FAR,       /**< declare; reach it through the GOT */
    LEGACY_WANT_DEFINITION /**< define it here (variables only) */
};
typedef enum legacy_want (*legacy_decide_fn)(void *context, LLVMValueRef global);

struct legacy_partition *legacy_partition_create(struct legacy_source *source,
                                                 legacy_decide_fn decide, void *context);
void legacy_partition_destroy(struct legacy_partition *partition);
/** Borrowed. */
LLVMModuleRef legacy_partition_module(const struct legacy_partition *partition);
/** Move a materialised function's body in; the source keeps a declaration. */
void legacy_partition_add_function(struct legacy_partition *partition, LLVMValueRef function);
/** Define a variable. */
void legacy_partition_add_variable(struct legacy_partition *partition, LLVMValueRef variable);
/** Put the source's module asm in. */
void legacy_partition_add_asm(struct legacy_partition *partition);
/** Define the variables that were wanted so far, and what their initialisers want. A message (as
 * above) when a function whose labels they hold cannot be read. */
char *legacy_partition_close(struct legacy_partition *partition);

/** The machine is borrowed until destroy. NULL when the target has no object emission. */
struct legacy_codegen *legacy_codegen_create(LLVMTargetMachineRef machine);
void legacy_codegen_destroy(struct legacy_codegen *codegen);
/** From now on each variable that is not a mergeable constant lies in a section of its own. */
void legacy_codegen_split_data(LLVMTargetMachineRef machine);
/** Generate an ELF object; the bytes stay valid until the next run. */
void legacy_codegen_run(struct legacy_codegen *codegen, LLVMModuleRef module,
                        const void **out_bytes, size_t *out_size_bytes);

#ifdef __cplusplus
}
#endif
#endif
