define i32 @callee(i32 %x) {
  %r = add i32 %x, 40
  ret i32 %r
}
