/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways in which a program can end, brought to one place.
 *
 *   return from the entry, exit()  libc calls the program's handlers, last registered first, then
 *                                  our two, which were registered before all others: destructors,
 *                                  then flush, on_end and the end. There are two, because a
 *                                  destructor may itself call exit().
 *   _exit, _Exit, quick_exit       through definitions of our own, if asked for
 *   an error without a caller      flush, on_failure, on_end, _exit
 *   a signal                       not here; see crash.h
 *
 * A child that the program forked inherits the handlers: it runs the destructors, as a native one
 * would, but its end is not the program's.
 */
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/clock.h"
#include "program_private.h"

/* The program whose end is the end of the process; early-exit definitions take no context. */
static struct jd_program *watched;

/* How many libraries were ever loaded; dl_iterate_phdr hands it out with the first one. */
static int copy_load_count(struct dl_phdr_info *info, size_t info_bytes, void *out)
{
    (void)info_bytes;
    *(unsigned long long *)out = info->dlpi_adds;
    return 1;
}

static unsigned long long load_count(void)
{
    unsigned long long count = 0;
    dl_iterate_phdr(copy_load_count, &count);
    return count;
}

static int tell_end(struct jd_program *program, int status)
{
    if (!program->spec.on_end || getpid() != program->owner)
        return status;
    /* Two threads that end the process: the first one wins, the other waits to be ended. */
    while (atomic_flag_test_and_set(&program->is_ended))
        pause();
    if (!program->times.ended_ns)
        program->times.ended_ns = jd_clock_ns();
    return program->spec.on_end(program->spec.context, status);
}

static _Noreturn void leave(struct jd_program *program, int status)
{
    _exit(tell_end(program, status & 0xff));
}

/* libstdc++ from GCC 13 on flushes std::cout from a destructor of its own, which comes after our
 * exit handlers. Its streams are constructed when their first word, the vtable, is set. */
static void flush_cxx_streams(void)
{
    static const char narrow[] = "_ZNSo5flushEv";
    static const char wide[] = "_ZNSt13basic_ostreamIwSt11char_traitsIwEE5flushEv";
    static const char *const streams[][2] = {
        {"_ZSt4cout", narrow}, {"_ZSt4clog", narrow}, {"_ZSt5wcout", wide}, {"_ZSt5wclog", wide}};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        void *const *stream = dlsym(RTLD_DEFAULT, streams[i][0]);
        void *symbol = dlsym(RTLD_DEFAULT, streams[i][1]);
        void *(*flush)(void *const *);
        memcpy(&flush, &symbol, sizeof flush);
        if (stream && *stream && flush)
            flush(stream);
    }
}

static void flush_streams(void)
{
    flush_cxx_streams();
    fflush(NULL);
}

int jd_program_destruct(struct jd_program *program, struct jd_error *err)
{
    int code = JD_OK;
    if (!atomic_exchange(&program->is_destructed, true))
        code = program->spec.ops->run_destructors(program->engine, err);
    flush_streams();
    program->times.ended_ns = jd_clock_ns();
    return code;
}

static void destruct_at_exit(int status, void *context)
{
    struct jd_program *program = context;
    struct jd_error err = JD_ERROR_INIT;
    (void)status;
    if (program->engine && jd_program_has_started() && jd_program_destruct(program, &err) != JD_OK)
        program_fail(program, &err);
}

static void leave_at_exit(int status, void *context)
{
    struct jd_program *program = context;
    if (!program->engine)
        return;
    flush_cxx_streams();
    /* What exit does with stdio: flushes, and puts back what was read too far from standard input.
     */
    fcloseall();
    program->times.ended_ns = jd_clock_ns();
    int final_status = tell_end(program, status & 0xff);
    /* Libraries that came after us may have destructors that only libc can run. Without them there
     * is nothing left to do but LLVM's own destructors (0.7 ms), under threads that may still be
     * compiling: not run. */
    if (load_count() == program->load_count || final_status != (status & 0xff))
        _exit(final_status);
}

static void leave_at_quick_exit(void)
{
    leave(watched, watched->quick_status);
}

int program_watch_end(struct jd_program *program, struct jd_error *err)
{
    if (watched)
        return jd_fail(err, JD_E_STATE, "program", "this process has run a program already");
    watched = program;
    program->load_count = load_count();
    if (on_exit(leave_at_exit, program) != 0 || on_exit(destruct_at_exit, program) != 0 ||
        (program->spec.wants_early_exit && at_quick_exit(leave_at_quick_exit) != 0))
        return jd_fail(err, JD_E_NO_MEMORY, "program", "no memory for exit handlers");
    return JD_OK;
}

static _Noreturn void early_exit(int status)
{
    leave(watched, status);
}

static _Noreturn void early_quick_exit(int status)
{
    watched->quick_status = status;
    quick_exit(status);
}

int program_define_early_exit(struct jd_program *program, struct jd_error *err)
{
    static const struct {
        const char *name;
        void (*call)(int);
    } symbols[] = {{"_exit", early_exit}, {"_Exit", early_exit}, {"quick_exit", early_quick_exit}};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        int code = program->spec.ops->define_symbol(
            program->engine, symbols[i].name, JD_SYMBOL_FUNCTION, (uintptr_t)symbols[i].call, err);
        if (code != JD_OK)
            return code;
    }
    return JD_OK;
}

_Noreturn void program_fail(struct jd_program *program, const struct jd_error *err)
{
    flush_streams();
    if (!program->spec.on_failure)
        abort();
    leave(program, program->spec.on_failure(program->spec.context, err));
}
