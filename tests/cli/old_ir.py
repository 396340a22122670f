# SPDX-License-Identifier: Apache-2.0
"""IR as older LLVM wrote it: what people feed to lli, and what lli takes."""

import base64
import os


def old_layout(context):
    """Text as clang 14 writes it for this machine: LLVM 19 names more in its data layout."""
    layout = {"x86_64": "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128",
              "aarch64": "e-m:e-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128"}[context.tools.cpu]
    return (f'target datalayout = "{layout}"\ntarget triple = "{context.tools.cpu}-pc-linux-gnu"\n'
            "define i32 @main() {\n  ret i32 9\n}\n")


def old_bitcode(context):
    """A program that llvm-as of LLVM 14 assembled: typed pointers, to be upgraded when read."""
    with open(os.path.join(context.tools.ir, "old_bitcode.base64"), encoding="ascii") as file:
        return base64.b64decode(file.read())
