/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules by way of the object cache: an entry takes the place of reading, scanning and compiling
 * the IR; without one the module is compiled here, from IR that no linkage decision has touched, so
 * that its object is the same in every program. MCJIT is not asked: its C API can neither be given
 * objects nor be asked for them.
 */
#include <llvm-c/Core.h>
#include <stdlib.h>

#include "mcjit.h"
#include "module_shim.h"

/* Whatever it is, it may be anywhere: never refer to it with 32 bits. */
static void loosen(LLVMValueRef global)
{
    LLVMSetVisibility(global, LLVMDefaultVisibility);
    jd_shim_set_dso_local(global, false);
}

static void loosen_declarations(LLVMModuleRef module)
{
    for (LLVMValueRef g = LLVMGetFirstFunction(module); g; g = LLVMGetNextFunction(g))
        if (LLVMIsDeclaration(g) || LLVMGetLinkage(g) == LLVMAvailableExternallyLinkage)
            loosen(g);
    for (LLVMValueRef g = LLVMGetFirstGlobal(module); g; g = LLVMGetNextGlobal(g))
        if (LLVMIsDeclaration(g) || LLVMGetLinkage(g) == LLVMAvailableExternallyLinkage)
            loosen(g);
}

static uint64_t count_bodies(LLVMModuleRef module)
{
    uint64_t count = 0;
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        count += !LLVMIsDeclaration(f) && LLVMGetLinkage(f) != LLVMAvailableExternallyLinkage;
    return count;
}

static int emit(struct mcjit_engine *engine, struct mcjit_module *module, LLVMMemoryBufferRef *out,
                struct jd_error *err)
{
    int result;
    loosen_declarations(module->llvm);
    result = engine->ir_passes ? mcjit_run_passes(engine, module, err) : JD_OK;
    if (result)
        return result;
    mcjit_phase_switch(&engine->phases, JD_PHASE_CODEGEN);
    result = mcjit_generation_emit(engine->generation, module->llvm, engine->machine,
                                   module->ir.name, out, err);
    mcjit_phase_end(&engine->phases);
    if (result && engine->generation->is_undefined)
        mcjit_generation_retire(engine);
    return result;
}

/* UNSUPPORTED: its object cannot be linked here (ifuncs, sections that several modules share); the
 * module is as it was. */
static int compile(struct mcjit_engine *engine, struct mcjit_module *module,
                   const struct mcjit_cache_key *key, struct jd_error *err)
{
    LLVMMemoryBufferRef buffer = NULL;
    uint64_t bodies;
    int result = mcjit_module_load(engine, module, err);
    if (result)
        return result;
    bodies = count_bodies(module->llvm);
    result = emit(engine, module, &buffer, err);
    mcjit_module_unload(engine, module);
    if (result)
        return result;
    mcjit_phase_switch(&engine->phases, JD_PHASE_LINK);
    result = mcjit_object_open(engine, module, LLVMGetBufferStart(buffer),
                               LLVMGetBufferSize(buffer), err);
    if (!result && jd_object_has_bounded_section(module->object))
        result = jd_fail(err, JD_E_UNSUPPORTED, module->ir.name, "shares a section with others");
    if (!result) {
        mcjit_cache_store(engine->cache, key, LLVMGetBufferStart(buffer),
                          LLVMGetBufferSize(buffer));
        engine->functions_compiled += bodies;
        engine->bodies_materialised += bodies;
    }
    mcjit_phase_end(&engine->phases);
    LLVMDisposeMemoryBuffer(buffer);
    return result;
}

static bool load(struct mcjit_engine *engine, struct mcjit_module *module,
                 const struct mcjit_cache_key *key)
{
    size_t size_bytes;
    mcjit_phase_switch(&engine->phases, JD_PHASE_PARSE);
    void *bytes = mcjit_cache_load(engine->cache, key, &size_bytes);
    if (bytes)
        module->is_cached = !mcjit_object_open(engine, module, bytes, size_bytes, NULL);
    mcjit_phase_end(&engine->phases);
    free(bytes);
    return module->is_cached;
}

int mcjit_cached_open(struct mcjit_engine *engine, struct mcjit_module *module,
                      struct jd_error *err)
{
    struct mcjit_cache_key key = mcjit_cache_key_of(engine->cache, &module->ir);
    struct jd_error inner = JD_ERROR_INIT;
    int result = JD_OK;
    if (!load(engine, module, &key))
        result = compile(engine, module, &key, &inner);
    if (result && result != JD_E_UNSUPPORTED)
        return jd_fail(err, result, inner.where, "%s", inner.text);
    if (result)
        mcjit_object_abandon(module);
    else
        module->function_count = jd_object_function_count(module->object);
    return JD_OK;
}
