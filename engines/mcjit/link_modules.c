/* SPDX-License-Identifier: Apache-2.0
 *
 * All modules of a prepare linked into one by the IR linker, to be compiled as one: what a compiler
 * can make of them when it sees all at once, and what it costs to link IR rather than objects.
 * Names and linkage are settled by then (linkage.c), so that nothing can clash.
 */
#include <llvm-c/Linker.h>

#include "mcjit.h"

bool mcjit_can_join(const struct mcjit_module *module)
{
    size_t asm_bytes = 0;
    if (!module->llvm || module->section_count)
        return false; /* a section that is walked is laid out module by module */
    LLVMGetModuleInlineAsm(module->llvm, &asm_bytes);
    return !asm_bytes; /* whose local labels may be those of another module */
}

int mcjit_link_modules(struct mcjit_engine *engine, const struct mcjit_selection *selection,
                       struct mcjit_module **out_whole, struct jd_error *err)
{
    struct mcjit_module *whole = NULL;
    *out_whole = NULL;
    mcjit_phase_switch(&engine->phases, JD_PHASE_ADD);
    for (size_t i = 0; i < selection->count; i++) {
        struct mcjit_module *module = selection->modules[i];
        LLVMModuleRef source = module->llvm;
        if (!mcjit_can_join(module))
            continue;
        if (!whole) {
            whole = module;
            continue;
        }
        module->llvm = NULL; /* consumed either way */
        if (LLVMLinkModules2(whole->llvm, source)) {
            mcjit_phase_end(&engine->phases);
            if (!jd_diagnostics_take(&engine->generation->diagnostics, JD_E_COMPILE,
                                     module->ir.name, err))
                jd_fail(err, JD_E_COMPILE, module->ir.name, "the IR linker refuses it");
            return JD_E_COMPILE;
        }
    }
    mcjit_phase_end(&engine->phases);
    *out_whole = whole;
    return JD_OK;
}
