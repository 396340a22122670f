/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a program under an engine. Every step stamps its end, so that whoever measures needs
 * no clock of their own in between.
 */
#include "program.h"

#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"
#include "measure/clock.h"
#include "program_private.h"

typedef int (*entry_fn)(int, char **, char **);

/* For crash messages; one program at a time is being added or run. */
static const char *volatile current_module;
static volatile bool has_started;

const char *jd_program_current_module(void)
{
    return current_module;
}

bool jd_program_has_started(void)
{
    return has_started;
}

static uintptr_t call_failed(void *context, const char *name, const struct jd_error *err)
{
    (void)name;
    program_fail(context, err);
}

static int load_libraries(const struct jd_program_spec *spec, struct jd_error *err)
{
    for (size_t i = 0; i < spec->library_count; i++)
        if (!dlopen(spec->libraries[i], RTLD_NOW | RTLD_GLOBAL))
            return jd_fail(err, JD_E_IO, spec->libraries[i], "cannot be loaded: %s", dlerror());
    return JD_OK;
}

static int create_engine(struct jd_program *program, struct jd_error *err)
{
    struct jd_engine_options options = program->spec.options;
    options.struct_size = sizeof options;
    options.wants_operators = true;
    if (program->spec.on_failure) {
        options.on_error = call_failed;
        options.on_error_context = program;
    }
    return program->spec.ops->create(&options, &program->engine, err);
}

/* Crash reports are ours; the program is to find what a native one does. */
static int define_signals(struct jd_program *program, struct jd_error *err)
{
    static const struct {
        const char *name;
        uintptr_t addr;
    } symbols[] = {{"sigaction", (uintptr_t)jd_crash_sigaction},
                   {"signal", (uintptr_t)jd_crash_signal},
                   {"bsd_signal", (uintptr_t)jd_crash_signal},
                   {"ssignal", (uintptr_t)jd_crash_signal},
                   {"sysv_signal", (uintptr_t)jd_crash_sysv_signal},
                   {"__sysv_signal", (uintptr_t)jd_crash_sysv_signal}};
    int code = JD_OK;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols && code == JD_OK; i++)
        code = program->spec.ops->define_symbol(program->engine, symbols[i].name,
                                                JD_SYMBOL_FUNCTION, symbols[i].addr, err);
    return code;
}

/* Engines name the place inside a module; make sure that the module is named too. */
static int add_module(struct jd_program *program, const struct jd_ir *ir, struct jd_error *err)
{
    current_module = ir->name;
    int code = program->spec.ops->add_module(program->engine, ir, NULL, err);
    if (code != JD_OK && err && ir->name && !strstr(err->where, ir->name))
        jd_error_prefix(err, ir->name);
    return code;
}

static int add_modules(struct jd_program *program, struct jd_error *err)
{
    const struct jd_program_spec *spec = &program->spec;
    for (size_t i = 0; i < spec->module_count; i++) {
        int code = add_module(program, &spec->modules[i], err);
        if (code != JD_OK)
            return code;
    }
    current_module = spec->module_count ? spec->modules[0].name : NULL;
    return JD_OK;
}

static int add_objects(struct jd_program *program, struct jd_error *err)
{
    const struct jd_program_spec *spec = &program->spec;
    int code = JD_OK;
    if (spec->object_count && !(spec->ops->caps & JD_CAP_ADD_OBJECT))
        return jd_fail(err, JD_E_UNSUPPORTED, spec->objects[0].name,
                       "the %s engine cannot link object files", spec->ops->name);
    for (size_t i = 0; i < spec->object_count && code == JD_OK; i++)
        code = spec->ops->add_object(program->engine, spec->objects[i].bytes,
                                     spec->objects[i].size_bytes, spec->objects[i].name, err);
    return code;
}

