/* SPDX-License-Identifier: Apache-2.0
 *
 * Product of square matrices in double precision: nested loops over memory. All values are whole
 * numbers below 2^53, so that every order of additions gives the same sum.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIZE = 64 };

typedef double matrix[MAX_SIZE][MAX_SIZE];

static matrix a, b, product;

static void fill(int size)
{
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            a[i][j] = (i * 7 + j * 3) % 11 - 5;
            b[i][j] = (i * 5 + j * 13) % 17 - 8;
        }
}

void multiply(matrix out, const matrix left, const matrix right, int size)
{
    for (int i = 0; i < size; i++) {
        memset(out[i], 0, sizeof *out);
        for (int k = 0; k < size; k++)
            for (int j = 0; j < size; j++)
                out[i][j] += left[i][k] * right[k][j];
    }
}

static double weigh(const matrix m, int size)
{
    double sum = 0;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++)
            sum += m[i][j] * (i + 2 * j + 1);
    return sum;
}

int64_t kernel_step(int64_t n)
{
    fill((int)n);
    multiply(product, (const double(*)[MAX_SIZE])a, (const double(*)[MAX_SIZE])b, (int)n);
    return (int64_t)weigh((const double(*)[MAX_SIZE])product, (int)n);
}

int main(void)
{
    for (int size = 2; size <= MAX_SIZE; size *= 2) {
        int64_t weight = kernel_step(size);
        printf("%d: %lld, corner %.0f\n", size, (long long)weight, product[size - 1][size - 1]);
    }
    printf("step(40) = %lld\n", (long long)kernel_step(40));
    return 0;
}
