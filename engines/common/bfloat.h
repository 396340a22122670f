/* SPDX-License-Identifier: Apache-2.0
 *
 * Helpers of generated code that the system's libgcc may lack (bfloat.c).
 */
#ifndef JITDUEL_COMMON_BFLOAT_H
#define JITDUEL_COMMON_BFLOAT_H

/** The nearest bfloat, in the low 16 bits of the result. Any thread. */
float __truncsfbf2(float value);
float __truncdfbf2(double value);

#endif
