; Prints every argument in brackets; returns the number of arguments.
@open = private constant [5 x i8] c"[%s]\00"
@line = private constant [1 x i8] zeroinitializer

declare i32 @printf(ptr, ...)
declare i32 @puts(ptr)

define i32 @main(i32 %argc, ptr %argv, ptr %envp) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %slot = getelementptr ptr, ptr %argv, i32 %i
  %arg = load ptr, ptr %slot
  %n = call i32 (ptr, ...) @printf(ptr @open, ptr %arg)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, %argc
  br i1 %more, label %loop, label %done
done:
  %p = call i32 @puts(ptr @line)
  %at_end = getelementptr ptr, ptr %argv, i32 %argc
  %end = load ptr, ptr %at_end
  %is_terminated = icmp eq ptr %end, null
  %first = load ptr, ptr %envp
  %has_environment = icmp ne ptr %first, null
  %is_right = and i1 %is_terminated, %has_environment
  %result = select i1 %is_right, i32 %argc, i32 99
  ret i32 %result
}

define i32 @other(i32 %argc, ptr %argv) {
  ret i32 77
}
