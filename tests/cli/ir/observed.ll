; main -> seen_middle -> seen_leaf -> getppid: names that no library has.
declare i32 @getppid()

define i32 @seen_leaf(i32 %x) noinline uwtable {
  %p = call i32 @getppid()
  %c = icmp sgt i32 %p, -1
  %z = zext i1 %c to i32
  %r = add i32 %x, %z
  ret i32 %r
}

define i32 @seen_middle(i32 %x) noinline uwtable {
  %y = call i32 @seen_leaf(i32 %x)
  %r = add i32 %y, 20
  ret i32 %r
}

define i32 @main(i32 %argc, ptr %argv) uwtable {
  %y = call i32 @seen_middle(i32 %argc)
  %r = add i32 %y, 20
  ret i32 %r
}
