/* SPDX-License-Identifier: Apache-2.0
 *
 * Thread-local storage of the native kind, which an engine has none of.
 */
_Thread_local int per_thread = 3;
int object_answer(int x);

int object_answer(int x)
{
    return x + per_thread;
}
