/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator's memory: loads and stores of locals, globals and thread-local variables, atomics,
 * volatile accesses, blocks of memory. Every access is in bounds and of the object's own type.
 */
#include <stdio.h>

#include "generate_private.h"

/* Leaves may be merged with a copy in another module: they see nothing of their own module only. */
static bool is_visible(const struct gen *g, const struct object *object)
{
    return object->linkage != LINK_INTERNAL || (object->module == g->module && !g->is_leaf);
}

/* A local or a visible global; NULL when the draw finds none. */
static const struct object *pick_object(struct gen *g, bool for_writing, unsigned *out_global)
{
    unsigned total = g->local_count + g->global_count;
    for (unsigned attempt = 0; total && attempt < 8; attempt++) {
        unsigned chosen = below(g, total);
        const struct object *object = chosen < g->local_count
                                          ? &g->locals[chosen]
                                          : &g->globals[ *out_global = chosen - g->local_count];
        if ((!object->is_global || is_visible(g, object)) && !(for_writing && object->is_constant))
            return object;
    }
    return NULL;
}

/* A thread-local variable is addressed through an intrinsic. */
static const char *object_address(struct gen *g, const struct object *object, unsigned global)
{
    const char *name = object->is_global ? global_name(g, global) : object->name;
    if (!object->is_thread_local)
        return name;
    unsigned id = fresh_value(g);
    need(g, "declare ptr @llvm.threadlocal.address.p0(ptr)");
    emit(g, "%%v%u = call ptr @llvm.threadlocal.address.p0(ptr %s)", id, name);
    return value_text(g, id);
}

const char *element_address(struct gen *g, bool for_writing, enum type *out_type)
{
    unsigned global = 0;
    const struct object *object = pick_object(g, for_writing, &global);
    if (!object)
        return NULL;
    *out_type = object->type;
    const char *base = object_address(g, object, global);
    const char *index = index_below(g, object->count);
    unsigned id = fresh_value(g);
    emit(g, "%%v%u = getelementptr inbounds [%u x %s], ptr %s, i64 0, i64 %s", id, object->count,
         type_text(g, object->type), base, index);
    return value_text(g, id);
}

static void load(struct gen *g)
{
    enum type type;
    const char *address = element_address(g, false, &type);
    if (!address)
        return;
    unsigned id = fresh_value(g);
    const char *is_volatile = one_in(g, 8) ? "volatile " : "";
    emit(g, "%%v%u = load %s%s, ptr %s", id, is_volatile, type_text(g, type), address);
    keep(g, type, id);
}

static void store(struct gen *g)
{
    enum type type;
    const char *address = element_address(g, true, &type);
    if (!address)
        return;
    const char *is_volatile = one_in(g, 8) ? "volatile " : "", *value = operand(g, type);
    emit(g, "store %s%s %s, ptr %s", is_volatile, type_text(g, type), value, address);
}

static void exchange(struct gen *g, enum type type, const char *address)
{
    unsigned both = fresh_value(g), old = fresh_value(g);
    const char *text = type_text(g, type), *expected = operand(g, type), *next = operand(g, type);
    emit(g, "%%v%u = cmpxchg ptr %s, %s %s, %s %s acq_rel monotonic", both, address, text, expected,
         text, next);
    emit(g, "%%v%u = extractvalue { %s, i1 } %%v%u, 0", old, text, both);
    keep(g, type, old);
}

static void atomic(struct gen *g)
{
    static const char *const names[] = {"add",  "sub", "xchg", "and",  "or",  "xor",
                                        "nand", "max", "min",  "umax", "umin"};
    static const char *const orders[] = {"monotonic", "acquire", "release", "acq_rel", "seq_cst"};
    enum type type;
    const char *address = element_address(g, true, &type);
    if (!address)
        return;
    if (type != T_I8 && type != T_I16 && type != T_I32 && type != T_I64)
        return;
    if (one_in(g, 3)) {
        exchange(g, type, address);
        return;
    }
    unsigned id = fresh_value(g);
    const char *name = names[below(g, 11)], *order = orders[below(g, 5)];
    const char *value = operand(g, type);
    emit(g, "%%v%u = atomicrmw %s ptr %s, %s %s %s", id, name, address, type_text(g, type), value,
         order);
    keep(g, type, id);
    if (one_in(g, 3))
        emit(g, "fence seq_cst");
}

/* Only whole bytes may be filled with any pattern: the padding of other types has a meaning. */
static bool is_plain(enum type type)
{
    return type == T_I8 || type == T_I16 || type == T_I32 || type == T_I64 || type == T_V4I32 ||
           type == T_V2I64 || type == T_V16I8 || type == T_I128;
}

