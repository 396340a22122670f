/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions with a variable number of arguments: calling libc's, being called with many of our own,
 * passing a va_list on. Whole numbers and doubles travel in different registers, some on the stack.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* kinds: i int, l int64_t, d double, s string; one argument for each. */
__attribute__((noinline)) double sum_of(const char *kinds, ...)
{
    va_list args;
    double sum = 0;
    va_start(args, kinds);
    for (; *kinds; kinds++)
        switch (*kinds) {
        case 'i':
            sum += va_arg(args, int);
            break;
        case 'l':
            sum += (double)va_arg(args, int64_t);
            break;
        case 'd':
            sum += va_arg(args, double);
            break;
        case 's':
            sum += (double)strlen(va_arg(args, const char *));
            break;
        }
    va_end(args);
    return sum;
}

/* Passes its list on twice: libc reads one copy to measure, one to write. */
__attribute__((noinline, format(printf, 2, 3))) static int append(char *out, const char *format,
                                                                  ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    vsprintf(out + strlen(out), format, again);
    va_end(again);
    va_end(args);
    return length;
}

int64_t kernel_step(int64_t n)
{
    char line[128];
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        line[0] = '\0';
        sum += append(line, "%lld:%5.2f:%s", (long long)i, (double)i / 4, i % 2 ? "odd" : "even");
        sum += (int64_t)sum_of("ildsi", 1, (int64_t)2, 3.0, line, 4);
    }
    return sum;
}

int main(void)
{
    char line[256] = "";
    printf("%.3f\n", sum_of("iiiiiiii", 1, 2, 3, 4, 5, 6, 7, 8));
    printf("%.3f\n", sum_of("dddddddddd", .1, .2, .3, .4, .5, .6, .7, .8, .9, 1.));
    printf("%.3f\n",
           sum_of("idlsidlsidlsidls", 1, 2.5, (int64_t)3 << 40, "four", 5, 6.5, (int64_t)-7,
                  "eight", 9, 10.5, (int64_t)11, "twelve", 13, 14.5, (int64_t)15, "sixteen"));
    int length = append(line, "%d|%5d|%-5d|%05d|%+d|%x|%#o", 42, 42, 42, 42, 42, 42, 42);
    printf("%s (%d)\n", line, length);
    line[0] = '\0';
    length = append(line, "%g|%e|%8.3f|%a|%s|%.3s|%c|%%|%lld", 0.5, 12345.678, 3.14159, 1.0, "text",
                    "longer", 'c', -9000000000LL);
    printf("%s (%d)\n", line, length);
    printf("step(100) = %lld\n", (long long)kernel_step(100));
    return 0;
}
