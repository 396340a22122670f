/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching text: by brute force, by Knuth, Morris and Pratt, and by Horspool; three ways that must
 * agree, with libc's strstr as the fourth. Byte loads and short loops.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 8192, PATTERN_BYTES = 64 };

static char text[TEXT_BYTES + 1];

typedef int count_fn(const char *haystack, size_t length, const char *needle, size_t needle_length);

int count_brute(const char *haystack, size_t length, const char *needle, size_t needle_length)
{
    int found = 0;
    for (size_t i = 0; i + needle_length <= length; i++)
        found += !memcmp(haystack + i, needle, needle_length);
    return found;
}

int count_kmp(const char *haystack, size_t length, const char *needle, size_t needle_length)
{
    size_t border[PATTERN_BYTES + 1] = {0}, matched = 0;
    int found = 0;
    for (size_t i = 1; i < needle_length; i++) {
        size_t k = border[i];
        while (k && needle[k] != needle[i])
            k = border[k];
        border[i + 1] = needle[k] == needle[i] ? k + 1 : 0;
    }
    for (size_t i = 0; i < length; i++) {
        while (matched && needle[matched] != haystack[i])
            matched = border[matched];
        matched += needle[matched] == haystack[i];
        if (matched == needle_length) {
            found++;
            matched = border[matched];
        }
    }
    return found;
}

int count_horspool(const char *haystack, size_t length, const char *needle, size_t needle_length)
{
    size_t shift[256];
    int found = 0;
    for (int c = 0; c < 256; c++)
        shift[c] = needle_length;
    for (size_t i = 0; i + 1 < needle_length; i++)
        shift[(unsigned char)needle[i]] = needle_length - 1 - i;
    for (size_t i = 0; i + needle_length <= length;
         i += shift[(unsigned char)haystack[i + needle_length - 1]])
        found += !memcmp(haystack + i, needle, needle_length);
    return found;
}

int count_libc(const char *haystack, size_t length, const char *needle, size_t needle_length)
{
    int found = 0;
    (void)length;
    (void)needle_length;
    for (const char *at = haystack; (at = strstr(at, needle)); at++)
        found++;
    return found;
}

static count_fn *const ways[] = {count_brute, count_kmp, count_horspool, count_libc};

static void fill(void)
{
    uint32_t state = 99;
    for (int i = 0; i < TEXT_BYTES; i++) {
        state = state * 1103515245u + 12345u;
        text[i] = (char)('a' + (state >> 16) % 3);
    }
    text[TEXT_BYTES] = '\0';
}

/* All four ways on the first n bytes; they found the same, or the answer is -1. */
int64_t kernel_step(int64_t n)
{
    static const char *const needles[] = {"ab", "abc", "aabaa", "cabbac"};
    int64_t sum = 0;
    fill();
    text[n] = '\0';
    for (size_t i = 0; i < sizeof needles / sizeof *needles; i++) {
        int counts[4];
        for (size_t way = 0; way < 4; way++)
            counts[way] = ways[way](text, (size_t)n, needles[i], strlen(needles[i]));
        if (counts[0] != counts[1] || counts[0] != counts[2] || counts[0] != counts[3])
            return -1;
        sum = sum * 1000 + counts[0];
    }
    return sum;
}

int main(void)
{
    printf("whole text: %lld\n", (long long)kernel_step(TEXT_BYTES));
    strcpy(text, "abababab");
    printf("overlapping: %d %d\n", count_kmp(text, 8, "abab", 4), count_brute(text, 8, "abab", 4));
    printf("step(2000) = %lld\n", (long long)kernel_step(2000));
    return 0;
}
