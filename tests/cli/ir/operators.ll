; A program whose operators new and delete have memory of their own kind: each block begins with a
; mark. The C++ library's other operators must come down to these, and its std::string, too.
@blocks = internal global i32 0
@live = internal global i32 0
@nothrow = internal constant i8 0

declare ptr @malloc(i64)
declare void @free(ptr)
declare void @abort()
declare ptr @_Znam(i64)
declare ptr @_ZnamRKSt9nothrow_t(i64, ptr)
declare void @_ZdaPv(ptr)
declare void @_ZdlPvm(ptr, i64)
declare void @_ZdaPvm(ptr, i64)
; std::string::_M_create(unsigned long &capacity, unsigned long old_capacity)
declare ptr @_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERmm(ptr, ptr, i64)

define ptr @_Znwm(i64 %bytes) {
  %all = add i64 %bytes, 16
  %block = call ptr @malloc(i64 %all)
  store i64 4276993775, ptr %block
  %n = load i32, ptr @blocks
  %n1 = add i32 %n, 1
  store i32 %n1, ptr @blocks
  %l = load i32, ptr @live
  %l1 = add i32 %l, 1
  store i32 %l1, ptr @live
  %p = getelementptr i8, ptr %block, i64 16
  ret ptr %p
}

define void @_ZdlPv(ptr %p) {
  %block = getelementptr i8, ptr %p, i64 -16
  %mark = load i64, ptr %block
  %is_ours = icmp eq i64 %mark, 4276993775
  br i1 %is_ours, label %ours, label %other
ours:
  %l = load i32, ptr @live
  %l1 = sub i32 %l, 1
  store i32 %l1, ptr @live
  call void @free(ptr %block)
  ret void
other:
  call void @abort()
  unreachable
}

; Ten for each block that came from here, and one for each that did not come back.
define i32 @main() {
  %capacity = alloca i64
  %a = call ptr @_Znam(i64 40)
  call void @_ZdaPv(ptr %a)
  %b = call ptr @_ZnamRKSt9nothrow_t(i64 40, ptr @nothrow)
  call void @_ZdaPvm(ptr %b, i64 40)
  %c = call ptr @_Znwm(i64 40)
  call void @_ZdlPvm(ptr %c, i64 40)
  store i64 100, ptr %capacity
  %d = call ptr @_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERmm(
      ptr %capacity, ptr %capacity, i64 0)
  call void @_ZdlPv(ptr %d)
  %n = load i32, ptr @blocks
  %l = load i32, ptr @live
  %tens = mul i32 %n, 10
  %sum = add i32 %tens, %l
  ret i32 %sum
}
