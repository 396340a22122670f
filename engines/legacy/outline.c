/* SPDX-License-Identifier: Apache-2.0
 *
 * Granularity block: which regions of a function become units of their own, and what happens to
 * them when the function is freed. Knows no LLVM beyond values. Sources: measurements in
 * docs/design.md, "Granularity block".
 */
#include "internal.h"

enum {
    /* What a unit costs beyond its instructions (finding it, partition, object, link, stub), in
     * instructions that code generation would handle in the same time. */
    UNIT_INSTRUCTIONS = 120,
    /* The call and the branch on its answer, in the function and in the piece. */
    CALL_INSTRUCTIONS = 8,
    /* Smaller regions leave only where a profile says so: a profile is the user's word, and a cold
     * block in the way of hot ones costs more than its compilation. */
    COLD_INSTRUCTIONS_MIN = 30,
    PROFILED_INSTRUCTIONS_MIN = 5,
    /* Looking at a smaller function costs more than it brings, unless it has a profile. */
    FUNCTION_INSTRUCTIONS_MIN = 120,
    /* Saved instructions, as far as the guess goes, per instruction that leaving costs. */
    MARGIN = 2,
    /* A call and its traffic through memory in each iteration want a body that outweighs them. */
    LOOP_INSTRUCTIONS_MIN = 100,
    /* A region that may well be the main path leaves only a function that is a unit worth having
     * without it: else a row of early returns would become a chain of pieces. */
    LIKELY_REST_SHARE = 16
};

static bool is_cold(const struct legacy_region *region)
{
    return region->chance_ppm < region->share_ppm / 4;
}

static bool is_worth(const struct legacy_region *region)
{
    uint64_t chance = region->chance_ppm;
    uint64_t traffic = CALL_INSTRUCTIONS + region->input_count +
                       2 * (uint64_t)region->output_count + region->exit_count;
    uint64_t saved = region->instruction_count * (LEGACY_PPM - chance);
    uint64_t spent = UNIT_INSTRUCTIONS * chance + traffic * LEGACY_PPM;
    return saved > MARGIN * spent;
}

static bool wants(const struct legacy_region *region)
{
    if (is_cold(region))
        return region->instruction_count >=
               (region->has_profile ? PROFILED_INSTRUCTIONS_MIN : COLD_INSTRUCTIONS_MIN);
    if (region->has_profile && region->chance_ppm > region->share_ppm / 2)
        return false;
    if (region->is_in_loop && region->instruction_count < LOOP_INSTRUCTIONS_MIN)
        return false;
    return region->rest_count > region->instruction_count / LIKELY_REST_SHARE && is_worth(region);
}

static bool accepts(const struct legacy_region *region)
{
    return is_cold(region) ? region->has_profile || is_worth(region) : is_worth(region);
}

static const struct legacy_outline_policy policy = {.least_region_instructions =
                                                        COLD_INSTRUCTIONS_MIN,
                                                    .least_instructions = FUNCTION_INSTRUCTIONS_MIN,
                                                    .wants = wants,
                                                    .accepts = accepts};

char *legacy_outline_body(struct legacy_engine *engine, struct legacy_module *module,
                          LLVMValueRef function)
{
    bool is_piece = legacy_outline_is_piece(module->source, function);
    if (engine->options.granularity != JD_GRAN_BLOCK || (!engine->is_lazy && !is_piece))
        return NULL;
    return legacy_outline(module->source, function, &policy, &engine->bodies_materialised);
}

int legacy_outline_free(struct legacy_engine *engine, struct legacy_module *module,
                        LLVMValueRef function, struct jd_error *err)
{
    LLVMValueRef piece;
    for (unsigned i = 0; (piece = legacy_outline_piece(module->source, function, i)); i++) {
        struct legacy_symbol *symbol = legacy_symbol_of(engine, module, piece);
        if (!symbol)
            return jd_fail(err, JD_E_NO_MEMORY, module->name, "no memory for symbols");
        int result = legacy_symbol_free(engine, symbol, err);
        if (result)
            return result;
        legacy_outline_discard(piece);
    }
    return JD_OK;
}
