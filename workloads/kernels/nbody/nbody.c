/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies under gravity, by the leapfrog method: double precision, square roots, small structures.
 * Momentum must stay what it was and energy nearly so. Additions and multiplications are not fused
 * (see CMakeLists.txt), so every CPU prints the same digits.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { BODIES = 4 };

struct body {
    double at[3], speed[3], mass;
};

static struct body bodies[BODIES];

/* A heavy one and three light ones on near-circular paths (speed: root of mass by distance). */
static void place(void)
{
    static const double distance[BODIES] = {0, 1, 2, 4};
    double momentum = 0;
    for (int i = 0; i < BODIES; i++) {
        bodies[i] = (struct body){.mass = i ? 0.001 * i : 1.0};
        bodies[i].at[i % 2] = i == 3 ? -distance[i] : distance[i];
        if (i)
            bodies[i].speed[2] = sqrt(1.0 / distance[i]);
        momentum += bodies[i].mass * bodies[i].speed[2];
    }
    bodies[0].speed[2] = -momentum;
}

static void pull(struct body *a, struct body *b, double time)
{
    double delta[3], square = 0;
    for (int k = 0; k < 3; k++) {
        delta[k] = b->at[k] - a->at[k];
        square += delta[k] * delta[k];
    }
    double force = time / (square * sqrt(square));
    for (int k = 0; k < 3; k++) {
        a->speed[k] += delta[k] * force * b->mass;
        b->speed[k] -= delta[k] * force * a->mass;
    }
}

static void drift(double time)
{
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].at[k] += time * bodies[i].speed[k];
}

void leapfrog(int64_t steps, double time)
{
    for (int64_t step = 0; step < steps; step++) {
        drift(time / 2);
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++)
                pull(&bodies[i], &bodies[j], time);
        drift(time / 2);
    }
}

double energy(void)
{
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        const struct body *a = &bodies[i];
        for (int k = 0; k < 3; k++)
            sum += a->mass * a->speed[k] * a->speed[k] / 2;
        for (int j = i + 1; j < BODIES; j++) {
            double square = 0;
            for (int k = 0; k < 3; k++)
                square += (a->at[k] - bodies[j].at[k]) * (a->at[k] - bodies[j].at[k]);
            sum -= a->mass * bodies[j].mass / sqrt(square);
        }
    }
    return sum;
}

static double momentum(void)
{
    double sum = 0;
    for (int i = 0; i < BODIES; i++)
        sum += bodies[i].mass * bodies[i].speed[2];
    return sum;
}

/* The place of the first light body, in units of 1e-9. */
int64_t kernel_step(int64_t n)
{
    place();
    leapfrog(n, 0.01);
    return (int64_t)floor(bodies[1].at[1] * 1e9);
}

int main(void)
{
    place();
    double before = energy();
    printf("energy %.9f, momentum kept: %d\n", before, fabs(momentum()) < 1e-15);
    leapfrog(5000, 0.01);
    printf("energy %.9f, kept: %d, momentum kept: %d\n", energy(), fabs(energy() - before) < 1e-6,
           fabs(momentum()) < 1e-15);
    printf("body 1 at %.6f %.6f %.6f\n", bodies[1].at[0], bodies[1].at[1], bodies[1].at[2]);
    printf("step(500) = %lld\n", (long long)kernel_step(500));
    return 0;
}
