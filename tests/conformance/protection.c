/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases 64 and 65: memory is never writable and executable at once, and where the system gives no
 * executable memory at all the engine says so.
 */
#include "cases.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* --- 64 --- */

static struct {
    unsigned readings;
    char offender[512]; /* the first line of the maps that was both */
} watch;

static void read_maps(void)
{
    char line[512], permissions[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        return;
    watch.readings++;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%*s %7s", permissions) == 1 && permissions[1] == 'w' &&
            permissions[2] == 'x' && !watch.offender[0])
            memcpy(watch.offender, line, sizeof line);
    fclose(maps);
}

static void watch_phase(void *context, enum jd_phase phase)
{
    (void)context;
    (void)phase;
    read_maps();
}

static void watch_compiled(void *context, const char *name, uintptr_t code_addr, size_t code_bytes)
{
    (void)context;
    (void)name;
    (void)code_addr;
    (void)code_bytes;
    read_maps();
}

static int watch_creator(void *context, struct jd_engine *engine, const char *name,
                         enum jd_symbol_kind kind, struct jd_creation *out, struct jd_error *err)
{
    (void)context;
    (void)engine;
    (void)name;
    (void)kind;
    (void)err;
    read_maps();
    out->addr = (uintptr_t)&read_maps;
    return 0;
}

void case_wx_never_both(struct trial *t)
{
    static const char ir[] = "@state = global i64 3\n"
                             "declare void @watched()\n"
                             "define i64 @f() {\n"
                             "  call void @watched()\n"
                             "  %a = call i64 @g()\n"
                             "  %b = load i64, ptr @state, align 8\n"
                             "  %r = add i64 %a, %b\n"
                             "  ret i64 %r\n"
                             "}\n"
                             "define i64 @g() {\n"
                             "  call void @watched()\n"
                             "  ret i64 4\n"
                             "}\n";
    static const struct jd_probe probe = {.struct_size = sizeof probe,
                                          .begin = watch_phase,
                                          .end = watch_phase,
                                          .compiled = watch_compiled};
    struct jd_engine_options options = trial_options(t);
    options.probe = &probe;
    memset(&watch, 0, sizeof watch);
    read_maps();
    if (watch.offender[0])
        SKIP("this process had such a mapping before: %s", watch.offender);
    trial_create(t, &options);
    CHECK_OK(t->ops->set_creator(t->engine, watch_creator, NULL, &t->err));
    trial_add(t, "watched", ir);
    read_maps();
    trial_prepare(t);
    read_maps();
    CHECK_EQ(CALLEE(t, "f", int64_t, void)(), 7);
    CHECK_EQ(CALLEE(t, "f", int64_t, void)(), 7);
    trial_add(t, "more", "define i64 @h() {\n  ret i64 5\n}\n");
    CHECK_EQ(CALLEE(t, "h", int64_t, void)(), 5);
    trial_destroy(t);
    read_maps();
    CHECK(watch.readings >= 12);
    if (watch.offender[0])
        trial_fail(t, __FILE__, __LINE__, "writable and executable: %s", watch.offender);
}

/* --- 65 --- */

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#endif

/* mmap, mprotect and pkey_mprotect take the protection as third argument: with PROT_EXEC in it they
 * fail with EACCES, as SELinux's execmem rule does it. For the rest of this process's life. */
static bool deny_executable_memory(void)
{
    enum { PROTECTION_OFFSET = offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t) };
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PROTECTION_OFFSET),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return false;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return true;
    munmap(page, 4096);
    return false;
}

static int64_t denied_call(void)
{
    return -65;
}

/* The failure may come wherever memory is first needed. */
static int run_denied(struct trial *t)
{
    uintptr_t addr = 0;
    struct jd_engine_options options = trial_options(t);
    jd_error_clear(&t->err);
    int code = t->ops->create(&options, &t->engine, &t->err);
    if (code) {
        CHECK(!t->engine);
        return code;
    }
    code = trial_try_add(t, "denied", "define i64 @f() {\n  ret i64 1\n}\n");
    if (!code)
        code = t->ops->prepare(t->engine, &t->err);
    if (!code)
        code = t->ops->lookup(t->engine, "f", &addr, &t->err);
    if (code)
        return code;
    t->fault.count = 0;
    t->fault.substitute_addr = (uintptr_t)&denied_call;
    CHECK_EQ(((int64_t(*)(void))addr)(), -65);
    CHECK_EQ(t->fault.count, 1);
    t->err = t->fault.error;
    return t->fault.error.code;
}

void case_wx_denied_by_system(struct trial *t)
{
    if (!deny_executable_memory())
        SKIP("this system has no seccomp filters");
    CHECK_EQ(run_denied(t), JD_E_EXEC_DENIED);
    CHECK_EQ(t->err.kind, JD_KIND_ENVIRONMENT);
    trial_destroy(t);
    CHECK_EQ(run_denied(t), JD_E_EXEC_DENIED);
}
