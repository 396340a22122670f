/* SPDX-License-Identifier: Apache-2.0
 *
 * Static constructors and destructors: collected from the modules, ordered, run once. Where one
 * cannot be compiled, it and those after it are left for the next time.
 * Source: LLVM language reference, "The 'llvm.global_ctors' Global Variable": ascending priority,
 * destructors in reverse; ties in the order of the modules and of the list.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "operators.h"
#include "target.h"

struct legacy_structor {
    unsigned priority;
    size_t order;
    struct legacy_symbol *symbol; /* NULL: of an object file */
    jd_module_id module;          /* may have gone when its turn comes */
    struct legacy_foreign *foreign;
    size_t number; /* in the object */
};

struct collection {
    struct legacy_engine *engine;
    struct legacy_module *module;
    struct legacy_structor *items;
    size_t count, capacity;
};

static int add_item(struct collection *all, const struct legacy_structor *item)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 16;
        struct legacy_structor *items = realloc(all->items, capacity * sizeof *items);
        if (!items)
            return JD_E_NO_MEMORY;
        all->items = items;
        all->capacity = capacity;
    }
    all->items[all->count] = *item;
    all->items[all->count].order = all->count;
    all->count++;
    return JD_OK;
}

static int collect(void *context, unsigned priority, LLVMValueRef function)
{
    struct collection *all = context;
    const struct legacy_structor item = {.priority = priority,
                                         .module = all->module->id,
                                         .symbol =
                                             legacy_symbol_of(all->engine, all->module, function)};
    return item.symbol ? add_item(all, &item) : JD_E_NO_MEMORY;
}

static int collect_of_object(struct collection *all, struct legacy_foreign *foreign,
                             bool is_constructor)
{
    int result = JD_OK;
    for (size_t i = 0; i < jd_object_structor_count(foreign->object) && !result; i++) {
        struct jd_object_structor structor = jd_object_structor_at(foreign->object, i);
        const struct legacy_structor item = {
            .priority = structor.priority, .foreign = foreign, .number = i};
        if (structor.is_destructor != is_constructor)
            result = add_item(all, &item);
    }
    return result;
}

/* What was never linked has nothing to destroy. */
static bool is_to_run_of_object(const struct legacy_foreign *foreign, bool is_constructor)
{
    return is_constructor ? !foreign->has_run_constructors
                          : !foreign->has_run_destructors && foreign->is_linked;
}

static bool is_to_run(const struct legacy_module *module, bool is_constructor)
{
    return is_constructor ? !module->has_run_constructors : !module->has_run_destructors;
}

static int collect_of_objects(struct collection *all, bool is_constructor)
{
    int result = JD_OK;
    for (struct legacy_foreign *foreign = all->engine->first_foreign; foreign && !result;
         foreign = foreign->next)
        if (is_to_run_of_object(foreign, is_constructor))
            result = collect_of_object(all, foreign, is_constructor);
    return result;
}

static int collect_all(struct collection *all, bool is_constructor)
{
    for (struct legacy_module *module = all->engine->first_module; module; module = module->next) {
        if (!is_to_run(module, is_constructor))
            continue;
        all->module = module;
        LLVMModuleRef ir = legacy_source_module(module->source);
        int result = jd_target_each_array_structor(ir, is_constructor, collect, all);
        if (!result)
            result = jd_target_each_structor(ir, is_constructor, collect, all);
        if (result)
            return result;
    }
    return collect_of_objects(all, is_constructor);
}

/* Once all are on the list, and not before: without memory for it they run the next time. */
static void mark_all(struct legacy_engine *engine, bool is_constructor)
{
    for (struct legacy_module *module = engine->first_module; module; module = module->next)
        if (is_to_run(module, is_constructor))
            *(is_constructor ? &module->has_run_constructors : &module->has_run_destructors) = true;
    for (struct legacy_foreign *f = engine->first_foreign; f; f = f->next)
        if (is_to_run_of_object(f, is_constructor))
            *(is_constructor ? &f->has_run_constructors : &f->has_run_destructors) = true;
}

