/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the program generator: the program being made, its parts, and who emits what. Only the
 * generate_*.c files include it.
 */
#ifndef JITDUEL_TESTS_DIFF_GENERATE_PRIVATE_H
#define JITDUEL_TESTS_DIFF_GENERATE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "generate.h"
#include "rng.h"

enum type {
    T_I1,
    T_I7,
    T_I8,
    T_I16,
    T_I32,
    T_I33,
    T_I64,
    T_I128,
    T_F16,
    T_BF16,
    T_F32,
    T_F64,
    T_LONG, /* x86_fp80 or fp128 */
    T_V4I32,
    T_V2I64,
    T_V16I8,
    T_V3I16,
    T_V2F64,
    T_V8F32,
    T_V8F16,
    T_V4BF16,
    T_V4I1,
    T_V16I1,
    T_A3I16,
    T_A3I32,
    T_PAIR,   /* { i64, double }: travels in two registers of different kinds */
    T_MIX,    /* { i8, i32, float } */
    T_PACKED, /* <{ i8, i64, i16 }> */
    T_BIG,    /* { i64, [3 x i32], double }: too large for registers */
    T_COUNT,
    T_VOID = T_COUNT, /* results only */
    T_SRET,           /* parameters only: ptr sret(T_BIG) */
    T_BYVAL           /* parameters only: ptr byval(T_BIG) */
};

enum kind { KIND_INT, KIND_FLOAT, KIND_VECTOR, KIND_STRUCT };

enum { MEMBERS_MAX = 3 };

struct type_info {
    const char *text;
    const char *name; /* in names of symbols and of overloaded intrinsics */
    enum kind kind;
    unsigned bits;                  /* of an integer */
    unsigned count;                 /* of elements or members */
    enum type element;              /* of a vector or array */
    enum type members[MEMBERS_MAX]; /* of a structure; arrays repeat their element */
};

enum linkage { LINK_EXTERNAL, LINK_INTERNAL, LINK_WEAK, LINK_ODR, LINK_HIDDEN };

enum { PARAMETERS_MAX = 9, NAME_BYTES = 24 };

struct function {
    char name[NAME_BYTES]; /* with its sigil */
    unsigned module;
    unsigned twin_module; /* a second definition lives here; the own module when there is none */
    enum linkage linkage;
    const char *convention;
    const char *result_attribute;
    enum type result;
    unsigned parameter_count;
    enum type parameters[PARAMETERS_MAX];
    const char *attributes[PARAMETERS_MAX];
    bool is_standard; /* i64 (i64, i32): what tables, aliases and nodes point at */
    bool is_leaf;     /* calls nothing but helpers, never throws */
    bool has_comdat;
    bool has_indirect_branch;
};

enum { OBJECT_ELEMENTS_MAX = 5 };

/* An array of `count` elements in memory: a global or a local variable. */
struct object {
    char name[NAME_BYTES]; /* with its sigil */
    enum type type;
    unsigned count;
    unsigned module;
    enum linkage linkage;
    bool is_global, is_thread_local, is_constant;
};

struct value {
    enum type type;
    unsigned id; /* %v<id> */
};

enum {
    FUNCTIONS_MAX = 16,
    GLOBALS_MAX = 24,
    LOCALS_MAX = 4,
    POOL_MAX = 640,
    NEEDS_MAX = 256,
    NODES_MAX = 5,
    ALIASES_MAX = 4,
    GROUPS_MAX = 2,
    WEAK_MAX = 3,
    OPERANDS = 64,
    OPERAND_BYTES = 512
};

struct module {
    struct diff_text globals, code;
    uint32_t hashed_types; /* bit per type: @hash.<name> is called */
    bool uses_function[FUNCTIONS_MAX], uses_global[GLOBALS_MAX], uses_node[NODES_MAX];
    bool uses_alias[ALIASES_MAX];
    const char *needs[NEEDS_MAX]; /* lines of declarations; owned */
    unsigned need_count, structors, destructors;
    struct diff_text constructor_list, destructor_list;
};

struct alias {
    unsigned function; /* a standard function in the same module */
    bool is_ifunc;
};

struct node {
    unsigned module, next, function;
};

/* A function and its own variable in one group, which any number of modules define alike. */
struct group {
    unsigned modules; /* bit per module */
    bool is_variable_internal;
    uint64_t start;
};

/* What others refer to weakly: it is there, or it is not. */
struct weak {
    unsigned definer; /* the module; none of them: nobody defines it */
    bool is_data;
};

/* How large a program is: each number is drawn from [least, least + more). */
struct size {
    struct span {
        unsigned least, more;
    } functions, globals, statements;
};

struct gen {
    struct jd_rng rng;
    enum diff_cpu cpu;
    const struct size *size;
    uint32_t types;  /* bit per type: this program may use it */
    enum type focus; /* the type that it uses most */
    bool has_common, shares_hashes;
    unsigned module_count, function_count, global_count, node_count, alias_count, next_table;
    unsigned group_count, weak_count;
    struct module modules[DIFF_MODULES_MAX];
    struct function functions[FUNCTIONS_MAX];
    struct object globals[GLOBALS_MAX];
    struct node nodes[NODES_MAX];
    struct alias aliases[ALIASES_MAX];
    struct group groups[GROUPS_MAX];
    struct weak weaks[WEAK_MAX];

    /* The function being made. */
    const struct function *self;
    unsigned module;
    struct diff_text entry, body; /* allocas, then the rest */
    char block[NAME_BYTES];       /* label of the block that is being filled */
    unsigned next_value, next_label;
    struct value pool[POOL_MAX]; /* what dominates the place being filled */
    unsigned pool_count;
    struct object locals[LOCALS_MAX];
    unsigned local_count;
    unsigned nesting;
    bool has_personality, has_setjmp, is_leaf;
    char operands[OPERANDS][OPERAND_BYTES];
    unsigned next_operand;
};

