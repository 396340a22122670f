target triple = "sparcv9-unknown-linux-gnu"
define i32 @main() {
  ret i32 0
}
