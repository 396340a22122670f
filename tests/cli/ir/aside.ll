; A module that a program has and never calls.
define i32 @aside() {
  ret i32 1
}
