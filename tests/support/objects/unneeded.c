/* SPDX-License-Identifier: Apache-2.0
 *
 * A member of an archive that no program needs: linking it would fail.
 */
extern int defined_by_nobody(void);
int unneeded(void);

int unneeded(void)
{
    return defined_by_nobody();
}
