; Handlers of both kinds run in one order, last registered first, and a handler that calls exit
; changes the exit code and ends none of the others.
@format = private constant [4 x i8] c"%s \00"
@s_first = private constant [6 x i8] c"first\00"
@s_kind = private constant [7 x i8] c"second\00"
@s_exits = private constant [6 x i8] c"third\00"
@s_end = private constant [4 x i8] c"end\00"
@llvm.global_dtors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @end, ptr null }]

declare i32 @printf(ptr, ...)
declare i32 @atexit(ptr)
declare i32 @on_exit(ptr, ptr)
declare void @exit(i32) noreturn

define internal void @first() {
  call i32 (ptr, ...) @printf(ptr @format, ptr @s_first)
  ret void
}
define internal void @second(i32 %status, ptr %text) {
  call i32 (ptr, ...) @printf(ptr @format, ptr %text)
  ret void
}
define internal void @third() {
  call i32 (ptr, ...) @printf(ptr @format, ptr @s_exits)
  call void @exit(i32 9)
  unreachable
}
define internal void @end() {
  call i32 (ptr, ...) @printf(ptr @format, ptr @s_end)
  ret void
}

define i32 @main() {
  call i32 @atexit(ptr @first)
  call i32 @on_exit(ptr @second, ptr @s_kind)
  call i32 @atexit(ptr @third)
  ret i32 1
}
