/* SPDX-License-Identifier: Apache-2.0
 *
 * A library for `jitduel run --load`: a function to call and a destructor to hear of.
 */
#include <stdio.h>

int jd_cli_fixture_answer(int argc);

int jd_cli_fixture_answer(int argc)
{
    return 41 + argc;
}

__attribute__((destructor)) static void say_bye(void)
{
    puts("library destructed");
}
