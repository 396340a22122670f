; A large thread-local variable without a stated alignment has the one that code relies on: at -O2 it
; is cleared by stores that fault where 16 does not divide the address.
@block = thread_local global [5 x i64] [i64 1, i64 2, i64 3, i64 4, i64 5]
@format = private constant [9 x i8] c"%ld %ld\0A\00"
declare i32 @printf(ptr, ...)
declare ptr @llvm.threadlocal.address.p0(ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define i32 @main() {
  %block = call ptr @llvm.threadlocal.address.p0(ptr @block)
  call void @llvm.memset.p0.i64(ptr %block, i8 0, i64 32, i1 false)
  %last = getelementptr [5 x i64], ptr %block, i64 0, i64 4
  %a = load i64, ptr %block
  %b = load i64, ptr %last
  %n = call i32 (ptr, ...) @printf(ptr @format, i64 %a, i64 %b)
  ret i32 0
}
