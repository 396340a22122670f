/* SPDX-License-Identifier: Apache-2.0
 *
 * Half of a program, compiled by the build's own compiler to an object file; the other half is IR
 * (tests/cli/ir/object_user.ll). Each asks the other for functions and for data.
 */
#include <stdio.h>
#include <stdlib.h>

extern int from_ir(int x);
extern int ir_data;
int object_answer(int x);
int (*object_pointer(void))(int);

int object_table[4] = {1, 2, 3, 4};
int (*const object_functions[2])(int) = {from_ir, object_answer};
static int constructed;

static void say_goodbye(void)
{
    puts("registered by the object");
}

__attribute__((constructor(200))) static void set(void)
{
    constructed = 7;
    atexit(say_goodbye);
}

__attribute__((destructor)) static void leave(void)
{
    puts("object destructed");
}

int object_answer(int x)
{
    printf("object: %d %d %d\n", x, constructed, ir_data);
    fflush(stdout);
    return object_functions[0](x) + object_table[2];
}

int (*object_pointer(void))(int)
{
    return from_ir;
}
