; The program that jd-flip damages bit by bit: a table of functions, a branch, a phi, a call of the C
; library; prints 1 and ends with it.
@table = constant [2 x ptr] [ptr @f, ptr @g]
@fmt = private constant [4 x i8] c"%d\0A\00"
declare i32 @printf(ptr, ...)
define i32 @f(i32 %x, i32 %y) {
  %a = add i32 %x, %y
  %c = icmp slt i32 %a, 9
  br i1 %c, label %one, label %two
one:
  %r = call i32 @g(i32 %a)
  br label %two
two:
  %p = phi i32 [ %r, %one ], [ %y, %0 ]
  ret i32 %p
}
define internal i32 @g(i32 %x) {
  %r = sub i32 %x, 3
  ret i32 %r
}
define i32 @main() {
  %i = call i32 @f(i32 3, i32 4)
  %t = load ptr, ptr getelementptr ([2 x ptr], ptr @table, i64 0, i64 1)
  %j = call i32 %t(i32 %i)
  call i32 (ptr, ...) @printf(ptr @fmt, i32 %j)
  ret i32 %j
}
