/* SPDX-License-Identifier: Apache-2.0
 *
 * See operators.h. A slot through which a library calls an operator is led here, and from here to
 * the program's definition or to the library's own. Knows no engine.
 * Sources: dl_iterate_phdr(3); System V ABI, "Dynamic Linking" (DT_JMPREL, DT_RELA); x86-64 and
 * AArch64 psABI, "Relocation Types"; Itanium C++ ABI 5.1 for the names.
 */
#include "operators.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <llvm-c/Core.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "undisturbed.h"

#if defined(__x86_64__)
enum { SLOT_OF_CALL = R_X86_64_JUMP_SLOT, SLOT_OF_ADDRESS = R_X86_64_GLOB_DAT };
#else
enum { SLOT_OF_CALL = R_AARCH64_JUMP_SLOT, SLOT_OF_ADDRESS = R_AARCH64_GLOB_DAT };
#endif

#define OPERATORS(X)                                                                               \
    X(_Znwm)                                                                                       \
    X(_Znam)                                                                                       \
    X(_ZnwmRKSt9nothrow_t)                                                                         \
    X(_ZnamRKSt9nothrow_t)                                                                         \
    X(_ZnwmSt11align_val_t)                                                                        \
    X(_ZnamSt11align_val_t)                                                                        \
    X(_ZnwmSt11align_val_tRKSt9nothrow_t)                                                          \
    X(_ZnamSt11align_val_tRKSt9nothrow_t)                                                          \
    X(_ZdlPv)                                                                                      \
    X(_ZdaPv)                                                                                      \
    X(_ZdlPvm)                                                                                     \
    X(_ZdaPvm)                                                                                     \
    X(_ZdlPvRKSt9nothrow_t)                                                                        \
    X(_ZdaPvRKSt9nothrow_t)                                                                        \
    X(_ZdlPvSt11align_val_t)                                                                       \
    X(_ZdaPvSt11align_val_t)                                                                       \
    X(_ZdlPvmSt11align_val_t)                                                                      \
    X(_ZdaPvmSt11align_val_t)                                                                      \
    X(_ZdlPvSt11align_val_tRKSt9nothrow_t)                                                         \
    X(_ZdaPvSt11align_val_tRKSt9nothrow_t)

#define NUMBER(name) AT##name,
enum { OPERATORS(NUMBER) OPERATOR_COUNT };

/* No operator has more than three arguments, all of them integers or pointers; one that has fewer
 * does not look at the others' registers. */
typedef void *(*operator_fn)(uintptr_t, uintptr_t, uintptr_t);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const void *owner;
static operator_fn originals[OPERATOR_COUNT];
static _Atomic(operator_fn) replacements[OPERATOR_COUNT];

static operator_fn target(int number)
{
    operator_fn replacement = atomic_load_explicit(&replacements[number], memory_order_acquire);
    return replacement && !jd_undisturbed_is_here() ? replacement : originals[number];
}

#define DISPATCH(name)                                                                             \
    static void *to##name(uintptr_t a, uintptr_t b, uintptr_t c)                                   \
    {                                                                                              \
        return target(AT##name)(a, b, c);                                                          \
    }
OPERATORS(DISPATCH)

#define ROW(name) {#name, to##name},
static const struct {
    const char *name;
    operator_fn dispatch;
} operators[] = {OPERATORS(ROW)};

static int number_of(const char *name)
{
    if (strncmp(name, "_Zn", 3) != 0 && strncmp(name, "_Zd", 3) != 0)
        return -1;
    for (int i = 0; i < OPERATOR_COUNT; i++)
        if (!strcmp(operators[i].name, name))
            return i;
    return -1;
}

/* What a library's dynamic section says of its slots. */
struct library {
    uintptr_t base_addr, relro_addr, relro_end_addr;
    const Elf64_Sym *symbols;
    const char *strings;
    const Elf64_Rela *relas[2]; /* of calls, of all else */
    size_t rela_bytes[2];
};

static void read_dynamic(struct library *library, const Elf64_Dyn *entry)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        uintptr_t addr = entry->d_un.d_ptr;
        if (entry->d_tag == DT_SYMTAB)
            library->symbols = (const Elf64_Sym *)addr;
        else if (entry->d_tag == DT_STRTAB)
            library->strings = (const char *)addr;
        else if (entry->d_tag == DT_JMPREL)
            library->relas[0] = (const Elf64_Rela *)addr;
        else if (entry->d_tag == DT_PLTRELSZ)
            library->rela_bytes[0] = entry->d_un.d_val;
        else if (entry->d_tag == DT_RELA)
            library->relas[1] = (const Elf64_Rela *)addr;
        else if (entry->d_tag == DT_RELASZ)
            library->rela_bytes[1] = entry->d_un.d_val;
    }
}

