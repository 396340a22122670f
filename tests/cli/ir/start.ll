; Constructors get argc, argv and the environment, as the C library gives them; functions that a
; variable puts into .init_array and .fini_array run too, those with a number first.
@numbered = internal global ptr @early, section ".init_array.00200"
@plain = internal global [2 x ptr] [ptr @late, ptr @late], section ".init_array"
@ends = internal global ptr @end, section ".fini_array"
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @listed, ptr null }]
@llvm.compiler.used = appending global [3 x ptr] [ptr @numbered, ptr @plain, ptr @ends], section "llvm.metadata"
@environ = external global ptr
@line = private constant [13 x i8] c"%s %d %s %d\0A\00"
@early_name = private constant [6 x i8] c"early\00"
@late_name = private constant [5 x i8] c"late\00"
@listed_name = private constant [7 x i8] c"listed\00"
@main_text = private constant [5 x i8] c"main\00"
@end_text = private constant [4 x i8] c"end\00"

declare i32 @printf(ptr, ...)
declare i32 @puts(ptr)

define internal void @tell(ptr %who, i32 %argc, ptr %argv, ptr %envp) {
  %last = getelementptr ptr, ptr %argv, i32 1
  %word = load ptr, ptr %last
  %environment = load ptr, ptr @environ
  %is_environment = icmp eq ptr %envp, %environment
  %flag = zext i1 %is_environment to i32
  call i32 (ptr, ...) @printf(ptr @line, ptr %who, i32 %argc, ptr %word, i32 %flag)
  ret void
}

define internal void @early(i32 %argc, ptr %argv, ptr %envp) {
  call void @tell(ptr @early_name, i32 %argc, ptr %argv, ptr %envp)
  ret void
}

define internal void @late(i32 %argc, ptr %argv, ptr %envp) {
  call void @tell(ptr @late_name, i32 %argc, ptr %argv, ptr %envp)
  ret void
}

define internal void @listed(i32 %argc, ptr %argv, ptr %envp) {
  call void @tell(ptr @listed_name, i32 %argc, ptr %argv, ptr %envp)
  ret void
}

define internal void @end() {
  call i32 @puts(ptr @end_text)
  ret void
}

define i32 @main() {
  call i32 @puts(ptr @main_text)
  ret i32 0
}