static int by_priority(const void *left, const void *right)
{
    const struct legacy_structor *a = left, *b = right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

struct request {
    struct legacy_engine *engine;
    bool is_constructor;
    struct collection all;
    const struct legacy_structor *item;
    uintptr_t addr;
};

static struct legacy_left_over *left_over(const struct request *request)
{
    return &request->engine->left_over[request->is_constructor ? 0 : 1];
}

/* Earlier than what has come since. */
static int collect_left_over(struct request *request)
{
    struct legacy_left_over *left = left_over(request);
    int result = JD_OK;
    for (size_t i = 0; i < left->count && !result; i++)
        result = add_item(&request->all, &left->items[i]);
    return result;
}

static void forget_left_over(struct request *request)
{
    struct legacy_left_over *left = left_over(request);
    free(left->items);
    *left = (struct legacy_left_over){NULL, 0};
}

/* From the one that failed on; destructors run from the end of the list. Without memory they are
 * lost; the caller has an error already. */
static int leave_rest(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    struct legacy_left_over *left = left_over(request);
    size_t at = (size_t)(request->item - request->all.items);
    const struct legacy_structor *first =
        request->is_constructor ? request->item : request->all.items;
    size_t count = request->is_constructor ? request->all.count - at : at + 1;
    struct legacy_structor *items =
        realloc(left->items, (left->count + count) * sizeof *left->items);
    (void)err;
    if (!items)
        return JD_OK;
    memcpy(items + left->count, first, count * sizeof *items);
    *left = (struct legacy_left_over){items, left->count + count};
    return JD_OK;
}

static int gather(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    struct collection *all = &request->all;
    int result = collect_left_over(request);
    if (!result)
        result = collect_all(all, request->is_constructor);
    if (request->is_constructor)
        request->engine->has_run_constructors = true;
    if (result)
        return jd_fail(err, result, NULL, "no memory for static constructors");
    mark_all(request->engine, request->is_constructor);
    forget_left_over(request);
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, by_priority);
    return JD_OK;
}

static int make_callable(void *argument, struct jd_error *err)
{
    struct request *request = argument;
    const struct legacy_structor *item = request->item;
    request->addr = 0;
    if (item->symbol && !legacy_module_find(request->engine, item->module))
        return JD_OK;
    if (item->symbol)
        return legacy_symbol_callable(request->engine, item->symbol, &request->addr, err);
    int result = legacy_foreign_link(request->engine, item->foreign, err);
    if (!result)
        request->addr = jd_object_structor_at(item->foreign->object, item->number).addr;
    return result;
}

static uintptr_t find_operator(void *context, const char *name)
{
    struct legacy_engine *engine = context;
    struct legacy_definition definition;
    struct legacy_symbol *symbol;
    uintptr_t addr;
    if (!legacy_definition_find(engine, name, &definition))
        return 0;
    symbol = legacy_symbol_named(engine, name);
    return symbol && !legacy_symbol_address(engine, symbol, &addr, NULL) ? addr : 0;
}

static int replace_operators(void *engine, struct jd_error *err)
{
    return jd_operators_replace(engine, find_operator, engine, err);
}

int legacy_run_structors(struct legacy_engine *engine, bool is_constructor, struct jd_error *err)
{
    struct request request = {
        .engine = engine, .is_constructor = is_constructor, .all = {.engine = engine}};
    const struct collection *all = &request.all;
    int result = is_constructor && engine->options.wants_operators
                     ? legacy_enter(engine, replace_operators, engine, err)
                     : JD_OK;
    if (!result)
        result = legacy_enter(engine, gather, &request, err);
    for (size_t i = 0; !result && i < all->count; i++) {
        request.item = &all->items[is_constructor ? i : all->count - 1 - i];
        result = legacy_enter(engine, make_callable, &request, err);
        if (result) {
            legacy_enter(engine, leave_rest, &request, NULL);
            break;
        }
        if (!request.addr)
            continue;
        if (is_constructor) /* on the caller's stack, without the lock */
            jd_target_call_constructor(request.addr, &engine->options);
        else
            ((void (*)(void))request.addr)();
    }
    free(all->items);
    return result;
}