/* Slots that the loader made read-only when it had filled them are made writable meanwhile. */
static bool write_slot(const struct library *library, uintptr_t slot_addr, operator_fn value)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)(slot_addr & ~(page_bytes - 1));
    bool is_sealed = slot_addr >= library->relro_addr && slot_addr < library->relro_end_addr;
    if (is_sealed && mprotect(page, page_bytes, PROT_READ | PROT_WRITE))
        return false;
    __atomic_store_n((uintptr_t *)slot_addr, (uintptr_t)value, __ATOMIC_RELEASE);
    return !is_sealed || !mprotect(page, page_bytes, PROT_READ);
}

static bool lead_slots(const struct library *library, int kind)
{
    const Elf64_Rela *rela = library->relas[kind];
    for (size_t i = 0; i < library->rela_bytes[kind] / sizeof *rela; i++) {
        uint32_t type = (uint32_t)ELF64_R_TYPE(rela[i].r_info);
        if (type != SLOT_OF_CALL && type != SLOT_OF_ADDRESS)
            continue;
        const Elf64_Sym *symbol = &library->symbols[ELF64_R_SYM(rela[i].r_info)];
        int number = number_of(library->strings + symbol->st_name);
        if (number >= 0 && originals[number] && atomic_load(&replacements[number]) &&
            !write_slot(library, library->base_addr + rela[i].r_offset, operators[number].dispatch))
            return false;
    }
    return true;
}

static bool is_engines_own(const struct dl_phdr_info *info)
{
    uintptr_t llvm_addr = (uintptr_t)LLVMContextCreate - info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD &&
            llvm_addr - info->dlpi_phdr[i].p_vaddr < info->dlpi_phdr[i].p_memsz)
            return true;
    return !info->dlpi_name[0]; /* the program's file */
}

/* Not 0 ends the walk. */
static int lead_library(struct dl_phdr_info *info, size_t info_bytes, void *unused)
{
    struct library library = {.base_addr = info->dlpi_addr};
    (void)info_bytes;
    (void)unused;
    if (is_engines_own(info))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t addr = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) {
            read_dynamic(&library, (const Elf64_Dyn *)addr);
        } else if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            library.relro_addr = addr;
            library.relro_end_addr = addr + info->dlpi_phdr[i].p_memsz;
        }
    }
    return !library.symbols || !library.strings ||
                   (lead_slots(&library, 0) && lead_slots(&library, 1))
               ? 0
               : 1;
}

static bool find_all(jd_operator_find_fn find, void *context)
{
    bool is_any = false;
    for (int i = 0; i < OPERATOR_COUNT; i++) {
        uintptr_t addr = find(context, operators[i].name);
        originals[i] = (operator_fn)(uintptr_t)dlsym(RTLD_DEFAULT, operators[i].name);
        atomic_store_explicit(&replacements[i], (operator_fn)addr, memory_order_release);
        is_any |= addr != 0;
    }
    return is_any;
}

int jd_operators_replace(const void *new_owner, jd_operator_find_fn find, void *context,
                         struct jd_error *err)
{
    int result = JD_OK;
    pthread_mutex_lock(&lock);
    if (!owner && find_all(find, context)) {
        owner = new_owner;
        if (dl_iterate_phdr(lead_library, NULL))
            result = jd_fail(err, JD_E_EXEC_DENIED, "operators",
                             "a library cannot be led to the program's operator new: %s",
                             strerror(errno));
    }
    pthread_mutex_unlock(&lock);
    return result;
}

void jd_operators_restore(const void *old_owner)
{
    pthread_mutex_lock(&lock);
    if (owner == old_owner) {
        for (int i = 0; i < OPERATOR_COUNT; i++)
            atomic_store_explicit(&replacements[i], NULL, memory_order_release);
        owner = NULL;
    }
    pthread_mutex_unlock(&lock);
}
