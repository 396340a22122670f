/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 36 and 37: exceptions through first calls. The IR is what a C++ front end makes of
 * `throw x` and `try { ... } catch (int e) { ... }` under the Itanium C++ ABI.
 */
#include "cases.h"
#include "host_catch.h"

#define RUNTIME_DECLARATIONS                                                                       \
    "@_ZTIi = external constant ptr\n"                                                             \
    "declare ptr @__cxa_allocate_exception(i64)\n"                                                 \
    "declare void @__cxa_throw(ptr, ptr, ptr)\n"                                                   \
    "declare ptr @__cxa_begin_catch(ptr)\n"                                                        \
    "declare void @__cxa_end_catch()\n"                                                            \
    "declare i32 @__gxx_personality_v0(...)\n"                                                     \
    "declare i32 @llvm.eh.typeid.for.p0(ptr)\n"

/* Throws its argument unless it is 0. */
#define THROWER                                                                                    \
    "define void @thrower(i32 %x) {\n"                                                             \
    "  %quiet = icmp eq i32 %x, 0\n"                                                               \
    "  br i1 %quiet, label %done, label %throw\n"                                                  \
    "throw:\n"                                                                                     \
    "  %e = call ptr @__cxa_allocate_exception(i64 4)\n"                                           \
    "  store i32 %x, ptr %e, align 4\n"                                                            \
    "  call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)\n"                                     \
    "  unreachable\n"                                                                              \
    "done:\n"                                                                                      \
    "  ret void\n"                                                                                 \
    "}\n"

/* Returns 1000 + what it caught, or 0; the cleanup of @middle counts in @cleanups. */
#define CATCHER                                                                                    \
    "define i32 @catcher(i32 %x) personality ptr @__gxx_personality_v0 {\n"                        \
    "  invoke void @middle(i32 %x) to label %quiet unwind label %pad\n"                            \
    "pad:\n"                                                                                       \
    "  %lp = landingpad { ptr, i32 } catch ptr @_ZTIi\n"                                           \
    "  %e = extractvalue { ptr, i32 } %lp, 0\n"                                                    \
    "  %s = extractvalue { ptr, i32 } %lp, 1\n"                                                    \
    "  %id = call i32 @llvm.eh.typeid.for.p0(ptr @_ZTIi)\n"                                        \
    "  %is = icmp eq i32 %s, %id\n"                                                                \
    "  br i1 %is, label %mine, label %other\n"                                                     \
    "mine:\n"                                                                                      \
    "  %p = call ptr @__cxa_begin_catch(ptr %e)\n"                                                 \
    "  %v = load i32, ptr %p, align 4\n"                                                           \
    "  call void @__cxa_end_catch()\n"                                                             \
    "  %r = add i32 %v, 1000\n"                                                                    \
    "  ret i32 %r\n"                                                                               \
    "other:\n"                                                                                     \
    "  resume { ptr, i32 } %lp\n"                                                                  \
    "quiet:\n"                                                                                     \
    "  ret i32 0\n"                                                                                \
    "}\n"                                                                                          \
    "@cleanups = global i32 0\n"                                                                   \
    "define void @middle(i32 %x) personality ptr @__gxx_personality_v0 {\n"                        \
    "  invoke void @thrower(i32 %x) to label %quiet unwind label %pad\n"                           \
    "pad:\n"                                                                                       \
    "  %lp = landingpad { ptr, i32 } cleanup\n"                                                    \
    "  %n = load i32, ptr @cleanups, align 4\n"                                                    \
    "  %m = add i32 %n, 1\n"                                                                       \
    "  store i32 %m, ptr @cleanups, align 4\n"                                                     \
    "  resume { ptr, i32 } %lp\n"                                                                  \
    "quiet:\n"                                                                                     \
    "  ret void\n"                                                                                 \
    "}\n"

static void check_code_catches(struct trial *t)
{
    int (*catcher)(int) = CALLEE(t, "catcher", int, int);
    CHECK_EQ(catcher(7), 1007);
    CHECK_EQ(catcher(0), 0);
    CHECK_EQ(catcher(8), 1008);
    CHECK_EQ(*(const int *)trial_lookup(t, "cleanups"), 2);
}

static void check_host_catches(struct trial *t, const char *name)
{
    void (*function)(int) = CALLEE(t, name, void, int);
    CHECK_EQ(host_catch(function, 9), 9);
    CHECK_EQ(host_catch(function, 0), 0);
    CHECK_EQ(host_catch(function, 10), 10);
}

void case_exception_through_stub(struct trial *t)
{
    static const char ir[] = RUNTIME_DECLARATIONS THROWER CATCHER;
    trial_create(t, NULL);
    trial_add(t, "exceptions", ir);
    check_code_catches(t);
    check_host_catches(t, "thrower");
    trial_destroy(t);

    trial_create(t, NULL);
    trial_add(t, "exceptions", ir);
    check_host_catches(t, "middle"); /* two frames of code, both cold */
    check_host_catches(t, "thrower");
}

void case_exception_cross_module(struct trial *t)
{
    static const char catcher_ir[] = RUNTIME_DECLARATIONS "declare void @thrower(i32)\n" CATCHER;
    static const char thrower_ir[] = RUNTIME_DECLARATIONS THROWER;
    trial_create(t, NULL);
    trial_add(t, "a", catcher_ir);
    trial_add(t, "b", thrower_ir);
    check_code_catches(t);
    trial_destroy(t);

    trial_create(t, NULL);
    trial_add(t, "b", thrower_ir);
    trial_add(t, "a", catcher_ir);
    check_host_catches(t, "thrower");
    check_code_catches(t);
}
