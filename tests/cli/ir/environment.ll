; Prints a variable of its environment.
@name = private constant [9 x i8] c"JD_HABIT\00"
declare ptr @getenv(ptr)
declare i32 @puts(ptr)

define i32 @main() {
  %value = call ptr @getenv(ptr @name)
  %n = call i32 @puts(ptr %value)
  ret i32 0
}
