/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's thread-local variables. Sources: dl_iterate_phdr(3) (dlpi_tls_modid,
 * dlpi_tls_data); "ELF Handling For Thread-Local Storage", 3.4 (__tls_get_addr, tls_index);
 * libgcc's emutls.c for the layout of a control object.
 */
#include "host_tls.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

struct tls_index {
    unsigned long module, offset;
};

extern void *__tls_get_addr(struct tls_index *index);
extern void *__emutls_get_address(void *control);

/* No object is this large; libgcc's control objects hold the variable's size here. */
#define HOST_MARK UINTPTR_MAX

/* What std::call_once leaves for __once_proxy (libstdc++, mutex). A first call in between, which a
 * lazy engine compiles then, must not find the process's own: LLVM's use of std::call_once, and
 * that of std::promise in ORC, would leave them empty. */
static _Thread_local void (*once_call)(void);
static _Thread_local void *once_callable;

void jd_host_tls_once_proxy(void)
{
    once_call();
}

static uintptr_t find_variable(const char *name)
{
    if (!strcmp(name, "_ZSt11__once_call"))
        return (uintptr_t)&once_call;
    if (!strcmp(name, "_ZSt15__once_callable"))
        return (uintptr_t)&once_callable;
    return (uintptr_t)dlsym(RTLD_DEFAULT, name);
}

struct search {
    uintptr_t addr;
    struct jd_host_tls_control *out;
};

static int in_module(struct dl_phdr_info *info, size_t info_bytes, void *context)
{
    struct search *search = context;
    uintptr_t block_addr = (uintptr_t)info->dlpi_tls_data;
    (void)info_bytes;
    for (int i = 0; block_addr && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_TLS || search->addr < block_addr ||
            search->addr >= block_addr + header->p_memsz)
            continue;
        search->out->size_bytes = HOST_MARK;
        search->out->align_bytes = header->p_align;
        search->out->module = info->dlpi_tls_modid;
        search->out->offset = search->addr - block_addr;
        return 1;
    }
    return 0;
}

int jd_host_tls_find(const char *name, struct jd_host_tls_control *out, struct jd_error *err)
{
    struct search search = {find_variable(name), out};
    *out = (struct jd_host_tls_control){0};
    if (!search.addr)
        return jd_fail(err, JD_E_UNRESOLVED, name, "unresolved thread-local variable");
    if (!dl_iterate_phdr(in_module, &search))
        return jd_fail(err, JD_E_UNRESOLVED, name, "not a thread-local variable in this process");
    return JD_OK;
}

void *jd_host_tls_get_address(void *control)
{
    const struct jd_host_tls_control *host = control;
    if (host->size_bytes != HOST_MARK)
        return __emutls_get_address(control);
    struct tls_index index = {host->module, host->offset};
    return __tls_get_addr(&index);
}
