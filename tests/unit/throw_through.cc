// SPDX-License-Identifier: Apache-2.0
//
// Throws an exception through a function that was handed in, and catches it. C++ because C cannot.
#include "throw_through.h"

void throw_an_int()
{
    throw 1;
}

int throw_through(void (*function)(void (*callee)()))
{
    try {
        function(throw_an_int);
        return 0;
    } catch (int e) {
        return e;
    }
}
