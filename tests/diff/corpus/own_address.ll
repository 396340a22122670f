; A function that takes its own address, or its neighbour's, takes the one that everybody knows: that
; in the table. Bodies once knew their own by a reference that the assembler had settled.
@table = global [2 x ptr] [ptr @f, ptr @g]
@format = private constant [4 x i8] c"%d\0A\00"
declare i32 @printf(ptr, ...)

define void @show(ptr %a, ptr %b) {
  %same = icmp eq ptr %a, %b
  %number = zext i1 %same to i32
  %n = call i32 (ptr, ...) @printf(ptr @format, i32 %number)
  ret void
}

define void @g() {
  %f = load ptr, ptr @table
  call void @show(ptr %f, ptr @f)
  ret void
}

define void @f(i32 %depth) {
  %f = load ptr, ptr @table
  call void @show(ptr %f, ptr @f)
  %g = load ptr, ptr getelementptr ([2 x ptr], ptr @table, i64 0, i64 1)
  call void @show(ptr %g, ptr @g)
  %is_done = icmp eq i32 %depth, 0
  br i1 %is_done, label %out, label %again
again:
  call void @f(i32 0)
  br label %out
out:
  ret void
}

define i32 @main() {
  call void @f(i32 1)
  %g = load ptr, ptr getelementptr ([2 x ptr], ptr @table, i64 0, i64 1)
  call void %g()
  ret i32 0
}
