; Calls a function that nobody defines, but only when it is given an argument.
@s_before = private constant [7 x i8] c"before\00"
declare i32 @puts(ptr)
declare i32 @nowhere_to_be_found()

define internal i32 @use() noinline {
  call i32 @puts(ptr @s_before)
  %r = call i32 @nowhere_to_be_found()
  ret i32 %r
}
define i32 @main(i32 %argc, ptr %argv) {
  %has_argument = icmp sgt i32 %argc, 1
  br i1 %has_argument, label %yes, label %no
yes:
  %r = call i32 @use()
  ret i32 %r
no:
  ret i32 0
}
