; Half of a program; the other half is callee.ll.
declare i32 @callee(i32)
define i32 @main(i32 %argc, ptr %argv) {
  %r = call i32 @callee(i32 %argc)
  ret i32 %r
}