int jd_program_open(const struct jd_program_spec *spec, struct jd_program **out,
                    struct jd_error *err)
{
    struct jd_program *program = calloc(1, sizeof *program);
    int code;
    *out = NULL;
    if (!program)
        return jd_fail(err, JD_E_NO_MEMORY, "program", "no memory");
    program->times.open_ns = jd_clock_ns();
    program->spec = *spec;
    program->owner = getpid();
    if (spec->on_end && (code = program_watch_end(program, err)) != JD_OK)
        goto fail;
    if ((code = load_libraries(spec, err)) != JD_OK ||
        (code = create_engine(program, err)) != JD_OK)
        goto fail;
    program->times.created_ns = jd_clock_ns();
    if (spec->wants_early_exit && (code = program_define_early_exit(program, err)) != JD_OK)
        goto fail;
    if (spec->wants_signals && (code = define_signals(program, err)) != JD_OK)
        goto fail;
    if ((code = add_modules(program, err)) != JD_OK || (code = add_objects(program, err)) != JD_OK)
        goto fail;
    program->times.added_ns = jd_clock_ns();
    *out = program;
    return JD_OK;
fail:
    jd_program_close(program);
    return code;
}

static const char *entry_name(const struct jd_program *program)
{
    return program->spec.entry ? program->spec.entry : "main";
}

static int look_up_entry(struct jd_program *program, struct jd_error *err)
{
    struct jd_error cause = JD_ERROR_INIT;
    const char *name = entry_name(program);
    int code = program->spec.ops->lookup(program->engine, name, &program->entry_addr, &cause);
    if (code == JD_OK)
        return JD_OK;
    if ((code == JD_E_NOT_FOUND || code == JD_E_UNRESOLVED) && !strcmp(cause.where, name))
        return jd_fail(err, JD_E_NOT_FOUND, current_module,
                       "no function '%s' to start with (name another entry, or add the module "
                       "that defines it)",
                       name);
    return jd_fail(err, code, cause.where, "%s", cause.text);
}

int jd_program_prepare(struct jd_program *program, struct jd_error *err)
{
    int code = program->spec.ops->prepare(program->engine, err);
    if (code == JD_OK)
        code = look_up_entry(program, err);
    if (code == JD_OK)
        program->times.prepared_ns = jd_clock_ns();
    return code;
}

/* As exec leaves it: programs test floating-point exceptions without having cleared LLVM's. */
static void clear_state(void)
{
    feclearexcept(FE_ALL_EXCEPT);
    errno = 0;
}

/* err(3), error(3) and failed assertions speak in the name that the C library took from our argv.
 */
static void take_name(const struct jd_program *program)
{
    char **argv = program->spec.options.start_argv;
    if (!argv || !argv[0])
        return;
    char *slash = strrchr(argv[0], '/');
    program_invocation_name = argv[0];
    program_invocation_short_name = slash ? slash + 1 : argv[0];
}

int jd_program_construct(struct jd_program *program, struct jd_error *err)
{
    has_started = true;
    take_name(program);
    clear_state();
    int code = program->spec.ops->run_constructors(program->engine, err);
    program->times.main_ns = jd_clock_ns();
    return code;
}

int jd_program_call(struct jd_program *program, int argc, char **argv)
{
    union {
        uintptr_t addr;
        entry_fn call;
    } entry = {.addr = program->entry_addr};
    has_started = true;
    int result = entry.call(argc, argv, environ);
    program->times.returned_ns = jd_clock_ns();
    return result;
}

void jd_program_close(struct jd_program *program)
{
    if (!program)
        return;
    if (program->engine)
        program->spec.ops->destroy(program->engine);
    program->engine = NULL;
    /* The exit handlers of a watched program keep pointing at it. */
    if (!program->spec.on_end)
        free(program);
}

_Noreturn void jd_program_run(struct jd_program *program, int argc, char **argv)
{
    struct jd_error err = JD_ERROR_INIT;
    if (jd_program_construct(program, &err) != JD_OK)
        program_fail(program, &err);
    exit(jd_program_call(program, argc, argv));
}

struct jd_engine *jd_program_engine(const struct jd_program *program)
{
    return program->engine;
}

const struct jd_program_times *jd_program_times(const struct jd_program *program)
{
    return &program->times;
}
