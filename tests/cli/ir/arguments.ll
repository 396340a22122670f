; A static constructor gets argc, argv and the environment, as the C library gives them.
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @listed, ptr null }]
@environ = external global ptr
@line = private constant [10 x i8] c"%d %s %d\0A\00"

declare i32 @printf(ptr, ...)

define internal void @listed(i32 %argc, ptr %argv, ptr %envp) {
  %last = getelementptr ptr, ptr %argv, i32 1
  %word = load ptr, ptr %last
  %environment = load ptr, ptr @environ
  %is_environment = icmp eq ptr %envp, %environment
  %flag = zext i1 %is_environment to i32
  call i32 (ptr, ...) @printf(ptr @line, i32 %argc, ptr %word, i32 %flag)
  ret void
}

define i32 @main() {
  ret i32 6
}
