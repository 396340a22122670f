; The second module of sections.ll.
%entry = type { ptr, ptr }

@second = global %entry { ptr @second_name, ptr @two }, section "tests", align 8
@third = internal global %entry { ptr @third_name, ptr @three }, section "tests", align 8
@llvm.compiler.used = appending global [1 x ptr] [ptr @third], section "llvm.metadata"
@__start_tests = external hidden global %entry
@__stop_tests = external hidden global %entry
@second_name = private constant [7 x i8] c"second\00"
@third_name = private constant [6 x i8] c"third\00"

define internal i32 @two() {
  ret i32 2
}

define internal i32 @three() {
  ret i32 3
}

define i64 @count_entries() {
  %bytes = sub i64 ptrtoint (ptr @__stop_tests to i64), ptrtoint (ptr @__start_tests to i64)
  %count = udiv i64 %bytes, 16
  ret i64 %count
}
