; Half of a program; the other half is an object file, tests/support/objects/answer.c.
@ir_data = global i32 99
@object_table = external global [4 x i32]
@format = private constant [10 x i8] c"ir: %d %d\00"
declare i32 @object_answer(i32)
declare ptr @object_pointer()
declare i32 @printf(ptr, ...)
declare i32 @putchar(i32)
define i32 @from_ir(i32 %x) {
  %r = mul i32 %x, 2
  ret i32 %r
}
define i32 @main() {
  %r = call i32 @object_answer(i32 20)
  %p = getelementptr [4 x i32], ptr @object_table, i64 0, i64 3
  %v = load i32, ptr %p
  %f = call ptr @object_pointer()
  %same = icmp eq ptr %f, @from_ir
  %n = zext i1 %same to i32
  call i32 (ptr, ...) @printf(ptr @format, i32 %v, i32 %n)
  call i32 @putchar(i32 10)
  ret i32 %r
}