static void fill(struct gen *g)
{
    unsigned global = 0;
    const struct object *object = pick_object(g, true, &global);
    if (!object)
        return;
    const char *address = object_address(g, object, global);
    const char *pattern = is_plain(object->type) ? operand(g, T_I8) : "0";
    need(g, "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)");
    emit(g,
         "call void @llvm.memset.p0.i64(ptr %s, i8 %s, i64 ptrtoint (ptr getelementptr (%s, ptr "
         "null, i64 %u) to i64), i1 false)",
         address, pattern, type_text(g, object->type), 1 + below(g, object->count));
}

/* From one object to another of the same type; the shorter one limits. */
static void copy(struct gen *g)
{
    unsigned from_global = 0, to_global = 0;
    const struct object *to = pick_object(g, true, &to_global), *from = NULL;
    for (unsigned attempt = 0; to && attempt < 16; attempt++) {
        from = pick_object(g, false, &from_global);
        if (from && from != to && from->type == to->type)
            break;
        from = NULL;
    }
    if (!from)
        return;
    const char *name = one_in(g, 2) ? "memcpy" : "memmove";
    unsigned count = from->count < to->count ? from->count : to->count;
    const char *target = object_address(g, to, to_global);
    const char *source = object_address(g, from, from_global);
    need(g, "declare void @llvm.%s.p0.p0.i64(ptr, ptr, i64, i1)", name);
    emit(g,
         "call void @llvm.%s.p0.p0.i64(ptr %s, ptr %s, i64 ptrtoint (ptr getelementptr (%s, ptr "
         "null, i64 %u) to i64), i1 false)",
         name, target, source, type_text(g, to->type), count);
}

/* Memory that lives until the stack is restored. */
static void borrow_stack(struct gen *g)
{
    unsigned saved = fresh_value(g), count = fresh_value(g), memory = fresh_value(g);
    unsigned last = fresh_value(g), address = fresh_value(g), id = fresh_value(g);
    need(g, "declare ptr @llvm.stacksave.p0()");
    need(g, "declare void @llvm.stackrestore.p0(ptr)");
    const char *size = operand(g, T_I64), *value = operand(g, T_I32);
    emit(g, "%%v%u = call ptr @llvm.stacksave.p0()", saved);
    emit(g, "%%v%u = and i64 %s, 63", last, size);
    emit(g, "%%v%u = add i64 %%v%u, 1", count, last);
    emit(g, "%%v%u = alloca i32, i64 %%v%u, align 32", memory, count);
    emit(g, "%%v%u = getelementptr inbounds i32, ptr %%v%u, i64 %%v%u", address, memory, last);
    emit(g, "store volatile i32 %s, ptr %%v%u", value, address);
    emit(g, "%%v%u = load volatile i32, ptr %%v%u", id, address);
    emit(g, "call void @llvm.stackrestore.p0(ptr %%v%u)", saved);
    keep(g, T_I32, id);
}

void emit_memory(struct gen *g)
{
    switch (below(g, 12)) {
    case 0:
        fill(g);
        break;
    case 1:
        copy(g);
        break;
    case 2:
        atomic(g);
        break;
    case 3:
        if (one_in(g, 3)) {
            borrow_stack(g);
            break;
        } /* fall through */
    case 4:
    case 5:
    case 6:
        store(g);
        break;
    default:
        load(g);
    }
}

/* Starts as zeros; some are aligned more than their type asks for. */
void add_local(struct gen *g)
{
    static const unsigned alignments[] = {0, 0, 0, 16, 32, 64};
    struct object *local = &g->locals[g->local_count];
    snprintf(local->name, sizeof local->name, "%%local%u", g->local_count);
    local->type = any_type(g);
    local->count = 1 + below(g, OBJECT_ELEMENTS_MAX);
    unsigned alignment = alignments[below(g, 6)];
    const char *text = type_text(g, local->type);
    char suffix[NAME_BYTES] = "";
    if (alignment)
        snprintf(suffix, sizeof suffix, ", align %u", alignment);
    emit_entry(g, "%s = alloca [%u x %s]%s", local->name, local->count, text, suffix);
    need(g, "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)");
    emit_entry(g,
               "call void @llvm.memset.p0.i64(ptr %s, i8 0, i64 ptrtoint (ptr getelementptr (%s, "
               "ptr null, i64 %u) to i64), i1 false)",
               local->name, text, local->count);
    g->local_count++;
}
