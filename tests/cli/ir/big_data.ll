; Needs 8 MiB of data.
@data = internal global [8388608 x i8] zeroinitializer
define i32 @main(i32 %argc, ptr %argv) {
  %at = getelementptr i8, ptr @data, i32 %argc
  store volatile i8 5, ptr %at
  %v = load volatile i8, ptr %at
  %r = zext i8 %v to i32
  ret i32 %r
}