/* generate_text.c: text, chance, types, operands */
void text_add(struct diff_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_fini(struct diff_text *text);
const struct type_info *info_of(const struct gen *g, enum type type);
const char *type_text(const struct gen *g, enum type type);
bool is_scalar(const struct gen *g, enum type type);
/* Uniform in [0, bound). */
unsigned below(struct gen *g, unsigned bound);
/* True once in `n` times. */
bool one_in(struct gen *g, unsigned n);
unsigned within(struct gen *g, struct span span);
enum type any_type(struct gen *g);
enum type any_scalar(struct gen *g);
/* A constant of the type, with every element the same small number. Valid for some 30 calls. */
const char *splat(struct gen *g, enum type type, int number);
/* Any constant of the type. */
const char *constant(struct gen *g, enum type type);
/* A value that dominates this place, or a constant. */
const char *operand(struct gen *g, enum type type);
/* The text of value `id`. */
const char *value_text(struct gen *g, unsigned id);
/* A line of the function's body, indented. */
void emit(struct gen *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line among the function's allocas. */
void emit_entry(struct gen *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
unsigned fresh_value(struct gen *g);
unsigned fresh_label(struct gen *g);
/* Begin block L<label>. */
void begin_block(struct gen *g, unsigned label);
/* Add a value to the pool; returns its id. */
unsigned keep(struct gen *g, enum type type, unsigned id);
/* This module needs a declaration. */
void need(struct gen *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Name of a function, variable or node, declared where the current module lacks it. */
const char *function_name(struct gen *g, unsigned function);
const char *global_name(struct gen *g, unsigned global);

/* generate_values.c: computations */
/* Emit "%v<id> = <rest>" and keep it. */
#define DEFINE(g, type, ...) define((g), (type), fresh_value(g), __VA_ARGS__)
unsigned define(struct gen *g, enum type type, unsigned id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Operands in the order of the array: the order of a call's arguments would be the compiler's. */
void draw(struct gen *g, enum type type, const char **out, unsigned count);
/* A comparison of scalars or vectors; not kept. */
unsigned compare(struct gen *g, enum type type);
unsigned shuffle(struct gen *g, enum type type);
unsigned insert_element(struct gen *g, enum type type);
/* Compute something of the type into the pool; returns its id. */
unsigned compute(struct gen *g, enum type type);
/* Text of an i64 in [0, bound) that depends on what is there. */
const char *index_below(struct gen *g, unsigned bound);

/* generate_convert.c: one type to another; vectors of i1 */
/* One scalar type to another: any, where a value of both is an operand somewhere. */
unsigned convert(struct gen *g, enum type from, const char *value, enum type to);
/* A scalar from another. */
unsigned cast(struct gen *g, enum type to);
/* A vector from another, element by element. */
unsigned cast_vector(struct gen *g, enum type to);
bool is_mask(enum type type);
/* The type of vector of i1 with as many elements as the type, or T_VOID. */
enum type mask_of(const struct gen *g, enum type type);
unsigned compute_mask(struct gen *g, enum type type);
/* An i1 out of a vector of them. */
unsigned from_mask(struct gen *g);
/* A bfloat, or as many as the type has, whose products and quotients are far from the smallest. */
const char *bfloat_factor(struct gen *g, enum type type);

/* generate_link.c: groups and weak references */
void plan_linking(struct gen *g);
void emit_groups_and_weak(struct gen *g);
void emit_group_call(struct gen *g);
void emit_weak_reference(struct gen *g);

/* generate_hash.c: an i64 that depends on all of a value (text of an operand). */
const char *hash_of(struct gen *g, enum type type, const char *text);
/* Add a value to the program's checksum. */
void mix(struct gen *g, enum type type, const char *text);
/* The bodies of @hash.<type> that the modules call: in each its own, or in the first for all. */
void emit_hash_functions(struct gen *g);

/* generate_memory.c: loads, stores, atomics, blocks of memory */
void emit_memory(struct gen *g);
void add_local(struct gen *g);
/* Address of one element of an object that may be written, or NULL; with its type. */
const char *element_address(struct gen *g, bool for_writing, enum type *out_type);

/* generate_calls.c: calls of all kinds */
void emit_call(struct gen *g);
/* Call a function so that nothing is thrown out of it. */
void emit_guarded_call(struct gen *g, unsigned function);
void emit_throw(struct gen *g);
void emit_setjmp(struct gen *g);
void emit_varargs(struct gen *g);
/* "define ..." or "declare ...", up to the closing parenthesis. Parameters are %v0, %v1... */
void signature(struct gen *g, struct diff_text *out, const struct function *f, bool is_definition,
               enum linkage linkage);

/* generate_flow.c: statements and control flow, whole functions */
void emit_statements(struct gen *g, unsigned count);
void emit_function(struct gen *g, unsigned function);

/* Begin and end a function's text; both for those that are not in the plan too. */
void begin_function(struct gen *g, const struct function *f);
void finish_function(struct gen *g, const struct function *f, unsigned module, enum linkage linkage,
                     const char *attributes);

/* generate_program.c: the plan, and the parts put together */
const char *linkage_text(enum linkage linkage);

/* generate_data.c: global variables, tables, nodes, aliases, and the hash of them */
void emit_data(struct gen *g);
void emit_hash_of_module(struct gen *g, unsigned module);

/* generate_runtime.c: checksum, printing, constructors, start and end */
void emit_runtime(struct gen *g);
/* The helpers that some module declares by now. */
void emit_helpers(struct gen *g);
void emit_structors(struct gen *g);
void emit_main(struct gen *g);

#endif
