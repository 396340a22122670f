; What runs when: constructors by priority, main, exit handlers last registered first, destructors.
; exit(3) comes from a function below main, after a line that is still in the buffer.
@llvm.global_ctors = appending global [2 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 65535, ptr @construct_late, ptr null },
  { i32, ptr, ptr } { i32 101, ptr @construct_early, ptr null }]
@llvm.global_dtors = appending global [2 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 65535, ptr @destruct_early, ptr null },
  { i32, ptr, ptr } { i32 101, ptr @destruct_late, ptr null }]
@__dso_handle = external hidden global i8
@object = internal global i32 7

@s_c1 = private constant [4 x i8] c"c1 \00"
@s_c2 = private constant [4 x i8] c"c2 \00"
@s_main = private constant [6 x i8] c"main \00"
@s_a1 = private constant [4 x i8] c"a1 \00"
@s_a2 = private constant [4 x i8] c"a2 \00"
@s_o = private constant [8 x i8] c"object \00"
@s_d1 = private constant [4 x i8] c"d1 \00"
@s_d2 = private constant [3 x i8] c"d2\00"

declare i32 @printf(ptr, ...)
declare i32 @atexit(ptr)
declare i32 @__cxa_atexit(ptr, ptr, ptr)
declare void @exit(i32) noreturn

define internal void @construct_early() {
  call i32 (ptr, ...) @printf(ptr @s_c1)
  ret void
}
define internal void @construct_late() {
  call i32 (ptr, ...) @printf(ptr @s_c2)
  call i32 @__cxa_atexit(ptr @object_gone, ptr @object, ptr @__dso_handle)
  ret void
}
define internal void @object_gone(ptr %object) {
  %value = load i32, ptr %object
  %is_right = icmp eq i32 %value, 7
  br i1 %is_right, label %yes, label %no
yes:
  call i32 (ptr, ...) @printf(ptr @s_o)
  ret void
no:
  ret void
}
define internal void @handler_1() {
  call i32 (ptr, ...) @printf(ptr @s_a1)
  ret void
}
define internal void @handler_2() {
  call i32 (ptr, ...) @printf(ptr @s_a2)
  ret void
}
define internal void @destruct_early() {
  call i32 (ptr, ...) @printf(ptr @s_d1)
  ret void
}
define internal void @destruct_late() {
  call i32 (ptr, ...) @printf(ptr @s_d2)
  ret void
}
define internal void @leave() noinline {
  call void @exit(i32 3)
  unreachable
}
define i32 @main(i32 %argc, ptr %argv) {
  call i32 (ptr, ...) @printf(ptr @s_main)
  call i32 @atexit(ptr @handler_1)
  call i32 @atexit(ptr @handler_2)
  %is_alone = icmp eq i32 %argc, 1
  br i1 %is_alone, label %return, label %exit
return:
  ret i32 259
exit:
  call void @leave()
  unreachable
}
