/* SPDX-License-Identifier: Apache-2.0
 *
 * setjmp and longjmp as error handling: a recursive parser that gives up from any depth. Frames are
 * left without returning through them, cold functions among them.
 */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum failure { FAIL_SIGN = 1, FAIL_DIGIT, FAIL_CLOSE, FAIL_ZERO, FAIL_REST };

static const char *const failure_names[] = {"", "sign", "digit", "close", "zero", "rest"};

struct parser {
    const char *next;
    jmp_buf give_up;
};

static int64_t parse_sum(struct parser *parser);

static int64_t parse_number(struct parser *parser)
{
    int64_t value = 0;
    if (*parser->next < '0' || *parser->next > '9')
        longjmp(parser->give_up, FAIL_DIGIT);
    while (*parser->next >= '0' && *parser->next <= '9')
        value = value * 10 + *parser->next++ - '0';
    return value;
}

static int64_t parse_factor(struct parser *parser)
{
    if (*parser->next == '-') {
        parser->next++;
        return -parse_factor(parser);
    }
    if (*parser->next != '(')
        return parse_number(parser);
    parser->next++;
    int64_t value = parse_sum(parser);
    if (*parser->next++ != ')')
        longjmp(parser->give_up, FAIL_CLOSE);
    return value;
}

static int64_t parse_product(struct parser *parser)
{
    int64_t value = parse_factor(parser);
    while (*parser->next == '*' || *parser->next == '/') {
        char sign = *parser->next++;
        int64_t factor = parse_factor(parser);
        if (sign == '/' && factor == 0)
            longjmp(parser->give_up, FAIL_ZERO);
        value = sign == '*' ? value * factor : value / factor;
    }
    return value;
}

static int64_t parse_sum(struct parser *parser)
{
    int64_t value = parse_product(parser);
    while (*parser->next == '+' || *parser->next == '-')
        value =
            *parser->next++ == '+' ? value + parse_product(parser) : value - parse_product(parser);
    return value;
}

/* 0 and a value, or the reason of failing. */
int evaluate(const char *text, int64_t *out)
{
    struct parser parser = {.next = text};
    volatile int attempts = 0;
    *out = 0;
    int failure = setjmp(parser.give_up);
    attempts++;
    if (failure)
        return attempts == 2 ? failure : -1;
    *out = parse_sum(&parser);
    if (*parser.next)
        longjmp(parser.give_up, *parser.next == ')' ? FAIL_REST : FAIL_SIGN);
    return 0;
}

/* n expressions, half of which fail; values and failures summed. */
int64_t kernel_step(int64_t n)
{
    static const char *const texts[] = {"1+2*3", "(1+2)*3", "2*(3+", "10/(5-5)", "-(4-6)*7", "1+x"};
    int64_t sum = 0, value;
    for (int64_t i = 0; i < n; i++) {
        int failure = evaluate(texts[i % 6], &value);
        sum += failure ? failure * 1000 : value;
    }
    return sum;
}

int main(void)
{
    static const char *const texts[] = {
        "2+3*4", "((((((7))))))", "1-(2-(3-(4-5)))", "12/(3-3)", "((((1+)))))", "(1+2", "1+2)",
        "3 4"};
    int64_t value;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int failure = evaluate(texts[i], &value);
        if (failure)
            printf("%s: %s\n", texts[i], failure_names[failure]);
        else
            printf("%s = %lld\n", texts[i], (long long)value);
    }
    printf("step(600) = %lld\n", (long long)kernel_step(600));
    return 0;
}
