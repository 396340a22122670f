/* SPDX-License-Identifier: Apache-2.0
 *
 * What granularity block needs of LLVM and the C API has no door for: finding the regions of a
 * function that have one entry, telling how likely each is to be entered, and moving it into an
 * internal function of its own (a piece) of the same source module. No policy: which regions go is
 * asked of the caller. Not thread-safe, as codegen_shim.h.
 *
 * A piece exists in the source only, not in the bitcode. Outlining is deterministic: the body read
 * again and outlined again gives the same pieces, so that a piece keeps its function, and with it
 * its symbol and its stub, however often its owner is freed and compiled again.
 */
#ifndef JITDUEL_LEGACY_OUTLINE_SHIM_H
#define JITDUEL_LEGACY_OUTLINE_SHIM_H

#include "codegen_shim.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LEGACY_PPM = 1000000 };

/** A region: a block with all blocks that only it leads to. */
struct legacy_region {
    unsigned instruction_count; /**< of IR, in the region */
    unsigned rest_count;        /**< in the function without what leaves it */
    /** Values that go in, values that come out, blocks that it may go on to. 0 until they are
     * known. */
    unsigned input_count, output_count, exit_count;
    /** How likely one iteration of the loop around it enters it, or one call when there is no such
     * loop: from the profile where there is one, else a guess (reach.hpp). */
    uint32_t chance_ppm;
    uint32_t share_ppm; /**< the same if all ways out of the branch before it were alike */
    bool is_in_loop;    /**< a loop of the function lies around it */
    bool has_profile;   /**< the branch before it has weights (!prof, llvm.expect) */
};

typedef bool (*legacy_region_fn)(const struct legacy_region *region);

struct legacy_outline_policy {
    /** A smaller function is left alone, unless a branch of it has weights. */
    unsigned least_instructions;
    /** The same for a smaller region: it is not asked about. */
    unsigned least_region_instructions;
    legacy_region_fn wants;   /**< asked first; the traffic is not known yet */
    legacy_region_fn accepts; /**< asked about what is wanted and can go */
};

/** Outline a function whose body is materialised, or a piece whose body is perhaps not there any
 * more: it is made again. Regions inside what leaves are not looked at: they are found when the
 * piece is outlined in its turn. NULL on success, else a message for LLVMDisposeMessage.
 * `*io_read_count` grows by the bodies that were read from the bitcode. */
char *legacy_outline(struct legacy_source *source, LLVMValueRef function,
                     const struct legacy_outline_policy *policy, uint64_t *io_read_count);
bool legacy_outline_is_piece(const struct legacy_source *source, LLVMValueRef function);
/** Piece number `index` of a function; NULL past the last. */
LLVMValueRef legacy_outline_piece(const struct legacy_source *source, LLVMValueRef function,
                                  unsigned index);
/** Drop a piece's body if it is there; outlining its owner brings it back. */
void legacy_outline_discard(LLVMValueRef piece);

#ifdef __cplusplus
}
#endif
#endif
