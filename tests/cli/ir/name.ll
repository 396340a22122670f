; The name by which the C library calls the program, and the number of the first file that it opens.
@program_invocation_name = external global ptr
@program_invocation_short_name = external global ptr
@.null = private constant [10 x i8] c"/dev/null\00"

declare i32 @puts(ptr)
declare i32 @open(ptr, i32, ...)

define i32 @main() {
  %long = load ptr, ptr @program_invocation_name
  %1 = call i32 @puts(ptr %long)
  %short = load ptr, ptr @program_invocation_short_name
  %2 = call i32 @puts(ptr %short)
  %3 = call i32 (ptr, i32, ...) @open(ptr @.null, i32 0)
  ret i32 %3
}
