/* SPDX-License-Identifier: Apache-2.0
 *
 * A pipeline of code generation that stays from module to module. One generation's own.
 */
#ifndef JITDUEL_MCJIT_PIPELINE_SHIM_H
#define JITDUEL_MCJIT_PIPELINE_SHIM_H

#include <llvm-c/ExecutionEngine.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcjit_pipeline;

/** Let the engine compile its modules with one. After its target machine was set up; built when the
 * first module is compiled. */
struct mcjit_pipeline *mcjit_pipeline_create(LLVMExecutionEngineRef engine);
/** Before the engine, whose machine it uses, is disposed of; no module is compiled in between. NULL
 * is accepted. */
void mcjit_pipeline_destroy(struct mcjit_pipeline *pipeline);

#ifdef __cplusplus
}
#endif
#endif
