; Prints a variable of its environment, and answers with what a new process has at zero: errno and the
; floating-point exceptions (63: all of them on every CPU).
@name = private constant [9 x i8] c"JD_HABIT\00"
declare ptr @getenv(ptr)
declare i32 @puts(ptr)
declare ptr @__errno_location()
declare i32 @fetestexcept(i32)

define i32 @main() {
  %place = call ptr @__errno_location()
  %errno = load i32, ptr %place
  %exceptions = call i32 @fetestexcept(i32 63)
  %value = call ptr @getenv(ptr @name)
  %n = call i32 @puts(ptr %value)
  %inherited = or i32 %errno, %exceptions
  ret i32 %inherited
}
