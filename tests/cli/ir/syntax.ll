; The second instruction names a value that does not exist: line 4, column 18.
define i32 @main() {
  %a = add i32 1, 2
  %b = add i32 1, %missing
  ret i32 %b
}
