; dlsym(RTLD_NEXT): what the C library's libraries have, seen from a program that comes before them.
; An unknown name is still unknown.
@getpid_name = private constant [7 x i8] c"getpid\00"
@nothing_name = private constant [16 x i8] c"nothing_of_this\00"

declare ptr @dlsym(ptr, ptr)
declare i32 @getpid()

define i32 @main() {
  %next = inttoptr i64 -1 to ptr
  %found = call ptr @dlsym(ptr %next, ptr @getpid_name)
  %is_found = icmp ne ptr %found, null
  br i1 %is_found, label %call, label %wrong
call:
  %a = call i32 %found()
  %b = call i32 @getpid()
  %is_same = icmp eq i32 %a, %b
  %nothing = call ptr @dlsym(ptr %next, ptr @nothing_name)
  %is_nothing = icmp eq ptr %nothing, null
  %is_right = and i1 %is_same, %is_nothing
  br i1 %is_right, label %right, label %wrong
right:
  ret i32 42
wrong:
  ret i32 1
}
