/* SPDX-License-Identifier: Apache-2.0
 *
 * A stack machine whose loop jumps through a table of labels (GNU C's computed goto): indirect
 * branches, block addresses in constant data. main returns what the last program left: 42.
 */
#include <stdint.h>
#include <stdio.h>

enum op { PUSH, ADD, MUL, DUP, SWAP, OVER, JUMP_IF, CALL, RETURN, PRINT, HALT };

enum { STACK = 256 };

/* A number in a program is where its line starts; n is the machine's argument. */
static const int32_t factorial[] = {
    /*  0 */ PUSH, 1,                      /* n 1 */
    /*  2 */ OVER, MUL,                    /* n acc*n */
    /*  4 */ SWAP, PUSH,    -1, ADD, SWAP, /* n-1 acc */
    /*  9 */ OVER, JUMP_IF, 2,             /* again while n-1 is not 0 */
    /* 12 */ HALT};

static const int32_t triangle[] = {
    /*  0 */ PUSH, 0,                      /* n 0 */
    /*  2 */ OVER, ADD,                    /* n sum+n */
    /*  4 */ SWAP, PUSH,    -1, ADD, SWAP, /* n-1 sum */
    /*  9 */ OVER, JUMP_IF, 2,             /* again while n-1 is not 0 */
    /* 12 */ HALT};

static const int32_t fibonacci[] = {
    /*  0 */ CALL,    3,       HALT,
    /*  3 */ DUP,     JUMP_IF, 7,      RETURN,          /* 0 -> 0 */
    /*  7 */ DUP,     PUSH,    -1,     ADD,             /* n n-1 */
    /* 11 */ JUMP_IF, 14,      RETURN,                  /* 1 -> 1 */
    /* 14 */ PUSH,    -1,      ADD,    DUP,    CALL, 3, /* n-1 fib(n-1) */
    /* 20 */ SWAP,    PUSH,    -1,     ADD,    CALL, 3, ADD, RETURN};

static const int32_t answer[] = {PRINT, PUSH, 6, MUL, PRINT, HALT};

/* Runs a program on one argument; its result is the top of the stack at HALT. */
int64_t run(const int32_t *code, int64_t argument)
{
    static const void *const labels[] = {
        [PUSH] = &&push,   [ADD] = &&add,     [MUL] = &&mul,         [DUP] = &&dup,
        [SWAP] = &&swap,   [OVER] = &&over,   [JUMP_IF] = &&jump_if, [CALL] = &&call,
        [RETURN] = &&back, [PRINT] = &&print, [HALT] = &&halt};
    int64_t stack[STACK], *top = stack, kept;
    const int32_t *calls[STACK], **last_call = calls, *next = code;
    *top = argument;
    goto *labels[*next++];
push:
    *++top = *next++;
    goto *labels[*next++];
add:
    top--;
    *top += top[1];
    goto *labels[*next++];
mul:
    top--;
    *top *= top[1];
    goto *labels[*next++];
dup:
    top[1] = top[0];
    top++;
    goto *labels[*next++];
swap:
    kept = top[0];
    top[0] = top[-1];
    top[-1] = kept;
    goto *labels[*next++];
over:
    top[1] = top[-1];
    top++;
    goto *labels[*next++];
jump_if:
    next = *top-- ? code + *next : next + 1;
    goto *labels[*next++];
call:
    *last_call++ = next + 1;
    next = code + *next;
    goto *labels[*next++];
back:
    next = *--last_call;
    goto *labels[*next++];
print:
    printf("print %lld\n", (long long)*top);
    goto *labels[*next++];
halt:
    return *top;
}

int64_t kernel_step(int64_t n)
{
    return run(triangle, n);
}

int main(void)
{
    printf("factorial(10) = %lld\n", (long long)run(factorial, 10));
    printf("fibonacci(15) = %lld\n", (long long)run(fibonacci, 15));
    printf("step(2000) = %lld\n", (long long)kernel_step(2000));
    return (int)run(answer, 7);
}
