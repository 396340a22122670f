; Data in a section with bounds, in two modules: what lies between __start_tests and __stop_tests is
; in the order of the modules. Prints the entries' names and what their functions return; the exit
; code is their number. A bound of a section that nothing has is null.
%entry = type { ptr, ptr }

@first = internal global %entry { ptr @name, ptr @one }, section "tests", align 8
@range = internal global [2 x ptr] [ptr @__start_tests, ptr @__stop_tests]
@llvm.compiler.used = appending global [1 x ptr] [ptr @first], section "llvm.metadata"
@__start_tests = external hidden global %entry
@__stop_tests = external hidden global %entry
@__start_nowhere = extern_weak global i8
@name = private constant [6 x i8] c"first\00"
@line = private constant [7 x i8] c"%s %d\0A\00"

declare i32 @printf(ptr, ...)
declare i64 @count_entries()

define internal i32 @one() {
  ret i32 1
}

define i32 @main() {
  %start = load ptr, ptr @range
  %is_same = icmp eq ptr %start, @__start_tests
  %is_null = icmp eq ptr @__start_nowhere, null
  %is_right = and i1 %is_same, %is_null
  br i1 %is_right, label %loop, label %wrong
loop:
  %entry = phi ptr [ %start, %0 ], [ %next, %loop ]
  %name = load ptr, ptr %entry
  %place = getelementptr %entry, ptr %entry, i64 0, i32 1
  %function = load ptr, ptr %place
  %value = call i32 %function()
  call i32 (ptr, ...) @printf(ptr @line, ptr %name, i32 %value)
  %next = getelementptr %entry, ptr %entry, i64 1
  %stop = load ptr, ptr getelementptr ([2 x ptr], ptr @range, i64 0, i64 1)
  %is_more = icmp ne ptr %next, %stop
  br i1 %is_more, label %loop, label %done
done:
  %count = call i64 @count_entries()
  %code = trunc i64 %count to i32
  ret i32 %code
wrong:
  ret i32 99
}
