// SPDX-License-Identifier: Apache-2.0
//
// Catches on the host's side what code throws. C++ because C has no handler to offer.
#include "host_catch.h"

int host_catch(void (*function)(int), int x)
{
    try {
        function(x);
        return 0;
    } catch (int e) {
        return e;
    } catch (...) {
        return -1;
    }
}
