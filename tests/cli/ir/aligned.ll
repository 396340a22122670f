; Data on a huge page's boundary, as allocators and page tables ask for it: ends with 1 + 2 = 3.
@page = internal global [4096 x i8] zeroinitializer, align 2097152
@one = global i32 1, align 131072

define i32 @main() {
  %a = ptrtoint ptr @page to i64
  %b = ptrtoint ptr @one to i64
  %low.a = and i64 %a, 2097151
  %low.b = and i64 %b, 131071
  %low = or i64 %low.a, %low.b
  %wrong = trunc i64 %low to i32
  store i8 2, ptr @page
  %byte = load i8, ptr @page
  %two = zext i8 %byte to i32
  %one = load i32, ptr @one
  %sum = add i32 %one, %two
  %code = or i32 %sum, %wrong
  ret i32 %code
}
